"""What erasure, legal holds and retention look up.

Room: store; called by the service. The rows themselves are overwritten by `consentgate.store.subjects`.

A hold is a row like any other: the opening of the entry that says so, filed under the subject, with ``act = 'hold'``;
``act = 'release'`` ends it. Whichever stands later in the ledger counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import Connection, delete, select, tuple_

from consentgate.store import meta
from consentgate.store.statements import chunks
from consentgate.store.subjects import OpeningRow, living
from consentgate.store.tables import ENTRY, META, OPENING, QUEUE

HOLD, RELEASE = "hold", "release"
_REVOKED = "revoked:"


class DecidedRow(NamedTuple):
    """A decision that may be old enough to be purged."""

    at: int
    ref: bytes
    subject_tag: bytes


def held_tags(connection: Connection) -> frozenset[bytes]:
    """The tags of everybody whose openings are under a legal hold now."""
    return frozenset(row.subject_tag for row in holds(connection) if row.subject_tag)


def holds(connection: Connection) -> list[OpeningRow]:
    """The opening of the newest hold of everybody who is under one now, in the order of the ledger."""
    # What waits for its place comes after everything that has one.
    rows = connection.execute(
        select(OPENING)
        .join(ENTRY, ENTRY.c.ref == OPENING.c.ref, isouter=True)
        .join(QUEUE, QUEUE.c.ref == OPENING.c.ref, isouter=True)
        .where(OPENING.c.serial.is_(None), OPENING.c.act.in_((HOLD, RELEASE)))
        .order_by(ENTRY.c.idx.nulls_last(), QUEUE.c.id)
    )
    newest = {row.subject_tag: row for row in filter(None, map(living, rows))}
    return [row for row in newest.values() if row.act == HOLD]


def visitors_of(connection: Connection, subject_tag: bytes) -> list[bytes]:
    """The tags of the visitors that were linked to a subject."""
    statement = select(OPENING.c.linked_tag).where(
        OPENING.c.subject_tag == subject_tag, OPENING.c.linked_tag.is_not(None)
    )
    return [tag for tag in connection.scalars(statement) if tag is not None]


def links_of(connection: Connection, visitor_tag: bytes) -> list[OpeningRow]:
    """The links that carried a visitor's decisions over to a user."""
    rows = connection.execute(select(OPENING).where(OPENING.c.linked_tag == visitor_tag))
    return list(filter(None, map(living, rows)))


def with_field(connection: Connection, field: str, before: int, after: bytes, limit: int) -> list[OpeningRow]:
    """Openings of before an instant that still have a field, by ref. Reads the table from where the last page ended.

    Args:
        connection: in a transaction.
        field: its name.
        before: instant.
        after: the last ref the caller has seen; empty to begin with.
        limit: most rows.
    """
    # A quotation mark inside a value is escaped, so this finds names only.
    statement = (
        select(OPENING)
        .where(
            OPENING.c.ref > after, OPENING.c.at < before, OPENING.c.openings.contains(f'"{field}":[', autoescape=True)
        )
        .order_by(OPENING.c.ref)
        .limit(limit)
    )
    return list(filter(None, map(living, connection.execute(statement))))


def decided_before(
    connection: Connection, serial: int, act: str, before: int, after: tuple[int, bytes], limit: int
) -> list[DecidedRow]:
    """Decisions of one kind about one version made before an instant, oldest first: candidates of a purge.

    Args:
        connection: in a transaction.
        serial: of the version.
        act: what was decided.
        before: instant.
        after: instant and ref of the last one the caller has seen.
        limit: most rows.
    """
    statement = (
        select(OPENING.c.at, OPENING.c.ref, OPENING.c.subject_tag)
        .where(
            OPENING.c.serial == serial,
            OPENING.c.act == act,
            OPENING.c.at < before,
            OPENING.c.at >= after[0],
            tuple_(OPENING.c.at, OPENING.c.ref) > after,
        )
        .order_by(OPENING.c.at, OPENING.c.ref)
        .limit(limit)
    )
    return [DecidedRow._make(row) for row in connection.execute(statement)]


def revoked(connection: Connection) -> dict[bytes, int]:
    """Until which second the passes of whom are no evidence any more, by a digest that names nobody."""
    return {bytes.fromhex(key): int(value) for key, value in meta.under(connection, _REVOKED).items()}


def revoke(connection: Connection, digests: Iterable[bytes], second: int) -> None:
    """Note that passes issued up to a second are no evidence any more."""
    for digest in digests:
        meta.put(connection, _REVOKED + digest.hex(), str(second))


def forget_revoked(connection: Connection, before: int) -> None:
    """Forget what was revoked before a second: such passes have died out."""
    gone = [key for key, second in revoked(connection).items() if second < before]
    for some in chunks(_REVOKED + key.hex() for key in gone):
        connection.execute(delete(META).where(META.c.key.in_(some)))
