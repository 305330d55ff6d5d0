"""The ledger itself: checkpoint, consistency, health.

Room: web.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from fastapi.routing import APIRouter
from pydantic import BaseModel, Field

from consentgate.service.administrators import ROLES, Administrator
from consentgate.service.records import instant_or_none
from consentgate.service.terms import Terms
from consentgate.terms.instants import SECOND, format_instant
from consentgate.web.api.door import Door
from consentgate.web.api.problems import problems


class CheckpointOut(BaseModel):
    """Where the ledger stands."""

    origin: str
    size: int
    checkpoint: str = Field(description="the signed note (C2SP tlog-checkpoint)")
    keys: list[str] = Field(description="public keys that verify it")


class ConsistencyOut(BaseModel):
    """That one tree is the beginning of another (RFC 6962, section 2.1.2)."""

    origin: str
    old: int
    new: int
    old_root: str
    new_root: str
    proof: list[str] = Field(description="hashes, hexadecimal")


class AlarmOut(BaseModel):
    """Something that somebody should look at."""

    kind: str
    what: str
    hint: str
    first: str
    last: str
    times: int


class HealthOut(BaseModel):
    """How the ledger is."""

    origin: str
    size: int
    at: str | None = Field(description="instant of the last entry, which the newest checkpoint covers")
    waiting: int = Field(description="what waits to be written, or for its place in the ledger")
    age: float = Field(description="seconds that the oldest of it has waited")
    alarms: list[AlarmOut]


def add_routes(router: APIRouter, terms: Terms, door: Door) -> None:
    """Add the routes of the ledger."""
    anybody = door.needs(*ROLES)

    @router.get("/checkpoint", responses=problems())
    async def checkpoint(by: Administrator = anybody) -> CheckpointOut:
        """The newest checkpoint of the ledger."""
        state = (await terms.admin.health(by)).ledger
        return CheckpointOut(origin=state.origin, size=state.size, checkpoint=state.checkpoint, keys=list(state.keys))

    @router.get("/consistency", responses=problems())
    async def consistency(
        old: Annotated[int, Query(alias="from", ge=1, description="tree size that you know")],
        new: Annotated[int | None, Query(alias="to", ge=1, description="tree size; left out: the present one")] = None,
        by: Administrator = anybody,
    ) -> ConsistencyOut:
        """Prove that the ledger of one size is the beginning of that of another."""
        found = await terms.admin.consistency(by, old, new)
        return ConsistencyOut(
            origin=found.origin, old=found.old, new=found.new, old_root=found.old_root, new_root=found.new_root,
            proof=list(found.proof),
        )  # fmt: skip

    @router.get("/health", responses=problems())
    async def health(by: Administrator = anybody) -> HealthOut:
        """Size, last checkpoint, what waits, alarms."""
        found = await terms.admin.health(by)
        return HealthOut(
            origin=found.ledger.origin,
            size=found.ledger.size,
            at=instant_or_none(found.ledger.at),
            waiting=found.waiting,
            age=found.age / SECOND,
            alarms=[
                AlarmOut(
                    kind=one.kind, what=one.what, hint=one.hint, first=format_instant(one.first),
                    last=format_instant(one.last), times=one.times,
                )
                for one in found.alarms
            ],
        )  # fmt: skip
