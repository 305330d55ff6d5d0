"""Make the rows of one database those of another, page by page.

Room: store; called by ``service/moving``. It goes through each table of both in the order of its key and writes what
differs. So copying, going on after an interruption, and catching up with what was written meanwhile are one and the
same, each page is one short transaction, and what is in memory does not grow with the database. Where the target has
no rows any more there is nothing to compare: what is left is only added (on PostgreSQL by COPY).

Rows of the ledger are only ever added: one that is there already and says something else is a `StoreError`, never
overwritten. What may change in place (openings that were erased, the head, single values) is made to be the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache, partial
from typing import Any, NamedTuple

from sqlalchemy import Column, Connection, Table, and_, delete, func, select, tuple_, update

from consentgate.errors import StoreError
from consentgate.store import meta
from consentgate.store.database import Database
from consentgate.store.statements import PreparedInsert
from consentgate.store.tables import (
    BLOB,
    CHECKPOINT,
    ENTRY,
    META,
    METADATA,
    OPENING,
    REDLINE,
    TILE,
    TRANSLATION,
    VERSION,
)

FOR_GOOD = frozenset({BLOB, CHECKPOINT, ENTRY, REDLINE, TILE, TRANSLATION, VERSION})
"""Tables whose rows are never changed and never removed."""

KEPT = FOR_GOOD | {OPENING}
"""Tables whose rows are never removed; openings are overwritten where they are erased."""

_PAGES = {ENTRY: 5_000, OPENING: 5_000, TILE: 500}
_PAGE = 16
"""Rows at a time of tables whose rows may be large: a text has at most 1 MB."""

Row = tuple[Any, ...]


class Step(NamedTuple):
    """A page that was compared.

    Args:
        table: name.
        rows: rows of the source in it.
        written: how many had to be added, changed or removed.
    """

    table: str
    rows: int
    written: int


def tables() -> list[Table]:
    """Every table, those first that others point to."""
    return list(METADATA.sorted_tables)


def count(connection: Connection) -> int:
    """How many rows there are in all. A full scan."""
    return sum(connection.scalar(select(func.count()).select_from(table)) or 0 for table in tables())


def take_over(source: Database, target: Database) -> Iterator[Step]:
    """Make the target's rows those of the source, one page at a time.

    Raises:
        StoreError: the target holds a row of a ledger that is not the source's.
    """
    for table in reversed(tables()):  # rows that point to others go before those
        if table not in KEPT:
            _remove(source, target, table)
    for table in tables():
        yield from _take_over(source, target, table)
    target.write(_analyze)


def _take_over(source: Database, target: Database, table: Table) -> Iterator[Step]:
    """Make one table's rows those of the source; those it has no more are gone already."""
    after: Row | None = None
    beyond = False
    while True:
        rows = source.read(partial(_page, table, after, None))
        last = len(rows) < _PAGES.get(table, _PAGE)
        until = None if last else _key(table, rows[-1])
        with target.transaction() as connection:
            beyond = beyond or _ends(table, after, connection)
            if beyond:  # nobody else writes to it while it is copied into
                PreparedInsert(table).many(connection, rows)
                written = len(rows)
            else:
                written = _same(connection, table, rows, _page(table, after, until, connection, limit=False))
        target.tidy()
        yield Step(table.name, len(rows), written)
        if last:
            return
        after = until


def _analyze(connection: Connection) -> None:
    """Let PostgreSQL count what it has got: its own housekeeping comes a minute later, and until then it takes tables
    of a million rows for small ones and reads them whole for each page."""
    if connection.dialect.name == "postgresql":
        for table in tables():
            connection.exec_driver_sql(f"ANALYZE {table.name}")


def _remove(source: Database, target: Database, table: Table) -> None:
    """Remove rows of the target that the source has no more."""
    after: Row | None = None
    while found := target.read(partial(_page, table, after, None)):
        after, until = _key(table, found[-1]), _key(table, found[-1])
        start = _key(table, found[0])
        kept = source.read(partial(_keys, table, start, until))
        gone = {_key(table, row) for row in found} - kept
        if gone:
            with target.transaction() as connection:
                for key in gone:
                    connection.execute(delete(table).where(_is(table, key)))


def _keys(table: Table, start: Row, until: Row, connection: Connection) -> set[Row]:
    key = tuple_(*table.primary_key)
    rows = connection.execute(select(*table.primary_key).where(key >= start, key <= until))
    return {tuple(row) for row in rows}


def _ends(table: Table, after: Row | None, connection: Connection) -> bool:
    """Whether there is no row behind a key."""
    statement = select(*table.primary_key).order_by(*table.primary_key).limit(1)
    if after is not None:
        statement = statement.where(tuple_(*table.primary_key) > after)
    return connection.execute(statement).first() is None


def _page(
    table: Table, after: Row | None, until: Row | None, connection: Connection, *, limit: bool = True
) -> list[Row]:
    """Rows in the order of their key, ``after < key <= until``."""
    statement = select(table).order_by(*table.primary_key)
    if after is not None:
        statement = statement.where(tuple_(*table.primary_key) > after)
    if until is not None:
        statement = statement.where(tuple_(*table.primary_key) <= until)
    if limit:
        statement = statement.limit(_PAGES.get(table, _PAGE))
    if table is META:  # the schema version is that of each database itself
        statement = statement.where(META.c.key != meta.SCHEMA)
    with connection.execute(statement) as result:
        # The driver's own rows: integers, text and bytes come as they are, and a row object costs four times as much.
        return list(result.cursor.fetchall())


def _same(connection: Connection, table: Table, wanted: Sequence[Row], found: Sequence[Row]) -> int:
    """Write what differs; how many rows that were."""
    there = {_key(table, row): row for row in found}
    fresh = [row for row in wanted if _key(table, row) not in there]
    changed = [row for row in wanted if there.get(_key(table, row), row) != row]
    gone = there.keys() - {_key(table, row) for row in wanted}
    if (changed and table in FOR_GOOD) or (gone and table in KEPT):
        raise StoreError(
            f"the target holds rows in {table.name} that are not the source's",
            hint="it is in use already, or holds another ledger: copy into an empty database",
            table=table.name,
        )
    PreparedInsert(table).many(connection, fresh)
    for row in changed:
        values = dict(zip(table.columns.keys(), row, strict=True))
        connection.execute(update(table).where(_is(table, _key(table, row))).values(values))
    for key in gone:
        connection.execute(delete(table).where(_is(table, key)))
    return len(fresh) + len(changed) + len(gone)


def _key(table: Table, row: Row) -> Row:
    """The values of the key, in the order in which the key sorts."""
    return tuple(row[place] for place in _places(table))


@cache
def _places(table: Table) -> tuple[int, ...]:
    columns = list(table.columns)
    return tuple(columns.index(column) for column in table.primary_key)


def _is(table: Table, key: Row) -> Any:
    columns: list[Column[Any]] = list(table.primary_key)
    return and_(*(column == value for column, value in zip(columns, key, strict=True)))
