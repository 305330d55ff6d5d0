"""Drafts: list, read, write, delete.

Room: web. A draft is sent and returned as what it is: Markdown with front matter.
"""

from __future__ import annotations

from fastapi import Response
from fastapi.requests import Request
from fastapi.routing import APIRouter
from pydantic import BaseModel, Field

from consentgate.errors import InputError
from consentgate.service.administrators import Administrator
from consentgate.service.drafts import DraftInfo
from consentgate.service.terms import Terms
from consentgate.terms.instants import format_instant
from consentgate.web.api.door import Door, IfMatch, body_of, etag_of, media_of, tagged
from consentgate.web.api.problems import NO_STORE, problems
from consentgate.web.api.values import FindingOut

_MARKDOWN = ("text/markdown", "text/plain", "application/octet-stream")
_SAMPLE = "---\nimpact: material\neffective: 2027-01-15\nsummary: We say which data a comment carries.\n---\n# Terms\n"
_BODY = {
    "requestBody": {
        "required": True,
        "content": {"text/markdown": {"schema": {"type": "string"}, "example": _SAMPLE}},
    }
}


class DraftErrorOut(BaseModel):
    """Why a draft is malformed."""

    message: str
    hint: str
    line: int | None


class DraftOut(BaseModel):
    """A draft as it stands; its bytes are at its address."""

    policy: str
    version: str
    language: str
    etag: str
    author: str
    updated: str
    size: int = Field(description="bytes")
    error: DraftErrorOut | None = Field(description="why it is malformed; it is kept all the same")
    findings: list[FindingOut]

    @classmethod
    def of(cls, info: DraftInfo) -> DraftOut:
        """Describe it."""
        error = info.error
        return cls(
            policy=info.ref.policy,
            version=info.ref.label,
            language=info.ref.language,
            etag=info.etag,
            author=info.author,
            updated=format_instant(info.updated),
            size=len(info.body),
            error=DraftErrorOut(message=error.message, hint=error.hint, line=error.line) if error else None,
            findings=[FindingOut.of(finding) for finding in info.findings],
        )


def add_routes(router: APIRouter, terms: Terms, door: Door) -> None:
    """Add the routes of drafts."""
    reader, editor = door.needs("editor", "auditor"), door.needs("editor")
    place = "/drafts/{policy}/{version}/{language}"

    @router.get("/drafts", responses=problems())
    async def drafts(
        policy: str | None = None, version: str | None = None, by: Administrator = reader
    ) -> list[DraftOut]:
        """Every draft, by place; `?policy=` and `?version=` narrow."""
        found = await terms.admin.drafts(by)
        return [
            DraftOut.of(one) for one in found if policy in (None, one.ref.policy) and version in (None, one.ref.label)
        ]

    @router.get(
        place,
        responses={
            **problems(404),
            200: {"content": {"text/markdown": {"schema": {"type": "string"}}}, "description": "as it was sent"},
        },
        response_class=Response,
    )
    async def draft(policy: str, version: str, language: str, by: Administrator = reader) -> Response:
        """The bytes of a draft, as they were sent."""
        info = await terms.admin.draft(by, policy, version, language)
        return Response(info.body, media_type="text/markdown", headers=tagged(info.etag))

    @router.put(place, responses=problems(412), openapi_extra=_BODY)
    async def put_draft(
        policy: str,
        version: str,
        language: str,
        request: Request,
        response: Response,
        by: Administrator = editor,
        if_match: IfMatch = None,
    ) -> DraftOut:
        """Keep a draft, malformed or not. Without If-Match a new one; with the ETag of what it replaces, that one."""
        body = await body_of(request)
        if media_of(request) not in _MARKDOWN:
            raise InputError(
                f"the content type {media_of(request)[:60]!r} is not understood",
                hint="send text/markdown",
                field="Content-Type",
            )
        info = await terms.admin.put_draft(by, policy, version, language, body, if_match=etag_of(if_match))
        response.headers.update(tagged(info.etag))
        return DraftOut.of(info)

    @router.delete(place, responses=problems(404, 412), status_code=204)
    async def delete_draft(
        policy: str, version: str, language: str, by: Administrator = editor, if_match: IfMatch = None
    ) -> Response:
        """Forget a draft."""
        await terms.admin.delete_draft(by, policy, version, language, if_match=etag_of(if_match))
        return Response(status_code=204, headers=NO_STORE)
