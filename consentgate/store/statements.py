"""Core statements compiled once, and the words in which databases differ.

Room: store. SQLAlchemy costs 40 to 100 µs a statement even when the SQL is cached, a decision has six of them, and
SQLite itself needs 5 µs for each. A `Prepared` statement is written in SQLAlchemy Core, compiled once a dialect and
then handed to the driver's cursor with plain tuples, inside the transaction that SQLAlchemy began.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import Any, TypeAlias

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Connection,
    Integer,
    LargeBinary,
    Select,
    SmallInteger,
    Table,
    Text,
    bindparam,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.sql import ClauseElement

Build: TypeAlias = Callable[[str], ClauseElement]
"""Makes a statement for a dialect's name."""

BuildIn: TypeAlias = Callable[[list[BindParameter[Any]]], ClauseElement]
"""Makes a statement from the parameters of its ``IN``."""


class Prepared:
    """A statement that is compiled once for each dialect.

    Args:
        build: makes the statement; called with the dialect's name.
        names: the parameters in the order in which callers give their values.
    """

    __slots__ = ("_build", "_compiled", "_names")

    def __init__(self, build: Build, names: Sequence[str]) -> None:
        self._build = build
        self._names = tuple(names)
        self._compiled: dict[str, tuple[str, tuple[int, ...] | None]] = {}

    def run(self, connection: Connection, *values: Any) -> int:
        """Run it once; how many rows it touched."""
        cursor = self._execute(connection, values)
        touched: int = cursor.rowcount
        cursor.close()
        return touched

    def all(self, connection: Connection, *values: Any) -> list[tuple[Any, ...]]:
        """Run it once; the rows it finds."""
        cursor = self._execute(connection, values)
        rows: list[tuple[Any, ...]] = list(cursor.fetchall())
        cursor.close()
        return rows

    def one(self, connection: Connection, *values: Any) -> tuple[Any, ...] | None:
        """Run it once; the first row it finds."""
        rows = self.all(connection, *values)
        return rows[0] if rows else None

    def _execute(self, connection: Connection, values: tuple[Any, ...]) -> DBAPICursor:
        sql, order = self._for(connection.dialect)
        cursor = connection.connection.cursor()
        cursor.execute(sql, self._bind(order, values))
        return cursor

    def _bind(self, order: tuple[int, ...] | None, row: Sequence[Any]) -> Any:
        if order is None:
            return dict(zip(self._names, row, strict=True))
        return tuple([row[place] for place in order]) if order else tuple(row)

    def _for(self, dialect: Dialect) -> tuple[str, tuple[int, ...] | None]:
        known = self._compiled.get(dialect.name)
        if known is None:
            known = self._compiled[dialect.name] = self._compile(dialect)
        return known

    def _compile(self, dialect: Dialect) -> tuple[str, tuple[int, ...] | None]:
        """The SQL, and the order of its values: ``None`` by name, empty as they come, else by place."""
        compiled: Any = self._build(dialect.name).compile(dialect=dialect)
        if not compiled.positional:
            return str(compiled), None
        places = {name: place for place, name in enumerate(self._names)}
        order = tuple(places[name] for name in compiled.positiontup)
        return str(compiled), () if order == tuple(range(len(self._names))) else order


class PreparedInsert:
    """A prepared insert of whole rows, values in the order of the table's columns.

    Many rows go in few statements. It is not the parsing that this saves: the driver lets go of the interpreter's lock
    at each step of SQLite, so ``executemany`` would have to win it back once a row from a busy event loop.

    On PostgreSQL more than a few rows are copied: psycopg would parse the hundreds of parameters again each time.

    Args:
        table: the table.
        columns: whose values are given; ``None`` for all.
        ignore: leave a row alone that has the same key.
    """

    _LENGTHS = (64, *range(16, 0, -1))  # up to sixteen rows are one statement; each is compiled when it is first needed

    __slots__ = ("_copy", "_prepared", "_types")

    def __init__(self, table: Table, columns: Sequence[str] | None = None, *, ignore: bool = False) -> None:
        columns = list(columns or table.columns.keys())
        self._types = [_COPIED.get(table.columns[column].type.__class__, "") for column in columns]
        copies = not ignore and all(self._types)
        self._copy = "" if not copies else f"COPY {table.name} ({', '.join(columns)}) FROM STDIN (FORMAT BINARY)"
        self._prepared: dict[int, Prepared] = {}
        for length in self._LENGTHS:
            rows = [[f"{column}_{place}" for column in columns] for place in range(length)]
            self._prepared[length] = Prepared(partial(self._make, table, ignore, rows), list(chain.from_iterable(rows)))

    @staticmethod
    def _make(table: Table, ignore: bool, rows: list[list[str]], dialect: str) -> ClauseElement:
        values: list[dict[str, Any]] = [{name.rpartition("_")[0]: bindparam(name) for name in row} for row in rows]
        statement: postgresql.Insert | sqlite.Insert = upsert(table, dialect).values(values)
        return statement.on_conflict_do_nothing() if ignore else statement

    def one(self, connection: Connection, *row: Any) -> int:
        """Insert one row; how many there are more now."""
        return self._prepared[1].run(connection, *row)

    def many(self, connection: Connection, rows: Sequence[Sequence[Any]]) -> None:
        """Insert all these rows."""
        if self._copy and len(rows) >= _WORTH_COPYING and connection.dialect.name == "postgresql":
            return self._copy_all(connection, rows)
        start = 0
        for length in self._LENGTHS:
            while len(rows) - start >= length:
                some = rows[start : start + length]
                self._prepared[length].run(connection, *chain.from_iterable(some))
                start += length
        return None

    def _copy_all(self, connection: Connection, rows: Sequence[Sequence[Any]]) -> None:
        cursor: Any = connection.connection.cursor()
        with cursor, cursor.copy(self._copy) as copy:
            copy.set_types(self._types)
            for row in rows:
                copy.write_row(row)


_WORTH_COPYING = 2
_COPIED: dict[type[Any], str] = {
    BigInteger: "int8", Integer: "int4", SmallInteger: "int2", Text: "text", LargeBinary: "bytea",
}  # fmt: skip
"""What PostgreSQL calls the types of our columns."""


def upsert(table: Table, dialect: str) -> Any:
    """An insert that knows ``on_conflict_do_…``: the same words, but a class of its own in each dialect."""
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)


IN_CHUNK = 500
"""Most values in one ``IN (…)``: below every database's limit on parameters."""


def chunks(values: Iterable[Any], size: int = IN_CHUNK) -> Iterable[list[Any]]:
    """Lists of at most `size` values."""
    everything = list(values)
    for start in range(0, len(everything), size):
        yield everything[start : start + size]


class PreparedIn:
    """A prepared select with ``column IN (…)``, for lists of any length.

    It is compiled for a few lengths; a list is filled up to the next one with copies of its last value.

    Args:
        build: makes the statement from the list of parameters.
    """

    _LENGTHS = (1, 4, 16, 64, 128, 256, IN_CHUNK)

    __slots__ = ("_prepared",)

    def __init__(self, build: BuildIn) -> None:
        self._prepared: dict[int, Prepared] = {}
        for length in self._LENGTHS:
            names = [f"value_{place}" for place in range(length)]
            self._prepared[length] = Prepared(partial(self._make, build, names), names)

    @staticmethod
    def _make(build: BuildIn, names: list[str], _dialect: str) -> ClauseElement:
        return build([bindparam(name) for name in names])

    def all(self, connection: Connection, values: Iterable[Any]) -> list[tuple[Any, ...]]:
        """The rows for these values; one statement for each `IN_CHUNK` of them."""
        found: list[tuple[Any, ...]] = []
        for some in chunks(values):
            length = next(length for length in self._LENGTHS if length >= len(some))
            some += some[-1:] * (length - len(some))
            found += self._prepared[length].all(connection, *some)
        return found


def raw_rows(connection: Connection, statement: Select[Any], page: int) -> Iterator[Sequence[Any]]:
    """Rows of a long result, `page` at a time, in constant memory.

    On SQLite they are the driver's own tuples: SQLAlchemy's row objects cost four times the reading itself, and our
    columns are integers, text and bytes, which come as they are. Elsewhere the rows stay with the server.
    """
    if connection.dialect.name != "sqlite":
        with connection.execute(statement.execution_options(yield_per=page)) as result:
            yield from result
        return
    with connection.execute(statement) as result:
        cursor = result.cursor
        while rows := cursor.fetchmany(page):
            yield from rows
