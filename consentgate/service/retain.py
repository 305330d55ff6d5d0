"""Retain: what is known about a decision is kept while it counts, then so many days, then it is erased on record.

Room: service. A policy says how long (``retain_days``, counted from when a decision stopped counting):

* another one took its place: a later acceptance, a withdrawal;
* it had to be renewed, and was not;
* a later version, which it does not cover, is enforced;
* the policy was retired.

What still counts is never touched, however old; nor is anything under a legal hold. The entry of a decision stays in
the ledger for ever: only who it was is forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

from sqlalchemy import Connection

from consentgate.service.erase import Erased, Order, erase_rows, is_held
from consentgate.service.ledger import Pending
from consentgate.store import erasing as shelf
from consentgate.store import meta, subjects
from consentgate.store.erasing import DecidedRow
from consentgate.store.subjects import DecisionRow
from consentgate.terms.calendar import Calendar
from consentgate.terms.instants import DAY, Instant
from consentgate.terms.policy import Act, Impact, Policy, Version

PAGE = 500
BASIS = "retention"


@dataclass(frozen=True, slots=True)
class Shelf:
    """Decisions of one kind about one version, made long enough ago that some of them may be due."""

    policy: Policy
    serial: int
    act: str
    before: Instant


def shelves(calendar: Calendar, now: Instant, slugs: Sequence[str] | None = None) -> list[Shelf]:
    """Where to look for what is due.

    Args:
        calendar: everything published.
        now: instant.
        slugs: these policies; ``None`` for all.
    """
    return [
        Shelf(policy, version.serial, act.value, now - policy.retain_days * DAY)
        for policy in calendar.policies
        if policy.retain_days is not None and (slugs is None or policy.slug in slugs)
        for version in calendar.chain(policy.slug)
        for act in policy.kind.decisions
    ]


def candidates(connection: Connection, place: Shelf, after: tuple[int, bytes]) -> list[DecidedRow]:
    """The next decisions to look at: old enough, whether they still count or not."""
    return shelf.decided_before(connection, place.serial, place.act, place.before, after, PAGE)


def due(
    connection: Connection, calendar: Calendar, place: Shelf, rows: Iterable[DecidedRow]
) -> tuple[list[bytes], list[bytes]]:
    """The refs of everything that is due for the subjects of these rows, in one policy.

    Returns:
        Decisions, and links that then carry nothing more.
    """
    held = shelf.held_tags(connection)
    refs, links = dict[bytes, None](), dict[bytes, None]()
    for tag in {row.subject_tag for row in rows if any(row.subject_tag)}:
        owner = subjects.linked_to(connection, tag) or tag
        if is_held(connection, tag, held) or is_held(connection, owner, held):
            continue
        gone = set(_due_of(subjects.decisions_of(connection, owner), calendar, place))
        if owner != tag:  # what a device decided after its user was linked is its own
            gone |= set(_due_of(subjects.decisions_of(connection, tag), calendar, place))
        refs |= dict.fromkeys(sorted(gone))
        links |= dict.fromkeys(_empty_links(connection, owner, gone))
    return list(refs), list(links)


def count_due(connection: Connection, calendar: Calendar, place: Shelf, rows: Sequence[DecidedRow]) -> int:
    """How many of these candidates are due, links apart: each counts once, although its subject has others."""
    decisions, _ = due(connection, calendar, place, rows)
    return len(set(decisions) & {row.ref for row in rows})


def _due_of(rows: Iterable[DecisionRow], calendar: Calendar, place: Shelf) -> list[bytes]:
    mine = sorted((row for row in rows if row.policy == place.policy.slug), key=lambda row: (row.at, row.ref))
    due_: list[bytes] = []
    for number, row in enumerate(mine):
        end = ended(row, mine[number + 1 :], calendar, place.policy)
        # A withdrawal outlives what it withdraws: without it, that would seem to stand again.
        if end is None or end > place.before or (row.act == Act.WITHDRAW and len(due_) < number):
            continue
        due_.append(row.ref)
    return due_


def ended(row: DecisionRow, later: Sequence[DecisionRow], calendar: Calendar, policy: Policy) -> Instant | None:
    """When a decision stopped counting, or ``None`` where it counts, or will stop only in times to come.

    Args:
        row: the decision.
        later: the same subject's later ones about the same policy.
        calendar: everything published.
        policy: that policy.
    """
    satisfied = Act(row.act).satisfies
    ends = [
        # An acceptance of what is only announced does not end one of what is in force.
        max(one.at, calendar.by_serial[one.serial].effective)
        for one in later
        if not satisfied or Act(one.act).satisfies or Act(one.act) is Act.WITHDRAW
    ]
    ends += [end for end in (row.expires, policy.retired) if end is not None]
    if (version := calendar.by_serial.get(row.serial)) is not None:
        ends += _replaced(version, calendar.chain(policy.slug))
    return min(ends, default=None)


def _replaced(version: Version, chain: Sequence[Version]) -> list[Instant]:
    """When a later version was enforced that an acceptance of this one does not cover."""
    last = max(place for place, one in enumerate(chain) if one.serial == version.serial or one.digest == version.digest)
    return [one.enforced for one in chain[last + 1 :] if one.impact is Impact.MATERIAL][:1]


def _empty_links(connection: Connection, owner: bytes, gone: set[bytes]) -> list[bytes]:
    """Links whose visitor has nothing left that could count for the user."""
    if not gone:
        return []
    empty = []
    for visitor in shelf.visitors_of(connection, owner):
        if all(row.ref in gone for row in subjects.decisions_of(connection, visitor)):
            empty += [link.ref for link in shelf.links_of(connection, visitor)]
    return empty


def purge_page(
    calendar: Calendar,
    place: Shelf,
    after: tuple[int, bytes],
    by: str,
    randomness: Callable[[int], bytes],
    connection: Connection,
    pending: Pending,
) -> tuple[Erased, tuple[int, bytes] | None]:
    """Erase what is due among the next candidates, inside the writer's transaction.

    Returns:
        What was erased, and where to go on; ``None`` at the end.
    """
    meta.lock_generation(connection)  # a hold by another process comes before this, or after it
    rows = candidates(connection, place, after)
    refs = chain(*due(connection, calendar, place, rows))
    order = Order((), "shred", None, BASIS, by)
    found = list(subjects.openings_by_refs(connection, refs).values())
    done = erase_rows(order, found, randomness, connection, pending)
    return done, next_page(rows)


def next_page(rows: Sequence[DecidedRow]) -> tuple[int, bytes] | None:
    """Where the page after this one begins; ``None`` where this was the last."""
    return (rows[-1].at, rows[-1].ref) if len(rows) == PAGE else None
