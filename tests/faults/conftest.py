"""What the fault tests share: a real ledger, and what must be true of it whatever happened.

Fixtures:
    database   the URL of a ledger with one policy published, on a file.
    nursery    processes that decide until they are killed.
    shelter    a function: server -> a ledger of its own on PostgreSQL, with one policy published.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytest

from consentgate.service.settings import Settings
from consentgate.service.terms import Terms
from consentgate.store import queue
from consentgate.store.entries import refs_known
from consentgate.terms.draft import draft_from_fields
from consentgate.terms.policy import Policy
from consentgate.testing import SECRET, run
from tests.faults.nursery import Plan
from tests.postgres import Server

ROOT = Path(__file__).resolve().parents[2]
SETTLING = 60.0
"""Seconds for everything that waits to get its place: a sequencer that was in trouble pauses for some."""


def open_terms(database: str, state: Path | None = None) -> Terms:
    """A handle as every process has it."""
    return Terms(Settings(database=database, secrets=(SECRET.encode(),), state=state))


async def publish_one(database: str, state: Path | None = None) -> None:
    """Something to accept."""
    async with open_terms(database, state) as terms:
        draft = draft_from_fields({"policy": "terms", "version": "1", "impact": "material"}, "Be kind.\n", file="1")
        await terms.publish([draft], policies=[Policy("terms", (("en", "Terms"),))])


async def check(database: str, acknowledged: set[bytes], state: Path | None = None) -> tuple[int, list[str]]:
    """How many acknowledged decisions are missing, and what verification finds."""
    async with open_terms(database, state) as terms:
        known = terms.engine.database.read(lambda connection: refs_known(connection, acknowledged))
        return len(acknowledged - known.keys()), (await terms.verify()).problems


@dataclass
class Nursery:
    """Starts processes on one database, several at a time, and knows what they were told.

    Args:
        acks: the file in which they write down what was acknowledged.
    """

    acks: Path
    _program: subprocess.Popen[str] = field(init=False)
    _living: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._program = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.nursery"], cwd=ROOT, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip

    def _hear(self) -> list[int]:
        assert self._program.stdout is not None
        answer: list[int] = json.loads(self._program.stdout.readline())
        return answer

    def start(self, *plans: Plan) -> list[int]:
        """Start these at the same time; their process ids. `wait` for them before the next."""
        assert self._program.stdin is not None
        self._program.stdin.write(json.dumps([asdict(plan) for plan in plans]) + "\n")
        self._program.stdin.flush()
        self._living = self._hear()
        return self._living

    def tell(self, process: int, what: signal.Signals = signal.SIGTERM) -> None:
        """Send one of them a signal, by default that it should end; who has ended already hears nothing."""
        with suppress(ProcessLookupError):
            os.kill(process, what)

    def wait(self) -> list[int]:
        """Wait until all have ended: with which signal, or 0 for those that ended as they were told."""
        endings = self._hear()
        self._living = []
        assert not any(os.WIFEXITED(status) and os.WEXITSTATUS(status) for status in endings), "see standard error"
        return sorted(os.WTERMSIG(status) for status in endings)

    def kill(self, *plans: Plan) -> set[bytes]:
        """Start these and wait until all are killed; every decision acknowledged so far."""
        self.start(*plans)
        assert self.wait() == [signal.SIGKILL] * len(plans)
        return self.acknowledged

    @property
    def acknowledged(self) -> set[bytes]:
        """Every decision acknowledged so far."""
        # Whoever was killed may have left a line it had only begun; nobody was told then.
        lines = self.acks.read_text().splitlines() if self.acks.exists() else []
        return {bytes.fromhex(line) for line in lines if len(line) == 32}

    @property
    def failures(self) -> list[str]:
        """What patient workers were told while they were not acknowledged."""
        failed = Path(f"{self.acks}.failed")
        return failed.read_text().splitlines() if failed.exists() else []

    def close(self) -> None:
        """End the program, and whoever still lives after a test that failed."""
        for process in self._living:
            self.tell(process, signal.SIGKILL)
        assert self._program.stdin is not None
        assert self._program.stdout is not None
        self._program.stdin.close()
        self._program.wait(30)
        self._program.stdout.close()


@dataclass
class Shelter:
    """A ledger of its own on PostgreSQL.

    Args:
        url: of the database.
        state: the folder for what is not in it: key, anchor.
        nursery: whose processes write to it.
    """

    url: str
    state: Path
    nursery: Nursery

    def plan(self, **how: Any) -> Plan:
        """A life on this ledger."""
        return Plan(self.url, str(self.nursery.acks), state=str(self.state), **how)

    def holds(self, acknowledged: set[bytes]) -> int:
        """Let everything get its place, and verify: nothing acknowledged is missing, there is one history.

        Returns:
            How many decisions are on record: those acknowledged, and those whose acknowledgement was lost.
        """

        async def look() -> int:
            async with open_terms(self.url, self.state) as terms:
                assert terms.engine.settle(SETTLING)
                known = terms.engine.database.read(lambda connection: refs_known(connection, acknowledged))
                assert acknowledged - known.keys() == set()
                report = await terms.verify()
                assert report.problems == []
                assert terms.alarms() == ()
                assert terms.engine.database.read(queue.waiting).entries == 0
                return report.decisions

        return run(look())


@pytest.fixture(name="database")
def _database(tmp_path: Path) -> str:
    database = f"sqlite:///{tmp_path}/terms.db"
    run(publish_one(database))
    return database


@pytest.fixture(name="nursery")
def _nursery(tmp_path: Path) -> Iterator[Nursery]:
    nursery = Nursery(tmp_path / "acknowledged")
    yield nursery
    nursery.close()


@pytest.fixture(name="shelter")
def _shelter(tmp_path: Path, nursery: Nursery) -> Callable[[Server], Shelter]:
    def shelter(server: Server) -> Shelter:
        made = Shelter(server.fresh(), tmp_path / "state", nursery)
        run(publish_one(made.url, made.state))
        return made

    return shelter
