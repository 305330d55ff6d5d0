"""What a subject has decided so far, and how each policy therefore stands for them.

Room: service (pure). Folded from the decision rows of one subject, in the order of the ledger.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from consentgate.terms.calendar import Standing
from consentgate.terms.instants import Instant
from consentgate.terms.policy import Act


class State(StrEnum):
    """How a policy stands for a subject."""

    CURRENT = "current"
    ANNOUNCED = "announced"
    GRACE = "grace"
    REQUIRED = "required"
    DECLINED = "declined"
    EXPIRED = "expired"

    @property
    def blocks(self) -> bool:
        """Whether the gate stops the subject."""
        return self in (State.REQUIRED, State.DECLINED, State.EXPIRED)


class DecisionRow(Protocol):
    """A decision as the store returns it."""

    @property
    def ref(self) -> bytes: ...
    @property
    def policy(self) -> str: ...
    @property
    def serial(self) -> int: ...
    @property
    def act(self) -> str: ...
    @property
    def at(self) -> Instant: ...
    @property
    def expires(self) -> Instant | None: ...


@dataclass(frozen=True, slots=True)
class Held:
    """One decision.

    Args:
        id: of its entry.
        serial: of the version decided about.
        act: what was decided.
        at: when.
        expires: from when on it counts no more, or ``None``.
    """

    id: UUID
    serial: int
    act: Act
    at: Instant
    expires: Instant | None


@dataclass(frozen=True, slots=True)
class Holding:
    """What a subject holds of one policy.

    Args:
        accepted: the acceptances that stand, by serial; the latest one for each.
        last: the latest acceptance that stands: the version a redline starts from.
        latest: the latest decision of any act.
    """

    accepted: Mapping[int, Held]
    last: Held | None
    latest: Held | None


NOTHING = Holding({}, None, None)


def fold(rows: Iterable[DecisionRow]) -> dict[str, Holding]:
    """Fold a subject's decisions into holdings by policy.

    Args:
        rows: of one subject (with what was linked to it), any order.
    """
    accepted: dict[str, dict[int, Held]] = {}
    last: dict[str, Held | None] = {}
    latest: dict[str, Held] = {}
    for row in sorted(rows, key=lambda row: (row.at, row.ref)):
        held = Held(UUID(bytes=row.ref), row.serial, Act(row.act), row.at, row.expires)
        mine = accepted.setdefault(row.policy, {})
        latest[row.policy] = held
        if held.act.satisfies:
            mine[held.serial] = last[row.policy] = held
        elif held.act is Act.WITHDRAW:
            mine.clear()
            last[row.policy] = None
    return {slug: Holding(accepted[slug], last.get(slug), latest.get(slug)) for slug in accepted}


def state_of(standing: Standing, holding: Holding, now: Instant) -> State:
    """How a policy stands for whoever holds this.

    Announced and grace are states of their own only while nothing worse is true.
    """
    kind = standing.policy.kind
    if kind.gates and standing.enforced and not (valid := _valid(holding, standing.satisfied_by, now)):
        latest = holding.latest
        if latest and latest.act is Act.DECLINE and standing.in_force and latest.serial == standing.in_force.serial:
            return State.DECLINED
        return State.EXPIRED if valid is None else State.REQUIRED
    if kind.gates and standing.grace and not _valid(holding, standing.grace_satisfied_by, now):
        return State.GRACE
    upcoming = standing.upcoming
    if upcoming and upcoming.serial not in holding.accepted:
        return State.ANNOUNCED
    return State.CURRENT


def _valid(holding: Holding, satisfied_by: frozenset[int], now: Instant) -> bool | None:
    """Whether an acceptance satisfies: ``True``, ``False``, or ``None`` where one did and has expired."""
    expired = False
    for serial, held in holding.accepted.items():
        if serial in satisfied_by:
            if held.expires is None or held.expires > now:
                return True
            expired = True
    return None if expired else False


def serials_of(holdings: Mapping[str, Holding], now: Instant) -> tuple[tuple[int, ...], Instant | None]:
    """What goes into a pass: serials whose acceptance stands now, newest first, and the earliest expiry among them."""
    standing = [held for holding in holdings.values() for held in holding.accepted.values()]
    valid = [held for held in standing if held.expires is None or held.expires > now]
    serials = tuple(held.serial for held in sorted(valid, key=lambda held: held.serial, reverse=True))
    return serials, min((held.expires for held in valid if held.expires is not None), default=None)
