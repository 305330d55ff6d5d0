"""Entries that are durable and wait for their places in the ledger. On PostgreSQL alone; on SQLite the table is empty.

Room: store; called by ``service/queue``, which puts them in, and by ``service/sequencer``, which takes them out. Their
order is that of ``id``: whoever begins a transaction after another one was committed gets a larger number than it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import NamedTuple, TypeAlias

from sqlalchemy import Connection, bindparam, delete, func, select

from consentgate.store.direct import ask, number, numbers, octets, texts
from consentgate.store.meta import GENERATION
from consentgate.store.statements import Prepared, PreparedIn, PreparedInsert
from consentgate.store.subjects import OpeningRow
from consentgate.store.tables import ENTRY, HEAD, META, OPENING, QUEUE


class QueueRow(NamedTuple):
    """An entry that waits: the request it answers (16 bytes), its instant, and the exact bytes."""

    ref: bytes
    at: int
    leaf: bytes


class Edge(NamedTuple):
    """What is newest.

    Args:
        at: latest instant of any entry, in the ledger or waiting.
        generation: the publication counter.
    """

    at: int
    generation: int


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
_GIVEN = {
    "ref": "bytea", "came": "bigint", "leaf": "bytea",
    "subject_tag": "bytea", "subject_kind": "text", "linked_tag": "bytea", "policy": "text", "serial": "bigint",
    "act": "text", "at": "bigint", "expires": "bigint", "openings": "text",
}  # fmt: skip
"""What is sent for each entry: of the queue's row, then of its opening."""
_ARRAYS = ", ".join(f"${place}::{kind}[]" for place, kind in enumerate(_GIVEN.values(), 1))
_MANY = f"given AS (SELECT * FROM unnest({_ARRAYS}) AS given ({', '.join(_GIVEN)}))"  # noqa: S608  (names of ours)
_VALUES = ", ".join(f"${place}::{kind} AS {name}" for place, (name, kind) in enumerate(_GIVEN.items(), 1))
_ONE = f"given AS NOT MATERIALIZED (SELECT {_VALUES})"
_KEEP = f"""
WITH {_MANY}, opened AS (
    INSERT INTO {OPENING.name} ({_OPENED}) SELECT {_OPENED} FROM given WHERE openings IS NOT NULL ORDER BY ref
)
INSERT INTO {QUEUE.name} (ref, at, leaf) SELECT ref, came, leaf FROM given ORDER BY came
""".encode()  # noqa: S608  (names of ours)
_LATER = 1_000
"""Entries that wait and are later than ours, of which it is looked whose they are. Where there are more, clocks differ:
then ours shall be later than all of them."""
_KEEP_IF = f"""
WITH {{given}}, seen AS MATERIALIZED (
    SELECT meta.value AS generation, coalesce(head.at, 0) AS placed,
        (SELECT max(at) FROM {QUEUE.name} WHERE at > coalesce(head.at, 0)) AS waiting
    FROM {META.name} AS meta LEFT JOIN {HEAD.name} AS head ON true WHERE meta.key = '{GENERATION}'
), later AS MATERIALIZED (
    SELECT ref FROM {QUEUE.name} WHERE at >= {{first}} ORDER BY at LIMIT {_LATER}
), free AS MATERIALIZED (
    SELECT 1 AS yes FROM seen
    WHERE generation = $13::text AND placed < {{first}} AND (SELECT count(*) FROM later) < {_LATER}
    AND NOT EXISTS (
        SELECT 1 FROM later, LATERAL (
            SELECT subject_tag, linked_tag FROM {OPENING.name} AS opening WHERE opening.ref = later.ref OFFSET 0
        ) AS theirs WHERE theirs.subject_tag = ANY ({{tags}}) OR theirs.linked_tag = ANY ({{tags}})
    )
), opened AS (
    INSERT INTO {OPENING.name} ({_OPENED}) SELECT {_OPENED} FROM given, free WHERE openings IS NOT NULL {{by_ref}}
), queued AS (
    INSERT INTO {QUEUE.name} (ref, at, leaf) SELECT ref, came, leaf FROM given, free {{by_time}} RETURNING 1
)
SELECT coalesce(waiting, placed), generation, (SELECT count(*) FROM queued) FROM seen
"""  # noqa: S608  (names of ours)


def _named(statement: str) -> tuple[bytes, bytes]:
    """A statement, and a name for it that no other one has."""
    data = statement.encode()
    return data, b"consentgate_" + sha256(data).hexdigest()[:16].encode()


_KEEP_ONE_IF = _named(_KEEP_IF.format(given=_ONE, first="$2::bigint", tags="ARRAY[$4::bytea]", by_ref="", by_time=""))
_KEEP_MANY_IF = _named(
    _KEEP_IF.format(
        given=_MANY, first="($2::bigint[])[1]", tags="$4::bytea[]", by_ref="ORDER BY ref", by_time="ORDER BY came"
    )
)
Opened: TypeAlias = OpeningRow | tuple[bytes, None, None, None, None, None, None, int, None, None]
_NONE: Opened = (b"", None, None, None, None, None, None, 0, None, None)
"""Stands for an opening that an entry does not have."""
_NEWEST = Prepared(lambda _: select(func.max(QUEUE.c.id)), ())
_OLDEST = Prepared(lambda _: select(func.min(QUEUE.c.id)), ())


def keep(connection: Connection, openings: Iterable[OpeningRow], rows: Sequence[QueueRow]) -> None:
    """Keep openings and let their entries wait, in one statement. It is a transaction of its own if none has begun.

    Openings go in by the order of their refs, so that two batches with the same requests never wait for one another in
    a circle. One that is there already raises, and nothing is kept.

    Args:
        connection: of PostgreSQL.
        openings: of some of the entries.
        rows: the entries, in the order of their instants.
    """
    ask(connection, _KEEP, *_many(openings, rows))


def keep_if(
    connection: Connection, openings: Iterable[OpeningRow], rows: Sequence[QueueRow], generation: int
) -> tuple[bool, Edge]:
    """`keep`, if they are later than whatever they must be later than, and nothing was published.

    They must be later than all that has a place, and than what the same subjects decided that still waits for one: the
    clocks of two hosts differ, and one subject's decisions stay in their order. What somebody else decided at the same
    moment may be later than these.

    Args:
        connection: of PostgreSQL.
        openings, rows: as for `keep`; at least one.
        generation: value that the publication counter must have.

    Returns:
        Whether they were kept, and the edge just before.
    """
    if len(rows) == 1:
        (statement, name), values = _KEEP_ONE_IF, _one(next(iter(openings), _NONE), rows[0])
    else:
        (statement, name), values = _KEEP_MANY_IF, _many(openings, rows)
    found, _ = ask(connection, statement, *values, b"%d" % generation, name=name)
    if not found:  # there is no publication counter
        return False, Edge(0, 0)
    edge_, counter, kept = found[0]
    return int(kept or 0) == len(rows), Edge(int(edge_ or 0), int(counter or 0))


def _one(opening: Opened, row: QueueRow) -> tuple[bytes | None, ...]:
    _, tag, kind, linked, policy, serial, act, at, expires, values = opening
    return (
        row.ref, number(row.at), row.leaf, tag, _text(kind), linked, _text(policy), number(serial), _text(act),
        number(at), number(expires), _text(values),
    )  # fmt: skip


def _text(value: str | None) -> bytes | None:
    return None if value is None else value.encode()


def _many(openings: Iterable[OpeningRow], rows: Sequence[QueueRow]) -> tuple[bytes, ...]:
    by_ref = {opening.ref: opening for opening in openings}
    _, tags, kinds, linked, policies, serials, acts, ats, expires, values = zip(
        *(by_ref.get(row.ref, _NONE) for row in rows), strict=True
    )
    return (
        octets([row.ref for row in rows]), numbers([row.at for row in rows]), octets([row.leaf for row in rows]),
        octets(tags), texts(kinds), octets(linked), texts(policies), numbers(serials), texts(acts), numbers(ats),
        numbers(expires), texts(values),
    )  # fmt: skip


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


def edge(connection: Connection) -> Edge:
    """Where whoever records stands.

    One statement: nothing that gets its place meanwhile is missed, and a batch has few of them. Of those that wait it
    looks at none before the head, so that it never walks over those that were taken and not vacuumed away yet.
    """
    rows, _ = ask(connection, _LOOK)
    if not rows:
        return Edge(0, 0)
    head, waiting_, generation = rows[0]
    return Edge(int(waiting_ or head or 0), int(generation or 0))


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
