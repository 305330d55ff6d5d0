"""SQLite's own ways: complaints, replaced files, the write-ahead log, and what erasing leaves."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import traceback
from pathlib import Path
from types import ModuleType

import pytest

from consentgate.errors import StoreError, StoreUnavailableError
from consentgate.store import blobs, entries, meta, sqlite, subjects
from consentgate.store.database import Database
from consentgate.store.entries import EntryRow, HeadRow
from consentgate.store.lockfile import LockFile

MARKER = b"a secret about a person"


def path_of(database: Database) -> Path:
    """The file of a database."""
    return Path(database.name.removeprefix("sqlite:///"))


def row(idx: int) -> EntryRow:
    """An entry."""
    return EntryRow(idx, idx.to_bytes(16, "big"), b"h" * 32, b"leaf")


# --- what can go wrong -----------------------------------------------------------------------------------------------


def test_a_broken_rule_is_not_an_outage(database: Database) -> None:
    """A row that is there already is a `StoreError` that no retry would mend, not an unavailable database."""
    database.write(lambda connection: entries.insert_entries(connection, [row(0)]))
    with pytest.raises(StoreError, match=r"(?i)unique") as caught:
        database.write(lambda connection: entries.insert_entries(connection, [row(0)]))

    assert not isinstance(caught.value, StoreUnavailableError)


def test_no_error_repeats_what_it_was_given(database: Database, fake: ModuleType) -> None:
    """Whatever fails, the message, the hint and the whole traceback are free of the values: they are about people."""
    opening = fake.opening(b"r" * 16, subject_tag=MARKER, openings=MARKER.decode())
    database.write(lambda connection: subjects.insert_openings(connection, [opening]))
    for work in (
        lambda connection: subjects.insert_openings(connection, [opening]),
        lambda connection: connection.execute(subjects.OPENING.insert().values(opening._asdict())),
    ):
        with pytest.raises(StoreError) as caught:
            database.write(work)
        shown = "".join(traceback.format_exception(caught.value)) + caught.value.hint + repr(caught.value.problem())

        assert MARKER.decode() not in shown


def test_a_file_that_is_no_database_is_named_as_such(tmp_path: Path) -> None:
    """Any other file is refused with what to check, and stays as it is."""
    path = tmp_path / "notes.txt"
    path.write_bytes(b"just some notes, and not a database at all. " * 100)
    with pytest.raises(StoreUnavailableError, match="not an SQLite database") as caught:
        Database.open(f"sqlite:///{path}")

    assert "path" in caught.value.hint
    assert path.read_bytes().startswith(b"just some notes")


def test_a_folder_that_is_not_there_is_named_as_such(tmp_path: Path) -> None:
    """A path into nowhere is refused with what to check."""
    with pytest.raises(StoreUnavailableError) as caught:
        Database.open(f"sqlite:///{tmp_path / 'nowhere' / 'shelves.db'}")

    assert "folder" in caught.value.hint


@pytest.mark.usefixtures("impatient")
def test_a_program_that_ignores_our_lock_is_waited_for_and_then_named(tmp_path: Path) -> None:
    """A shell in a write transaction makes writing fail with a hint; reading works; afterwards all goes on."""
    database = Database.open(f"sqlite:///{tmp_path / 'shelves.db'}")
    shell = sqlite3.connect(path_of(database), isolation_level=None)
    shell.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailableError, match="without our lock file"):
        database.write(lambda connection: meta.put(connection, "a", "b"))
    assert database.read(entries.count) == 0
    shell.execute("ROLLBACK")
    shell.close()

    database.write(lambda connection: meta.put(connection, "a", "b"))
    database.close()


def test_a_disk_that_cannot_keep_a_log_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where SQLite falls back to another journal, as on a network disk, start-up is refused: our locks rest on it."""
    pragmas = tuple(pragma.replace("journal_mode=WAL", "journal_mode=DELETE") for pragma in sqlite._PRAGMAS)
    monkeypatch.setattr(sqlite, "_PRAGMAS", pragmas)
    with pytest.raises(StoreUnavailableError, match="journal mode delete") as caught:
        Database.open(f"sqlite:///{tmp_path / 'shelves.db'}")

    assert "local disk" in caught.value.hint


def test_a_complaint_we_do_not_know_is_passed_on() -> None:
    """Words of SQLite that we have no hint for are still shown."""
    assert "something new" in str(sqlite.explain(sqlite3.OperationalError("something new")))


def test_a_damaged_file_is_named_as_such(file: Database) -> None:
    """Pages overwritten with rubbish are reported as damage, not as an empty table."""
    file.write(lambda connection: entries.insert_entries(connection, [row(idx) for idx in range(300)]))
    file.close()
    path = path_of(file)
    content = bytearray(path.read_bytes())
    content[8_192:] = b"\xff" * (len(content) - 8_192)
    path.write_bytes(content)
    with pytest.raises(StoreUnavailableError, match=r"damaged|malformed"):
        database = Database.open(file.name)
        try:
            database.read(lambda connection: list(entries.entries(connection, 0, 300)))
        finally:
            database.close()


def test_a_full_disk_loses_nothing_and_heals(small_disk: Path) -> None:
    """On a full disk writing fails with a hint and reading goes on; after space was freed writing goes on too."""
    database = Database.open(f"sqlite:///{small_disk / 'shelves.db'}")
    kept = 0
    with pytest.raises(StoreUnavailableError, match="disk is full") as caught:
        for number in range(100):
            data = os.urandom(200_000)
            database.write(lambda connection, n=number, d=data: blobs.put_blob(connection, f"{n:064}", "x", d))
            kept += 1
    names = [f"{number:064}" for number in range(100)]

    assert kept > 3
    assert "free some space" in caught.value.hint
    assert set(names[:kept]) == database.read(lambda connection: blobs.blobs_known(connection, names))
    subprocess.run(["mount", "-o", "remount,size=9m", small_disk], check=True)
    database.write(lambda connection: blobs.put_blob(connection, names[99], "x", b"y" * 200_000))
    assert {*names[:kept], names[99]} == database.read(lambda connection: blobs.blobs_known(connection, names))
    database.close()


def test_a_read_only_disk_is_named_as_such(small_disk: Path) -> None:
    """Where nothing may be written, opening or writing says so and says what to allow."""
    url = f"sqlite:///{small_disk / 'shelves.db'}"
    Database.open(url).close()
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(StoreUnavailableError) as caught:
        database = Database.open(url)
        database.write(lambda connection: meta.put(connection, "a", "b"))

    assert "write" in caught.value.hint


# --- replaced, removed, closed ---------------------------------------------------------------------------------------


def test_a_backup_put_in_place_is_what_is_written_to(file: Database) -> None:
    """After somebody restored a backup over the running database, the next write sees the backup: nothing is written
    to a file that is not there any more."""
    path = path_of(file)
    file.write(lambda connection: entries.set_head(connection, HeadRow(1, 1, "old"), expected=None))
    backup = sqlite3.connect(path.with_name("backup.db"))
    source = sqlite3.connect(path)
    source.backup(backup)
    source.close()
    backup.close()
    file.write(lambda connection: entries.set_head(connection, HeadRow(2, 2, "new"), expected=1))
    for extra in ("-wal", "-shm"):
        path.with_name(path.name + extra).unlink()
    path.with_name("backup.db").replace(path)

    with pytest.raises(StoreError, match="moved by somebody else"):
        file.write(lambda connection: entries.set_head(connection, HeadRow(3, 3, "lost"), expected=2))
    assert HeadRow(1, 1, "old") == file.write(entries.head) == file.read(entries.head)


def test_a_database_that_was_removed_is_not_written_to(file: Database) -> None:
    """Nothing is acknowledged into a file without a name."""
    path_of(file).unlink()
    with pytest.raises(StoreUnavailableError, match="is gone"):
        file.write(lambda connection: meta.put(connection, "a", "b"))


def test_a_closed_database_says_so(database: Database) -> None:
    """Closing twice is closing once; everything else afterwards is refused."""
    database.close()
    database.close()
    database.tidy()
    for use in (
        lambda: database.read(entries.head),
        lambda: database.write(entries.head),
        lambda: next(database.stream(entries.stream_entries)),
        database.scrub,
    ):
        with pytest.raises(StoreUnavailableError, match="closed"):
            use()


def test_closing_leaves_one_file_and_its_lock(file: Database) -> None:
    """After the last process closed it, the log was moved into the file: a copy of the file is a copy of everything."""
    file.write(lambda connection: meta.put(connection, "origin", "example.com"))
    file.read(entries.head)
    file.close()
    path = path_of(file)

    assert {path.name, f"{path.name}.lock"} == {one.name for one in path.parent.iterdir()}


# --- the write-ahead log, and what is erased -------------------------------------------------------------------------


def _in_the_file(database: Database) -> int:
    """How many entries lie in the file itself, whatever is in the log."""
    connection = sqlite3.connect(f"file:{path_of(database)}?immutable=1", uri=True)
    try:
        return int(connection.execute("SELECT count(*) FROM consentgate_entry").fetchone()[0])
    except sqlite3.OperationalError:
        return 0
    finally:
        connection.close()


def test_the_log_is_moved_into_the_file_when_it_is_long(file: Database) -> None:
    """Few rows stay in the log, many are moved; without our lock nothing is moved, and nobody waits for it."""
    file.write(lambda connection: entries.insert_entries(connection, [row(0)]))
    file.tidy()
    assert _in_the_file(file) == 0
    other = LockFile(path_of(file).with_name("shelves.db.lock"))
    with file.transaction() as connection:
        entries.insert_entries(connection, [row(idx) for idx in range(1, 2_100)])
    assert other.acquire(0.0)
    file.tidy()
    assert _in_the_file(file) == 0
    other.release()
    other.close()
    file.tidy()

    assert _in_the_file(file) == 2_100


def test_a_log_that_a_reader_kept_long_is_cut(file: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow reader makes the log grow; when it is done the log is cut, not kept at its longest for ever."""
    monkeypatch.setattr(sqlite, "_LONGEST_LOG", 50_000)
    monkeypatch.setattr(sqlite, "_CHECKPOINT_PAGES", 500)
    log = path_of(file).with_name("shelves.db-wal")
    file.write(lambda connection: entries.insert_entries(connection, [row(0)]))
    reader = file.stream(entries.stream_entries)
    next(reader)
    file.write(lambda connection: entries.insert_entries(connection, [row(idx) for idx in range(1, 900)]))
    file.tidy()
    long = log.stat().st_size
    reader.close()  # type: ignore[attr-defined]
    file.write(lambda connection: entries.insert_entries(connection, [row(idx) for idx in range(900, 1_500)]))

    assert long > 50_000
    assert log.stat().st_size < 50_000
    assert file.read(entries.count) == 1_500


def _anywhere(database: Database) -> list[str]:
    """The files of the database in which the marker can be found."""
    return sorted(one.name for one in path_of(database).parent.iterdir() if MARKER in one.read_bytes())


def test_what_is_erased_is_nowhere_on_the_disk(file: Database, fake: ModuleType) -> None:
    """After an erasure and a scrub neither the file nor the log has the bytes; before, the test can see them."""
    openings = [fake.opening(bytes([n]) * 16, openings=f"{MARKER.decode()} {n}") for n in range(1, 61)]
    file.write(lambda connection: subjects.insert_openings(connection, openings))
    assert file.scrub().gone
    assert _anywhere(file) == ["shelves.db"]
    file.write(lambda connection: subjects.replace_openings(connection, openings[0].ref, "{}"))
    file.write(lambda connection: subjects.delete_openings(connection, [one.ref for one in openings[1:]]))
    assert _anywhere(file)

    assert file.scrub().gone
    assert _anywhere(file) == []


@pytest.mark.usefixtures("impatient")
def test_scrubbing_says_when_a_reader_is_in_the_way(tmp_path: Path, fake: ModuleType) -> None:
    """While somebody still reads an older state the log cannot be emptied; scrubbing again afterwards does it."""
    database = Database.open(f"sqlite:///{tmp_path / 'shelves.db'}")
    opening = fake.opening(b"r" * 16, openings=MARKER.decode())
    database.write(lambda connection: subjects.insert_openings(connection, [opening]))
    database.write(lambda connection: entries.insert_entries(connection, [row(0), row(1)]))
    reader = database.stream(entries.stream_entries)
    next(reader)
    database.write(lambda connection: subjects.delete_openings(connection, [opening.ref]))

    assert not database.scrub().gone
    assert _anywhere(database)
    reader.close()  # type: ignore[attr-defined]
    assert database.scrub().gone
    assert _anywhere(database) == []
    database.close()


def test_a_database_in_memory_has_nothing_to_scrub() -> None:
    """Scrubbing memory is done at once."""
    database = Database.open("sqlite://")

    assert database.scrub().gone
    database.close()
