"""The ledger's rows: entries, tiles, the head and the history of checkpoints. Bytes, without their meaning.

Room: store; called by ``service/ledger``. It may not import evidence: hashes arrive computed and leave unchecked.

Every function takes a connection in a transaction (`Database.read`, or a `Writer` job) and is one statement, or one
for each 500 keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, func, literal_column, select, union_all, update

from consentgate.errors import StoreError
from consentgate.store import direct, meta, queue
from consentgate.store.statements import Prepared, PreparedIn, PreparedInsert, chunks, raw_rows
from consentgate.store.subjects import OpeningRow, living
from consentgate.store.tables import CHECKPOINT, ENTRY, HEAD, META, OPENING, QUEUE, TILE

NO_PLACE = -1
"""Stands for the place of an entry that waits for one."""

PAGE = 1_000
"""Rows that are fetched at a time where a stream is read."""

_KEPT = "checkpoints_kept"


class EntryRow(NamedTuple):
    """An entry: its place, the request it answers (16 bytes), the RFC 6962 leaf hash and the exact bytes."""

    idx: int
    ref: bytes
    leaf_hash: bytes
    leaf: bytes


class TileRow(NamedTuple):
    """A full tile: level, number, the root over its 256 hashes, and the hashes (8,192 bytes)."""

    level: int
    idx: int
    root: bytes
    hashes: bytes


class HeadRow(NamedTuple):
    """The newest checkpoint: tree size, instant, signed note."""

    size: int
    at: int
    note: str


class ExportRow(NamedTuple):
    """An entry with its opening, or ``None`` where that was erased or never was."""

    idx: int
    ref: bytes
    leaf: bytes
    opening: OpeningRow | None


class Filter(NamedTuple):
    """Which entries to export. Every given part must match; all but the times look at the openings, so a filtered
    export leaves out entries whose opening was erased.

    Args:
        subject_tag: of this subject.
        policies, serials, acts: one of these; empty means any.
        since, until: instants, ``since <= at < until``; also of the openings.
    """

    subject_tag: bytes | None = None
    policies: tuple[str, ...] = ()
    serials: tuple[int, ...] = ()
    acts: tuple[str, ...] = ()
    since: int | None = None
    until: int | None = None


_INSERT_ENTRY = PreparedInsert(ENTRY)
_KNOWN = PreparedIn(lambda refs: select(ENTRY.c.ref, ENTRY.c.idx).where(ENTRY.c.ref.in_(refs)))
# One statement, so that what gets its place meanwhile is not missed between two.
_KNOWN_OR_WAITING = PreparedIn(
    lambda refs: union_all(
        select(ENTRY.c.ref, ENTRY.c.idx).where(ENTRY.c.ref.in_(refs)),
        select(QUEUE.c.ref, literal_column(str(NO_PLACE))).where(QUEUE.c.ref.in_(refs)),
    )
)
_INSERT_TILE = PreparedInsert(TILE)
_INSERT_CHECKPOINT = PreparedInsert(CHECKPOINT, ignore=True)
_INSERT_HEAD = PreparedInsert(HEAD, ignore=True)
_SELECT_HEAD = Prepared(lambda _: select(HEAD.c.size, HEAD.c.at, HEAD.c.note), ())
_SELECT_START = Prepared(
    lambda _: select(
        select(META.c.value).where(META.c.key == literal_column(f"'{meta.GENERATION}'")).scalar_subquery(),
        HEAD.c.size, HEAD.c.at, HEAD.c.note,
    ),
    (),
)  # fmt: skip
_LOCK_HEAD = Prepared(lambda _: select(HEAD.c.size, HEAD.c.at, HEAD.c.note).with_for_update(), ())
_TAKE_HEAD = Prepared(lambda _: select(HEAD.c.size, HEAD.c.at, HEAD.c.note).with_for_update(skip_locked=True), ())
_MOVE_HEAD = Prepared(
    lambda _: (
        update(HEAD)
        .where(HEAD.c.size == bindparam("expected"))
        .values(size=bindparam("new_size"), at=bindparam("new_at"), note=bindparam("new_note"))
    ),
    ("new_size", "new_at", "new_note", "expected"),
)


def insert_entries(connection: Connection, rows: Sequence[EntryRow]) -> None:
    """Append entries. A place or a ref that is taken already raises and rolls the transaction back."""
    _INSERT_ENTRY.many(connection, rows)


def refs_known(connection: Connection, refs: Iterable[bytes]) -> dict[bytes, int]:
    """The places of those requests that are recorded already; `NO_PLACE` where one waits for it."""
    return dict((_KNOWN if connection.dialect.name == "sqlite" else _KNOWN_OR_WAITING).all(connection, refs))


def placed(connection: Connection, refs: Iterable[bytes]) -> dict[bytes, int]:
    """The places of those of these entries that have one."""
    return dict(_KNOWN.all(connection, refs))


def leaves(connection: Connection, refs: Iterable[bytes]) -> dict[bytes, bytes]:
    """The bytes of these entries, whether they have their places yet or wait for them."""
    refs = list(refs)
    found = {ref: row.leaf for ref, row in entries_by_refs(connection, refs).items()}
    if len(found) < len(set(refs)) and connection.dialect.name == "postgresql":
        found |= queue.leaves(connection, refs)
    return found


def entry_by_ref(connection: Connection, ref: bytes) -> EntryRow | None:
    """The entry that answers a request, or ``None``."""
    row = connection.execute(select(ENTRY).where(ENTRY.c.ref == ref)).one_or_none()
    return None if row is None else EntryRow._make(row)


def entries_by_refs(connection: Connection, refs: Iterable[bytes]) -> dict[bytes, EntryRow]:
    """The entries that answer these requests, by ref."""
    found: dict[bytes, EntryRow] = {}
    for some in chunks(refs):
        rows = connection.execute(select(ENTRY).where(ENTRY.c.ref.in_(some)))
        found.update((row.ref, EntryRow._make(row)) for row in rows)
    return found


def entry_at(connection: Connection, idx: int) -> EntryRow | None:
    """The entry at a place, or ``None``."""
    row = connection.execute(select(ENTRY).where(ENTRY.c.idx == idx)).one_or_none()
    return None if row is None else EntryRow._make(row)


def entries(connection: Connection, start: int, stop: int) -> Iterator[EntryRow]:
    """Entries ``start <= idx < stop`` in order, in constant memory."""
    statement = select(ENTRY).where(ENTRY.c.idx >= start, ENTRY.c.idx < stop).order_by(ENTRY.c.idx)
    yield from map(EntryRow._make, raw_rows(connection, statement, PAGE))


def leaf_hashes(connection: Connection, start: int, stop: int) -> list[bytes]:
    """Leaf hashes of ``start <= idx < stop`` in order; fewer where the log is shorter."""
    statement = select(ENTRY.c.leaf_hash).where(ENTRY.c.idx >= start, ENTRY.c.idx < stop).order_by(ENTRY.c.idx)
    return list(connection.scalars(statement))


def count(connection: Connection) -> int:
    """How many entries lie here. A full scan: for checks, not for requests; `head` knows the size at once."""
    return connection.scalar(select(func.count()).select_from(ENTRY)) or 0


def insert_tiles(connection: Connection, rows: Sequence[TileRow]) -> None:
    """Keep full tiles."""
    _INSERT_TILE.many(connection, rows)


def tile_roots(connection: Connection, level: int, start: int, stop: int) -> list[bytes]:
    """Roots of the full tiles ``start <= idx < stop`` of a level, in order; fewer where there are not as many."""
    statement = (
        select(TILE.c.root).where(TILE.c.level == level, TILE.c.idx >= start, TILE.c.idx < stop).order_by(TILE.c.idx)
    )
    return list(connection.scalars(statement))


def tile_hashes(connection: Connection, level: int, idx: int) -> bytes | None:
    """The 256 hashes of a full tile (8,192 bytes), or ``None`` while it is not full."""
    return connection.scalar(select(TILE.c.hashes).where(TILE.c.level == level, TILE.c.idx == idx))


def head(connection: Connection) -> HeadRow | None:
    """The newest checkpoint, or ``None`` before the first."""
    row = _SELECT_HEAD.one(connection)
    return HeadRow._make(row) if row is not None and row[0] else None


def lock_head(connection: Connection) -> HeadRow | None:
    """`head`, and until the transaction ends nobody else moves it, here or in another process.

    On SQLite a write transaction is alone anyway. On PostgreSQL the row is locked; where it is not there yet it is
    made, as the head of a ledger of no entries, because only a row can be locked.
    """
    if connection.dialect.name == "sqlite":
        return head(connection)
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = {direct.LONGEST_WAIT}")
    row = _LOCK_HEAD.one(connection)
    if row is None:
        _INSERT_HEAD.one(connection, 1, 0, 0, "")
        row = _LOCK_HEAD.one(connection)
    return HeadRow._make(row) if row is not None and row[0] else None


def start(connection: Connection) -> tuple[HeadRow | None, int]:
    """`lock_head` and `meta.generation`: what a batch begins with. One statement on SQLite."""
    if connection.dialect.name != "sqlite":  # where the lock may be waited for, and the counter be read too early
        return lock_head(connection), meta.generation(connection)
    row = _SELECT_START.one(connection)
    if row is None:  # before the first entry
        return None, meta.generation(connection)
    return HeadRow._make(row[1:]) if row[1] else None, int(row[0] or 0)


def take_head(connection: Connection) -> HeadRow | None:
    """The head, locked; ``None`` where somebody else has it, or it was never made. Nobody is waited for.

    A process that stands still while it has the head loses it when the server ends its transaction.
    """
    direct.begin(connection)
    row = _TAKE_HEAD.one(connection)
    return None if row is None else HeadRow._make(row)


def set_head(connection: Connection, row: HeadRow, *, expected: int | None) -> None:
    """Move the head by compare-and-swap.

    Args:
        row: the new head.
        expected: the size it must have now; ``None``: there must be none yet.

    Raises:
        StoreError: somebody else moved it; the transaction must be rolled back.
    """
    if expected is None:
        moved = _MOVE_HEAD.run(connection, row.size, row.at, row.note, 0)
        moved = moved or _INSERT_HEAD.one(connection, 1, row.size, row.at, row.note)
    else:
        moved = _MOVE_HEAD.run(connection, row.size, row.at, row.note, expected)
    if moved != 1:
        raise StoreError(
            "the head of the ledger was moved by somebody else",
            hint="another program writes to this database without our lock; the request may be sent again",
            expected=expected,
        )


def insert_checkpoint(connection: Connection, size: int, note: str) -> None:
    """Keep a checkpoint in the sparse history; one that is kept already stays as it is.

    They are counted: nothing else would show that one was taken away.
    """
    if _INSERT_CHECKPOINT.one(connection, size, note) == 1:
        meta.put(connection, _KEPT, str(kept(connection) + 1))


def kept(connection: Connection) -> int:
    """How many checkpoints were ever kept."""
    value = meta.get(connection, _KEPT) or ""
    return int(value) if value.isdecimal() else 0


def checkpoints(connection: Connection, after: int = -1, limit: int = PAGE) -> list[tuple[int, str]]:
    """Kept checkpoints of trees larger than `after`, smallest first: (size, signed note)."""
    statement = (
        select(CHECKPOINT.c.size, CHECKPOINT.c.note)
        .where(CHECKPOINT.c.size > after)
        .order_by(CHECKPOINT.c.size)
        .limit(limit)
    )
    return [(size, note) for size, note in connection.execute(statement)]


def stream_entries(
    connection: Connection,
    *,
    after: int = -1,
    stop: int | None = None,
    limit: int | None = None,
    where: Filter | None = None,
) -> Iterator[ExportRow]:
    """Entries with their openings in order of place, in constant memory.

    Args:
        connection: from `Database.stream`, or from `Database.read` together with `limit`.
        after: the last place the caller has already.
        stop: the first place not wanted, such as the tree size the export promises.
        limit: most entries.
        where: only these; see `Filter` for what that leaves out.
    """
    joined = ENTRY.join(OPENING, OPENING.c.ref == ENTRY.c.ref, isouter=where is None or where == Filter())
    statement = (
        select(ENTRY.c.idx, ENTRY.c.ref, ENTRY.c.leaf, *OPENING.c)
        .select_from(joined)
        .where(ENTRY.c.idx > after)
        .order_by(ENTRY.c.idx)
    )
    if stop is not None:
        statement = statement.where(ENTRY.c.idx < stop)
    if limit is not None:
        statement = statement.limit(limit)
    if where is not None:
        statement = statement.where(*_conditions(where))
    for row in raw_rows(connection, statement, PAGE):
        yield ExportRow(row[0], row[1], row[2], None if row[3] is None else living(row[3:]))


def _conditions(where: Filter) -> list[Any]:
    conditions: list[Any] = []
    if where.subject_tag is not None:
        conditions.append(OPENING.c.subject_tag == where.subject_tag)
    if where.policies:
        conditions.append(OPENING.c.policy.in_(where.policies))
    if where.serials:
        conditions.append(OPENING.c.serial.in_(where.serials))
    if where.acts:
        conditions.append(OPENING.c.act.in_(where.acts))
    if where.since is not None:
        conditions.append(OPENING.c.at >= where.since)
    if where.until is not None:
        conditions.append(OPENING.c.at < where.until)
    return conditions
