"""A server opened with nothing but the driver: which URLs, what it refuses, and that it only reads."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from consentgate.errors import StoreError, StoreUnavailableError
from consentgate.store.database import Database
from consentgate.store.lines_server import LedgerServer, conninfo
from tests.postgres import Server


@pytest.mark.parametrize(
    ("url", "read"),
    [
        ("postgresql://a:b@db.example:5433/terms", "postgresql://a:b@db.example:5433/terms"),
        ("postgresql+psycopg://db.example/terms?pool=4", "postgresql://db.example/terms"),
        ("postgres:///terms?allow_unsafe=1&sslmode=require&pool=2", "postgresql:///terms?sslmode=require"),
        ("postgresql:///terms?host=%2Frun%2Fpg", "postgresql:///terms?host=%2Frun%2Fpg"),
        ("postgresql:///terms?host=one:5432&host=two:5432", None),
        ("postgresql:///terms?host=one:5432", None),
        ("postgresql:///terms?application_name=two+words", None),
        ("postgresql+asyncpg:///terms", None),
        ("sqlite:///terms.db", None),
    ],
)
def test_a_url_is_read_as_the_application_reads_it_or_not_at_all(url: str, read: str | None) -> None:
    """What libpq and SQLAlchemy would take for different things is left to the one that the application uses."""
    assert conninfo(url) == read


@pytest.mark.parametrize("url", ["sqlite:///terms.db", "postgresql:///terms?nonsense=1", "postgresql://[/terms"])
def test_what_cannot_be_read_is_left_to_the_application(url: str) -> None:
    """It says what is wrong with it."""
    assert LedgerServer.open(url) is None


def test_it_only_reads(postgres: Callable[[int], Server]) -> None:
    """Whatever is asked of it: the server itself refuses to write."""
    url = postgres(15).fresh()
    Database.open(url).close()
    server = LedgerServer.open(url)
    assert server is not None
    assert not server.replica
    with pytest.raises(StoreError, match="only lets us read"):
        server.read(lambda lines: lines._all("DELETE FROM consentgate_meta", ()))
    assert server.read(lambda lines: lines.meta())["generation"] == "0"
    server.close()
    server.close()


def test_a_connection_that_was_lost_is_opened_again(postgres: Callable[[int], Server]) -> None:
    """As after a restart of the server: what was to be read is read."""
    url = postgres(15).fresh()
    Database.open(url).close()
    server = LedgerServer.open(url)
    assert server is not None
    (pid,) = server.read(lambda lines: lines._all("SELECT pg_backend_pid()", ()))[0]
    postgres(15).execute(f"SELECT pg_terminate_backend({pid})")

    assert server.read(lambda lines: lines.slugs()) == []
    server.close()


def test_a_server_that_is_not_there_is_named(postgres: Callable[[int], Server]) -> None:
    """In the words the application has for it."""
    with pytest.raises(StoreUnavailableError, match="cannot be reached"):
        LedgerServer.open("postgresql://127.0.0.1:1/terms")
    with pytest.raises(StoreUnavailableError, match="no such database"):
        LedgerServer.open(postgres(15).address("nowhere"))
