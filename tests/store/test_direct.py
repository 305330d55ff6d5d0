"""Laws of the statements that go to PostgreSQL directly: what is sent arrives, and what fails is said as ever."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consentgate.errors import StoreError, StoreUnavailableError
from consentgate.store import direct, entries, queue
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
        queue.keep(connection, [], [row])
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


def opening(row: QueueRow, tag: bytes = b"tag", linked: bytes | None = None) -> OpeningRow:
    """The opening of a decision, or of a link."""
    return OpeningRow(row.ref, tag, "user", linked, "terms", 1, "link" if linked else "accept", row.at, None, "{}")


def kept(database: Database, row: QueueRow, tag: bytes = b"tag") -> bool:
    """Whether a decision is kept as long as nothing was published, said beforehand by a dry run of two rows alike."""
    others = [row, QueueRow(row.ref[::-1], row.at + 1, row.leaf)]
    answers = []
    for rows in (others, others[:1]):
        with suppress(RuntimeError), database.transaction() as connection:
            direct.begin(connection)
            answers.append(queue.keep_if(connection, [opening(one, tag) for one in rows], rows, 0)[0])
            if len(rows) > 1:
                raise RuntimeError  # many rows are another statement: it must say the same
    assert answers[0] == answers[1]
    return answers[1]


def test_nothing_is_kept_when_something_was_published_meanwhile(database: Database) -> None:
    """Openings and entries go in together, in the order of their instants, unless the publication counter moved."""
    rows = [QueueRow(bytes([200 - number]) * 16, 10 + number, b"leaf") for number in range(5)]
    openings = [opening(row) for row in rows[:3]]
    refs = [row.ref for row in rows]
    for some in (rows, rows[:1]):
        with database.transaction() as connection:
            yes, edge = queue.keep_if(connection, openings[: len(some)], some, generation=1)
            assert not yes
            assert edge.generation == 0
            assert openings_by_refs(connection, refs) == {}
    with database.transaction() as connection:
        assert queue.keep_if(connection, openings, rows, generation=0)[0]
    with database.transaction() as connection:
        assert queue.keep_if(connection, [], [QueueRow(b"alone", 20, b"leaf")], 0) == (True, (14, 0))
    with database.transaction() as connection:
        assert openings_by_refs(connection, refs) == {one.ref: one for one in openings}
        assert [row for row in queue.take(connection, 99) if row.ref in refs] == rows


def test_nothing_is_kept_that_must_be_later(server: Server) -> None:
    """A decision is later than all that has its place, and than what is known of the same subject, linked or not; what
    others decided and still waits may be later."""
    database = Database.open(server.fresh())
    numbers = itertools.count()

    def row(at: int) -> QueueRow:
        return QueueRow(b"%015d." % next(numbers), at, b"leaf")

    assert kept(database, row(100), b"anna")
    assert kept(database, row(50), b"bert")
    assert not kept(database, row(100), b"anna")
    assert not kept(database, row(99), b"anna")
    assert kept(database, row(101), b"anna")
    link = row(200)
    with database.transaction() as connection:
        queue.keep(connection, [opening(link, b"user", b"visitor")], [link])
    assert not kept(database, row(150), b"visitor")
    assert not kept(database, row(150), b"user")
    assert kept(database, row(150), b"anna")
    with database.transaction() as connection:
        entries.lock_head(connection)
        entries.set_head(connection, entries.HeadRow(1, 300, "note"), expected=None)
    assert not kept(database, row(300), b"carl")
    assert kept(database, row(301), b"carl")
    database.close()


def test_where_clocks_differ_by_much_the_later_clock_counts(database: Database) -> None:
    """Of a thousand entries that are later it is not looked whose they are."""
    rows = [QueueRow(b"later%011d" % number, 10**9 + number, b"{}") for number in range(1_000)]
    with database.transaction() as connection:
        queue.keep(connection, [], rows)
    assert not kept(database, QueueRow(b"%015d!" % 0, 10**9, b"{}"), b"nobody else")
    assert kept(database, QueueRow(b"%015d!" % 0, 10**9 + 1, b"{}"), b"nobody else")
    with database.transaction() as connection:
        queue.take(connection, 2_000)


def test_a_prepared_statement_is_renewed_and_can_be_missed(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its plan does not grow old; and where a pooler gave the connection to others it is done without, once and for
    all, and still once."""
    monkeypatch.setattr(direct, "_RENEWED", 3)
    with database.transaction() as connection:
        own = connection.connection.dbapi_connection
        for number in range(8):
            assert direct.ask(connection, b"SELECT $1::bigint", direct.number(number) or b"", name=b"mine") == (
                [(b"%d" % number,)],
                1,
            )
        names = "SELECT count(*) FROM pg_prepared_statements WHERE name = 'mine'"
        assert own.execute(names).fetchone() == (1,)
        own.rollback()
        own.execute("DEALLOCATE ALL")
        own.commit()
        put = b"INSERT INTO consentgate_meta (key, value) VALUES (convert_from($1, 'utf8'), 'x')"
        direct.ask(connection, put, b"first", name=b"put")
        own.execute("DEALLOCATE ALL")
        own.commit()
        direct.ask(connection, put, b"second", name=b"put")
        assert own.execute("SELECT count(*) FROM pg_prepared_statements").fetchone() == (0,)
        found, _ = direct.ask(connection, b"SELECT key FROM consentgate_meta WHERE key IN ('first', 'second')")
    with database.transaction() as connection:
        connection.connection.dbapi_connection.consentgate_prepared.possible = True

    assert sorted(found) == [(b"first",), (b"second",)]


def test_a_pooler_that_has_the_name_already_is_no_obstacle(database: Database) -> None:
    """Another client prepared it on the server's connection that is ours now: it is done without."""
    with database.transaction() as connection:
        own = connection.connection.dbapi_connection
        own.execute("PREPARE taken AS SELECT 1")
        own.commit()
        assert direct.ask(connection, b"SELECT 2", name=b"taken") == ([(b"2",)], 1)
        own.execute("DEALLOCATE ALL")
        own.commit()
        own.consentgate_prepared.possible = True


def test_what_fails_when_prepared_fails_as_ever(database: Database) -> None:
    """A rule that is broken is said, and breaks nothing else."""
    put = b"INSERT INTO consentgate_meta (key, value) VALUES ('generation', '1')"
    for _ in range(2):
        with pytest.raises(StoreError) as taken, database.transaction() as connection:
            direct.ask(connection, put, name=b"broken")
        assert taken.value.data["conflict"] == "taken"
