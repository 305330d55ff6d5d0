"""kill -9 during decisions: what was acknowledged is there after a restart, and the ledger verifies."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from consentgate.service.settings import Settings
from consentgate.service.terms import Terms
from consentgate.store.entries import refs_known
from consentgate.terms.draft import draft_from_fields
from consentgate.terms.policy import Policy
from consentgate.testing import SECRET, run

CHILD = """
    import asyncio, os, signal, sys
    from consentgate.service.settings import Settings
    from consentgate.service.terms import Terms
    from consentgate.terms.subject import Subject

    database, step, times, at_once = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    left = times

    def on_step(name):
        global left
        if name == step:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    async def one(terms, number):
        for turn in range(400):
            entry = await terms.record(Subject(f"{os.getpid()}-{number}-{turn}"), "terms")
            os.write(1, entry.ref.hex().encode() + b"\\n")

    async def main():
        terms = Terms(Settings(database=database, secrets=(b"x" * 40,)))
        terms.on_step = on_step
        await terms.start()
        await asyncio.gather(*(one(terms, number) for number in range(at_once)))

    asyncio.run(main())
"""

STEPS = ("begin", "before-entries", "before-head", "before-commit", "after-commit")


def open_terms(database: str) -> Terms:
    """A handle as the child has it."""
    return Terms(Settings(database=database, secrets=(SECRET.encode(),), origin=None))


async def publish_one(database: str) -> None:
    """Something to accept."""
    async with open_terms(database) as terms:
        draft = draft_from_fields({"policy": "terms", "version": "1", "impact": "material"}, "Be kind.\n", file="1")
        await terms.publish([draft], policies=[Policy("terms", (("en", "Terms"),))])


async def check(database: str, acknowledged: set[bytes]) -> tuple[int, list[str]]:
    """How many acknowledged decisions are missing, and what verification finds."""
    async with open_terms(database) as terms:
        known = terms.engine.database.read(lambda connection: refs_known(connection, acknowledged))
        return len(acknowledged - known.keys()), (await terms.verify()).problems


def child(database: str, step: str, times: int, at_once: int) -> subprocess.Popen[bytes]:
    """A process that decides until it dies."""
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(CHILD), database, step, str(times), str(at_once)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@pytest.mark.parametrize("at_once", [1, 16])
def test_what_was_acknowledged_before_a_kill_is_there_after_it(tmp_path: Path, at_once: int) -> None:
    """At each step of the transaction, early and late, again and again on the same file."""
    database = f"sqlite:///{tmp_path}/terms.db"
    run(publish_one(database))
    acknowledged: set[bytes] = set()
    for times in (2, 9):
        for step in STEPS:
            process = child(database, step, times, at_once)
            out, errors = process.communicate(timeout=60)
            assert process.returncode == -9, errors.decode()
            acknowledged |= {bytes.fromhex(line.decode()) for line in out.splitlines() if len(line) == 32}

            assert run(check(database, acknowledged)) == (0, [])
    assert acknowledged


def test_two_processes_on_one_file_lose_nothing_when_one_is_killed(tmp_path: Path) -> None:
    """The other goes on."""
    database = f"sqlite:///{tmp_path}/terms.db"
    run(publish_one(database))
    processes = [child(database, "before-commit", 12, 4), child(database, "after-commit", 25, 4)]
    acknowledged: set[bytes] = set()
    for process in processes:
        out, errors = process.communicate(timeout=90)
        assert process.returncode == -9, errors.decode()
        acknowledged |= {bytes.fromhex(line.decode()) for line in out.splitlines() if len(line) == 32}

    assert acknowledged
    assert run(check(database, acknowledged)) == (0, [])
