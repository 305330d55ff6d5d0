"""What is true of PostgreSQL alone: what it must promise, what it may say, and connections that go away."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from consentgate.errors import ConfigurationError, OverloadedError, StoreError, StoreUnavailableError
from consentgate.store import entries, meta, postgres
from consentgate.store.database import Database
from consentgate.store.entries import HeadRow
from tests.postgres import Server

MARKER = "marker-of-somebody"


@pytest.fixture(name="server", scope="module", params=[15, 18])
def _server(request: pytest.FixtureRequest, postgres: Callable[[int], Server]) -> Server:
    return postgres(request.param)


@pytest.fixture(name="database")
def _database(server: Server) -> Iterator[Database]:
    database = Database.open(server.fresh())
    yield database
    database.close()


@pytest.mark.parametrize("setting", ["synchronous_commit", "fsync", "full_page_writes"])
def test_a_server_that_forgets_is_refused(postgres: Callable[[int], Server], setting: str) -> None:
    """Where a crash takes back what was acknowledged nothing starts, unless somebody says that it does not matter."""
    server = postgres(15)
    url = server.fresh()
    server.execute(f"ALTER SYSTEM SET {setting} = off")
    server.execute("SELECT pg_reload_conf(), pg_sleep(0.2)")
    try:
        with pytest.raises(ConfigurationError, match=f"{setting}=off") as caught:
            Database.open(url)
        Database.open(url + "&allow_unsafe=1").close()
    finally:
        server.execute(f"ALTER SYSTEM RESET {setting}")
        server.execute("SELECT pg_reload_conf(), pg_sleep(0.2)")

    assert setting in caught.value.hint


def test_a_reader_survives_lost_connections(server: Server, database: Database) -> None:
    """Whoever ends our connections costs no reader anything, and a writer one failure at most."""
    database.write(lambda connection: meta.put(connection, "a", "b"))
    for _ in range(2):
        server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'consentgate' AND pid <> pg_backend_pid()"
        )
        assert database.read(entries.head) is None  # by a prepared statement
        assert database.read(lambda connection: meta.get(connection, "a")) == "b"  # and by SQLAlchemy
    with pytest.raises(StoreUnavailableError):
        database.write(lambda connection: meta.put(connection, "a", "c"))
    database.write(lambda connection: meta.put(connection, "a", "d"))

    assert database.read(lambda connection: meta.get(connection, "a")) == "d"


def test_what_cannot_be_reached_is_said_without_the_password(server: Server) -> None:
    """Neither message nor traceback tells the password, wherever it stands in the URL."""
    with pytest.raises(StoreUnavailableError, match="cannot be reached") as caught:
        Database.open(f"postgresql://somebody:hidden@/db?host={server.folder}/nowhere&password=hidden")

    assert "hidden" not in f"{caught.value}{caught.value.__cause__}"


def test_wrong_names_are_told_apart(server: Server) -> None:
    """A database and a role that do not exist each have their own words."""
    with pytest.raises(StoreUnavailableError, match="no such database") as database:
        Database.open(server.address("nowhere"))
    with pytest.raises(StoreUnavailableError, match="does not let us in") as role:
        Database.open(server.address().replace("consentgate@", "nobody@"))

    assert "createdb" in database.value.hint
    assert "pg_hba" in role.value.hint


def test_too_many_connections_is_overload(server: Server) -> None:
    """A server that is full is asked again in a moment, not called broken."""
    error = type("TooMany", (Exception,), {"sqlstate": "53300", "__module__": "psycopg.errors"})("full")

    assert isinstance(postgres.explain(error), OverloadedError)


def test_a_row_is_never_quoted(server: Server, database: Database) -> None:
    """What PostgreSQL says of a row that broke a rule quotes it; we do not, and no traceback of ours does."""
    database.write(lambda connection: meta.put(connection, "a", "b"))
    with pytest.raises(StoreError) as caught:
        database.write(
            lambda connection: connection.exec_driver_sql(
                "INSERT INTO consentgate_meta (key, value) VALUES (%s, NULL)", (MARKER,)
            )
        )

    assert MARKER not in f"{caught.value}{caught.value.hint}"
    assert caught.value.__cause__ is None


def test_who_has_the_head_keeps_others_from_it(database: Database) -> None:
    """Of two transactions that want to move the head the second sees where the first moved it."""
    order: list[str] = []
    with database.transaction() as first:
        assert entries.lock_head(first) is None
        entries.set_head(first, HeadRow(3, 10, "three"), expected=None)
        with pytest.raises(StoreUnavailableError, match="too long"), database.transaction() as second:
            second.exec_driver_sql("SET LOCAL lock_timeout = 50")
            second.exec_driver_sql("SELECT size FROM consentgate_head FOR UPDATE")
            entries.lock_head(second)
        order.append("first")
    with database.transaction() as second:
        assert entries.lock_head(second) == HeadRow(3, 10, "three")

    assert order == ["first"]


def test_two_processes_make_the_tables_of_one_database(server: Server) -> None:
    """Whoever opens a fresh database at the same moment finds the tables, or makes them; nobody fails."""
    import threading

    url, opened, failed = server.fresh(), list[Database](), list[Exception]()

    def one() -> None:
        try:
            opened.append(Database.open(url))
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=one) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for database in opened:
        database.close()

    assert (len(opened), failed) == (6, [])
