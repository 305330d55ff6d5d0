"""The ledger as exports read it: a few plain statements on the driver's own cursor.

Room: store; called by the export service. It imports no SQLAlchemy: of a million rows each would pay for a row object,
and a command that only reads a file would pay 30 MB for a library it does not need. The statements are in words that
SQLite and PostgreSQL share; values travel as parameters, always.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, TypeVar

from consentgate.errors import StoreUnavailableError

T = TypeVar("T")

Line: TypeAlias = tuple[int, bytes, str | None]
"""An entry as exports need it: place, bytes, and openings as JSON (``{}`` where erased, ``None`` where never any)."""

SCHEMA = "2"
"""Of the schema these statements are for: as in `consentgate.store.tables`, which is not light."""

SIZE = 32
"""Rows fetched at a time: they stay in the processor's cache, and below what makes the heap grow."""

_TILES = 64
"""Tiles kept within a transaction: half a megabyte."""

# What was erased is padded. No join: before PostgreSQL has counted its rows it would read all openings for each page.
_LINE = (
    "SELECT e.idx, e.leaf, (SELECT rtrim(o.openings) FROM consentgate_opening o WHERE o.ref = e.ref)"
    " FROM consentgate_entry e"
)
_RANGE = f"{_LINE} WHERE e.idx >= ? AND e.idx < ? ORDER BY e.idx"
_LEAVES = "SELECT leaf FROM consentgate_entry WHERE idx >= ? AND idx < ? ORDER BY idx"
_HASHES = "SELECT leaf_hash FROM consentgate_entry WHERE idx >= ? AND idx < ? ORDER BY idx"
_ROOTS = "SELECT root FROM consentgate_tile WHERE level = ? AND idx >= ? AND idx < ? ORDER BY idx"
_TILE = "SELECT hashes FROM consentgate_tile WHERE level = ? AND idx = ?"
_HEAD = "SELECT size, at, note FROM consentgate_head WHERE size > 0"
_KEPT = "SELECT note FROM consentgate_checkpoint WHERE size = ?"
_META = "SELECT key, value FROM consentgate_meta"
_SLUGS = "SELECT slug FROM consentgate_policy ORDER BY position, slug"
# What a subject decided, what their devices decided, and the links between.
_ABOUT = (
    "SELECT e.idx FROM consentgate_entry e WHERE e.ref IN ("
    "SELECT ref FROM consentgate_opening WHERE subject_tag = ?"
    " UNION SELECT ref FROM consentgate_opening WHERE linked_tag = ?"
    " UNION SELECT ref FROM consentgate_opening WHERE subject_tag IN"
    " (SELECT linked_tag FROM consentgate_opening WHERE subject_tag = ? AND linked_tag IS NOT NULL)"
    ") ORDER BY e.idx"
)


class Head(NamedTuple):
    """The newest checkpoint: tree size, instant, signed note."""

    size: int
    at: int
    note: str


class Lines:
    """Reads within one transaction.

    Args:
        cursor: makes a cursor of the driver.
        mark: what the driver wants in the place of a value.
    """

    def __init__(self, cursor: Callable[[], Any], mark: str = "?") -> None:
        self._cursor = cursor
        self._mark = mark
        self._tiles: dict[tuple[int, int], bytes] = {}

    @classmethod
    def of(cls, connection: Any) -> Lines:
        """On a connection of SQLAlchemy's, inside its transaction."""
        cursor = connection.connection.cursor
        if connection.dialect.name == "sqlite":
            return cls(cursor)
        return cls(partial(cursor, binary=True), "%s")  # bytes as they lie, not each of them as two digits

    def range(self, start: int, stop: int) -> Iterator[list[Line]]:
        """Entries ``start <= place < stop`` in order, `SIZE` at a time, in constant memory."""
        yield from self._some(_RANGE, (start, stop))

    def at(self, places: Sequence[int]) -> list[Line]:
        """The entries at these places, by place; at most 500 of them."""
        marks = ",".join("?" * len(places))
        return self._all(f"{_LINE} WHERE e.idx IN ({marks}) ORDER BY e.idx", places)

    def leaves(self, start: int, stop: int) -> Iterator[bytes]:
        """Bytes of the entries ``start <= place < stop``."""
        for rows in self._some(_LEAVES, (start, stop)):
            yield from (row[0] for row in rows)

    def about(self, tag: bytes) -> list[int]:
        """The places of everything about a subject."""
        return [row[0] for row in self._all(_ABOUT, (tag, tag, tag))]

    def head(self) -> Head | None:
        """The newest checkpoint, or ``None`` before the first."""
        rows = self._all(_HEAD, ())
        return Head._make(rows[0]) if rows else None

    def kept(self, size: int) -> str | None:
        """The checkpoint for a tree of this size, where it was kept."""
        rows = self._all(_KEPT, (size,))
        return rows[0][0] if rows else None

    def meta(self) -> dict[str, str]:
        """The database's single values."""
        return dict(self._all(_META, ()))

    def slugs(self) -> list[str]:
        """The policies there are."""
        return [row[0] for row in self._all(_SLUGS, ())]

    def leaf_hashes(self, start: int, stop: int) -> bytes:
        """Leaf hashes, joined."""
        return b"".join(row[0] for row in self._all(_HASHES, (start, stop)))

    def tile_roots(self, level: int, start: int, stop: int) -> bytes:
        """Roots of stored tiles, joined."""
        return b"".join(row[0] for row in self._all(_ROOTS, (level, start, stop)))

    def tile(self, level: int, index: int) -> bytes:
        """A stored tile, or nothing. Proofs of neighbours need the same ones again and again."""
        if (level, index) not in self._tiles:
            rows = self._all(_TILE, (level, index))
            if len(self._tiles) >= _TILES:
                self._tiles.clear()
            self._tiles[level, index] = rows[0][0] if rows else b""
        return self._tiles[level, index]

    def _all(self, sql: str, values: Sequence[Any]) -> list[Any]:
        return [row for rows in self._some(sql, values) for row in rows]

    def _some(self, sql: str, values: Sequence[Any]) -> Iterator[list[Any]]:
        cursor = self._cursor()
        try:
            cursor.execute(sql.replace("?", self._mark), values)
            while rows := cursor.fetchmany(SIZE):
                yield rows
        finally:
            cursor.close()


_PRAGMAS = ("busy_timeout=5000", "query_only=ON", "wal_autocheckpoint=0", "trusted_schema=OFF", "cell_size_check=ON")


class LedgerFile:
    """An SQLite database opened for reading, with nothing but the driver. Close it."""

    replica = False

    def __init__(self, path: Path) -> None:
        # Not mode=ro: to read a file in write-ahead mode its shared memory has to be written. query_only holds us back.
        try:
            self._connection = sqlite3.connect(path.resolve().as_uri() + "?mode=rw", uri=True, isolation_level=None)
            for pragma in _PRAGMAS:
                self._connection.execute(f"PRAGMA {pragma}").close()
        except sqlite3.Error as error:
            raise self._unreadable(path, error) from error
        self._path = path

    def read(self, work: Callable[[Lines], T]) -> T:
        """Run work in a read-only transaction: one consistent picture."""
        try:
            self._connection.execute("BEGIN").close()
            try:
                return work(Lines(self._connection.cursor))
            finally:
                self._connection.execute("ROLLBACK").close()
        except sqlite3.Error as error:
            raise self._unreadable(self._path, error) from error

    @staticmethod
    def _unreadable(path: Path, error: sqlite3.Error) -> StoreUnavailableError:
        return StoreUnavailableError(f"{path.name} cannot be read: {error}", hint="run `consentgate doctor`")

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()
