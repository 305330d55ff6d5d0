"""Entries that are durable and wait for their places in the ledger. On PostgreSQL alone; on SQLite the table is empty.

Room: store; called by ``service/queue``, which puts them in, and by ``service/sequencer``, which takes them out. Their
order is that of ``id``: whoever begins a transaction after another one was committed gets a larger number than it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, bindparam, delete, func, literal_column, select

from consentgate.store.meta import GENERATION
from consentgate.store.statements import Prepared, PreparedIn, PreparedInsert, upsert
from consentgate.store.subjects import OpeningRow, insert_openings
from consentgate.store.tables import HEAD, META, OPENING, QUEUE

LONGEST_WAIT = 10_000
"""Milliseconds that anybody waits for a row on PostgreSQL, and that a transaction may stand still before the server
ends it: a process that was stopped while it holds a row (the head, or a request's opening) must not stop all."""


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
_TAKE = Prepared(
    lambda _: delete(QUEUE).where(QUEUE.c.id.in_(_FIRST)).returning(QUEUE.c.id, QUEUE.c.ref, QUEUE.c.at, QUEUE.c.leaf),
    ("limit",),
)
_WAITS = ("lock_timeout", "idle_in_transaction_session_timeout")
_ZERO: ColumnElement[int] = literal_column("0")
_HERE: ColumnElement[bool] = literal_column("true")
"""For this transaction alone: behind a pooler the next one may be somebody else's."""
_EDGE = Prepared(
    lambda _: select(
        func.coalesce(select(HEAD.c.at).scalar_subquery(), _ZERO),
        func.coalesce(select(func.max(QUEUE.c.at)).scalar_subquery(), _ZERO),
        META.c.value,
        *(func.set_config(literal_column(f"'{name}'"), bindparam("longest"), _HERE) for name in _WAITS),
    ).where(META.c.key == literal_column(f"'{GENERATION}'")),
    ("longest",),
)
_OPENED = list(OPENING.columns.keys())
_ONE = Prepared(
    lambda dialect: (
        upsert(QUEUE, dialect)
        .values(ref=bindparam("q_ref"), at=bindparam("q_at"), leaf=bindparam("q_leaf"))
        .add_cte(upsert(OPENING, dialect).values({name: bindparam(f"o_{name}") for name in _OPENED}).cte("opened"))
    ),
    [*(f"o_{name}" for name in _OPENED), "q_ref", "q_at", "q_leaf"],
)
_NEWEST = Prepared(lambda _: select(func.max(QUEUE.c.id)), ())
_OLDEST = Prepared(lambda _: select(func.min(QUEUE.c.id)), ())


def keep(connection: Connection, openings: Sequence[OpeningRow], rows: Sequence[QueueRow]) -> None:
    """Keep openings and let their entries wait; a single decision in one statement.

    Openings go in by the order of their refs, so that two batches with the same requests never wait for one another in
    a circle. One that is there already raises and rolls the transaction back.
    """
    if len(openings) == len(rows) == 1:
        _ONE.run(connection, *openings[0], *rows[0])
        return
    insert_openings(connection, sorted(openings))
    enqueue(connection, rows)


def enqueue(connection: Connection, rows: Sequence[QueueRow]) -> None:
    """Let entries wait. A ref that waits already raises and rolls the transaction back."""
    _INSERT.many(connection, rows)


def take(connection: Connection, limit: int) -> list[QueueRow]:
    """Take the first entries out, in their order. Whoever does has locked the head."""
    rows = sorted(_TAKE.all(connection, limit))
    return [QueueRow(ref, at, leaf) for _, ref, at, leaf in rows]


def leaves(connection: Connection, refs: Iterable[bytes]) -> dict[bytes, bytes]:
    """The bytes of those of these entries that wait."""
    return dict(_LEAVES.all(connection, refs))


def every(connection: Connection) -> dict[bytes, bytes]:
    """The bytes of all entries that wait, by ref. For verification."""
    return {row.ref: row.leaf for row in connection.execute(select(QUEUE.c.ref, QUEUE.c.leaf))}


def edge(connection: Connection) -> tuple[int, int]:
    """The latest instant of any entry, in the ledger or waiting, and the publication counter.

    One statement: nothing that gets its place meanwhile is missed, and a batch has few of them. It also says, for this
    transaction alone, how long anybody is waited for (`LONGEST_WAIT`), in either direction.
    """
    row = _EDGE.one(connection, f"{LONGEST_WAIT}")
    return (0, 0) if row is None else (max(row[0], row[1]), int(row[2]))


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
