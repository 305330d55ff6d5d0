"""Lists for auditors: decisions, who has not accepted, and everything about one subject.

Room: service. Any page of any list costs the same: it begins at a key, never at an offset. A cursor is an opaque
string; it holds nothing but the place where the last page ended.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

from sqlalchemy import Connection

from consentgate.errors import InputError, NotFoundError
from consentgate.evidence.commitments import check_openings, parse_openings
from consentgate.evidence.entry import DecisionEntry, Entry, decode
from consentgate.service.erase import Hold, is_held, openings_about, subject_of
from consentgate.service.holdings import NOTHING, State, fold, state_of
from consentgate.service.status import PolicyStatus
from consentgate.store import entries as entry_shelf
from consentgate.store import erasing as erase_shelf
from consentgate.store import listing as shelf
from consentgate.store import subjects as subject_shelf
from consentgate.store.listing import Wanted
from consentgate.store.subjects import OpeningRow
from consentgate.terms.calendar import Calendar
from consentgate.terms.instants import Instant
from consentgate.terms.languages import canonical_tag
from consentgate.terms.policy import Act
from consentgate.terms.subject import Subject

T = TypeVar("T")

MAX_PAGE = 500
"""Most items of one page."""

SCANNED = 2_000
"""Subjects that are looked at for one page of those who have not accepted, and decisions for one page of a language; a
page may hold fewer, and say where the next begins."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items, and where the next page begins; ``None`` at the end."""

    items: tuple[T, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class DecisionFilter:
    """Which decisions to list; every part that is given must match.

    Args:
        policy: slug.
        version: label; with a policy.
        act: what was decided.
        subject: whose; with what a device of theirs decided before they signed in.
        since, until: instants, ``since <= at < until``.
        language: tag of the translation that was shown. It stands in the entries and in no index, so that a page may
            hold fewer items than asked for, and still say where the next begins.
    """

    policy: str | None = None
    version: str | None = None
    act: Act | None = None
    subject: Subject | None = None
    since: Instant | None = None
    until: Instant | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class DecisionItem:
    """A decision in a list.

    Args:
        id: of its entry; its receipt and its bundle are found by it.
        at: when.
        policy, version, serial: about what.
        language, text: which translation was shown, and the digest of its text.
        act: what was decided.
        method: ``checkbox-button``, ``api`` or ``import``.
        expires: from when on it counts no more, or ``None``.
        subject: who; ``None`` where that was erased.
        test: made in a test set-up.
    """

    id: str
    at: Instant
    policy: str
    version: str
    serial: int
    language: str
    text: str
    act: Act
    method: str
    expires: Instant | None
    subject: Subject | None
    test: bool


@dataclass(frozen=True, slots=True)
class Missing:
    """A subject who has not accepted what is required.

    Args:
        subject: who; ``None`` where that was erased.
        kind: of the subject.
        state: how the policy stands for them.
        accepted: label of the version they accepted last, or ``None``.
        last: when they decided last about this policy, or ``None``.
    """

    subject: Subject | None
    kind: str
    state: State
    accepted: str | None
    last: Instant | None


@dataclass(frozen=True, slots=True)
class HistoryItem:
    """An entry about a subject.

    Args:
        index: its place in the ledger; ``None`` where it is on record and waits for one (PostgreSQL).
        entry: what it says in clear.
        opened: its personal fields that are still there.
        erased: names of those that are not.
    """

    index: int | None
    entry: Entry
    opened: dict[str, str]
    erased: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SubjectRecord:
    """Everything about a subject.

    Args:
        subject: who.
        history: entries, the oldest first.
        standing: how each policy stands.
        holds: legal holds on them now.
        held: whether a hold, also one on a device of theirs, forbids to erase anything.
    """

    subject: Subject
    history: tuple[HistoryItem, ...]
    standing: tuple[PolicyStatus, ...]
    holds: tuple[Hold, ...]
    held: bool


# --- cursors -----------------------------------------------------------------------------------------------------


def write_cursor(*parts: bytes) -> str:
    """A cursor of some bytes."""
    return base64.urlsafe_b64encode(b"".join(parts)).decode().rstrip("=")


def read_cursor(cursor: str, length: int) -> bytes:
    """The bytes of a cursor.

    Raises:
        InputError: it is none of ours.
    """
    try:
        data = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if len(data) != length or write_cursor(data) != cursor:
        raise InputError("this is no cursor of ours", hint="take `next` of the page before", field="cursor")
    return data


def check_limit(limit: int) -> int:
    """The number of items of a page.

    Raises:
        InputError: fewer than 1 or more than `MAX_PAGE`.
    """
    if not 1 <= limit <= MAX_PAGE:
        raise InputError(f"a page has 1 to {MAX_PAGE} items, not {limit}", hint="ask for fewer", field="limit")
    return limit


def _place(cursor: str | None) -> shelf.Place | None:
    if cursor is None:
        return None
    data = read_cursor(cursor, 24)
    return int.from_bytes(data[:8], "big"), data[8:]


# --- decisions ---------------------------------------------------------------------------------------------------


def decisions(
    calendar: Calendar,
    where: DecisionFilter,
    tag: bytes | None,
    cursor: str | None,
    limit: int,
    connection: Connection,
) -> Page[DecisionItem]:
    """One page of decisions, the newest first. What was erased by shredding is not among them.

    Args:
        calendar: as published.
        where: which.
        tag: of ``where.subject``.
        cursor: ``next`` of the page before.
        limit: most items.
        connection: in a transaction.

    Raises:
        NotFoundError: no such policy or version.
        InputError: a cursor or a limit that is none.
    """
    wanted, place, language = _wanted(calendar, where), _place(cursor), _language(where)
    check_limit(limit)
    size = limit if language is None else MAX_PAGE
    items: list[DecisionItem] = []
    for _ in range(-(-SCANNED // size)):
        rows = (
            shelf.decisions(connection, wanted, place, size + 1)
            if tag is None
            else _of_subject(connection, tag, wanted, place)
        )
        page, more = rows[:size], len(rows) > size
        leaves = entry_shelf.leaves(connection, [row.ref for row in page])
        for left, row in zip(reversed(range(len(page))), page, strict=True):
            item, place = _item(row, decode(leaves[row.ref])), (row.at, row.ref)
            if language in (None, item.language):
                items.append(item)
            if len(items) == limit:
                more = more or left > 0
                break
        if not more or len(items) == limit:
            break
    return Page(tuple(items), write_cursor(place[0].to_bytes(8, "big"), place[1]) if more and place else None)


def _language(where: DecisionFilter) -> str | None:
    """The tag as entries spell it."""
    try:
        return None if where.language is None else canonical_tag(where.language)
    except InputError as error:
        error.data["field"] = "language"
        raise


def _wanted(calendar: Calendar, where: DecisionFilter) -> Wanted:
    if where.policy is not None and where.policy not in calendar.by_slug:
        raise NotFoundError(f"there is no policy {where.policy[:64]}", policy=where.policy[:64])
    serials: tuple[int, ...] = ()
    if where.version is not None:
        if where.policy is None:
            raise InputError("a version is one of a policy", hint="give the policy too", field="policy")
        version = calendar.find(where.policy, where.version)
        if version is None:
            raise NotFoundError(f"{where.policy} has no version {where.version[:40]}", policy=where.policy)
        serials = (version.serial,)
    return Wanted(
        (where.policy,) if where.policy else (),
        serials,
        (where.act.value,) if where.act else (),
        where.since,
        where.until,
    )


def _of_subject(connection: Connection, tag: bytes, wanted: Wanted, place: shelf.Place | None) -> list[OpeningRow]:
    """A subject's decisions that are wanted: nobody decides so often that a page of them would matter."""
    rows = [
        row
        for row in subject_shelf.decisions_of(connection, tag)
        if (not wanted.policies or row.policy in wanted.policies)
        and (not wanted.serials or row.serial in wanted.serials)
        and (not wanted.acts or row.act in wanted.acts)
        and (wanted.since is None or row.at >= wanted.since)
        and (wanted.until is None or row.at < wanted.until)
        and (place is None or (row.at, row.ref) < place)
    ]
    refs = [row.ref for row in sorted(rows, key=lambda row: (row.at, row.ref), reverse=True)][: MAX_PAGE + 1]
    found = subject_shelf.openings_by_refs(connection, refs)
    return [found[ref] for ref in refs if ref in found]


def _item(row: OpeningRow, entry: Entry) -> DecisionItem:
    assert isinstance(entry, DecisionEntry)  # noqa: S101  (rows with a serial are those of decisions)
    return DecisionItem(
        str(UUID(bytes=row.ref)), row.at, entry.policy, entry.version, entry.serial, entry.language, entry.text,
        Act(entry.decision), entry.method, row.expires, subject_of(row), entry.test,
    )  # fmt: skip


# --- who has not accepted ----------------------------------------------------------------------------------------


def outstanding(
    calendar: Calendar, policy: str, now: Instant, cursor: str | None, limit: int, connection: Connection
) -> Page[Missing]:
    """One page of the subjects on record whom the gate would stop because of a policy, or asks in its grace.

    Known are those who have decided about anything. A visitor that was linked to a user is that user.

    Raises:
        NotFoundError: no such policy.
        InputError: a cursor or a limit that is none.
    """
    check_limit(limit)
    if policy not in calendar.by_slug:
        raise NotFoundError(f"there is no policy {policy[:64]}", policy=policy[:64])
    standing = calendar.at(now).standing(policy)
    after = read_cursor(cursor, 16) if cursor else b""
    if standing is None or not standing.policy.kind.gates:
        return Page((), None)
    found: list[tuple[bytes, Missing]] = []
    tags = shelf.subject_tags(connection, after, SCANNED)
    rows = shelf.decisions_of_all(connection, tags)
    names = shelf.kinds_of(connection, tags)
    kinds = standing.policy.audience.kinds
    last = after
    for tag in tags:
        kind = names.get(tag, "")
        holding = fold(rows[tag]).get(policy, NOTHING)
        state = state_of(standing, holding, now)
        if (state.blocks or state is State.GRACE) and (not kinds or kind in kinds):
            accepted = calendar.by_serial.get(holding.last.serial) if holding.last else None
            decided = holding.latest.at if holding.latest else None
            label = accepted.label if accepted else None
            found.append((tag, Missing(None, kind, state, label, decided)))
        last = tag
        if len(found) == limit:
            break
    more = len(tags) == SCANNED or last != (tags[-1] if tags else after)
    who = shelf.newest_openings(connection, [tag for tag, _ in found])
    items = tuple(
        Missing(subject_of(who[tag]) if tag in who else None, one.kind, one.state, one.accepted, one.last)
        for tag, one in found
    )
    return Page(items, write_cursor(last) if more else None)


# --- one subject -------------------------------------------------------------------------------------------------


def history(
    subject: Subject, tag: bytes, status: Callable[[Sequence[subject_shelf.DecisionRow]], tuple[PolicyStatus, ...]],
    holds: tuple[Hold, ...], connection: Connection,
) -> SubjectRecord:  # fmt: skip
    """Everything about a subject: what they and their devices decided, links, holds.

    Args:
        subject: who.
        tag: of the subject.
        status: folds decisions into how each policy stands.
        holds: every legal hold there is.
        connection: in a transaction.
    """
    openings = openings_about(connection, tag)
    refs = [row.ref for row in openings]
    places, leaves = entry_shelf.placed(connection, refs), entry_shelf.leaves(connection, refs)
    items = [_history_item(places.get(row.ref), decode(leaves[row.ref]), row) for row in openings if row.ref in leaves]
    return SubjectRecord(
        subject,
        tuple(sorted(items, key=lambda item: (item.index is None, item.index or 0))),
        status(subject_shelf.decisions_of(connection, tag)),
        tuple(hold for hold in holds if hold.subject is not None and hold.subject.key == subject.key),
        is_held(connection, tag, erase_shelf.held_tags(connection)),
    )


def _history_item(index: int | None, entry: Entry, row: OpeningRow) -> HistoryItem:
    openings = parse_openings(row.openings)
    erased = check_openings(entry.commitments, openings)
    return HistoryItem(index, entry, {name: one.value for name, one in openings.items()}, erased)
