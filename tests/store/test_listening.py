"""Laws of the connection that watches the publication counter."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from consentgate.errors import StoreUnavailableError
from consentgate.store import meta
from consentgate.store.database import Database
from consentgate.store.listening import Listener
from tests.postgres import Server


@pytest.fixture(name="server", scope="module", params=[15, 18])
def _server(request: pytest.FixtureRequest, postgres: Callable[[int], Server]) -> Server:
    return postgres(request.param)


@pytest.fixture(name="database")
def _database(server: Server) -> Iterator[Database]:
    database = Database.open(server.fresh())
    yield database
    database.close()


@pytest.fixture(name="listener")
def _listener(database: Database) -> Iterator[Listener]:
    listener = database.listener()
    assert listener is not None
    assert listener.generation() == 0
    yield listener
    listener.close()


LONG = 60.0
"""Seconds no test waits for: it would be told before."""


def test_a_publication_ends_the_wait(database: Database, listener: Listener) -> None:
    """The server tells of it as soon as it is committed, and not of one that was rolled back."""
    told = threading.Event()

    def listen() -> None:
        listener.wait(LONG)
        told.set()

    thread = threading.Thread(target=listen)
    thread.start()
    with pytest.raises(RuntimeError), database.transaction() as connection:
        meta.bump_generation(connection)
        raise RuntimeError("rolled back")
    assert not told.wait(0.2)
    database.write(meta.bump_generation)
    thread.join(LONG)

    assert told.is_set()
    assert listener.generation() == 1


def test_a_process_with_thousands_of_connections_hears_of_a_publication() -> None:
    """Bug: the wait was made of select(), which knows no descriptor above 1,023: the watching thread ended there, and
    the worker of a busy server was never told of new terms again."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 1_200:
        pytest.skip("this system allows no process a thousand open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 1_200), hard))
    files = [os.open(os.devnull, os.O_RDONLY) for _ in range(1_100)]
    try:
        listener = Listener(lambda: None, listen=False)
        listener.wake()
        listener.wait(LONG)
        listener.close()
    finally:
        for file in files:
            os.close(file)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_lost_connection_ends_the_wait_and_is_replaced(
    server: Server, database: Database, listener: Listener
) -> None:
    """Whoever hangs up costs nothing: the next look has another connection, and is told again."""
    for expected in (1, 2):
        server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT value%'")
        listener.wait(LONG)
        try:
            database.write(meta.bump_generation)
        except StoreUnavailableError:
            database.write(meta.bump_generation)
        assert listener.generation() == expected
    thread = threading.Thread(target=lambda: database.write(meta.bump_generation))
    thread.start()
    listener.wait(LONG)
    thread.join()

    assert listener.generation() == 3


def test_it_can_be_woken(listener: Listener) -> None:
    """Shutting down does not wait for a publication."""
    listener.wake()
    listener.wait(LONG)


def test_where_nobody_tells_it_only_waits(database: Database) -> None:
    """A database that cannot tell, or a pooler in between, is asked after the time is over."""
    made = database._backend.listener()
    assert made is not None
    listener = Listener(made[0], listen=False)
    assert listener.generation() == 0
    database.write(meta.bump_generation)
    before = time.monotonic()
    listener.wait(0.05)

    assert time.monotonic() - before >= 0.05
    assert listener.generation() == 1
    listener.close()


def test_what_cannot_be_reached_is_said_in_our_words(postgres: Callable[[int], Server]) -> None:
    """The watching thread knows our errors alone."""
    server = Server(15)
    database = Database.open(server.fresh())
    listener = database.listener()
    assert listener is not None
    listener.generation()
    server.stop("immediate")
    with pytest.raises(StoreUnavailableError, match="cannot be reached"):
        listener.generation()
    server.start()

    assert listener.generation() == 0
    listener.close()
    database.close()
    server.close()
