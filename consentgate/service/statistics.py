"""Statistics: how acceptance of a version grows, and how many subjects have accepted, refused, not decided.

Room: service. Nothing here names a person. The curve counts decisions and is read from an index; the three numbers
count subjects, exactly, each policy in one statement.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from consentgate.store import counting
from consentgate.store import subjects as shelf
from consentgate.terms.calendar import Calendar, Standing
from consentgate.terms.instants import DAY, SECOND, Instant
from consentgate.terms.policy import Act, Version

MOST_POINTS = 120
_HOUR = 3_600 * SECOND


@dataclass(frozen=True, slots=True)
class Point:
    """What was decided in one period.

    Args:
        at: its beginning.
        accepted: acceptances, acknowledgements, grants.
        refused: everything else.
        total: acceptances since the curve began, this period's among them.
    """

    at: Instant
    accepted: int
    refused: int
    total: int


@dataclass(frozen=True, slots=True)
class Curve:
    """How the acceptance of a version grew.

    Args:
        version: which.
        since: from when on.
        period: length of a period, in microseconds.
        points: one for each period in which anything was decided, the oldest first.
    """

    version: Version
    since: Instant
    period: int
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class PolicyStatistics:
    """How one policy is taken.

    Args:
        policy: slug.
        version: what is in force (or announced, where nothing is), or ``None``.
        accepted: subjects whose acceptance satisfies what is required now (where nothing is: of any version);
            ``None``, and so the next two, where they were not counted.
        refused: subjects on record without such an acceptance whose last decision on it was to refuse or withdraw.
        undecided: the other subjects on record (who decided about any policy) whom this one binds by their kind.
        curve: of that version, or ``None``.
    """

    policy: str
    version: Version | None
    accepted: int | None
    refused: int | None
    undecided: int | None
    curve: Curve | None


def of_policies(
    calendar: Calendar, slugs: Sequence[str], since: Instant | None, now: Instant, connection: Connection,
    *, subjects: bool = True,
) -> tuple[PolicyStatistics, ...]:  # fmt: skip
    """Statistics of these policies.

    Args:
        calendar: as published.
        slugs: which.
        since: where the curves begin; ``None`` for the publication of their versions.
        now: instant.
        connection: in a transaction.
        subjects: whether to count subjects, which reads every decision; the curve alone is read from an index.
    """
    moment, known = calendar.at(now), dict[frozenset[str], int]()
    found = []
    for slug in slugs:
        standing = moment.standing(slug)
        version = shown(standing)
        curve = curve_of(version, since, now, connection) if version else None
        if not subjects:
            found.append(PolicyStatistics(slug, version, None, None, None, curve))
            continue
        kinds = frozenset(kind.value for kind in calendar.by_slug[slug].audience.kinds)
        if kinds not in known:
            known[kinds] = counting.known(connection, kinds)
        serials = [version.serial for version in calendar.versions if version.policy == slug]
        counts = counting.standing(connection, serials, satisfying(standing, serials), now, kinds)
        undecided = max(known[kinds] - counts.accepted - counts.refused, 0)
        found.append(PolicyStatistics(slug, version, counts.accepted, counts.refused, undecided, curve))
    return tuple(found)


def shown(standing: Standing | None) -> Version | None:
    """The version that a policy's numbers are about: in force, else the next that is announced."""
    if standing is None:
        return None
    return standing.in_force or standing.announced[0]


def satisfying(standing: Standing | None, serials: Sequence[int]) -> frozenset[int]:
    """Serials whose acceptance satisfies now."""
    if standing is None:
        return frozenset(serials)
    if standing.enforced is not None:
        return standing.satisfied_by
    return standing.grace_satisfied_by if standing.grace is not None else frozenset(serials)


def curve_of(version: Version, since: Instant | None, now: Instant, connection: Connection) -> Curve:
    """The curve of one version, in periods of an hour, a day, or as many days as make at most 120 points."""
    begin = version.published if since is None else since
    span = max(now - begin, _HOUR)
    period = _HOUR if span <= 3 * DAY else DAY * max(1, -(-span // (DAY * MOST_POINTS)))
    rows = shelf.count_per_period(connection, version.serial, period, since)
    by_period: dict[Instant, list[int]] = {}
    for at, act, number in rows:
        by_period.setdefault(at, [0, 0])[0 if Act(act).satisfies else 1] += number
    points, total = [], 0
    for at, (accepted, refused) in sorted(by_period.items()):
        total += accepted
        points.append(Point(at, accepted, refused, total))
    return Curve(version, begin, period, tuple(points))
