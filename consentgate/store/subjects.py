"""Everything personal: the openings of entries, and what a subject decided. The only rows that are ever erased.

Room: store; called by the service. Subjects are known here by a keyed tag alone (16 bytes); who stands behind a tag
is in the openings, and only there.

Erasing overwrites a row where it lies, with as many bytes as it had, and leaves the empty row. A deleted row would be
worse: SQLite closes the gap by moving other rows, and of a row that is moved a copy can stay behind in the free space
of a page, where ``secure_delete`` does not reach (it clears what is deleted, not what was moved). Somebody who is
erased later would then still be in the file. A row that is never moved has one place, and that place is overwritten.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, LargeBinary, bindparam, cast, func, select, union_all, update

from consentgate.store.statements import Prepared, PreparedInsert, chunks
from consentgate.store.tables import OPENING


class OpeningRow(NamedTuple):
    """The opening of one entry.

    Args:
        ref: the entry's ref.
        subject_tag: keyed hash of the subject, for look-ups; ``None`` where an entry is about nobody.
        subject_kind: user, visitor or service.
        linked_tag: of a link: the visitor whose decisions count for ``subject_tag``.
        policy, serial, act: what was decided; ``None`` for entries that are not decisions.
        at, expires: instants.
        openings: JSON of salts and values.
    """

    ref: bytes
    subject_tag: bytes | None
    subject_kind: str | None
    linked_tag: bytes | None
    policy: str | None
    serial: int | None
    act: str | None
    at: int
    expires: int | None
    openings: str


class DecisionRow(NamedTuple):
    """What a subject decided, without anything else that is personal."""

    policy: str
    serial: int
    act: str
    at: int
    expires: int | None
    ref: bytes


_BLANKED = ("subject_tag", "subject_kind", "linked_tag", "serial", "openings")
_INSERT_OPENING = PreparedInsert(OPENING)
_DECISION = (
    OPENING.c.policy,
    OPENING.c.serial,
    OPENING.c.act,
    OPENING.c.at,
    OPENING.c.expires,
    OPENING.c.ref,
)
_LINK = OPENING.alias("link")
_DECISIONS = Prepared(
    lambda _: union_all(
        select(*_DECISION).where(OPENING.c.subject_tag == bindparam("tag"), OPENING.c.serial.is_not(None)),
        select(*_DECISION)
        .select_from(_LINK.join(OPENING, OPENING.c.subject_tag == _LINK.c.linked_tag))
        .where(
            _LINK.c.subject_tag == bindparam("tag"),
            _LINK.c.linked_tag.is_not(None),
            OPENING.c.serial.is_not(None),
            OPENING.c.at <= _LINK.c.at,
        ),
    ),
    ("tag",),
)


def insert_openings(connection: Connection, rows: Sequence[OpeningRow]) -> None:
    """Keep openings, in the same transaction as their entries."""
    _INSERT_OPENING.many(connection, rows)


def opening_by_ref(connection: Connection, ref: bytes) -> OpeningRow | None:
    """The opening of an entry, or ``None`` where it was erased or never was."""
    return openings_by_refs(connection, (ref,)).get(ref)


def living(row: Sequence[Any]) -> OpeningRow | None:
    """A row of the table as it is read: without its padding, or ``None`` where it was erased."""
    opening = OpeningRow._make(row)
    if not opening.openings.endswith(" ") and any(opening.subject_tag or b"*"):
        return opening
    opening = opening._replace(openings=opening.openings.rstrip(" "))
    erased = opening.openings == "{}" if opening.subject_tag is None else not any(opening.subject_tag)
    return None if erased else opening


def openings_by_refs(connection: Connection, refs: Iterable[bytes]) -> dict[bytes, OpeningRow]:
    """The openings of these entries, by ref; erased ones are missing."""
    found: dict[bytes, OpeningRow] = {}
    for some in chunks(refs):
        rows = connection.execute(select(OPENING).where(OPENING.c.ref.in_(some)))
        found.update((row.ref, row) for row in filter(None, map(living, rows)))
    return found


def openings_of(connection: Connection, subject_tag: bytes) -> list[OpeningRow]:
    """Every opening of a subject, oldest first."""
    statement = select(OPENING).where(OPENING.c.subject_tag == subject_tag).order_by(OPENING.c.at, OPENING.c.ref)
    return list(filter(None, map(living, connection.execute(statement))))


def replace_openings(connection: Connection, ref: bytes, openings: str) -> bool:
    """Write other openings for an entry, to erase a single field; whether there was a row.

    Call `Database.scrub` after the commit.
    """
    row = opening_by_ref(connection, ref)
    if row is None:
        return False
    length = connection.scalar(select(_length(connection)).where(OPENING.c.ref == ref)) or 0
    connection.execute(update(OPENING).where(OPENING.c.ref == ref).values(openings=_padded(openings, length)))
    return True


def delete_openings(connection: Connection, refs: Iterable[bytes]) -> int:
    """Erase these openings; how many there were. Call `Database.scrub` after the commit.

    What stands in the entry in clear anyway (policy, act, instants) stays; tags, kind and openings are overwritten,
    and the serial becomes a number below 1, so that nothing counts the row any more.
    """
    gone = 0
    for some in chunks(refs):
        rows = connection.execute(select(OPENING, _length(connection)).where(OPENING.c.ref.in_(some))).all()
        erased = [_blank(OpeningRow._make(row[:-1]), row[-1]) for row in rows if living(row[:-1]) is not None]
        gone += len(erased)
        if erased:
            connection.execute(_OVERWRITE, erased)
    return gone


def _length(connection: Connection) -> ColumnElement[int]:
    """How many bytes the openings of a row have. PostgreSQL would read a text as the notation of bytes."""
    if connection.dialect.name == "postgresql":
        return func.octet_length(OPENING.c.openings)
    return func.length(cast(OPENING.c.openings, LargeBinary))


_OVERWRITE = (
    update(OPENING)
    .where(OPENING.c.ref == bindparam("key"))
    .values({column: bindparam(f"new_{column}") for column in _BLANKED})
)


def _blank(row: OpeningRow, length: int) -> dict[str, Any]:
    """The values that overwrite a row: each as long as what it had (SQLite then changes the bytes where they are)."""
    return {
        "key": row.ref,
        "new_subject_tag": row.subject_tag and bytes(len(row.subject_tag)),
        "new_subject_kind": row.subject_kind and " " * len(row.subject_kind),
        "new_linked_tag": row.linked_tag and bytes(len(row.linked_tag)),
        # SQLite keeps 0 and 1 in no byte at all, and n in as many as -n - 1.
        "new_serial": row.serial if row.serial is None else 0 if row.serial == 1 else ~row.serial,
        "new_openings": _padded("{}", length),
    }


def _padded(openings: str, length: int) -> str:
    """Text with spaces behind it up to so many bytes."""
    return openings + " " * (length - len(openings.encode()))


def decisions_of(connection: Connection, subject_tag: bytes) -> list[DecisionRow]:
    """Every decision that counts for a subject, in any order: the gate's one indexed query.

    Their own, and those of a visitor that was linked to them, made up to the link.
    """
    return [DecisionRow._make(row) for row in _DECISIONS.all(connection, subject_tag)]


def lock_decisions(connection: Connection, subject_tag: bytes) -> None:
    """Keep others from linking this subject until the transaction ends. On SQLite a write transaction does that."""
    if connection.dialect.name != "sqlite":
        statement = select(OPENING.c.ref).where(OPENING.c.subject_tag == subject_tag).order_by(OPENING.c.ref)
        connection.execute(statement.with_for_update()).all()


def linked_to(connection: Connection, visitor_tag: bytes) -> bytes | None:
    """The tag of the subject a visitor was linked to, or ``None``."""
    return connection.scalar(select(OPENING.c.subject_tag).where(OPENING.c.linked_tag == visitor_tag).limit(1))


def accepted_at(
    connection: Connection, subject_tag: bytes, policy: str, at: int, acts: Sequence[str] = ()
) -> DecisionRow | None:
    """The last decision of a subject about a policy, made at or before an instant, or ``None``.

    Args:
        connection: in a transaction.
        subject_tag: whose.
        policy: slug.
        at: instant.
        acts: only these; empty means any, so that the caller sees a withdrawal that came after an acceptance.
    """
    statement = (
        select(*_DECISION)
        .where(
            OPENING.c.subject_tag == subject_tag,
            OPENING.c.policy == policy,
            OPENING.c.at <= at,
            OPENING.c.serial.is_not(None),
        )
        .order_by(OPENING.c.at.desc(), OPENING.c.ref.desc())
        .limit(1)
    )
    if acts:
        statement = statement.where(OPENING.c.act.in_(acts))
    row = connection.execute(statement).one_or_none()
    return None if row is None else DecisionRow._make(row)


def count_by_serial(connection: Connection) -> dict[tuple[int, str], int]:
    """How many decisions there are, by version serial and act. Reads one index from end to end."""
    statement = (
        select(OPENING.c.serial, OPENING.c.act, func.count())
        .where(OPENING.c.serial > 0)
        .group_by(OPENING.c.serial, OPENING.c.act)
    )
    return {(serial, act): number for serial, act, number in connection.execute(statement)}


def count_per_period(
    connection: Connection, serial: int, period: int, since: int | None = None
) -> list[tuple[int, str, int]]:
    """The acceptance curve of a version: (start of the period, act, number), oldest first.

    Args:
        connection: in a transaction.
        serial: of the version.
        period: length in microseconds, such as a day.
        since: only what was decided from this instant on.
    """
    start = OPENING.c.at - OPENING.c.at % period
    statement = (
        select(start, OPENING.c.act, func.count())
        .where(OPENING.c.serial == serial)
        .group_by(start, OPENING.c.act)
        .order_by(start, OPENING.c.act)
    )
    if since is not None:
        statement = statement.where(OPENING.c.at >= since)
    return [(at, act, number) for at, act, number in connection.execute(statement)]


def refs_without_subject(connection: Connection) -> list[bytes]:
    """Refs of entries that are about nobody: publications and what administrators did. From the index by subject."""
    return list(connection.scalars(select(OPENING.c.ref).where(OPENING.c.subject_tag.is_(None))))
