"""PostgreSQL with a full disk, of tables or of the write-ahead log: decisions are recorded or refused, never lost."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from consentgate.errors import StoreError
from consentgate.service.terms import Terms
from consentgate.terms.subject import Subject
from consentgate.testing import run
from tests.faults.conftest import Shelter, open_terms
from tests.postgres import Server, programs

SEGMENT = 16
"""Megabytes of a file of the write-ahead log."""


@pytest.fixture(name="server")
def _server(missing: Callable[[str], object]) -> Iterator[Server]:
    """A server of its own, with a small disk (``server.folder / "disk"``) that is its user's."""
    if programs(18) is None:
        missing("PostgreSQL 18")
    if os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("only root may mount a small disk")
    server = Server(18, checkpoint_timeout="1h", min_wal_size="32MB")
    disk = server.folder / "disk"
    disk.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk], capture_output=True, check=False)
    try:
        if done.returncode:
            pytest.skip(f"cannot mount a small disk here: {done.stderr!r}")
        shutil.chown(disk, server.data.owner())
        yield server
    finally:
        server.stop("immediate")
        subprocess.run(["umount", "-l", disk], capture_output=True, check=False)
        server.close()


def resize(server: Server, megabytes: int) -> None:
    """Make the small disk larger."""
    subprocess.run(["mount", "-o", f"remount,size={megabytes}m", server.folder / "disk"], check=True)


async def fill(terms: Terms, name: str, most: int = 4_000) -> tuple[set[bytes], list[StoreError]]:
    """Decide until it was refused thirty times; what was acknowledged, and the refusals."""
    acknowledged: set[bytes] = set()
    refused: list[StoreError] = []
    for number in range(0, most, 16):
        subjects = [Subject(f"{name}-{number + place}") for place in range(16)]
        for answer in await asyncio.gather(
            *(terms.record(subject, "terms") for subject in subjects), return_exceptions=True
        ):
            if isinstance(answer, BaseException):
                assert isinstance(answer, StoreError), answer
                refused.append(answer)
            else:
                acknowledged.add(answer.ref)
        if len(refused) > 30:
            break
    # Whoever accepted goes on being known; only writing stops.
    assert await terms.decisions(Subject(f"{name}-0"))
    return acknowledged, refused


def test_a_full_disk_of_the_tables_takes_back_no_decision(server: Server, shelter: Callable[..., Shelter]) -> None:
    """Decisions are recorded, or refused with what to do; after space was freed all go on, and the ledger is sound."""
    server.execute(f"CREATE TABLESPACE small LOCATION '{server.folder / 'disk'}'")
    server.execute("ALTER DATABASE postgres SET default_tablespace = small")
    here = shelter(server)

    async def main() -> set[bytes]:
        async with open_terms(here.url, here.state) as terms:
            first, refused = await fill(terms, "first")
            assert len(first) > 100
            assert any("disk of the database is full" in str(error) for error in refused)
            resize(server, 3)
            second, refused = await fill(terms, "second")
            assert len(second) > 100
            assert len(refused) > 30
            resize(server, 64)
            third, refused = await fill(terms, "third", 64)
            assert (len(third), refused) == (64, [])
            return first | second | third

    here.holds(run(main()))


def test_a_full_disk_of_the_log_takes_back_no_decision(server: Server, shelter: Callable[..., Shelter]) -> None:
    """The server panics and cannot start; with space it does, and the same workers go on."""
    disk: Path = server.folder / "disk"
    resize(server, 5 * SEGMENT)
    server.stop()
    shutil.move(server.data / "pg_wal", disk / "wal")
    subprocess.run(["chown", "-R", server.data.owner(), disk], check=True)
    (server.data / "pg_wal").symlink_to(disk / "wal")
    server.start()
    here = shelter(server)

    async def main() -> set[bytes]:
        async with open_terms(here.url, here.state) as terms:
            acknowledged = {(await terms.record(Subject(f"before-{number}"), "terms")).ref for number in range(20)}
            number, refused = 0, 0
            while refused < 20:  # each turn needs a new file of the log
                try:
                    acknowledged.add((await terms.record(Subject(f"full-{number}"), "terms")).ref)
                    await asyncio.to_thread(server.execute, "SELECT pg_switch_wal()")
                except (StoreError, psycopg.Error):
                    refused += 1
                    await asyncio.sleep(0.05)
                number += 1
                assert number < 500
            assert server._process is not None
            server._process.wait(60)
            resize(server, 20 * SEGMENT)
            server._process = None
            await asyncio.to_thread(server.start)
            deadline = time.monotonic() + 60
            for number in range(20):
                while True:
                    try:
                        acknowledged.add((await terms.record(Subject(f"after-{number}"), "terms")).ref)
                        break
                    except StoreError:
                        assert time.monotonic() < deadline
                        await asyncio.sleep(0.05)
            return acknowledged

    acknowledged = run(main())
    assert len(acknowledged) >= 40
    here.holds(acknowledged)
