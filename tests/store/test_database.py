"""Opening, reading, writing and closing: the promises of `Database`."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy.exc import InvalidRequestError

from consentgate.errors import ConfigurationError, OverloadedError, StoreUnavailableError
from consentgate.store import entries, meta, sqlite
from consentgate.store.database import Database
from consentgate.store.entries import EntryRow, HeadRow
from consentgate.store.sqlite import driver
from consentgate.store.tables import SCHEMA_VERSION

Child = Callable[..., "subprocess.Popen[str]"]
MARKER = b"a secret about a person"


def path_of(database: Database) -> Path:
    """The file of a database."""
    return Path(database.name.removeprefix("sqlite:///"))


def row(idx: int) -> EntryRow:
    """An entry."""
    return EntryRow(idx, idx.to_bytes(16, "big"), b"h" * 32, b"leaf")


# --- opening ---------------------------------------------------------------------------------------------------------


def test_a_fresh_database_is_ready_at_once(database: Database) -> None:
    """After `open` the tables are there, the schema version is kept, nothing was published and the log is empty."""
    assert database.read(lambda connection: meta.get(connection, meta.SCHEMA)) == str(SCHEMA_VERSION)
    assert database.read(meta.generation) == 0
    assert database.read(entries.head) is None


def test_what_was_written_is_there_when_it_is_opened_again(file: Database) -> None:
    """Opening an existing database changes nothing in it."""
    file.write(lambda connection: meta.put(connection, "origin", "example.com"))
    file.close()
    again = Database.open(file.name)

    assert again.read(lambda connection: meta.get(connection, "origin")) == "example.com"
    again.close()


def test_many_may_open_a_fresh_file_at_the_same_time(tmp_path: Path) -> None:
    """Workers that start together on a fresh file all find it complete."""
    url = f"sqlite:///{tmp_path / 'shelves.db'}"
    opened: list[Database] = []
    start = threading.Barrier(6)

    def run() -> None:
        start.wait()
        opened.append(Database.open(url))

    threads = [threading.Thread(target=run) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [each.schema_version() for each in opened] == [str(SCHEMA_VERSION)] * 6
    for each in opened:
        each.close()


@pytest.mark.parametrize("version", ["999", "", "one"])
def test_a_schema_we_do_not_know_is_refused(file: Database, version: str) -> None:
    """A database of a newer consentgate, or with no readable version, is not touched."""
    file.write(lambda connection: meta.put(connection, meta.SCHEMA, version))
    file.close()

    with pytest.raises(ConfigurationError, match="schema version"):
        Database.open(file.name)


def test_a_missing_file_is_only_made_on_request(tmp_path: Path) -> None:
    """With ``create=False`` a wrong path is an error, and leaves no file behind."""
    with pytest.raises(ConfigurationError, match="there is no database"):
        Database.open(f"sqlite:///{tmp_path / 'typo.db'}", create=False)

    assert list(tmp_path.iterdir()) == []


def test_a_foreign_database_gets_our_tables_only_on_request(tmp_path: Path) -> None:
    """With ``create=False`` a database without our tables is an error; without it they are made beside the others."""
    path = tmp_path / "host.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE theirs (id INTEGER)")
    connection.close()
    with pytest.raises(ConfigurationError, match="no consentgate tables"):
        Database.open(f"sqlite:///{path}", create=False)
    Database.open(f"sqlite:///{path}").close()
    database = Database.open(f"sqlite:///{path}", create=False)

    assert database.read(lambda own: driver(own).execute("SELECT count(*) FROM theirs").fetchone()) == (0,)
    database.close()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("shelves.db", "cannot be read"),
        ("", "cannot be read"),
        ("postgresql+asyncpg://somebody:hidden@host/db", "not in postgresql"),
        ("postgresql://somebody:hidden@host/db?pool=many", "no number of connections"),
        ("mysql://host/db", "not in mysql"),
        ("sqlite+aiosqlite:///shelves.db", "not in sqlite"),
        ("sqlite:///shelves.db?mode=ro", "only a path"),
        ("sqlite://host/shelves.db", "only a path"),
    ],
)
def test_a_url_we_cannot_use_is_refused_with_a_hint(url: str, words: str) -> None:
    """Every URL that is not ours to open is refused before anything is made, and says how to write it."""
    with pytest.raises(ConfigurationError, match=words) as caught:
        Database.open(url)

    assert caught.value.hint
    assert "hidden" not in str(caught.value)


def test_a_relative_path_is_fixed_when_it_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working directory that changes later does not change the database."""
    monkeypatch.chdir(tmp_path)
    database = Database.open("sqlite:///shelves.db")
    monkeypatch.chdir("/")
    database.write(lambda connection: meta.put(connection, "origin", "here"))

    assert database.read(lambda connection: meta.get(connection, "origin")) == "here"
    assert (tmp_path / "shelves.db").exists()
    database.close()


@pytest.mark.parametrize("name", ["a b.db", "what?.db", "half#.db", "50%.db", "größe.db"])
def test_any_file_name_works(tmp_path: Path, name: str) -> None:
    """Characters that mean something in a URL of SQLite's are only characters."""
    Database.open(f"sqlite:///{tmp_path}/{quote(name)}").close()

    assert {name, f"{name}.lock"} == {path.name for path in tmp_path.iterdir()}


def test_the_connections_promise_what_we_promise(file: Database) -> None:
    """The settings that durability, erasure and safety rest on are in force on the connections we really use."""

    def look(connection: Any) -> dict[str, Any]:
        names = ("journal_mode", "synchronous", "secure_delete", "foreign_keys", "wal_autocheckpoint", "query_only")
        return {name: driver(connection).execute(f"PRAGMA {name}").fetchone()[0] for name in names}

    promised = {
        "journal_mode": "wal",
        "synchronous": 2,
        "secure_delete": 1,
        "foreign_keys": 1,
        "wal_autocheckpoint": 0,
        "query_only": 0,
    }
    assert promised == file.write(look)
    assert {**promised, "query_only": 1} == file.read(look)
    assert {**promised, "query_only": 1} == next(file.stream(lambda connection: [look(connection)]))


def test_nobody_else_may_read_a_new_file(tmp_path: Path) -> None:
    """A fresh file, its log and its lock are the owner's alone; bits that the operator chose beforehand stay."""
    before = os.umask(0)
    try:
        ours, theirs = tmp_path / "ours.db", tmp_path / "theirs.db"
        theirs.touch(0o660)
        for path, bits in ((ours, 0o600), (theirs, 0o660)):
            database = Database.open(f"sqlite:///{path}")
            database.write(lambda connection: meta.put(connection, "a", "b"))
            found = {one.name: one.stat().st_mode & 0o777 for one in tmp_path.glob(f"{path.name}*")}
            database.close()

            assert {path.name, f"{path.name}-wal", f"{path.name}-shm", f"{path.name}.lock"} == set(found)
            assert {bits} == set(found.values())
    finally:
        os.umask(before)


# --- reading ---------------------------------------------------------------------------------------------------------


def test_a_reader_cannot_write(database: Database) -> None:
    """What a reader tries to write is refused, and writers still may."""
    with pytest.raises(StoreUnavailableError, match=r"only (be|lets us) read"):
        database.read(lambda connection: meta.put(connection, "origin", "smuggled"))
    database.write(lambda connection: meta.put(connection, "a", "b"))

    assert database.read(lambda connection: meta.get(connection, "origin")) is None


def test_a_reader_sees_one_picture_while_others_write(file: Database) -> None:
    """What is committed during a read is seen by the next one, not by this one; and the writer does not wait."""

    def look(connection: Any) -> tuple[int, int]:
        before = entries.count(connection)
        file.write(lambda own: entries.insert_entries(own, [row(0)]))
        return before, entries.count(connection)

    assert file.read(look) == (0, 0)
    assert file.read(entries.count) == 1


def test_a_stream_sees_one_picture_and_keeps_nobody_waiting(database: Database) -> None:
    """While a stream is half read, writers go on; the stream ends where it began to look."""
    database.write(lambda connection: entries.insert_entries(connection, [row(idx) for idx in range(5)]))
    stream = database.stream(entries.stream_entries)
    first = next(stream)
    database.write(lambda connection: entries.insert_entries(connection, [row(5)]))

    assert [first.idx, *(one.idx for one in stream)] == [0, 1, 2, 3, 4]
    assert database.read(entries.count) == 6


def test_readers_beyond_the_pool_are_turned_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When every reading connection is busy for too long, the answer is 503 with a hint, not a pile of threads."""
    engine = sqlite._engine
    monkeypatch.setattr(
        sqlite, "_engine", lambda *words, **options: engine(*words, **{**options, "pool_timeout": 0.05})
        if "pool_size" in options else engine(*words, **options),
    )  # fmt: skip
    database = Database.open(f"sqlite:///{tmp_path / 'shelves.db'}", readers=1)
    with pytest.raises(OverloadedError, match="busy"):
        database.read(lambda _connection: database.read(entries.head))
    database.close()


def test_other_errors_of_the_work_pass_through(database: Database) -> None:
    """A mistake in the caller's own code is not dressed up as a failure of the database."""

    def wrong(_connection: Any) -> None:
        raise LookupError("mine")

    for run in (database.read, database.write, lambda work: next(database.stream(work))):
        with pytest.raises(LookupError, match="mine"):
            run(wrong)  # type: ignore[operator]
    with pytest.raises(InvalidRequestError):
        database.read(lambda connection: connection.begin())


# --- writing ---------------------------------------------------------------------------------------------------------


def test_a_transaction_is_all_or_nothing(database: Database) -> None:
    """Where the block raises, nothing of it stays, and the next transaction works."""
    with pytest.raises(LookupError), database.transaction() as connection:
        entries.insert_entries(connection, [row(0)])
        raise LookupError
    with database.transaction() as connection:
        entries.insert_entries(connection, [row(7)])

    assert [one.idx for one in database.stream(entries.stream_entries)] == [7]


def test_writers_take_turns(database: Database) -> None:
    """Threads that read, think and write lose no update: each has the database to itself."""

    def run() -> None:
        for _ in range(20):
            database.write(meta.bump_generation)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert database.read(meta.generation) == 80


@pytest.mark.parametrize("url", ["file", "memory"], indirect=True)
def test_who_waits_too_long_for_another_thread_is_told(database: Database) -> None:
    """A writer that does not let go costs others their time limit, not their lives."""
    with database.transaction():
        caught: list[StoreUnavailableError] = []

        def wait() -> None:
            try:
                database.transaction(0.05).__enter__()
            except StoreUnavailableError as error:
                caught.append(error)

        thread = threading.Thread(target=wait)
        thread.start()
        thread.join()

    assert len(caught) == 1
    database.write(lambda connection: meta.put(connection, "a", "b"))


def test_a_stopped_process_does_not_stop_the_others_for_ever(file: Database, child: Child) -> None:
    """While another process sleeps on the lock, writing fails in time with a hint and reading works; when it dies, all
    goes on, and nothing of what it had begun is there."""
    holder = child("hold", file.name)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(StoreUnavailableError, match=r"another process has held shelves\.db\.lock") as caught:
        file.transaction(0.1).__enter__()
    assert "same request may be sent again" in caught.value.hint
    assert file.read(entries.checkpoints) == []
    holder.kill()
    holder.wait()

    file.write(lambda connection: entries.insert_checkpoint(connection, 5, "ours"))
    assert file.read(entries.checkpoints) == [(5, "ours")]


def test_a_forked_process_is_told_to_open_its_own(tmp_path: Path, child: Child) -> None:
    """After a fork the child can use nothing of the parent's, harms nothing by closing it, and the parent goes on."""
    output, _ = child("fork", f"sqlite:///{tmp_path / 'shelves.db'}").communicate(timeout=60)

    refused = ["child read StoreUnavailableError", "child submit StoreUnavailableError"]
    harmless = ["child scrub StoreUnavailableError", "child tidy nothing", "child close nothing"]
    assert [*refused, *harmless, "parent 1"] == output.split("\n")[:-1]


def test_a_rogue_writer_without_the_lock_cannot_fork_the_ledger(file: Database) -> None:
    """A program that ignores our lock meets the primary key and the compare-and-swap."""
    file.write(lambda connection: entries.set_head(connection, HeadRow(1, 1, "ours"), expected=None))
    rogue = sqlite3.connect(path_of(file), isolation_level=None)
    stale = rogue.execute("SELECT size FROM consentgate_head").fetchone()[0]
    file.write(lambda connection: entries.set_head(connection, HeadRow(2, 2, "ours"), expected=1))
    changed = rogue.execute(f"UPDATE consentgate_head SET size=9 WHERE size={stale}").rowcount
    rogue.close()

    assert changed == 0
    assert HeadRow(2, 2, "ours") == file.read(entries.head)
