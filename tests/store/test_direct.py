"""Laws of the statements that go to PostgreSQL directly: what is sent arrives, and what fails is said as ever."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consentgate.errors import StoreError, StoreUnavailableError
from consentgate.store import direct, queue
from consentgate.store.database import Database
from consentgate.store.queue import QueueRow
from consentgate.store.subjects import OpeningRow, openings_by_refs
from tests.postgres import Server

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)


@pytest.fixture(name="server", scope="module", params=[15, 18])
def _server(request: pytest.FixtureRequest, postgres: Callable[[int], Server]) -> Server:
    return postgres(request.param)


@pytest.fixture(name="database", scope="module")
def _database(server: Server) -> Iterator[Database]:
    database = Database.open(server.fresh())
    yield database
    database.close()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.none() | TEXT, st.none() | st.integers(-(2**63), 2**63 - 1), st.none() | st.binary())))
def test_what_is_sent_as_arrays_arrives(
    database: Database, rows: list[tuple[str | None, int | None, bytes | None]]
) -> None:
    """Texts, numbers and bytes of any number of rows, or nothing in their place, are at the server what they were."""
    words, counts, data = (list(column) for column in zip(*rows, strict=True)) if rows else ([], [], [])
    statement = b"SELECT t, n, encode(b, 'hex') FROM unnest($1::text[], $2::bigint[], $3::bytea[]) AS g(t, n, b)"
    with database.transaction() as connection:
        found, _ = direct.ask(
            connection, statement, direct.texts(words), direct.numbers(counts), direct.octets(data)
        )  # fmt: skip

    assert [
        (
            None if t is None else t.decode(),
            None if n is None else int(n),
            None if b is None else bytes.fromhex(b.decode()),
        )
        for t, n, b in found
    ] == rows


def test_a_statement_alone_is_a_transaction_of_its_own(database: Database) -> None:
    """It stays although what is around it is rolled back; once a transaction has begun it goes with it."""
    put = b"INSERT INTO consentgate_meta (key, value) VALUES (convert_from($1, 'utf8'), 'x')"
    with pytest.raises(RuntimeError), database.transaction() as connection:
        direct.ask(connection, put, b"alone")
        raise RuntimeError
    with pytest.raises(RuntimeError), database.transaction() as connection:
        direct.begin(connection)
        direct.begin(connection)  # twice is once
        direct.ask(connection, put, b"within")
        raise RuntimeError
    with database.transaction() as connection:
        found, _ = direct.ask(connection, b"SELECT key FROM consentgate_meta WHERE key IN ('alone', 'within')")

    assert found == [(b"alone",)]


def test_a_failure_is_said_as_everywhere_else(server: Server, database: Database) -> None:
    """A rule that is broken, and a connection that is gone, are our own errors; the next statement succeeds."""
    row = QueueRow(b"t" * 16, 1, b"{}")
    with database.transaction() as connection:
        assert queue.keep(connection, [], [row])
    with pytest.raises(StoreError) as taken, database.transaction() as connection:
        queue.keep(connection, [], [row])
    with pytest.raises(StoreUnavailableError), database.transaction() as connection:
        server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'consentgate' AND pid <> pg_backend_pid()"
        )
        queue.edge(connection)

    assert taken.value.data["conflict"] == "taken"
    with database.transaction() as connection:
        assert queue.edge(connection) == (1, 0)


def test_nothing_is_kept_when_something_was_published_meanwhile(database: Database) -> None:
    """Openings and entries go in together, in the order of their instants, unless the publication counter moved."""
    rows = [QueueRow(bytes([200 - number]) * 16, 10 + number, b"leaf") for number in range(5)]
    openings = [OpeningRow(row.ref, b"tag", "user", None, "terms", 1, "accept", row.at, None, "{}") for row in rows[:3]]
    refs = [row.ref for row in rows]
    with database.transaction() as connection:
        assert not queue.keep(connection, openings, rows, generation=1)
        assert openings_by_refs(connection, refs) == {}
    with database.transaction() as connection:
        assert queue.keep(connection, openings, rows, generation=0)
    with database.transaction() as connection:
        assert openings_by_refs(connection, refs) == {opening.ref: opening for opening in openings}
        assert [row for row in queue.take(connection, 99) if row.ref in refs] == rows
