"""Laws of watching: another process's publication is seen, and a lost database never stops the gate."""

from __future__ import annotations

import logging
import time

import pytest

from consentgate.errors import StoreUnavailableError
from consentgate.service.watch import INTERVAL, Watch
from consentgate.store.meta import bump_generation
from consentgate.testing import run


def test_a_publication_of_another_process_is_seen_within_a_second(open_desk: object) -> None:
    """Even where its bump of the counter file was lost, as on another host."""
    here, there = open_desk(), open_desk()  # type: ignore[operator]
    before = there.terms.generation.value
    with there.terms.engine.database.transaction() as connection:  # a publisher that died before its bump
        bump_generation(connection)
    deadline = time.monotonic() + 5
    while there.terms.generation.value == before and time.monotonic() < deadline:
        time.sleep(0.05)

    assert there.terms.generation.value > before
    assert here.terms.calendar.versions == ()


def test_a_change_is_told_once() -> None:
    """And the first value is no change."""
    values, told = iter([3, 4, 4, 6]), list[int]()
    watch = Watch(lambda: next(values), told.append, seen=3)
    for _ in range(4):
        watch.look()

    assert told == [4, 6]


def test_a_lost_database_is_said_once_and_forgiven(caplog: pytest.LogCaptureFixture) -> None:
    """Gating goes on with what is known."""
    broken = [True, True, False]

    def read() -> int:
        if broken.pop(0):
            raise StoreUnavailableError("gone")
        return 5

    told: list[int] = []
    watch = Watch(read, told.append, seen=3)
    with caplog.at_level(logging.INFO, logger="consentgate"):
        for _ in range(3):
            watch.look()

    assert told == [5]
    assert watch.healthy
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_what_else_is_done_in_the_background_cannot_end_the_watch(caplog: pytest.LogCaptureFixture) -> None:
    """It is done after each look that succeeded; its failures are logged, and publications are still told."""
    values, told, also = iter([3, 4]), list[int](), list[str]()

    def fail() -> None:
        also.append("done")
        raise ValueError("broken")

    watch = Watch(lambda: next(values), told.append, seen=3, also=fail)
    watch.look()
    watch.look()

    assert (told, also) == ([4], ["done", "done"])
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]


def test_it_looks_at_least_twice_a_second() -> None:
    """So that one second is kept."""
    assert INTERVAL <= 0.5


def test_the_thread_ends_when_it_is_told(open_desk: object) -> None:
    """Stopping waits for it."""
    desk = open_desk()  # type: ignore[operator]
    watch = desk.terms._watch
    assert watch is not None
    run(desk.terms.stop())

    assert not watch._thread.is_alive()


def test_it_ends_before_what_it_needs(open_desk: object) -> None:
    """While its thread may still be telling what it saw, the engine is there."""
    terms = open_desk().terms  # type: ignore[operator]
    watch, started = terms._watch, []
    stop = watch.stop
    watch.stop = lambda: (started.append(terms.started), stop())
    run(terms.stop())

    assert started == [True]
