"""Erase: openings are overwritten, and one entry says so; or a legal hold forbids it.

Room: service; called through `consentgate.service.upkeep`. No entry is touched: root, proofs and everybody else's
receipts stay as they are, and verification tells what was erased on record from what was lost.

    shred         everything about a subject: what they decided no longer counts
    pseudonymise  some fields, or all that say who it was; the keyed tag stays, so what they decided still counts
    hold          nothing; until it is released, neither erasure nor retention touches what is held
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from sqlalchemy import Connection

from consentgate.errors import HeldError, InputError, NotFoundError
from consentgate.evidence.commitments import commit_all, format_openings, parse_openings
from consentgate.evidence.entry import TYPES, EraseEntry, decode
from consentgate.service.ledger import Pending, opening_row
from consentgate.service.traces import Trace
from consentgate.store import entries, meta, subjects
from consentgate.store import erasing as shelf
from consentgate.store.erasing import HOLD, RELEASE
from consentgate.store.subjects import OpeningRow
from consentgate.terms.identifiers import uuid7
from consentgate.terms.instants import Instant
from consentgate.terms.subject import Subject, SubjectKind

Mode = Literal["pseudonymise", "shred", "hold"]

_SCRUB, _DUE = "scrub", "due"

Scrub = Literal["", "due", "rewrite"]
"""Whether something that was erased may still lie in the files of the database: ``due``: to be tried again;
``rewrite``: that is left to `consentgate db rewrite`."""

REFS_AN_ENTRY = 1_200
"""Ids an erase entry names: 39 bytes each, and it must fit into 65,535 with a basis of 2,000 characters."""

_STAYS = frozenset({"subject_kind"})
"""Fields that say nothing about who it was."""

_KNOWN = frozenset[str]().union(*(kind.PERSONAL for kind in TYPES.values()))


@dataclass(frozen=True, slots=True)
class Order:
    """What to erase.

    Args:
        subjects: each with its tag.
        mode: ``shred``, ``pseudonymise``, ``hold``.
        fields: names, for ``pseudonymise``; ``None`` for all that say who it was.
        basis: why, in one line without personal data; it stands in the ledger in clear.
        by: who does it; stands there as a commitment.
    """

    subjects: tuple[tuple[Subject, bytes], ...]
    mode: Mode
    fields: frozenset[str] | None
    basis: str
    by: str


@dataclass(frozen=True, slots=True)
class Erased:
    """What was erased, or held.

    Args:
        entries: of the ledger whose openings it concerns.
        records: the erase entries that say so.
        gone: whether the bytes are gone from the files of the database; if not, ``left`` says why, and until when.
        left: where else copies may be, and until when: always the backups, on PostgreSQL the server's log, too.
    """

    entries: int = 0
    records: tuple[EraseEntry, ...] = ()
    gone: bool = True
    left: tuple[Trace, ...] = ()

    def __add__(self, other: Erased) -> Erased:
        left = dict.fromkeys(self.left + other.left)
        return Erased(self.entries + other.entries, self.records + other.records, self.gone and other.gone, tuple(left))


def make_order(
    subjects_: Iterable[tuple[Subject, bytes]], mode: Mode | None, fields: Iterable[str] | None, basis: str, by: str
) -> Order:
    """Check what is asked for.

    Args:
        subjects_: each with its tag.
        mode: ``None``: ``pseudonymise`` where fields are named, else ``shred``.
        fields: names, or ``None``.
        basis, by: see `Order`.

    Raises:
        InputError: no such mode or field, fields with another mode than ``pseudonymise``, or no basis.
    """
    named = None if fields is None else frozenset(fields)
    mode = mode or ("shred" if named is None else "pseudonymise")
    if mode not in ("pseudonymise", "shred", "hold"):
        raise InputError(f"there is no way to erase called {str(mode)[:40]!r}", hint="shred, pseudonymise or hold")
    if named is not None and mode != "pseudonymise":
        raise InputError(f"{mode} concerns everything", hint="fields go with pseudonymise")
    check_fields(named or ())
    return Order(tuple(subjects_), mode, named, check_basis(basis), by)


def check_fields(fields: Iterable[str]) -> None:
    """Refuse names no entry has: a field that is misspelt would be kept.

    Raises:
        InputError: it names the field.
    """
    for name in fields:
        if name not in _KNOWN and not name.startswith("x_"):
            raise InputError(f"no entry has a field {name[:40]!r}", hint=f"one of {', '.join(sorted(_KNOWN))}")


def check_basis(basis: str) -> str:
    """The basis, if it can stand in the ledger.

    Raises:
        InputError: empty, longer than 2,000 characters, or not one line.
    """
    basis = basis.strip()
    if not 0 < len(basis) <= 2_000 or not basis.isprintable():
        raise InputError(
            "an erasure needs a basis: one line of at most 2,000 characters",
            hint='why, without personal data, such as "asked for by the subject, ticket 4711"',
        )
    return basis


# --- the files of the database ---------------------------------------------------------------------------------------


def scrub_state(connection: Connection) -> Scrub:
    """Whether something is to be done about the files."""
    value = meta.get(connection, _SCRUB) or ""
    return "due" if value.startswith(_DUE) else "rewrite" if value == "rewrite" else ""


def scrub_due(connection: Connection) -> None:
    """Say that something must be done about them: in the transaction that erases."""
    meta.put(connection, _SCRUB, _DUE)


def begin_scrub(connection: Connection, token: str) -> None:
    """Say that somebody is about to do it. What is erased meanwhile takes the token's place."""
    meta.put(connection, _SCRUB, f"{_DUE} {token}")


def end_scrub(connection: Connection, token: str, state: Scrub) -> None:
    """Say what came of it, unless somebody erased or began meanwhile: whoever did says so then."""
    if meta.get(connection, _SCRUB) == f"{_DUE} {token}":
        meta.put(connection, _SCRUB, state)


# --- what belongs to a subject -----------------------------------------------------------------------------------


def openings_about(connection: Connection, tag: bytes) -> list[OpeningRow]:
    """Everything personal about a subject, oldest first: their own, that of their devices, and the links between."""
    rows = subjects.openings_of(connection, tag) + shelf.links_of(connection, tag)
    for visitor in shelf.visitors_of(connection, tag):
        rows += subjects.openings_of(connection, visitor)
    return sorted({row.ref: row for row in rows}.values(), key=lambda row: (row.at, row.ref))


def is_held(connection: Connection, tag: bytes, held: frozenset[bytes]) -> bool:
    """Whether a subject is under a hold, or one of their devices, or whose device it is."""
    if not held:
        return False
    return bool(held & {tag, *shelf.visitors_of(connection, tag), subjects.linked_to(connection, tag)})


# --- the operations, inside the writer's transaction -------------------------------------------------------------


def erase(order: Order, randomness: Callable[[int], bytes], connection: Connection, pending: Pending) -> Erased:
    """Carry an order out.

    Raises:
        HeldError: one of the subjects is under a legal hold; nothing was erased for any of them.
    """
    meta.lock_generation(connection)  # a hold by another process comes before this, or after it
    if order.mode == "hold":
        done = [_hold(order, subject, tag, randomness, connection, pending) for subject, tag in order.subjects]
        return sum(done, Erased())
    check_holds(order.subjects, connection)
    rows = {row.ref: row for _, tag in order.subjects for row in openings_about(connection, tag)}
    return erase_rows(order, list(rows.values()), randomness, connection, pending)


def check_holds(about: Sequence[tuple[Subject, bytes]], connection: Connection) -> None:
    """Refuse to erase what is held.

    Raises:
        HeldError: it says how many of the subjects.
    """
    held = shelf.held_tags(connection)
    stopped = sum(is_held(connection, tag, held) for _, tag in about)
    if stopped:
        raise HeldError(
            "what is known of this subject is under a legal hold; nothing was erased"
            if len(about) == 1
            else f"{stopped:,} of {len(about):,} subjects are under a legal hold; nothing was erased",
            hint="end the hold first, when whoever ordered it agrees",
        )


def erase_refs(
    order: Order,
    refs: Iterable[bytes],
    randomness: Callable[[int], bytes],
    connection: Connection,
    pending: Pending,
) -> Erased:
    """Carry an order out on these entries, but for those under a hold."""
    meta.lock_generation(connection)
    rows = not_held(connection, subjects.openings_by_refs(connection, refs).values())
    return erase_rows(order, rows, randomness, connection, pending)


def not_held(connection: Connection, rows: Iterable[OpeningRow]) -> list[OpeningRow]:
    """Those of these rows that are under no hold."""
    held = shelf.held_tags(connection)
    return [row for row in rows if not (row.subject_tag and is_held(connection, row.subject_tag, held))]


def erase_rows(
    order: Order,
    rows: Sequence[OpeningRow],
    randomness: Callable[[int], bytes],
    connection: Connection,
    pending: Pending,
) -> Erased:
    """Overwrite these rows as an order says, and enter that."""
    if order.mode == "shred":
        refs, names = [row.ref for row in rows], None
        subjects.delete_openings(connection, refs)
    else:
        refs, names = blank(connection, rows, order.fields)
    if not refs:
        return Erased()
    scrub_due(connection)
    return _enter(refs, order, order.mode, randomness, pending, fields=names)


def blank(
    connection: Connection, rows: Iterable[OpeningRow], fields: frozenset[str] | None
) -> tuple[list[bytes], tuple[str, ...]]:
    """Take fields out of rows; the refs of those that had any, and the names that were taken."""
    refs, names = list[bytes](), set[str]()
    for row in rows:
        openings = parse_openings(row.openings)
        taken = openings.keys() - _STAYS if fields is None else openings.keys() & fields
        if taken:
            left = {name: opening for name, opening in openings.items() if name not in taken}
            subjects.replace_openings(connection, row.ref, format_openings(left))
            refs.append(row.ref)
            names |= taken
    return refs, tuple(sorted(names))


def _hold(
    order: Order,
    subject: Subject,
    tag: bytes,
    randomness: Callable[[int], bytes],
    connection: Connection,
    pending: Pending,
) -> Erased:
    refs = [row.ref for row in openings_about(connection, tag) if row.act not in (HOLD, RELEASE)]
    return _enter(refs, order, HOLD, randomness, pending, about=(subject, tag))


def release(order: Order, randomness: Callable[[int], bytes], connection: Connection, pending: Pending) -> Erased:
    """End the holds of the order's subjects.

    Raises:
        NotFoundError: there is none.
    """
    meta.lock_generation(connection)
    held = shelf.held_tags(connection)
    if not all(tag in held for _, tag in order.subjects):
        raise NotFoundError("there is no legal hold on this subject", hint="see `consentgate hold`")
    done = []
    for subject, tag in order.subjects:
        refs = [row.ref for row in subjects.openings_of(connection, tag) if row.act == HOLD]
        done.append(_enter(refs, order, RELEASE, randomness, pending, about=(subject, tag)))
    return sum(done, Erased())


@dataclass(frozen=True, slots=True)
class Hold:
    """A legal hold.

    Args:
        subject: whose openings may not be erased; ``None`` where the hold does not say so any more.
        at: since when.
        basis: why.
    """

    subject: Subject | None
    at: Instant
    basis: str


def holds(connection: Connection) -> tuple[Hold, ...]:
    """Every legal hold there is now, the oldest first."""
    rows = shelf.holds(connection)
    leaves = entries.leaves(connection, [row.ref for row in rows])
    found = []
    for row in rows:
        entry = decode(leaves[row.ref])
        found.append(Hold(subject_of(row), row.at, entry.basis if isinstance(entry, EraseEntry) else ""))
    return tuple(found)


def subject_of(row: OpeningRow) -> Subject | None:
    """Whom a row is about, where it still says so."""
    openings = parse_openings(row.openings)
    if "subject" not in openings or row.subject_kind not in set(SubjectKind):
        return None
    return Subject(openings["subject"].value, SubjectKind(row.subject_kind))


def _enter(
    refs: Sequence[bytes],
    order: Order,
    mode: str,
    randomness: Callable[[int], bytes],
    pending: Pending,
    *,
    fields: tuple[str, ...] | None = None,
    about: tuple[Subject, bytes] | None = None,
) -> Erased:
    """Append the entries that say what was erased or held: as many as are needed for all ids."""
    records = []
    personal: dict[str, str | None] = {"administrator": order.by}
    if about is not None:
        personal |= {"subject": about[0].id, "subject_kind": about[0].kind.value}
    for start in range(0, max(len(refs), 1), REFS_AN_ENTRY):
        commitments, openings = commit_all(personal, lambda: randomness(32))
        entry = EraseEntry(
            id=uuid7(pending.at, randomness(10)),
            at=pending.at,
            commitments=commitments,
            refs=tuple(map(_uuid, refs[start : start + REFS_AN_ENTRY])),
            fields=fields,
            mode=mode,
            basis=order.basis,
        )
        row = opening_row(entry.id, pending.at, openings)
        if about is not None:
            row = row._replace(subject_tag=about[1], subject_kind=about[0].kind.value, act=mode)
        pending.append(entry, row)
        records.append(entry)
    return Erased(len(refs), tuple(records))


def _uuid(ref: bytes) -> UUID:
    return UUID(bytes=ref)
