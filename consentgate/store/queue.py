"""Entries that are durable and wait for their places in the ledger. On PostgreSQL alone; on SQLite the table is empty.

Room: store; called by ``service/queue``, which puts them in, and by ``service/sequencer``, which takes them out. Their
order is that of ``id``: whoever begins a transaction after another one was committed gets a larger number than it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, delete, func, select

from consentgate.store.direct import ask, numbers, octets, texts
from consentgate.store.meta import GENERATION
from consentgate.store.statements import Prepared, PreparedIn, PreparedInsert
from consentgate.store.subjects import OpeningRow
from consentgate.store.tables import ENTRY, HEAD, META, OPENING, QUEUE


class QueueRow(NamedTuple):
    """An entry that waits: the request it answers (16 bytes), its instant, and the exact bytes."""

    ref: bytes
    at: int
    leaf: bytes


class Waiting(NamedTuple):
    """How long the queue is.

    Args:
        entries: how many wait.
        oldest: instant of the oldest of them, or ``None``.
    """

    entries: int
    oldest: int | None


_INSERT = PreparedInsert(QUEUE, ["ref", "at", "leaf"])
_LEAVES = PreparedIn(lambda refs: select(QUEUE.c.ref, QUEUE.c.leaf).where(QUEUE.c.ref.in_(refs)))
_FIRST = select(QUEUE.c.id).order_by(QUEUE.c.id).limit(bindparam("limit")).scalar_subquery()
_PLACE = select(ENTRY.c.idx).where(ENTRY.c.ref == QUEUE.c.ref).scalar_subquery()
_TAKE = Prepared(
    lambda _: (
        delete(QUEUE).where(QUEUE.c.id.in_(_FIRST)).returning(QUEUE.c.id, QUEUE.c.ref, QUEUE.c.at, QUEUE.c.leaf, _PLACE)
    ),
    ("limit",),
)
_STATE = f"SELECT (SELECT size FROM {HEAD.name}), (SELECT min(id) FROM {QUEUE.name})".encode()  # noqa: S608
_LONGER = f"SELECT 1 FROM {QUEUE.name} ORDER BY id LIMIT 1 OFFSET ($1::bigint[])[1]".encode()  # noqa: S608
_LOOK = f"""
SELECT coalesce(head.at, 0), (SELECT max(at) FROM {QUEUE.name} WHERE at > coalesce(head.at, 0)), meta.value
FROM {META.name} AS meta LEFT JOIN {HEAD.name} AS head ON true WHERE meta.key = '{GENERATION}'
""".encode()  # noqa: S608  (names of ours)
_OPENED = ", ".join(OPENING.columns.keys())
_KEEP = f"""
WITH given AS (
    SELECT * FROM unnest(
        $1::bytea[], $2::bigint[], $3::bytea[], $4::bytea[], $5::text[],
        $6::bytea[], $7::text[], $8::bigint[], $9::text[], $10::bigint[], $11::bigint[], $12::text[]
    ) AS given (ref, came, leaf, subject_tag, subject_kind, linked_tag, policy, serial, act, at, expires, openings)
), opened AS (
    INSERT INTO {OPENING.name} ({_OPENED}) SELECT {_OPENED} FROM given WHERE openings IS NOT NULL AND {{only}}
    ORDER BY ref
)
INSERT INTO {QUEUE.name} (ref, at, leaf) SELECT ref, came, leaf FROM given WHERE {{only}} ORDER BY came
"""  # noqa: S608  (names of ours)
_UNMOVED = f"(SELECT value FROM {META.name} WHERE key = '{GENERATION}') = $13::text"  # noqa: S608  (names of ours)
_KEEP_UNMOVED = _KEEP.format(only=_UNMOVED).encode()
_KEEP_ANYWAY = _KEEP.format(only="true").encode()
_NONE = (b"", None, None, None, None, None, None, 0, None, None)
"""Stands for an opening that an entry does not have."""
_NEWEST = Prepared(lambda _: select(func.max(QUEUE.c.id)), ())
_OLDEST = Prepared(lambda _: select(func.min(QUEUE.c.id)), ())


def keep(
    connection: Connection, openings: Iterable[OpeningRow], rows: Sequence[QueueRow], *, generation: int | None = None
) -> bool:
    """Keep openings and let their entries wait, in one statement. It is a transaction of its own if none has begun.

    Openings go in by the order of their refs, so that two batches with the same requests never wait for one another in
    a circle. One that is there already raises, and nothing is kept.

    Args:
        connection: of PostgreSQL.
        openings: of some of the entries.
        rows: the entries, in the order of their instants.
        generation: keep nothing where the publication counter has another value.

    Returns:
        Whether they were kept.
    """
    by_ref = {opening.ref: opening for opening in openings}
    _, tags, kinds, linked, policies, serials, acts, ats, expires, values = zip(
        *(by_ref.get(row.ref, _NONE) for row in rows), strict=True
    )
    given = (
        octets([row.ref for row in rows]), numbers([row.at for row in rows]), octets([row.leaf for row in rows]),
        octets(tags), texts(kinds), octets(linked), texts(policies), numbers(serials), texts(acts), numbers(ats),
        numbers(expires), texts(values),
    )  # fmt: skip
    if generation is None:
        _, kept = ask(connection, _KEEP_ANYWAY, *given)
    else:
        _, kept = ask(connection, _KEEP_UNMOVED, *given, b"%d" % generation)
    return kept == len(rows)


def enqueue(connection: Connection, rows: Sequence[QueueRow]) -> None:
    """Let entries wait. A ref that waits already raises and rolls the transaction back."""
    _INSERT.many(connection, rows)


def take(connection: Connection, limit: int) -> list[QueueRow]:
    """Take the first entries out, in their order. Whoever does has locked the head.

    One that has its place already, which the key of its opening forbids, is taken out and not given another.
    """
    rows = sorted(_TAKE.all(connection, limit))
    return [QueueRow(ref, at, leaf) for _, ref, at, leaf, place in rows if place is None]


def state(connection: Connection) -> tuple[int, bool]:
    """How many entries have their places, and whether any waits for one."""
    ((size, first),), _ = ask(connection, _STATE)
    return int(size or 0), first is not None


def leaves(connection: Connection, refs: Iterable[bytes]) -> dict[bytes, bytes]:
    """The bytes of those of these entries that wait."""
    return dict(_LEAVES.all(connection, refs))


def every(connection: Connection) -> dict[bytes, bytes]:
    """The bytes of all entries that wait, by ref. For verification."""
    return {row.ref: row.leaf for row in connection.execute(select(QUEUE.c.ref, QUEUE.c.leaf))}


def edge(connection: Connection) -> tuple[int, int]:
    """The latest instant of any entry, in the ledger or waiting, and the publication counter.

    One statement: nothing that gets its place meanwhile is missed, and a batch has few of them. Of those that wait it
    looks at none before the head, so that it never walks over those that were taken and not vacuumed away yet.
    """
    rows, _ = ask(connection, _LOOK)
    if not rows:
        return 0, 0
    head, waiting_, generation = rows[0]
    return int(waiting_ or head or 0), int(generation or 0)


def longer_than(connection: Connection, number: int) -> bool:
    """Whether more entries wait than this. It walks over as many rows of an index: not for every decision."""
    found, _ = ask(connection, _LONGER, numbers([number]))
    return bool(found)


def newest(connection: Connection) -> int | None:
    """The number of the entry that came last, or ``None`` where nothing waits."""
    row = _NEWEST.one(connection)
    return row[0] if row else None


def waits_up_to(connection: Connection, last: int) -> bool:
    """Whether an entry with this number, or a smaller one, still waits."""
    row = _OLDEST.one(connection)
    return row is not None and row[0] is not None and row[0] <= last


def waiting(connection: Connection) -> Waiting:
    """How long the queue is, and since when."""
    number, oldest = connection.execute(select(func.count(), func.min(QUEUE.c.at)).select_from(QUEUE)).one()
    return Waiting(number, oldest)
