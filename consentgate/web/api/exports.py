"""The record taken home: exports as a stream, bundles.

Room: web.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Query
from fastapi.routing import APIRouter
from starlette.responses import Response, StreamingResponse

from consentgate.service.administrators import Administrator
from consentgate.service.export import Cursor, FormName, Selection
from consentgate.service.export_source import check_policies
from consentgate.service.terms import Terms
from consentgate.terms.policy import Act
from consentgate.terms.subject import parse_subject
from consentgate.web.api.door import Door
from consentgate.web.api.problems import NO_STORE, named, problems, when

_RECEIPT = "text/plain"
_EXPORTS = {
    "ndjson": "application/x-ndjson",
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
}


def add_routes(router: APIRouter, terms: Terms, door: Door) -> None:
    """Add the routes of exports and bundles."""
    auditor = door.needs("auditor")

    @router.get(
        "/bundle",
        responses={**problems(404), 200: {"content": {"application/zip": {}}, "description": "a zip file"}},
        response_class=Response,
    )
    async def bundle(
        by: Administrator = auditor,
        subject: Annotated[str | None, Query(description="kind and id, such as `user:42`")] = None,
        decision: Annotated[str | None, Query(description="id of one decision")] = None,
    ) -> Response:
        """The evidence bundle (a zip file) of one subject or one decision; it brings its own verifier."""
        with named("subject"):
            who = parse_subject(subject) if subject else None
        with named("decision"):
            data = await terms.admin.bundle(by, who, decision=decision)
        headers = {**NO_STORE, "Content-Disposition": 'attachment; filename="consentgate-bundle.zip"'}
        return Response(data, media_type="application/zip", headers=headers)

    @router.get(
        "/receipt",
        responses={
            **problems(404),
            200: {"content": {_RECEIPT: {"schema": {"type": "string"}}}, "description": "text"},
        },
        response_class=Response,
    )
    async def receipt(
        decision: Annotated[str, Query(description="id of the decision")], by: Administrator = auditor
    ) -> Response:
        """The receipt of one decision: entry, openings, inclusion proof and checkpoint, verified offline."""
        with named("decision"):
            data = await terms.admin.receipt(by, decision)
        return Response(data, media_type=f"{_RECEIPT}; charset=utf-8", headers=NO_STORE)

    @router.get(
        "/export",
        responses={
            **problems(404, 409),
            200: {"content": {media.split(";")[0]: {} for media in _EXPORTS.values()}, "description": "the record"},
        },
        response_class=StreamingResponse,
    )
    async def export(
        by: Administrator = auditor,
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
        del by
        check_policies(list((await terms.fresh()).by_slug), tuple(policy or ()))
        with named("subject"):
            who = parse_subject(subject) if subject else None
        where = Selection(
            policies=tuple(policy or ()),
            versions=tuple(version or ()),
            languages=tuple(language or ()),
            acts=tuple(act.value for act in decision or ()),
            subject=who,
            since=when("since", since),
            until=when("until", until),
            openings=openings,
        )
        with named("cursor"):
            stream = terms.export(form, where=where, cursor=Cursor.parse(cursor) if cursor else None)
            begun = await anext(stream, b"")  # what is refused is refused before an answer has begun
        headers = {**NO_STORE, "Content-Disposition": f'attachment; filename="consentgate-export.{form}"'}
        return StreamingResponse(_rest(begun, stream), media_type=_EXPORTS[form], headers=headers)


async def _rest(begun: bytes, stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield begun
    async for chunk in stream:
        yield chunk
