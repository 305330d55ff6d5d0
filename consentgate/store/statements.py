"""Core statements compiled once, and the words in which databases differ.

Room: store. SQLAlchemy's expression machinery costs about 50 µs a statement even when the SQL is cached; a decision
has six of them. A `Prepared` statement is compiled once a dialect and then handed to the driver with plain tuples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeAlias

from sqlalchemy import Connection, CursorResult, Select, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.sql import ClauseElement

Build: TypeAlias = Callable[[str], ClauseElement]
"""Makes a statement for a dialect's name."""


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

    def many(self, connection: Connection, rows: Sequence[Sequence[Any]]) -> None:
        """Run it for each row, in one call of the driver. No rows: nothing happens."""
        if rows:
            sql, order = self._for(connection.dialect)
            connection.exec_driver_sql(sql, [self._bind(order, row) for row in rows])

    def run(self, connection: Connection, *values: Any) -> CursorResult[Any]:
        """Run it once."""
        sql, order = self._for(connection.dialect)
        return connection.exec_driver_sql(sql, self._bind(order, values))

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
        order = tuple(self._names.index(name) for name in compiled.positiontup)
        return str(compiled), () if order == tuple(range(len(self._names))) else order


def insert_into(table: Table, *, ignore: bool = False) -> Prepared:
    """An insert of whole rows, values in the order of the table's columns.

    Args:
        table: the table.
        ignore: leave a row alone that has the same key.
    """

    def build(dialect: str) -> ClauseElement:
        statement: postgresql.Insert | sqlite.Insert = upsert(table, dialect)
        if ignore:
            statement = statement.on_conflict_do_nothing()
        return statement

    return Prepared(build, [column.name for column in table.columns])


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
