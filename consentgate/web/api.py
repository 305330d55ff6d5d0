"""The administrators' JSON API under ``<prefix>/api/v1``: publish, look, export.

Room: web. The only module that imports FastAPI, and it is imported at the first request to the API, so that a site
which publishes from the command line never loads it. Every route demands a bearer token with the right role; only the
description of the API itself (``openapi.json``, the same for every site) is open. Every error is the same problem
document (RFC 9457) that the command line and the pages show.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response, StreamingResponse

from consentgate.errors import (
    ConsentGateError,
    DraftError,
    InputError,
    OverloadedError,
    UnauthenticatedError,
)
from consentgate.service.export import Cursor, FormName, Selection
from consentgate.service.export_source import check_policies
from consentgate.service.publish import Publication
from consentgate.service.terms import Terms
from consentgate.service.tokens import TokenHolder
from consentgate.terms.checks import Finding
from consentgate.terms.draft import Draft, draft_from_fields, parse_draft, parse_when
from consentgate.terms.instants import format_instant
from consentgate.terms.policy import Act, Policy, Version
from consentgate.terms.policy_file import policy_from_settings
from consentgate.terms.subject import parse_subject

MAX_BODY = 16_000_000
"""Bytes of a publication: several texts of 1 MB in several languages."""

PROBLEM = "application/problem+json"
_NO_STORE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", str_max_length=1_100_000)


class DraftIn(_Strict):
    """One translation of a version to be published."""

    policy: str = Field(examples=["terms-of-use"])
    version: str = Field(examples=["2027-01-15"])
    language: str = Field("en", examples=["en"])
    impact: str | None = Field(None, description="`material` (must be accepted again) or `editorial` (need not)")
    announce: str | None = Field(None, description="ISO date (midnight UTC) or date-time with a zone")
    effective: str | None = None
    enforce: str | None = None
    title: str | None = None
    summary: str | None = Field(None, description="what changed, in plain words")
    text: str = Field(description="Markdown")

    def draft(self) -> Draft:
        """The draft, checked like a file."""
        fields = self.model_dump(exclude={"text"}, exclude_none=True)
        return draft_from_fields(fields, self.text, file=f"{self.policy}/{self.version}.{self.language}")


class PublishIn(_Strict):
    """Several policies, versions and translations, published in one act."""

    drafts: list[DraftIn] = Field(default_factory=list, max_length=500)
    policies: list[dict[str, Any]] = Field(
        default_factory=list, max_length=100, description="settings as in policy.toml, with `slug`"
    )
    dry_run: bool = False
    short_notice: bool = False


class VersionOut(BaseModel):
    """A version."""

    policy: str
    version: str
    serial: int
    impact: str
    announced: str
    effective: str
    enforced: str
    prevailing: str
    languages: list[str]
    digest: str

    @classmethod
    def of(cls, version: Version) -> VersionOut:
        """Describe a version."""
        return cls(
            policy=version.policy,
            version=version.label,
            serial=version.serial,
            impact=version.impact.value,
            announced=format_instant(version.announced),
            effective=format_instant(version.effective),
            enforced=format_instant(version.enforced),
            prevailing=version.prevailing,
            languages=list(version.languages),
            digest=version.digest,
        )


class FindingOut(BaseModel):
    """Something a check found."""

    code: str
    level: str
    text: str
    file: str
    line: int | None

    @classmethod
    def of(cls, finding: Finding) -> FindingOut:
        """Describe a finding."""
        return cls(code=finding.code, level=finding.level, text=finding.text, file=finding.file, line=finding.line)


class PublicationOut(BaseModel):
    """What was published, or would be."""

    dry_run: bool
    published: list[VersionOut]
    translations: list[dict[str, str]]
    policies: list[str]
    unchanged: list[dict[str, str]]
    findings: list[FindingOut]

    @classmethod
    def of(cls, done: Publication) -> PublicationOut:
        """Describe a publication."""
        return cls(
            dry_run=done.dry_run,
            published=[VersionOut.of(version) for version in done.published],
            translations=[
                {"policy": version.policy, "version": version.label, "language": translation.language}
                for version, translation in done.translations
            ],
            policies=[policy.slug for policy in done.policies],
            unchanged=[{"policy": policy, "version": label} for policy, label in done.unchanged],
            findings=[FindingOut.of(finding) for finding in done.findings],
        )


class CheckpointOut(BaseModel):
    """Where the ledger stands."""

    origin: str
    size: int
    checkpoint: str = Field(description="the signed note (C2SP tlog-checkpoint)")
    keys: list[str] = Field(description="public keys that verify it")


def build_api(terms: Terms, prefix: str) -> FastAPI:
    """Build the API of one site.

    Args:
        terms: started.
        prefix: of our pages, such as ``/terms``.
    """
    base = f"{prefix}/api/v1"
    api = FastAPI(
        title="consentgate",
        version="1",
        summary="Publish terms, look at what is published, export the record.",
        openapi_url=f"{base}/openapi.json",
        docs_url=None,
        redoc_url=None,
        responses={code: {"content": {PROBLEM: {}}, "description": "a problem document"} for code in (401, 403, 422)},
    )
    _handle_errors(api)
    # As defaults and not in annotations: those are text here, and FastAPI cannot see the names of a closure in text.
    bearer = Depends(HTTPBearer(auto_error=False, description="made by `consentgate token new`"))

    async def holder(credentials: HTTPAuthorizationCredentials | None = bearer) -> TokenHolder:
        if credentials is None:
            raise UnauthenticatedError(
                "this needs a token", hint="send `Authorization: Bearer …`; make one with `consentgate token new`"
            )
        return await terms.check_token(credentials.credentials)

    by_token = Depends(holder)

    @api.post(f"{base}/publish", openapi_extra=_BODIES, response_model=PublicationOut)
    async def publish(
        request: Request,
        who: TokenHolder = by_token,
        *,
        dry_run: Annotated[bool, Query(description="only say what would happen")] = False,
        short_notice: Annotated[bool, Query(description="publish although the notice period is not kept")] = False,
    ) -> PublicationOut:
        """Publish: JSON with drafts, or one Markdown file with front matter."""
        who.require("publisher")
        drafts, policies, body = await _read_drafts(request)
        done = await terms.publish(
            drafts,
            policies=policies,
            by=f"token:{who.id}",
            dry_run=dry_run or body.dry_run,
            short_notice=short_notice or body.short_notice,
        )
        return PublicationOut.of(done)

    @api.get(f"{base}/versions")
    async def versions(who: TokenHolder = by_token, policy: str | None = None) -> list[VersionOut]:
        """Every version, oldest first."""
        del who
        calendar = await terms.fresh()
        chosen = (version for version in calendar.versions if policy in (None, version.policy))
        return [VersionOut.of(version) for version in sorted(chosen, key=lambda version: version.serial)]

    @api.get(f"{base}/checkpoint")
    async def checkpoint(who: TokenHolder = by_token) -> CheckpointOut:
        """The newest checkpoint of the ledger."""
        del who
        head, ledger = await terms.head(), terms.engine.ledger
        return CheckpointOut(
            origin=ledger.origin,
            size=head.size if head else 0,
            checkpoint=head.note.decode() if head else "",
            keys=[str(key) for key in ledger.verifiers],
        )

    @api.get(f"{base}/bundle", response_class=Response)
    async def bundle(
        who: TokenHolder = by_token,
        subject: Annotated[str | None, Query(description="kind and id, such as `user:42`")] = None,
        decision: Annotated[str | None, Query(description="id of one decision")] = None,
    ) -> Response:
        """The evidence bundle (a zip file) of one subject or one decision; it brings its own verifier."""
        who.require("auditor")
        data = await terms.bundle(parse_subject(subject) if subject else None, decision=decision)
        headers = {**_NO_STORE, "Content-Disposition": 'attachment; filename="consentgate-bundle.zip"'}
        return Response(data, media_type="application/zip", headers=headers)

    @api.get(f"{base}/export", response_class=StreamingResponse)
    async def export(
        who: TokenHolder = by_token,
        *,
        form: Annotated[FormName, Query(alias="format", description="`ndjson` is the evidence")] = "ndjson",
        policy: Annotated[list[str] | None, Query()] = None,
        version: Annotated[list[str] | None, Query(description="labels")] = None,
        language: Annotated[list[str] | None, Query(description="tags of the texts that were shown")] = None,
        decision: Annotated[list[Act] | None, Query()] = None,
        subject: Annotated[str | None, Query(description="such as `user:42`")] = None,
        since: str | None = None,
        until: str | None = None,
        openings: Annotated[bool, Query(description="open personal fields")] = True,
        cursor: Annotated[str | None, Query(description="how much is there already: only the rest is sent")] = None,
    ) -> StreamingResponse:
        """The record as a stream, ending with the closing checkpoint; `python -m consentgate.evidence` verifies it."""
        who.require("auditor")
        check_policies(list((await terms.fresh()).by_slug), tuple(policy or ()))
        where = Selection(
            policies=tuple(policy or ()),
            versions=tuple(version or ()),
            languages=tuple(language or ()),
            acts=tuple(act.value for act in decision or ()),
            subject=parse_subject(subject) if subject else None,
            since=parse_when(since) if since else None,
            until=parse_when(until) if until else None,
            openings=openings,
        )
        stream = terms.export(form, where=where, cursor=Cursor.parse(cursor) if cursor else None)
        begun = await anext(stream, b"")  # what is refused is refused before an answer has begun
        headers = {**_NO_STORE, "Content-Disposition": f'attachment; filename="consentgate-export.{form}"'}
        return StreamingResponse(_rest(begun, stream), media_type=_EXPORTS[form], headers=headers)

    api.openapi = _describe(api)  # type: ignore[method-assign]
    return api


_EXPORTS = {
    "ndjson": "application/x-ndjson",
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
}


async def _rest(begun: bytes, stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield begun
    async for chunk in stream:
        yield chunk


_ABOUT = """Every error is a problem document (RFC 9457) with `detail` and `hint`."""
_PUBLISH_SCHEMA = PublishIn.model_json_schema(ref_template="#/components/schemas/{model}")
_BODIES = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {key: value for key, value in _PUBLISH_SCHEMA.items() if key != "$defs"}},
            "text/markdown": {
                "schema": {"type": "string"},
                "example": "---\npolicy: terms-of-use\nversion: …\n---\n# …",
            },
        },
    }
}


def _describe(api: FastAPI) -> Callable[[], dict[str, Any]]:
    """OpenAPI with the schemas of the bodies that are read by hand, because they come in two content types."""

    def openapi() -> dict[str, Any]:
        if api.openapi_schema is None:
            schema = get_openapi(
                title=api.title, version=api.version, summary=api.summary, description=_ABOUT, routes=api.routes
            )
            schema.setdefault("components", {}).setdefault("schemas", {}).update(_PUBLISH_SCHEMA["$defs"])
            api.openapi_schema = schema
        return api.openapi_schema

    return openapi


async def _read_drafts(request: Request) -> tuple[list[Draft], list[Policy], PublishIn]:
    raw = await _body(request)
    media = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if media in ("text/markdown", "text/plain", "application/octet-stream"):
        return [parse_draft(raw, file="the request body")], [], PublishIn()
    if media != "application/json":
        raise InputError(
            f"the content type {media[:60]!r} is not understood",
            hint="send application/json, or one Markdown file with front matter as text/markdown",
        )
    try:
        given = PublishIn.model_validate(json.loads(raw))
    except (ValueError, RecursionError) as error:
        raise InputError("the body is not what this endpoint takes", errors=_fields(error)) from error
    if not given.drafts and not given.policies:
        raise InputError(
            "there is nothing to publish", hint="send drafts, or settings of policies", errors="drafts is empty"
        )
    policies = []
    for number, settings in enumerate(given.policies):
        slug = settings.pop("slug", None)
        if not isinstance(slug, str):
            raise DraftError(
                "'slug' is missing", file=f"policies[{number}]", hint="say which policy these settings are for"
            )
        policies.append(policy_from_settings(settings, slug=slug, file=f"policies[{number}] ({slug})"))
    return [draft.draft() for draft in given.drafts], policies, given


def _fields(error: ValueError | RecursionError) -> list[dict[str, Any]] | str:
    errors = getattr(error, "errors", None)
    if errors is None:
        return str(error)[:200]
    return [
        {"field": ".".join(str(part) for part in one["loc"]), "message": one["msg"]}
        for one in errors(include_url=False, include_input=False, include_context=False)
    ]


async def _body(request: Request) -> bytes:
    """Read at most `MAX_BODY` bytes; what is longer is refused before it is read."""
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_BODY:
            raise InputError(f"the body is over {MAX_BODY:,} bytes", hint="publish fewer texts in one act")
        chunks.append(chunk)
    return b"".join(chunks)


def problem_response(error: ConsentGateError, *, status: int | None = None) -> JSONResponse:
    """An error as a problem document."""
    headers = dict(_NO_STORE)
    if isinstance(error, UnauthenticatedError):
        headers["WWW-Authenticate"] = 'Bearer realm="consentgate"'
    if isinstance(error, OverloadedError):
        headers["Retry-After"] = str(error.retry_after)
    return JSONResponse(error.problem(), status or error.status, headers, PROBLEM)


def _handle_errors(api: FastAPI) -> None:
    async def ours(_: Request, error: Exception) -> Response:
        assert isinstance(error, ConsentGateError)  # noqa: S101  (registered for this class alone)
        return problem_response(error)

    async def invalid(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101
        fields = [
            {"field": ".".join(str(part) for part in one["loc"][1:]), "message": one["msg"]} for one in error.errors()
        ]
        return problem_response(InputError("a value of the request cannot be used", errors=fields))

    async def http(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101
        document = {"type": "about:blank", "title": str(error.detail), "status": error.status_code}
        return JSONResponse(document, error.status_code, {**_NO_STORE, **(error.headers or {})}, PROBLEM)

    handlers: dict[type[Exception], Callable[[Request, Exception], Awaitable[Response]]] = {
        ConsentGateError: ours,
        RequestValidationError: invalid,
        HTTPException: http,
    }
    for kind, handler in handlers.items():
        api.add_exception_handler(kind, handler)
