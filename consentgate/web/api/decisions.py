"""Who decided what: decisions, who has not accepted, statistics.

Room: web.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from fastapi.routing import APIRouter
from pydantic import BaseModel, Field

from consentgate.service.administrators import ROLES, Administrator
from consentgate.service.listing import MAX_PAGE, DecisionFilter, DecisionItem, Missing
from consentgate.service.records import instant_or_none
from consentgate.service.statistics import Curve, PolicyStatistics
from consentgate.service.terms import Terms
from consentgate.terms.instants import SECOND, format_instant
from consentgate.terms.policy import Act
from consentgate.terms.subject import parse_subject
from consentgate.web.api.door import Door
from consentgate.web.api.problems import named, problems, when
from consentgate.web.api.values import PageOut, SubjectOut, subject_or_none

Cursor = Annotated[str | None, Query(description="`next` of the page before")]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE, description="most items of a page")]


_COUNTED = "count them; exact, and seconds where there are millions of decisions"


class DecisionOut(BaseModel):
    """A decision."""

    id: str
    at: str
    policy: str
    version: str
    serial: int
    language: str
    text: str = Field(description="digest of the text that was shown")
    decision: str
    method: str
    expires: str | None
    subject: SubjectOut | None = Field(description="null where it was erased")
    test: bool

    @classmethod
    def of(cls, item: DecisionItem) -> DecisionOut:
        """Describe it."""
        return cls(
            id=item.id, at=format_instant(item.at), policy=item.policy, version=item.version, serial=item.serial,
            language=item.language, text=item.text, decision=item.act.value, method=item.method,
            expires=instant_or_none(item.expires), subject=subject_or_none(item.subject), test=item.test,
        )  # fmt: skip


class MissingOut(BaseModel):
    """A subject on record who has not accepted what is required."""

    subject: SubjectOut | None = Field(description="null where it was erased")
    kind: str
    state: str
    accepted: str | None = Field(description="label of the version accepted last")
    last: str | None = Field(description="when they decided last about this policy")

    @classmethod
    def of(cls, item: Missing) -> MissingOut:
        """Describe it."""
        return cls(
            subject=subject_or_none(item.subject), kind=item.kind, state=item.state.value, accepted=item.accepted,
            last=instant_or_none(item.last),
        )  # fmt: skip


class PointOut(BaseModel):
    """What was decided in one period."""

    at: str
    accepted: int
    refused: int
    total: int = Field(description="acceptances up to the end of it")


class CurveOut(BaseModel):
    """How acceptance of a version grew."""

    version: str
    since: str
    period: int = Field(description="seconds")
    points: list[PointOut]

    @classmethod
    def of(cls, curve: Curve) -> CurveOut:
        """Describe it."""
        points = [
            PointOut(at=format_instant(one.at), accepted=one.accepted, refused=one.refused, total=one.total)
            for one in curve.points
        ]
        return cls(
            version=curve.version.label,
            since=format_instant(curve.since),
            period=curve.period // SECOND,
            points=points,
        )


class StatisticsOut(BaseModel):
    """How one policy is taken: subjects, each exactly one of accepted, refused, undecided; and the curve."""

    policy: str
    version: str | None
    accepted: int | None = Field(description="subjects; null, and the next two, with `subjects=false`")
    refused: int | None
    undecided: int | None
    curve: CurveOut | None

    @classmethod
    def of(cls, one: PolicyStatistics) -> StatisticsOut:
        """Describe it."""
        return cls(
            policy=one.policy, version=one.version.label if one.version else None, accepted=one.accepted,
            refused=one.refused, undecided=one.undecided, curve=CurveOut.of(one.curve) if one.curve else None,
        )  # fmt: skip


def add_routes(router: APIRouter, terms: Terms, door: Door) -> None:
    """Add the routes of lists and numbers."""
    auditor, anybody = door.needs("auditor"), door.needs(*ROLES)

    @router.get("/decisions", responses=problems(404))
    async def decisions(
        policy: str | None = None,
        version: Annotated[str | None, Query(description="label; with a policy")] = None,
        decision: Act | None = None,
        subject: Annotated[str | None, Query(description="such as `user:42`")] = None,
        language: Annotated[str | None, Query(description="of the text that was shown, such as `fr`")] = None,
        since: str | None = None,
        until: str | None = None,
        cursor: Cursor = None,
        limit: Limit = 100,
        by: Administrator = auditor,
    ) -> PageOut[DecisionOut]:
        """Decisions, the newest first. Those that were shredded are not listed.

        With a language a page may be short and have a next.
        """
        with named("subject"):
            who = parse_subject(subject) if subject is not None else None
        where = DecisionFilter(policy, version, decision, who, when("since", since), when("until", until), language)
        page = await terms.admin.decisions(by, where, cursor=cursor, limit=limit)
        return PageOut[DecisionOut](items=[DecisionOut.of(item) for item in page.items], next=page.next)

    @router.get("/outstanding", responses=problems(404))
    async def outstanding(
        policy: str, cursor: Cursor = None, limit: Limit = 100, by: Administrator = auditor
    ) -> PageOut[MissingOut]:
        """Subjects on record who have not accepted what a policy requires. A page may be short and have a next."""
        page = await terms.admin.outstanding(by, policy, cursor=cursor, limit=limit)
        return PageOut[MissingOut](items=[MissingOut.of(item) for item in page.items], next=page.next)

    @router.get("/statistics", responses=problems(404))
    async def statistics(
        policy: str | None = None,
        since: Annotated[str | None, Query(description="where curves begin; left out: the publication")] = None,
        subjects: Annotated[bool, Query(description=_COUNTED)] = True,
        by: Administrator = anybody,
    ) -> list[StatisticsOut]:
        """How each policy is taken."""
        found = await terms.admin.statistics(by, policy, since=when("since", since), subjects=subjects)
        return [StatisticsOut.of(one) for one in found]
