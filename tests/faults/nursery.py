"""Processes that decide until they are killed, or told to end. Run as a program by `tests.faults.conftest.Nursery`.

One process loads everything once and forks a child for each life; a line of JSON on standard input starts some at
once, one on standard output says their process ids, and another, when all have ended, how. What was acknowledged
stands in a file, written by one system call each, which a killed process cannot take back.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import sys
import threading
import time
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from consentgate.errors import StoreError
from consentgate.service.engine import Engine
from consentgate.service.offer import control_bytes
from consentgate.service.settings import Settings
from consentgate.service.terms import Terms
from consentgate.store import direct
from consentgate.store.writer import Step
from consentgate.terms.policy import Act
from consentgate.terms.subject import Subject, SubjectKind

T = TypeVar("T")

SECRET = b"only-for-tests-0123456789abcdefghijklmnop"
CONTROLS = {"terms": control_bytes("I accept.", "box", "Accept", Act.ACCEPT)}


@dataclass(frozen=True)
class Plan:
    """One life.

    Args:
        database: its URL.
        acks: the file for what was acknowledged; failures of a patient one are counted in a file beside it.
        step: killed before it comes; empty for never.
        times: so often.
        at_once: decisions that wait at the same time.
        after: seconds after which it is killed, if it still lives.
        by: name of the signal at the step: ``SIGSTOP`` makes it stale.
        does: ``record``: decisions without a page, and any failure ends the life. ``insist``: visitors who send the
            same page until it is acknowledged. ``sequence``: nothing but signing.
        keyless: whether it records without the signing key (PostgreSQL).
        state: folder for what is not in the database (PostgreSQL).
        longest: milliseconds the server leaves rows to somebody who stands still; 0 for what is built in.
    """

    database: str
    acks: str
    step: str = ""
    times: int = 1
    at_once: int = 1
    after: float = 20.0
    by: str = "SIGKILL"
    does: str = "record"
    keyless: bool = False
    state: str | None = None
    longest: int = 0

    @property
    def settings(self) -> Settings:
        """As every process has them, but for the key."""
        state = Path(self.state) if self.state else None
        return Settings(self.database, (SECRET,), state=state, ledger_key="none" if self.keyless else None)

    def on_step(self) -> Step:
        """What brings the signal."""
        left = self.times

        def on_step(name: str) -> None:
            nonlocal left
            if name == self.step:
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), getattr(signal, self.by))

        return on_step


@dataclass
class Life:
    """A worker's life.

    Args:
        plan: of it.
        ending: set when it was told to end.
    """

    plan: Plan
    ending: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self._acks, self._failures = os.open(self.plan.acks, flags), os.open(self.plan.acks + ".failed", flags)

    async def work(self) -> None:
        """Decide until the end."""
        terms = Terms(self.plan.settings)
        terms.on_step = self.plan.on_step()
        await (self._until(terms.start) if self.plan.does == "insist" else terms.start())
        decide = self._insist if self.plan.does == "insist" else self._record
        await asyncio.gather(*(decide(terms, number) for number in range(self.plan.at_once)))
        await terms.stop()

    def _acknowledged(self, ref: bytes) -> None:
        os.write(self._acks, ref.hex().encode() + b"\n")

    async def _record(self, terms: Terms, number: int) -> None:
        for turn in range(100_000):
            if self.ending.is_set():
                return
            entry = await terms.record(Subject(f"{os.getpid()}-{number}-{turn}"), "terms")
            self._acknowledged(entry.ref)

    async def _insist(self, terms: Terms, _number: int) -> None:
        while not self.ending.is_set():
            visitor = Subject(secrets.token_hex(16), SubjectKind.VISITOR)
            offer = await self._until(lambda visitor=visitor: terms.offer(visitor))  # type: ignore[misc]
            sealed = await self._until(
                lambda offer=offer: terms.seal_offer(offer, page=b"<html>", controls=CONTROLS)  # type: ignore[misc]
            )
            # What was begun is brought to its end, so that every page that was answered is on record once.
            decided = await self._until(
                lambda sealed=sealed: terms.decide(sealed, {"terms": Act.ACCEPT})  # type: ignore[misc]
            )
            self._acknowledged(decided.decisions[0].ref)

    async def _until(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask until there is an answer. Only what says "send it again" is borne."""
        while True:
            try:
                return await ask()
            except StoreError as error:
                os.write(self._failures, f"{type(error).__name__}: {error}\n".encode())
                await asyncio.sleep(0.02)

    def sequence(self) -> None:
        """Sign what others record."""
        from consentgate.service.engine import open_generation

        async def begin() -> Engine:
            generation = open_generation(self.plan.settings)
            return Engine.open(self.plan.settings, generation, on_step=self.plan.on_step())

        # The server may crash while this one is still starting: then it is started again, as a supervisor would.
        engine = asyncio.run(self._until(begin))
        self.ending.wait()
        engine.close()


def live(plan: Plan) -> None:
    """Live as planned."""
    if plan.longest:
        direct.LONGEST_WAIT = plan.longest
    life = Life(plan)
    signal.signal(signal.SIGTERM, lambda *_: life.ending.set())
    if plan.does == "sequence":
        life.sequence()
    else:
        asyncio.run(life.work())


def start(plan: Plan) -> int:
    """Fork one child."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            live(plan)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return child


def end(children: dict[int, float]) -> list[int]:
    """Kill whoever's time has come, and wait for all; how each of them ended, as `waitpid` says."""
    endings = []
    while children:
        child, status = os.waitpid(-1, os.WNOHANG)
        if child:
            endings.append(status)
            children.pop(child)
            continue
        for one in [one for one, when in children.items() if time.monotonic() >= when]:
            os.kill(one, signal.SIGKILL)
            children[one] = float("inf")
        time.sleep(0.002)
    return endings


def main() -> None:
    """Serve one line after the other."""
    names = {one.name for one in fields(Plan)}
    for line in sys.stdin:
        plans: list[dict[str, Any]] = json.loads(line)
        assert all(plan.keys() <= names for plan in plans)
        now = time.monotonic()
        children = {start(plan): now + plan.after for plan in (Plan(**plan) for plan in plans)}
        print(json.dumps(list(children)), flush=True)
        print(json.dumps(end(children)), flush=True)


if __name__ == "__main__":
    main()
