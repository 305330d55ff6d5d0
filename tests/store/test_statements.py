"""Statements compiled once: the same rows whatever style of parameters a driver wants."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Column, Connection, Integer, MetaData, Table, Text, bindparam, create_engine, select, update
from sqlalchemy.dialects import postgresql

from consentgate.store.statements import Prepared, PreparedIn, PreparedInsert, chunks, raw_rows

PAIRS = Table("pairs", MetaData(), Column("number", Integer, primary_key=True), Column("word", Text))


@pytest.fixture(name="connection", params=["qmark", "named"])
def _connection(request: pytest.FixtureRequest) -> Iterator[Connection]:
    """A driver that takes values by place, and one that takes them by name as PostgreSQL's does."""
    engine = create_engine("sqlite://", paramstyle=request.param)
    with engine.connect() as connection, connection.begin():
        PAIRS.metadata.create_all(connection)
        yield connection
    engine.dispose()


@pytest.mark.parametrize("number", [0, 1, 5, 16, 69, 133])
def test_rows_of_any_number_are_inserted_in_order(connection: Connection, number: int) -> None:
    """Many rows go in few statements, and none is lost or twice at the seams."""
    rows = [(place, f"word {place}") for place in range(number)]
    PreparedInsert(PAIRS).many(connection, rows)

    assert [tuple(row) for row in connection.execute(select(PAIRS).order_by(PAIRS.c.number))] == rows


def test_a_row_that_is_there_is_left_alone(connection: Connection) -> None:
    """With ``ignore`` the first row of a key stays, among many rows too."""
    insert = PreparedInsert(PAIRS, ignore=True)
    assert insert.one(connection, 1, "first") == 1
    assert insert.one(connection, 1, "second") == 0
    insert.many(connection, [(place, "third") for place in range(4)])

    found = dict(connection.execute(select(PAIRS.c.number, PAIRS.c.word)).all())  # type: ignore[arg-type]
    assert found == {0: "third", 1: "first", 2: "third", 3: "third"}


def test_values_find_their_places_in_any_order_and_more_than_once(connection: Connection) -> None:
    """The caller's order of values is that of the names, not that of the SQL; one value may stand in two places."""
    PreparedInsert(PAIRS).many(connection, [(1, "old"), (2, "old")])
    change = Prepared(
        lambda _: update(PAIRS).where(PAIRS.c.number == bindparam("wanted")).values(word=bindparam("new")),
        ("wanted", "new"),
    )
    double = Prepared(
        lambda _: select(PAIRS.c.word).where(PAIRS.c.number >= bindparam("same"), PAIRS.c.number <= bindparam("same")),
        ("same",),
    )

    assert change.run(connection, 2, "new") == 1
    assert double.one(connection, 2) == ("new",)
    assert double.one(connection, 1) == ("old",)
    assert double.one(connection, 3) is None


@pytest.mark.parametrize("number", [0, 1, 7, 8, 9, 64, 65, 499, 501, 1_001])
def test_a_list_of_any_length_finds_each_row_once(connection: Connection, number: int) -> None:
    """Filling a list up to a prepared length adds no row and loses none."""
    PreparedInsert(PAIRS).many(connection, [(place, "x") for place in range(0, 2_000, 2)])
    known = PreparedIn(lambda values: select(PAIRS.c.number).where(PAIRS.c.number.in_(values)))

    found = known.all(connection, range(number))
    assert sorted(found) == [(place,) for place in range(0, number, 2)]


def test_raw_rows_come_page_by_page(connection: Connection) -> None:
    """Every row comes once, whatever the size of a page."""
    rows = [(place, "x") for place in range(25)]
    PreparedInsert(PAIRS).many(connection, rows)

    for page in (1, 7, 25, 100):
        assert list(raw_rows(connection, select(PAIRS).order_by(PAIRS.c.number), page)) == rows


def test_the_same_statements_are_written_for_postgresql() -> None:
    """Inserts that ignore, and lists, compile for PostgreSQL with its own parameters."""
    insert = PreparedInsert(PAIRS, ignore=True)._prepared[4]
    sql, order = insert._compile(postgresql.psycopg.dialect())

    assert order is None
    assert "%(number_0)s" in sql
    assert "%(word_3)s" in sql
    assert sql.endswith("ON CONFLICT DO NOTHING")


def test_chunks_lose_nothing() -> None:
    """Pieces are of at most the size asked for, and together they are the whole."""
    for number in (0, 1, 499, 500, 501, 1_500):
        pieces = list(chunks(range(number)))

        assert [value for piece in pieces for value in piece] == list(range(number))
        assert all(0 < len(piece) <= 500 for piece in pieces)
