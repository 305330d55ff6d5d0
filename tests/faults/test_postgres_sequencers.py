"""Sequencers that stand still and wake up, clocks that are set back, requests that nobody waits for any more: one
history, nothing acknowledged in vain, and the service goes on."""

from __future__ import annotations

import asyncio
import random
import secrets
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from consentgate.errors import StoreUnavailableError
from consentgate.service.engine import now
from consentgate.service.terms import Terms
from consentgate.store import direct, entries
from consentgate.store.database import Database
from consentgate.terms.instants import SECOND
from consentgate.terms.policy import Act
from consentgate.terms.subject import Subject, SubjectKind
from consentgate.testing import run
from tests.faults.conftest import Shelter
from tests.faults.nursery import CONTROLS
from tests.postgres import Server

PROCESSES = Path("/proc")
SHORT = 700
"""Milliseconds the server leaves the head to somebody who stands still, in these tests; 10 seconds otherwise."""


@pytest.fixture(name="here")
def _here(postgres: Callable[[int], Server], shelter: Callable[[Server], Shelter]) -> Shelter:
    return shelter(postgres(18))


def wait_for(happened: Callable[[], Any], patience: float = 60.0) -> None:
    """Wait until something has happened."""
    deadline = time.monotonic() + patience
    while not happened():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.01)


def stopped(process: int) -> bool:
    """Whether a process stands still."""
    return (PROCESSES / str(process) / "stat").read_text(errors="replace").rpartition(")")[2].split()[0] == "T"


def placed(database: Database) -> int:
    """Entries that have their places."""
    head = database.read(entries.head)
    return head.size if head else 0


@pytest.mark.skipif(not PROCESSES.exists(), reason="there is no /proc to see who stands still")
@pytest.mark.parametrize("step", [pytest.param("before-head", marks=pytest.mark.soak), "before-commit", "after-commit"])
def test_a_stale_sequencer_that_wakes_up_signs_no_second_history(here: Shelter, step: str) -> None:
    """One stands still in the middle of its transaction. Another goes on in its place; then the first wakes up, finds
    its transaction gone, catches up, and goes on alone after the other has ended."""
    plan = here.plan(does="sequence", longest=SHORT, after=120.0)
    stale = here.plan(does="sequence", longest=SHORT, after=120.0, step=f"sequencer:{step}", times=3, by="SIGSTOP")
    database = Database.open(here.url)
    sleeper, other, worker = here.nursery.start(stale, plan, here.plan(keyless=True, at_once=4, after=120.0))
    try:
        here.nursery.tell(other, signal.SIGSTOP)  # the first to sequence keeps at it, and that is to be the stale one
        wait_for(lambda: stopped(sleeper))
        here.nursery.tell(other, signal.SIGCONT)
        at_first, told = placed(database), len(here.nursery.acknowledged)
        wait_for(lambda: placed(database) > at_first + 20)
        wait_for(lambda: len(here.nursery.acknowledged) > told + 20)
        here.nursery.tell(sleeper, signal.SIGCONT)
        here.nursery.tell(other)
        at_waking = placed(database)
        wait_for(lambda: placed(database) > at_waking + 20)
    finally:
        database.close()
        for life in (worker, other, sleeper):
            here.nursery.tell(life, signal.SIGCONT)
            here.nursery.tell(life)
    assert here.nursery.wait() == [0, 0, 0]
    here.holds(here.nursery.acknowledged)


def test_three_that_sign_share_one_queue(here: Shelter) -> None:
    """Two workers and a process of its own sign as fast as they can, one of them is killed: there is one history."""
    lives = here.nursery.start(
        here.plan(at_once=8, after=60.0), here.plan(does="sequence", after=60.0),
        here.plan(at_once=8, after=60.0, step="sequencer:before-commit", times=15),
    )  # fmt: skip
    wait_for(lambda: len(here.nursery.acknowledged) > 100)
    for life in lives[:2]:
        here.nursery.tell(life)
    assert here.nursery.wait() == [0, 0, signal.SIGKILL]
    here.holds(here.nursery.acknowledged)


def test_processes_that_the_system_stops_at_any_moment_fork_nothing(here: Shelter) -> None:
    """SIGSTOP and SIGCONT in turn, again and again, to one of two that record and sign; the other goes on meanwhile."""
    dice = random.Random(7)
    lives = here.nursery.start(*(here.plan(at_once=8, longest=SHORT, after=120.0) for _ in range(2)))
    wait_for(lambda: here.nursery.acknowledged)
    for turn in range(6):
        here.nursery.tell(lives[turn % 2], signal.SIGSTOP)
        told = len(here.nursery.acknowledged)
        wait_for(lambda told=told: len(here.nursery.acknowledged) > told + 10)
        here.nursery.tell(lives[turn % 2], signal.SIGCONT)
        time.sleep(dice.uniform(0.0, 0.1))
    for life in lives:
        here.nursery.tell(life)
    assert here.nursery.wait() == [0, 0]
    here.holds(here.nursery.acknowledged)


async def sealed_offer(terms: Terms, visitor: Subject) -> str:
    """The page a visitor sends."""
    return await terms.seal_offer(await terms.offer(visitor), page=b"<html>", controls=CONTROLS)


def visitor() -> Subject:
    """Somebody new."""
    return Subject(secrets.token_hex(16), SubjectKind.VISITOR)


def test_a_clock_that_is_set_back_an_hour_changes_no_order(here: Shelter) -> None:
    """While two workers record for the same people, the clock of one goes back: what each of them decided stays in its
    order, the instants of the ledger go on, and the alarm says whose clock it is."""
    shift = 0
    settings = here.plan().settings

    async def main() -> None:
        nonlocal shift
        right, wrong = Terms(settings), Terms(settings, clock=lambda: now() - shift)
        async with right, wrong:

            async def one(person: Subject) -> list[bytes]:
                refs = []
                for terms, act in [(right, Act.ACCEPT), (wrong, Act.WITHDRAW)] * 4:
                    refs.append((await terms.record(person, "terms", "1", act)).ref)
                return refs

            people = [Subject(f"person-{number}") for number in range(12)]
            first = await asyncio.gather(*map(one, people))
            shift = 3_600 * SECOND
            second = await asyncio.gather(*map(one, people))
            for person, before, after in zip(people, first, second, strict=True):
                decided = await right.decisions(person)
                assert [entry.ref for entry in reversed(decided)] == before + after
                assert len({entry.at for entry in decided}) == 16
            assert (await right.checkpoint()) == (await wrong.checkpoint())
            assert [alarm.kind for alarm in wrong.alarms()] == ["clock"]
            assert right.alarms() == ()

    run(main())
    assert here.holds(set()) == 12 * 16


def test_a_request_cancelled_before_its_commit_is_answered_when_it_comes_again(here: Shelter) -> None:
    """Nobody waits any more when it is committed; the same page sent again yields that record, and no second one."""
    reached, go_on = threading.Event(), threading.Event()

    def step(name: str) -> None:
        if name == "before-commit":
            reached.set()
            go_on.wait(30)

    async def main() -> None:
        go_on.set()
        terms = Terms(here.plan().settings)
        terms.on_step = step
        async with terms:
            page = await sealed_offer(terms, visitor())
            reached.clear()
            go_on.clear()
            request = asyncio.create_task(terms.decide(page, {"terms": Act.ACCEPT}))
            await asyncio.to_thread(reached.wait, 30)
            request.cancel()
            with pytest.raises(asyncio.CancelledError):
                await request
            go_on.set()
            again = await terms.decide(page, {"terms": Act.ACCEPT})
            assert (await terms.decide(page, {"terms": Act.ACCEPT})).decisions == again.decisions

    run(main())
    assert here.holds(set()) == 1


def test_requests_cancelled_at_any_moment_leave_no_doubt(here: Shelter) -> None:
    """Of eighty requests that are cancelled whenever it comes each is on record once after it was sent again, and no
    connection or place in the line is lost."""
    dice = random.Random(8)

    async def main() -> set[bytes]:
        async with Terms(here.plan().settings) as terms:
            pages = await asyncio.gather(*(sealed_offer(terms, visitor()) for _ in range(80)))

            async def send(page: str) -> bytes | None:
                request = asyncio.create_task(terms.decide(page, {"terms": Act.ACCEPT}))
                await asyncio.wait([request], timeout=dice.uniform(0.0, 0.3))
                request.cancel()
                try:
                    return (await request).decisions[0].ref
                except asyncio.CancelledError:
                    return None

            told = await asyncio.gather(*map(send, pages))
            assert None in told
            again = await asyncio.gather(*(terms.decide(page, {"terms": Act.ACCEPT}) for page in pages))
            refs = [decided.decisions[0].ref for decided in again]
            assert all(first in (None, ref) for first, ref in zip(told, refs, strict=True))
            return set(refs)

    acknowledged = run(main())
    assert len(acknowledged) == 80
    assert here.holds(acknowledged) == 80


@pytest.mark.parametrize("act", [Act.ACCEPT, Act.WITHDRAW])
def test_a_worker_that_stands_still_in_its_transaction_holds_nobody_up(
    here: Shelter, monkeypatch: pytest.MonkeyPatch, act: Act
) -> None:
    """Bug: the same page sent again through another worker waited without end for the worker that stood still, and
    everybody behind it did. A decision of one statement is there before anybody can stand still; of a withdrawal, which
    has several, the server ends the transaction. All get one answer."""
    monkeypatch.setattr(direct, "LONGEST_WAIT", SHORT)
    reached, go_on = threading.Event(), threading.Event()

    def step(name: str) -> None:
        if name == "before-commit" and armed.is_set() and not reached.is_set():
            reached.set()
            go_on.wait(60)

    armed = threading.Event()

    async def main() -> None:
        still, other = Terms(here.plan().settings), Terms(here.plan().settings)
        still.on_step = step
        async with still, other:
            page, another = await sealed_offer(still, visitor()), await sealed_offer(other, visitor())
            armed.set()
            first = asyncio.create_task(still.decide(page, {"terms": act}))
            await asyncio.to_thread(reached.wait, 30)
            try:
                again = asyncio.create_task(other.decide(page, {"terms": act}))
                assert (await asyncio.wait_for(other.decide(another, {"terms": Act.ACCEPT}), 30)).accepted
                answer = await asyncio.wait_for(again, 30)
            finally:
                go_on.set()
            if act is Act.WITHDRAW:
                with pytest.raises(StoreUnavailableError, match="stood still"):
                    await first
            else:
                assert (await first).decisions == answer.decisions
            assert (await still.decide(page, {"terms": act})).decisions == answer.decisions

    run(main())
    assert here.holds(set()) == 2
