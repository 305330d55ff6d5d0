"""The bad day, both ways of failing: what a gate does when something around it is broken (issue: "Failure")."""

from __future__ import annotations

from typing import Any

import pytest

from consentgate.errors import StoreUnavailableError
from consentgate.gate.hooks import Accepted
from consentgate.terms.calendar import Calendar
from consentgate.terms.instants import DAY, SECOND
from consentgate.terms.subject import Subject, SubjectKind
from tests.gate.house import NAVIGATION, NOW, Clock, House, Site, policy, version

BOTH = pytest.mark.parametrize("fail", ["closed", "open"])
ANN = Subject("ann")
PLANNED = Calendar((policy(),), (version(1), version(2, announced=NOW, effective=NOW + DAY)))
"""The second version takes effect tomorrow."""


def who(scope: Any) -> str | None:
    """Signed in where the header says so."""
    found = dict(scope["headers"]).get(b"x-user")
    return found.decode() if found else None


@BOTH
def test_a_good_pass_needs_no_store(fail: Any) -> None:
    """At first sight and later, of visitors and of users, by either look, for as long as nothing is published."""
    site = Site(fail=fail, subject=who)
    assert site.get(headers=NAVIGATION).status == 303  # the terms were loaded once
    site.house.fault = StoreUnavailableError("down")
    site.house.asked.clear()
    for number in range(3):
        visitor = site.token(2, subject=Subject(f"{number:032x}", SubjectKind.VISITOR))
        user = site.token(2, subject=ANN)
        for _ in range(2):
            site.clock.seconds += 600  # past the quarter of an hour after which everything is verified again
            assert site.get(cookie=f"a=1; consentgate={visitor}".encode()).reached
            assert site.get(cookie=visitor).reached
            assert site.get(cookie=user, headers={"x-user": "ann"}).reached

    assert site.house.asked == []


@BOTH
@pytest.mark.parametrize("fault", [StoreUnavailableError("down"), OSError("gone"), RuntimeError("bug")], ids=repr)
def test_who_must_be_asked_about_meets_the_failure(fail: Any, fault: Exception) -> None:
    """Closed: 503. Open: through, and the host is told. A stranger needs no answer of the store, and is stopped."""
    site = Site(fail=fail, subject=who)
    assert site.get(headers=NAVIGATION).status == 303
    site.house.fault = fault
    for _ in range(2):
        answer = site.get(headers={**NAVIGATION, "x-user": "ann"})
        assert (answer.status, answer.reached) == ((503, False) if fail == "closed" else (200, True))
        assert answer.passage.failed is (fail == "open")
        assert site.get(headers=NAVIGATION).status == 303

    site.house.fault = None
    assert site.get(headers={**NAVIGATION, "x-user": "ann"}).status == 303


@BOTH
def test_of_a_publication_only_the_number_is_seen(fail: Any) -> None:
    """It cannot be loaded: closed lets nobody through on terms that may be old; open goes on with those it knows."""
    site = Site(fail=fail)
    good, old = site.token(2), site.token(1)
    assert site.get(cookie=good).reached
    site.house.fault = StoreUnavailableError("down")
    site.state.generation.bump()
    for _ in range(2):
        assert site.get(cookie=good).reached is (fail == "open")
        assert not site.get(cookie=old).reached

    site.house.fault = None
    site.clock.seconds += 2
    assert site.get(cookie=good).reached
    assert not site.get(cookie=old).reached


@BOTH
def test_a_number_that_moves_while_the_terms_are_loaded_has_them_loaded_again(fail: Any) -> None:
    """What was published during the load may not be in it; the next request must not believe that it is."""

    class Busy(House):
        async def reload(self) -> Calendar:
            loaded = await super().reload()
            if len(self.asked) == 1:
                site.publish(Calendar((policy(),), (version(1), version(2), version(3))))
            return loaded

    site = Site(Busy(), fail=fail)
    assert site.get(cookie=site.token(2)).reached  # it began before
    assert not site.get(cookie=site.token(2)).reached
    assert site.get(cookie=site.token(3)).reached
    assert site.house.asked == ["reload", "reload"]


@BOTH
@pytest.mark.parametrize("jump", [DAY, 400 * DAY])
def test_a_clock_that_jumps_forward_demands_what_is_due_then(fail: Any, jump: int) -> None:
    """And what was remembered before holds no longer than it says."""
    ledger = {"user:ann": Accepted(frozenset({1}), expires=NOW + 2 * DAY)}
    site = Site(House(PLANNED, ledger=ledger), fail=fail, subject=who)
    tokens = [site.token(1), site.token(1, 2)]
    assert [site.get(cookie=token).reached for token in tokens] == [True, True]
    assert site.get(headers={"x-user": "ann"}).reached

    site.clock.seconds += jump / SECOND

    assert [site.get(cookie=token).reached for token in tokens] == [False, True]
    assert not site.get(headers={"x-user": "ann"}).reached


@BOTH
@pytest.mark.parametrize("jump", [1, 3_600, 40 * 86_400])
def test_a_clock_that_jumps_back_keeps_nobody_out_and_lets_nobody_in(fail: Any, jump: int) -> None:
    """Passes from "the future" are good; what was demanded stays demanded until the terms are looked at again."""
    site = Site(House(PLANNED), fail=fail, clock=Clock(NOW + 2 * DAY))
    good, old = site.token(2), site.token(1)
    assert (site.get(cookie=good).reached, site.get(cookie=old).reached) == (True, False)

    site.clock.seconds -= jump

    for _ in range(2):
        assert (site.get(cookie=good).reached, site.get(cookie=old).reached) == (True, False)
    late = Site(House(PLANNED), fail=fail, clock=Clock(NOW + 2 * DAY))
    late.clock.seconds -= jump
    assert late.get(cookie=good).reached


@BOTH
def test_a_memory_that_is_full_forgets_and_judges_on(fail: Any) -> None:
    """Visitors and users: more than there is room for, each judged rightly, twice, within the bound."""
    people = [f"u{number}" for number in range(30)]
    ledger = {f"user:{name}": Accepted(frozenset({2})) for name in people[::2]}
    site = Site(House(ledger=ledger), fail=fail, subject=who, memo_size=4)
    for _ in range(2):
        for number, name in enumerate(people):
            visitor = Subject(f"{number:032x}", SubjectKind.VISITOR)
            assert site.get(cookie=site.token(2 - number % 2, subject=visitor)).reached is (number % 2 == 0)
            assert site.get(headers={"x-user": name}).reached is (number % 2 == 0)
    epoch = site.gate.__closure__ and next(
        cell.cell_contents.__self__.watch.epoch
        for cell in site.gate.__closure__
        if getattr(cell.cell_contents, "__name__", "") == "route"
    )
    assert epoch
    assert max(len(memo) for memo in (epoch.passes, epoch.opened, epoch.asked, epoch.linked)) <= 4
