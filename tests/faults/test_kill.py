"""kill -9 during decisions, sixty-two times: what was acknowledged is there afterwards, and the ledger verifies."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from consentgate.testing import run
from tests.faults.conftest import Nursery, check
from tests.faults.nursery import Plan

STEPS = ("begin", "before-entries", "before-head", "before-commit", "after-commit")
RANDOM = ""
"""Not at a step, but whenever it comes."""

Lives = list[tuple[str, int, int]]
"""Of processes that run at the same time: the step each is killed before, how often that comes first (or, for a random
kill, after how many milliseconds), and how many decisions wait at once."""


@pytest.fixture(name="kill")
def _kill(database: str, nursery: Nursery) -> Callable[[Lives], set[bytes]]:
    """Start processes on one database and wait until all are killed; every decision acknowledged so far."""

    def kill(lives: Lives) -> set[bytes]:
        plans = [Plan(database, str(nursery.acks), step, times, at_once) for step, times, at_once in lives]
        return nursery.kill(
            *(plan if plan.step else replace(plan, times=-1, after=plan.times / 1_000) for plan in plans)
        )

    return kill


@pytest.mark.parametrize("at_once", [1, 16])
def test_one_process_killed_at_each_step(database: str, kill: Callable[[Lives], set[bytes]], at_once: int) -> None:
    """Early and late, again and again on the same file: thirty kills."""
    acknowledged: set[bytes] = set()
    for step in STEPS:
        for times in (1, 3, 9):
            acknowledged = kill([(step, times, at_once)])
        assert run(check(database, acknowledged)) == (0, [])
    assert len(acknowledged) >= 5


def test_one_process_killed_at_any_moment(database: str, kill: Callable[[Lives], set[bytes]]) -> None:
    """Eight kills whose moment nobody chose."""
    dice = random.Random(5)
    for _ in range(8):
        acknowledged = kill([(RANDOM, dice.randrange(150, 700), dice.choice([1, 8, 64]))])
    assert acknowledged
    assert run(check(database, acknowledged)) == (0, [])


@pytest.mark.parametrize("processes", [2, 4])
def test_several_processes_killed_on_one_file(
    database: str, kill: Callable[[Lives], set[bytes]], processes: int
) -> None:
    """While the others write, at each step and at random: twenty-four kills."""
    dice = random.Random(processes)
    rounds = 12 // processes
    for number in range(rounds):
        lives: Lives = [
            (STEPS[(number + place) % len(STEPS)], dice.randrange(2, 20), dice.choice([1, 4, 16]))
            for place in range(processes - 1)
        ]
        acknowledged = kill([*lives, (RANDOM, dice.randrange(300, 900), 4)])
        assert run(check(database, acknowledged)) == (0, [])
    assert len(acknowledged) >= rounds


@pytest.mark.soak
@pytest.mark.parametrize("processes", [1, 2, 4])
def test_hundreds_of_kills(database: str, kill: Callable[[Lives], set[bytes]], processes: int) -> None:
    """A hundred for each number of processes, on one file that grows all the while."""
    dice = random.Random(100 + processes)
    for _ in range(100 // processes):
        lives: Lives = [
            (RANDOM, dice.randrange(100, 900), dice.choice([1, 8, 64]))
            if place == 0 else (dice.choice(STEPS), dice.randrange(1, 25), dice.choice([1, 4, 16]))
            for place in range(processes)
        ]  # fmt: skip
        acknowledged = kill(lives)
        assert run(check(database, acknowledged)) == (0, [])
    assert len(acknowledged) >= 50
