"""PostgreSQL crashes under load: whoever was acknowledged is on record once, and the workers find their way back."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator

import pytest

from tests.faults.conftest import Shelter
from tests.postgres import Server, programs


@pytest.fixture(name="server", params=[18])
def _server(request: pytest.FixtureRequest, missing: Callable[[str], object]) -> Iterator[Server]:
    """A server that may be crashed: no other test uses it. A checkpoint now and then, so that recovery differs."""
    if programs(request.param) is None:
        missing(f"PostgreSQL {request.param}")
    server = Server(request.param, checkpoint_timeout="30s")
    yield server
    server.close()


def until_more(here: Shelter, number: int, patience: float = 60.0) -> None:
    """Wait until so many more decisions are acknowledged: the service goes on."""
    goal, deadline = len(here.nursery.acknowledged) + number, time.monotonic() + patience
    while len(here.nursery.acknowledged) < goal:
        assert time.monotonic() < deadline, f"nobody is acknowledged any more: {here.nursery.failures[-3:]}"
        time.sleep(0.01)


def crash_and_go_on(here: Shelter, server: Server, crashes: int, dice: random.Random) -> tuple[int, int]:
    """Crash the server again and again under workers that insist; how many were acknowledged, and refused meanwhile.

    Four processes: two that sign as well, one without a key, and one that does nothing but sign.
    """
    insisting = [here.plan(does="insist", at_once=8, keyless=place == 0, after=3_000.0) for place in range(3)]
    lives = here.nursery.start(*insisting, here.plan(does="sequence", after=3_000.0))
    until_more(here, 20)
    for _ in range(crashes):
        time.sleep(dice.uniform(0.0, 0.5))
        server.stop("immediate")
        time.sleep(dice.choice([0.0, 0.2]))
        server.start()
        until_more(here, 10)
    for life in lives:
        here.nursery.tell(life)
    assert here.nursery.wait() == [0] * len(lives)
    acknowledged = here.nursery.acknowledged
    # Nobody was killed, so everybody sent their page until they were told: each is on record, and none of them twice.
    assert here.holds(acknowledged) == len(acknowledged)
    return len(acknowledged), len(here.nursery.failures)


def test_a_server_that_crashes_takes_back_no_decision(server: Server, shelter: Callable[[Server], Shelter]) -> None:
    """Three crashes while twenty-four visitors decide without pause, and send their page until they are told."""
    acknowledged, refused = crash_and_go_on(shelter(server), server, 3, random.Random(3))

    assert acknowledged >= 50
    assert refused > 0


@pytest.mark.soak
@pytest.mark.parametrize("server", [15, 18], indirect=True)
def test_dozens_of_crashes(server: Server, shelter: Callable[[Server], Shelter]) -> None:
    """Thirty for each release."""
    started = time.monotonic()
    acknowledged, refused = crash_and_go_on(shelter(server), server, 30, random.Random(server.version))
    print(
        f"\nPostgreSQL {server.version}: 30 crashes, {acknowledged} acknowledged, 0 missing, 0 twice,"
        f" {refused} failures on the way, {time.monotonic() - started:.0f} s"
    )

    assert refused > 30
