"""What survives: processes that are killed anywhere, statements that fail anywhere, several processes at once.

The law is one: what was acknowledged is there, once, at its place; and what is there is sound.
"""

from __future__ import annotations

import random
import re
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from consentgate.errors import StoreError, StoreUnavailableError
from consentgate.store import blobs, entries, sqlite
from consentgate.store.database import Database
from consentgate.store.writer import Writer

Child = Callable[..., "subprocess.Popen[str]"]
STEPS = ("begin", "before-entries", "before-head", "before-commit", "after-commit")


def acknowledged(output: str) -> dict[bytes, int]:
    """What a child said was written: place by ref. A line cut off by the kill was not said."""
    return {bytes.fromhex(ref): int(place) for ref, place in re.findall(r"^([0-9a-f]{32}) (\d+)$", output, re.M)}


def look(url: str, fake: ModuleType) -> list[bytes]:
    """The refs of the database, after a check of everything, read by a process that remembers nothing."""
    database = Database.open(url)
    try:
        return fake.check(database)  # type: ignore[no-any-return]
    finally:
        database.close()


# --- processes that are killed ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("nth", [1, 7])
@pytest.mark.parametrize("step", STEPS)
def test_a_process_killed_at_any_step_took_nothing_back(
    tmp_path: Path, child: Child, fake: ModuleType, step: str, nth: int
) -> None:
    """Three processes, one after the other on the same file, are killed at the same step: every record that any of them
    acknowledged is there, the ledger is sound, and the next process goes on."""
    url = f"sqlite:///{tmp_path / 'shelves.db'}"
    promised: dict[bytes, int] = {}
    for life in range(3):
        process = child("die", url, f"life {life}", step, nth)
        output, _ = process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL
        promised |= acknowledged(output)
        refs = look(url, fake)

        assert {ref: refs[place] for ref, place in promised.items()} == {ref: ref for ref in promised}
        unspoken = 3 if step == "after-commit" else 0
        assert len(promised) <= len(refs) <= len(promised) + unspoken * (life + 1)
    assert nth == 1 or promised


def test_a_process_killed_at_any_time_took_nothing_back(tmp_path: Path, child: Child, fake: ModuleType) -> None:
    """Killed at moments that chance chose, in the middle of whatever it was doing, again and again on one file."""
    url = f"sqlite:///{tmp_path / 'shelves.db'}"
    choose = random.Random(11)
    promised: dict[bytes, int] = {}
    for life in range(4):
        process = child("endless", url, f"life {life}")
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(choose.random() / 5)
        process.kill()
        promised |= acknowledged(first + process.stdout.read())
        refs = look(url, fake)

        assert {refs[place] for place in promised.values()} == set(promised)
    assert len(promised) >= 4


def test_several_processes_share_one_file(tmp_path: Path, child: Child, fake: ModuleType) -> None:
    """Four processes of four threads each write at once, each ref twice, while another reads: every acknowledged ref is
    there exactly once, at the place that was named, without gaps; and every picture the reader saw was sound."""
    url = f"sqlite:///{tmp_path / 'shelves.db'}"
    reader = Database.open(url)
    processes = [child("hammer", url, name, 25) for name in ("a", "b", "c", "d")]
    pictures = []
    while any(process.poll() is None for process in processes):
        pictures.append(fake.check(reader))
        time.sleep(0.02)
    promised: dict[bytes, int] = {}
    for process in processes:
        promised |= acknowledged(process.communicate()[0])
        assert process.returncode == 0
    refs = fake.check(reader)
    reader.close()

    assert len(refs) == 4 * 4 * 25
    assert promised == {ref: place for place, ref in enumerate(refs)}
    assert all(picture == refs[: len(picture)] for picture in pictures)
    assert {f"{tmp_path.name}/shelves.db", f"{tmp_path.name}/shelves.db.lock"} == {
        f"{tmp_path.name}/{one.name}" for one in tmp_path.iterdir()
    }


def test_every_acknowledgement_was_preceded_by_a_sync(
    tmp_path: Path, child: Child, need_program: Callable[[str], str], fake: ModuleType
) -> None:
    """Between any two acknowledgements the log was forced to the disk: a power cut takes back nothing that was said."""
    url, trace = f"sqlite:///{tmp_path / 'shelves.db'}", tmp_path / "trace"
    strace = (need_program("strace"), "-f", "-o", str(trace), "-e", "trace=fdatasync,fsync,write")
    process = child("sync", url, 20, prefix=strace)
    process.communicate(timeout=60)
    words = re.findall(r'(fdatasync|fsync)\(|write\(1, "(ack) \d+', trace.read_text())
    story = "".join("s" if sync else "a" for sync, _ in words)

    assert story.count("a") == 20
    assert "aa" not in story
    assert story.startswith("s")
    assert len(look(url, fake)) == 20


# --- statements that fail --------------------------------------------------------------------------------------------


class Trouble:
    """Makes the n-th call of the driver fail; before it did anything, or (a commit) after it did everything."""

    def __init__(self) -> None:
        self.left = -1
        self.after = False
        self.calls = 0

    def strike(self) -> bool:
        """Count a call; whether it is the one that fails."""
        self.calls += 1
        self.left -= 1
        return self.left == 0

    def connection(self) -> type[sqlite3.Connection]:
        """A connection of the driver whose calls are counted."""
        trouble = self

        class Cursor(sqlite3.Cursor):
            def execute(self, *words: Any) -> Any:
                if trouble.strike():
                    raise sqlite3.OperationalError("disk I/O error")
                return super().execute(*words)

        class Connection(sqlite3.Connection):
            def cursor(self, *_words: Any) -> Any:
                return super().cursor(Cursor)

            def commit(self) -> None:
                struck = trouble.strike()
                if not struck or trouble.after:
                    super().commit()
                if struck:
                    raise sqlite3.OperationalError("disk I/O error")

        return Connection


@pytest.fixture(name="trouble")
def _trouble(monkeypatch: pytest.MonkeyPatch) -> Iterator[Trouble]:
    trouble, connect = Trouble(), sqlite3.connect
    monkeypatch.setattr(
        sqlite.sqlite3, "connect", lambda *words, **more: connect(*words, **more, factory=trouble.connection())
    )
    yield trouble
    trouble.left = -1


def _story(writer: Writer[Any], fake: ModuleType) -> dict[bytes, int]:
    """Write in groups of one, two and three, one of them with a row of its own; what was acknowledged."""

    def keep(connection: Any, context: Any) -> int:
        blobs.put_blob(connection, "a" * 64, "x", b"kept")
        return context.append(fake.ref_of("with a blob"), b"leaf")  # type: ignore[no-any-return]

    told: dict[bytes, int] = {}
    groups = [["a"], ["b", "c"], ["with a blob"], ["d", "e", "a"]]
    for group in groups:
        jobs = [fake.append(name) for name in group]
        jobs = [fake.Job(job.refs, keep) if job.refs[0] == fake.ref_of("with a blob") else job for job in jobs]
        futures = [writer.submit(job) for job in jobs]
        for job, future in zip(jobs, futures, strict=True):
            error = future.exception(30)
            if error is None:
                told[job.refs[0]] = future.result()
            else:
                assert isinstance(error, StoreUnavailableError)
    return told


@pytest.mark.parametrize("after", [False, True], ids=["not written", "written all the same"])
def test_the_nth_call_may_fail_for_every_n(tmp_path: Path, fake: ModuleType, trouble: Trouble, after: bool) -> None:
    """Whichever single call of the driver fails, nothing that was acknowledged is missing, the ledger is sound, and the
    same requests sent again are all answered, each with its one record."""
    trouble.after = after
    nth = 0
    finished = False
    while not finished:
        nth += 1
        url = f"sqlite:///{tmp_path / f'{nth}.db'}"
        database = Database.open(url)
        writer = Writer(database, fake.FakeLedger())
        trouble.left = nth
        told = _story(writer, fake)
        finished = trouble.left > 0
        trouble.left = -1
        assert told.items() <= {ref: place for place, ref in enumerate(look(url, fake))}.items()

        again = _story(writer, fake)
        refs = look(url, fake)
        writer.close()
        database.close()
        assert told.items() <= again.items()
        assert again == {ref: place for place, ref in enumerate(refs)}
        assert len(refs) == 6
    assert nth > 20


def test_opening_may_fail_at_every_call(tmp_path: Path, trouble: Trouble) -> None:
    """Whichever call fails while a fresh database is made, the next opening finds it whole or makes it."""
    nth = 0
    finished = False
    while not finished:
        nth += 1
        url = f"sqlite:///{tmp_path / f'{nth}.db'}"
        trouble.left = nth
        try:
            Database.open(url).close()
        except StoreUnavailableError:
            assert trouble.left <= 0
        finished = trouble.left > 0
        trouble.left = -1
        database = Database.open(url)
        database.write(lambda connection: entries.insert_checkpoint(connection, 1, "works"))

        assert database.read(entries.checkpoints) == [(1, "works")]
        database.close()
    assert nth > 20


def test_a_full_disk_takes_back_no_acknowledgement(small_disk: Path, fake: ModuleType) -> None:
    """Decisions on a disk that fills up are either recorded or refused, never both; with space again all go on."""
    url = f"sqlite:///{small_disk / 'shelves.db'}"
    database = Database.open(url)
    writer = Writer(database, fake.FakeLedger())
    told: dict[bytes, int] = {}
    refused = 0
    for n in range(400):
        jobs = [fake.append(f"{n}-{one}", b"x" * 5_000) for one in range(3)]
        futures = [writer.submit(job) for job in jobs]
        for job, future in zip(jobs, futures, strict=True):
            if error := future.exception(30):
                assert isinstance(error, StoreError)
                assert "full" in str(error)
                refused += 1
            else:
                told[job.refs[0]] = future.result()
        if refused > 10:
            break
    assert refused > 10
    assert told == {ref: place for place, ref in enumerate(fake.check(database))}
    subprocess.run(["mount", "-o", "remount,size=9m", small_disk], check=True)

    assert writer.submit(fake.append("after")).result(30) == len(told)
    writer.close()
    database.close()
    assert len(look(url, fake)) == len(told) + 1
