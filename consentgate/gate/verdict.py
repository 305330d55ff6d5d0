"""May this subject go on? The gate's one decision, as a pure function.

Room: gate (pure). Called with what the pass or the ledger says was accepted and with what the calendar says now.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from consentgate.gate.paths import readings
from consentgate.terms.calendar import Moment, Standing
from consentgate.terms.instants import Instant
from consentgate.terms.policy import Policy, Version
from consentgate.terms.subject import SubjectKind

_NOBODY: frozenset[str] = frozenset()
_NOTHING: frozenset[int] = frozenset()


class Outcome(StrEnum):
    """What happens to the request."""

    PASS = "pass"  # noqa: S105 - not a password
    REMIND = "remind"
    REVIEW = "review"


class State(StrEnum):
    """How one policy stands for one subject."""

    CURRENT = "current"
    ANNOUNCED = "announced"
    GRACE = "grace"
    REQUIRED = "required"
    EXPIRED = "expired"

    @property
    def stops(self) -> bool:
        """Whether the gate is closed because of it."""
        return self in (State.REQUIRED, State.EXPIRED)


@dataclass(frozen=True, slots=True)
class Item:
    """One policy in a verdict.

    Args:
        policy: slug.
        version: the version to decide on: the one in force (which satisfies whatever is demanded), or the one that
            is coming where the state is ``announced``; ``None`` where nothing is in force yet and nothing is asked.
        state: how it stands.
    """

    policy: str
    version: Version | None
    state: State


@dataclass(frozen=True, slots=True)
class Verdict:
    """The gate's answer to one request.

    Args:
        outcome: pass, remind or review.
        items: one for each policy that binds the subject here, in the calendar's order.
        accepted: every serial known to have been accepted, renewed or not, so that the answer can name the version
            last accepted.
    """

    outcome: Outcome
    items: tuple[Item, ...] = ()
    accepted: frozenset[int] = _NOTHING

    @property
    def stopping(self) -> tuple[Item, ...]:
        """The items because of which the gate is closed."""
        return tuple(item for item in self.items if item.state.stops)


PASSED = Verdict(Outcome.PASS)


def decide(
    moment: Moment,
    accepted: frozenset[int],
    *,
    kind: SubjectKind,
    tags: frozenset[str] = _NOBODY,
    path: str | None = None,
    expired: frozenset[int] = _NOTHING,
    snoozed: Instant | None = None,
    now: Instant | None = None,
) -> Verdict:
    """The verdict for a subject that has accepted these versions, on this path, at this moment.

    A policy of kind ``consent`` never takes part: it is no condition of entry.

    Args:
        moment: what is in force.
        accepted: serials whose acceptance counts.
        kind: of the subject.
        tags: of the subject.
        path: decoded path without the mount point, or ``None`` for "on any path".
        expired: serials that were accepted and must be renewed.
        snoozed: until when grace is not spoken of again ("not now").
        now: instant of the question, for `snoozed`; the moment's own by default.
    """
    paths = None if path is None else readings(path)
    items = tuple(
        _item(standing, accepted, expired)
        for standing in moment.standings
        if standing.policy.kind.gates and _binds(standing.policy, kind, tags, paths)
    )
    states = {item.state for item in items}
    if State.REQUIRED in states or State.EXPIRED in states:
        outcome = Outcome.REVIEW
    elif State.GRACE in states and (snoozed is None or snoozed <= (moment.at if now is None else now)):
        outcome = Outcome.REMIND
    else:
        outcome = Outcome.PASS
    return Verdict(outcome, items, accepted | expired if expired else accepted)


def _binds(policy: Policy, kind: SubjectKind, tags: frozenset[str], paths: tuple[str, ...] | None) -> bool:
    audience = policy.audience
    return audience.binds(kind, tags) and (paths is None or any(audience.covers(path) for path in paths))


def _item(standing: Standing, accepted: frozenset[int], expired: frozenset[int]) -> Item:
    slug = standing.policy.slug
    if standing.enforced is not None and accepted.isdisjoint(standing.satisfied_by):
        again = not expired.isdisjoint(standing.satisfied_by)
        return Item(slug, standing.in_force, State.EXPIRED if again else State.REQUIRED)
    if standing.grace is not None and accepted.isdisjoint(standing.grace_satisfied_by):
        return Item(slug, standing.in_force, State.GRACE)
    upcoming = standing.upcoming
    if upcoming is not None and upcoming.serial not in accepted:
        return Item(slug, upcoming, State.ANNOUNCED)
    return Item(slug, standing.in_force, State.CURRENT)
