"""One subject: history, bundle, erase, hold, release.

Room: web. A subject is `kind:id` in the address, such as ``user:42``.
"""

from __future__ import annotations

from typing import Any, Literal

from fastapi import Response
from fastapi.requests import Request
from fastapi.routing import APIRouter
from pydantic import BaseModel, Field

from consentgate.service.administrators import Administrator
from consentgate.service.erase import Erased
from consentgate.service.listing import HistoryItem, SubjectRecord
from consentgate.service.terms import Terms
from consentgate.terms.instants import format_instant
from consentgate.terms.subject import Subject, parse_subject
from consentgate.web.api.door import Door, Strict, read_json, takes
from consentgate.web.api.problems import NO_STORE, named, problems
from consentgate.web.api.values import SubjectOut

_BASIS = "asked for by the subject, ticket 4711"


class BasisIn(Strict):
    """Why it is done."""

    basis: str = Field(description="one line without personal data; it stands in the ledger for everybody to read")


class EraseIn(BasisIn):
    """What to erase, and why."""

    mode: Literal["shred", "pseudonymise"] | None = Field(
        None, description="`shred`: everything, and it counts no more (the default); `pseudonymise`: who it was"
    )
    fields: list[str] | None = Field(None, max_length=50, description="only these, such as `ip`")


class EntryOut(BaseModel):
    """An entry about a subject."""

    index: int | None = Field(description="its place in the ledger; null where it waits for one")
    entry: dict[str, Any] = Field(description="as it stands in the ledger")
    opened: dict[str, str] = Field(description="its personal fields that are still there")
    erased: list[str] = Field(description="names of those that are not")

    @classmethod
    def of(cls, item: HistoryItem) -> EntryOut:
        """Describe it."""
        return cls(index=item.index, entry=item.entry.to_record(), opened=item.opened, erased=list(item.erased))


class StandingOut(BaseModel):
    """How a policy stands for a subject."""

    policy: str
    state: str
    version: str | None
    accepted: str | None


class HoldOut(BaseModel):
    """A legal hold."""

    at: str
    basis: str


class SubjectRecordOut(BaseModel):
    """Everything about a subject."""

    subject: SubjectOut
    history: list[EntryOut]
    standing: list[StandingOut]
    holds: list[HoldOut]
    held: bool = Field(description="whether a hold, also on a device of theirs, forbids to erase anything")

    @classmethod
    def of(cls, record: SubjectRecord) -> SubjectRecordOut:
        """Describe it."""
        return cls(
            subject=SubjectOut.of(record.subject),
            history=[EntryOut.of(item) for item in record.history],
            standing=[
                StandingOut(
                    policy=one.policy.slug,
                    state=one.state.value,
                    version=one.version.label if one.version else None,
                    accepted=one.accepted.label if one.accepted else None,
                )
                for one in record.standing
            ],
            holds=[HoldOut(at=format_instant(hold.at), basis=hold.basis) for hold in record.holds],
            held=record.held,
        )


class TraceOut(BaseModel):
    """A place where a copy of what was erased may still be."""

    where: str = Field(description="`rows` or `pages` of the database's files, `log`, or `copies` that left")
    what: str = Field(description="the same in words")
    until: str = Field(description="what ends it, in words that go on after “until”")


class ErasedOut(BaseModel):
    """What was erased, or held."""

    entries: int = Field(description="number of entries it concerns")
    records: list[str] = Field(description="ids of the entries that say so")
    gone: bool = Field(description="whether the bytes are gone from the files of the database")
    left: list[TraceOut] = Field(description="where copies may still be; empty where nothing was erased")

    @classmethod
    def of(cls, done: Erased) -> ErasedOut:
        """Describe it."""
        return cls(
            entries=done.entries,
            records=[str(record.id) for record in done.records],
            gone=done.gone,
            left=[TraceOut(where=one.where, what=one.what, until=one.until) for one in done.left],
        )


def _subject(text: str) -> Subject:
    with named("subject"):
        return parse_subject(text)


def add_routes(router: APIRouter, terms: Terms, door: Door) -> None:
    """Add the routes of one subject; an id may have slashes, so the longer addresses go first."""
    auditor, owner = door.needs("auditor"), door.needs("owner")

    @router.get(
        "/subjects/{subject:path}/bundle",
        responses={**problems(404), 200: {"content": {"application/zip": {}}, "description": "a zip file"}},
        response_class=Response,
    )
    async def bundle(subject: str, by: Administrator = auditor) -> Response:
        """The evidence bundle of a subject; it brings its own verifier."""
        data = await terms.admin.bundle(by, _subject(subject))
        headers = {**NO_STORE, "Content-Disposition": 'attachment; filename="consentgate-bundle.zip"'}
        return Response(data, media_type="application/zip", headers=headers)

    @router.post(
        "/subjects/{subject:path}/erase",
        responses=problems(404, 409),
        openapi_extra=takes(EraseIn, {"mode": "shred", "basis": _BASIS}),
    )
    async def erase(subject: str, request: Request, by: Administrator = owner) -> ErasedOut:
        """Erase what is known about a subject; the ledger stays verifiable, and says that it was done."""
        who, given = _subject(subject), await read_json(request, EraseIn)
        with named("basis" if given.fields is None else "fields"):
            done = await terms.admin.erase(by, who, basis=given.basis, mode=given.mode, fields=given.fields)
        return ErasedOut.of(done)

    @router.post(
        "/subjects/{subject:path}/hold",
        responses=problems(404),
        openapi_extra=takes(BasisIn, {"basis": "case 12/2027"}),
    )
    async def hold(subject: str, request: Request, by: Administrator = owner) -> ErasedOut:
        """Put a legal hold on a subject: nothing of theirs is erased until it is released."""
        who, given = _subject(subject), await read_json(request, BasisIn)
        with named("basis"):
            return ErasedOut.of(await terms.admin.hold(by, who, basis=given.basis))

    @router.post(
        "/subjects/{subject:path}/release",
        responses=problems(404),
        openapi_extra=takes(BasisIn, {"basis": "case 12/2027 is closed"}),
    )
    async def release(subject: str, request: Request, by: Administrator = owner) -> ErasedOut:
        """End the legal hold on a subject."""
        who, given = _subject(subject), await read_json(request, BasisIn)
        with named("basis"):
            return ErasedOut.of(await terms.admin.release(by, who, basis=given.basis))

    @router.get("/subjects/{subject:path}", responses=problems(404))
    async def subject_(subject: str, by: Administrator = auditor) -> SubjectRecordOut:
        """Everything about a subject: each entry, how each policy stands, holds."""
        return SubjectRecordOut.of(await terms.admin.subject(by, _subject(subject)))
