"""PostgreSQL: workers are killed, the server crashes, a sequencer stands still; nothing acknowledged is ever missing.

The small form runs with every test run; the large one, with the numbers that `docs/` states, with ``make soak``.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from consentgate.errors import StoreError
from consentgate.service.terms import Terms
from consentgate.store import entries, queue
from consentgate.terms.subject import Subject
from consentgate.testing import run
from tests.faults.conftest import check, open_terms, publish_one
from tests.postgres import Server

STEPS = (
    "begin", "before-entries", "before-head", "before-commit", "after-commit",
    "sequencer:begin", "sequencer:before-entries", "sequencer:before-head", "sequencer:before-commit",
    "sequencer:after-commit",
)  # fmt: skip
RANDOM = ""
Lives = list[tuple[str, int, int]]


@pytest.fixture(name="server", scope="module")
def _server(postgres: Callable[[int], Server]) -> Iterator[Server]:
    """A server of its own: it will be crashed."""
    postgres(15)  # or the test is skipped
    server = Server(15)
    yield server
    server.close()


@pytest.fixture(name="state")
def _state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture(name="database")
def _database(server: Server, state: Path) -> str:
    database = server.fresh()
    run(publish_one(database, state))
    return database


@pytest.fixture(name="kill")
def _kill(tmp_path: Path, database: str, state: Path) -> Iterator[Callable[[Lives], set[bytes]]]:
    """Start processes on one database and wait until all are killed; every decision acknowledged so far."""
    root = Path(__file__).resolve().parents[2]
    nursery = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.nursery"], cwd=root, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(root)},
    )  # fmt: skip
    assert nursery.stdin is not None
    assert nursery.stdout is not None
    words, answers, acks = nursery.stdin, nursery.stdout, tmp_path / "acknowledged"

    def kill(lives: Lives) -> set[bytes]:
        plans = [
            {
                "database": database, "acks": str(acks), "step": step, "at_once": at_once, "state": str(state),
                "times": times if step else -1, "after": None if step else times / 1_000,
            }
            for step, times, at_once in lives
        ]  # fmt: skip
        words.write(json.dumps(plans) + "\n")
        words.flush()
        endings = json.loads(answers.readline())
        assert [os.WTERMSIG(status) for status in endings] == [signal.SIGKILL] * len(lives)
        return {bytes.fromhex(line) for line in acks.read_text().splitlines()} if acks.exists() else set()

    yield kill
    words.close()
    nursery.wait(30)
    answers.close()


def killed(kill: Callable[[Lives], set[bytes]], database: str, state: Path, rounds: int, processes: int) -> None:
    """Kill workers at each step and at random, again and again on one database."""
    dice, acknowledged = random.Random(rounds), set[bytes]()
    for number in range(rounds):
        steps = [STEPS[(number * processes + place) % len(STEPS)] for place in range(processes - 1)]
        lives = [(step, dice.randrange(1, 8), dice.choice([1, 4, 16])) for step in steps]
        acknowledged = kill([*lives, (RANDOM, dice.randrange(500, 1_500), 8)])
    assert run(check(database, acknowledged, state)) == (0, [])
    assert len(acknowledged) >= rounds


def test_workers_killed_at_each_step(kill: Callable[[Lives], set[bytes]], database: str, state: Path) -> None:
    """While others record and sequence: twelve kills."""
    killed(kill, database, state, rounds=4, processes=3)


@pytest.mark.soak
def test_hundreds_of_workers_killed(kill: Callable[[Lives], set[bytes]], database: str, state: Path) -> None:
    """A hundred and twenty kills."""
    killed(kill, database, state, rounds=30, processes=4)


async def load(terms: Terms, acknowledged: set[bytes], ended: asyncio.Event, at_once: int) -> int:
    """Decide until it is enough; how many were refused meanwhile."""
    refused = 0

    async def one(number: int) -> None:
        nonlocal refused
        for turn in range(1_000_000):
            if ended.is_set():
                return
            try:
                acknowledged.add((await terms.record(Subject(f"{number}-{turn}"), "terms")).ref)
            except StoreError:
                refused += 1
                await asyncio.sleep(0.05)

    await asyncio.gather(*(one(number) for number in range(at_once)))
    return refused


def crashed(server: Server, database: str, state: Path, times: int) -> None:
    """Crash the server under load; it comes back, and so do the workers by themselves."""
    acknowledged = set[bytes]()

    async def main() -> None:
        async with open_terms(database, state) as left, open_terms(database, state) as right:
            ended = asyncio.Event()
            loads = [asyncio.create_task(load(terms, acknowledged, ended, 16)) for terms in (left, right)]
            for _ in range(times):
                before = len(acknowledged)
                await until(lambda before=before: len(acknowledged) >= before + 20)
                await asyncio.to_thread(server.crash)
            before = len(acknowledged)
            await until(lambda: len(acknowledged) >= before + 20)
            ended.set()
            await asyncio.gather(*loads)

    run(main())
    assert run(check(database, acknowledged, state)) == (0, [])


async def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline, "it does not go on"
        await asyncio.sleep(0.02)


def test_a_server_that_crashes_loses_nothing(server: Server, database: str, state: Path) -> None:
    """Three crashes under load; the service goes on by itself after each."""
    crashed(server, database, state, 3)


@pytest.mark.soak
def test_a_server_that_crashes_again_and_again_loses_nothing(server: Server, database: str, state: Path) -> None:
    """Thirty crashes."""
    crashed(server, database, state, 30)


def test_a_sequencer_that_stood_still_forks_nothing(
    database: str, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It had the head when it stopped. Decisions go on; another one takes over; when it wakes up it writes nothing."""
    monkeypatch.setattr(entries, "_LONGEST_WAIT", 300)
    still, go_on = threading.Event(), threading.Event()

    def stand_still(step: str) -> None:
        if step == "sequencer:before-commit" and not still.is_set():
            still.set()
            assert go_on.wait(60)

    async def main() -> set[bytes]:
        stale = open_terms(database, state)
        stale.on_step = stand_still
        await stale.start()
        acknowledged = {(await stale.record(Subject("first"), "terms")).ref}
        await asyncio.to_thread(still.wait, 60)
        async with open_terms(database, state) as other:
            for number in range(20):
                terms = (stale, other)[number % 2]
                acknowledged.add((await terms.record(Subject(f"{number}"), "terms")).ref)
            assert await asyncio.to_thread(other.engine.settle, 60)
            go_on.set()
            acknowledged.add((await stale.record(Subject("last"), "terms")).ref)
            assert await asyncio.to_thread(stale.engine.settle, 60)
            assert other.engine.database.read(queue.waiting).entries == 0
        await stale.stop()
        return acknowledged

    assert run(check(database, run(main()), state)) == (0, [])


def test_a_process_stopped_by_the_system_forks_nothing(database: str, state: Path, tmp_path: Path) -> None:
    """SIGSTOP and SIGCONT, again and again, to a process that records and sequences beside another one."""
    root = Path(__file__).resolve().parents[2]
    acks = tmp_path / "acknowledged"
    code = "import sys\nfrom tests.faults.nursery import live\nlive(sys.argv[1], sys.argv[2], '', -1, 8, sys.argv[3])\n"
    process = subprocess.Popen([sys.executable, "-c", code, database, str(acks), str(state)], cwd=root)
    dice, acknowledged = random.Random(7), set[bytes]()

    async def main() -> None:
        async with open_terms(database, state) as terms:
            await until(acks.exists)
            for turn in range(6):
                process.send_signal(signal.SIGSTOP)
                for number in range(5):
                    acknowledged.add((await terms.record(Subject(f"{turn}-{number}"), "terms")).ref)
                process.send_signal(signal.SIGCONT)
                await asyncio.sleep(dice.random() / 10)

    try:
        run(main())
    finally:
        process.kill()
        process.wait()
    acknowledged |= {bytes.fromhex(line) for line in acks.read_text().splitlines()}
    assert run(check(database, acknowledged, state)) == (0, [])
