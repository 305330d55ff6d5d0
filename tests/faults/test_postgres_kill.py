"""kill -9 on PostgreSQL, in workers that decide and in sequencers: what was acknowledged is there, in one history."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from tests.faults.conftest import Shelter
from tests.faults.nursery import Plan
from tests.postgres import Server

DECIDING = ("begin", "before-entries", "before-head", "before-commit", "after-commit")
SEQUENCING = tuple(f"sequencer:{step}" for step in DECIDING)
STEPS = DECIDING + SEQUENCING


@pytest.fixture(name="here", params=[18])
def _here(
    request: pytest.FixtureRequest, postgres: Callable[[int], Server], shelter: Callable[[Server], Shelter]
) -> Shelter:
    return shelter(postgres(request.param))


def by_chance(here: Shelter, dice: random.Random) -> Plan:
    """A worker that is killed whenever it comes."""
    return here.plan(after=dice.uniform(0.3, 1.2), at_once=dice.choice([1, 8, 64]))


def at(here: Shelter, step: str, dice: random.Random) -> Plan:
    """A worker that is killed before a step."""
    return here.plan(step=step, times=dice.randrange(1, 20), at_once=dice.choice([1, 4, 16]))


def test_one_worker_killed_at_each_step(here: Shelter) -> None:
    """Before and after each commit, of its own decisions and of the sequencer's places: ten kills."""
    acknowledged: set[bytes] = set()
    for place, step in enumerate(STEPS):
        acknowledged = here.nursery.kill(here.plan(step=step, times=2 + place % 3, at_once=4))
    assert len(acknowledged) >= 10
    assert here.holds(acknowledged) >= len(acknowledged)


def test_a_sequencer_killed_while_workers_without_a_key_decide(here: Shelter) -> None:
    """Whoever signs dies at each step of it; workers that cannot sign notice nothing, and the next one goes on."""
    acknowledged: set[bytes] = set()
    for step in SEQUENCING[1:-1:2]:
        before = len(acknowledged)
        acknowledged = here.nursery.kill(
            here.plan(does="sequence", step=step, times=5), here.plan(keyless=True, at_once=4, after=2.0)
        )
        assert len(acknowledged) > before
    here.holds(acknowledged)


@pytest.mark.parametrize("processes", [2, 4])
def test_several_workers_killed_on_one_server(here: Shelter, processes: int) -> None:
    """While the others go on, before steps and at random: four kills."""
    dice = random.Random(processes)
    acknowledged: set[bytes] = set()
    for _ in range(4 // processes):
        lives = [at(here, dice.choice(STEPS), dice) for _ in range(processes - 1)]
        acknowledged = here.nursery.kill(*lives, by_chance(here, dice))
    assert acknowledged
    here.holds(acknowledged)


@pytest.mark.soak
@pytest.mark.parametrize("processes", [1, 2, 4])
@pytest.mark.parametrize("here", [15, 18], indirect=True)
def test_dozens_of_kills(here: Shelter, processes: int) -> None:
    """Forty-eight for each number of processes and each release, a third of them with a sequencer apart."""
    dice, kills = random.Random(100 + processes), 0
    acknowledged: set[bytes] = set()
    while kills < 48:
        lives = [at(here, dice.choice(STEPS), dice) for _ in range(processes - 1)] + [by_chance(here, dice)]
        if kills % 3 == 0:
            lives[0] = here.plan(keyless=True, at_once=8, after=dice.uniform(1.0, 2.0))
            lives.append(here.plan(does="sequence", step=dice.choice(SEQUENCING), times=dice.randrange(1, 10)))
        acknowledged = here.nursery.kill(*lives)
        kills += len(lives)
        here.holds(acknowledged)
    print(f"\n{processes} at once: {kills} kills, {len(acknowledged)} acknowledged, 0 missing")
