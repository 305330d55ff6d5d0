"""Laws of ``consentgate/web/admin/throttle.py``: failures cost time, success costs none, memory is bounded."""

from __future__ import annotations

import pytest

from consentgate.errors import ThrottledError
from consentgate.terms.instants import SECOND
from consentgate.web.admin import throttle as module
from consentgate.web.admin.throttle import EVERYBODY, FAILURES, FORGIVEN_AFTER, Throttle


class Clock:
    """A clock that can be set."""

    now = 1_000_000 * SECOND

    def __call__(self) -> int:
        return self.now


def test_five_failures_are_free_and_then_each_costs_a_minute() -> None:
    """The sixth attempt waits; a minute later one more is looked at."""
    clock = Clock()
    throttle = Throttle(clock)
    for _ in range(FAILURES):
        throttle.check("192.0.2.1")
        throttle.failed("192.0.2.1")
    with pytest.raises(ThrottledError) as refused:
        throttle.check("192.0.2.1")

    assert refused.value.retry_after == FORGIVEN_AFTER // SECOND
    throttle.check("192.0.2.2")
    clock.now += FORGIVEN_AFTER
    throttle.check("192.0.2.1")
    throttle.failed("192.0.2.1")
    with pytest.raises(ThrottledError):
        throttle.check("192.0.2.1")


def test_strangers_who_fail_never_keep_out_who_did_not() -> None:
    """Sixty strangers, or one with sixty addresses, could lock every administrator out for as long as they went on."""
    throttle = Throttle(Clock())
    for number in range(EVERYBODY * 3):
        throttle.failed(f"192.0.2.{number}")

    throttle.check("198.51.100.1")


def test_addresses_of_one_ipv6_network_are_one() -> None:
    """Whoever has one of them has 2**64."""
    throttle = Throttle(Clock())
    for number in range(FAILURES):
        throttle.failed(f"2001:db8:0:1::{number}")

    throttle.check("2001:db8:0:2::1")
    with pytest.raises(ThrottledError):
        throttle.check("2001:db8:0:1:ffff::1")


def test_many_addresses_together_are_one_stranger() -> None:
    """Sixty failures from sixty addresses, and each of them waits already after its first."""
    clock = Clock()
    throttle = Throttle(clock)
    for number in range(EVERYBODY):
        throttle.check(f"192.0.2.{number}")
        throttle.failed(f"192.0.2.{number}")
    with pytest.raises(ThrottledError) as refused:
        throttle.check("192.0.2.7")

    assert refused.value.retry_after == 1
    clock.now += SECOND
    throttle.check("192.0.2.7")


def test_no_stream_of_addresses_makes_the_memory_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    """The address that was quiet for longest is forgotten first."""
    monkeypatch.setattr(module, "ADDRESSES", 10)
    clock = Clock()
    throttle = Throttle(clock)
    for number in range(1_000):
        clock.now += FORGIVEN_AFTER
        throttle.failed(f"address {number}")

    assert list(throttle._full) == [f"address {number}" for number in range(990, 1_000)]
