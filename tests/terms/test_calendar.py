"""Laws of the calendar: what is announced, in force and enforced, and until when."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentgate.terms.calendar import Calendar
from consentgate.terms.policy import Impact, Policy, Translation, Version

POLICY = Policy("terms", (("en", "Terms"),))


def version(
    serial: int,
    effective: int,
    *,
    impact: Impact = Impact.MATERIAL,
    announced: int | None = None,
    enforced: int | None = None,
    text: str | None = None,
    policy: str = "terms",
) -> Version:
    """A version whose text is its serial, unless given."""
    translation = Translation("en", "Terms", text or f"text {serial}", "raw", 1)
    return Version(
        policy, f"v{serial}", serial, impact,
        effective if announced is None else announced, effective, effective if enforced is None else enforced,
        "en", (translation,), 0,
    )  # fmt: skip


def satisfying(*versions: Version, at: int) -> frozenset[int]:
    """Serials that satisfy what is enforced."""
    standing = Calendar((POLICY,), versions).at(at).standing("terms")
    assert standing is not None
    return standing.satisfied_by


def test_before_anything_is_announced_nothing_stands() -> None:
    """An empty calendar asks nobody."""
    assert Calendar((POLICY,), (version(1, 100),)).at(99).standings == ()


def test_the_three_instants_are_inclusive_and_until_names_each() -> None:
    """announced ≤ effective ≤ enforced, each the first instant at which it is true."""
    calendar = Calendar((POLICY,), (version(1, 20, announced=10, enforced=30),))
    seen = []
    moment = calendar.at(0)
    while moment.until is not None:
        moment = calendar.at(moment.until)
        standing = moment.standing("terms")
        assert standing is not None
        seen.append((moment.at, bool(standing.announced), standing.in_force is not None, standing.enforced is not None))

    assert seen == [(10, True, False, False), (20, False, True, False), (30, False, True, True)]


def test_an_editorial_version_asks_nobody_who_accepted_the_material_one_before() -> None:
    """Only material versions are demanded; either satisfies."""
    first, typo = version(1, 10), version(2, 20, impact=Impact.EDITORIAL)

    assert satisfying(first, typo, at=25) == {1, 2}


def test_a_material_version_asks_everybody_who_accepted_earlier_ones() -> None:
    """Earlier acceptances do not satisfy it."""
    assert satisfying(version(1, 10), version(2, 20, impact=Impact.EDITORIAL), version(3, 30), at=30) == {3}


def test_in_grace_the_old_demand_stands_and_the_new_one_is_named() -> None:
    """Grace is effective, not yet enforced."""
    standing = Calendar((POLICY,), (version(1, 10), version(2, 20, enforced=30))).at(25).standing("terms")

    assert standing is not None
    assert (standing.enforced, standing.grace) == (version(1, 10), version(2, 20, enforced=30))
    assert (standing.satisfied_by, standing.grace_satisfied_by) == ({1, 2}, {2})


def test_early_acceptance_of_an_announced_version_satisfies() -> None:
    """Who accepts what comes is not asked about what is."""
    assert satisfying(version(1, 10), version(2, 50, announced=20), at=25) == {1, 2}


def test_after_a_b_a_nobody_who_accepted_a_is_asked_again() -> None:
    """A version that says the same as an accepted one is accepted."""
    a, b, again = version(1, 10, text="A"), version(2, 20, text="B"), version(3, 30, text="A")

    assert satisfying(a, b, again, at=30) == {1, 3}


def test_the_first_version_is_demanded_whatever_its_impact_says() -> None:
    """A first-timer has everything to accept."""
    assert satisfying(version(1, 10, impact=Impact.EDITORIAL), at=10) == {1}


def test_a_retired_policy_stands_no_more_from_its_instant_on() -> None:
    """And `until` names that instant."""
    calendar = Calendar((replace(POLICY, retired=50),), (version(1, 10),))

    assert calendar.at(20).until == 50
    assert calendar.at(50).standings == ()


def test_versions_of_one_instant_stand_in_the_order_of_their_serials() -> None:
    """Later published wins."""
    standing = Calendar((POLICY,), (version(2, 10), version(1, 10))).at(10).standing("terms")

    assert standing is not None
    assert standing.in_force is not None
    assert standing.in_force.serial == 2


@st.composite
def chains(draw: st.DrawFn) -> tuple[Version, ...]:
    """Some versions with ordered instants and few different texts."""
    made = []
    for serial in range(1, draw(st.integers(1, 6)) + 1):
        announced, effective, enforced = sorted(draw(st.tuples(*[st.integers(0, 40)] * 3)))
        made.append(
            version(
                serial, effective, announced=announced, enforced=enforced,
                impact=draw(st.sampled_from(Impact)), text=draw(st.sampled_from("ABC")),
            )
        )  # fmt: skip
    return tuple(made)


@given(chains(), st.integers(0, 45))
def test_nothing_changes_before_until(versions: tuple[Version, ...], at: int) -> None:
    """Between an instant and its `until` every standing is the same: the gate may keep it."""
    calendar = Calendar((POLICY,), versions)
    moment = calendar.at(at)
    end = 46 if moment.until is None else moment.until

    for between in range(at, end):
        assert calendar.at(between).standings == moment.standings


@given(chains(), st.integers(0, 45))
def test_the_version_in_force_always_satisfies_what_is_enforced(versions: tuple[Version, ...], at: int) -> None:
    """Whoever accepts what the review page offers gets through."""
    standing = Calendar((POLICY,), versions).at(at).standing("terms")
    if standing is None or standing.in_force is None:
        return
    if standing.enforced is not None:
        assert standing.in_force.serial in standing.satisfied_by
    if standing.grace is not None:
        assert standing.in_force.serial in standing.grace_satisfied_by


@pytest.mark.parametrize("count", [1, 50])
def test_a_thousand_acceptances_cost_the_calendar_nothing(count: int) -> None:
    """The calendar knows versions, not people."""
    calendar = Calendar((POLICY,), tuple(version(serial, serial) for serial in range(1, count + 1)))

    assert calendar.at(count).standing("terms") is not None
    assert calendar.find("terms", "v1") == calendar.by_serial[1]


@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(0, 4), st.integers(0, 4), st.sampled_from(Impact)), max_size=4),
    st.none() | st.integers(1, 12),
    st.lists(st.integers(0, 15), max_size=20),
)
def test_what_was_found_last_is_only_used_while_it_holds(
    dates: list[tuple[int, int, int, Impact]], retired: int | None, instants: list[int]
) -> None:
    """Asked again and again, forwards and backwards, a calendar answers like one that was never asked before."""
    versions = tuple(
        version(serial, effective, announced=max(0, effective - before), enforced=effective + after, impact=impact)
        for serial, (effective, before, after, impact) in enumerate(dates, 1)
    )
    policies = (replace(POLICY, retired=retired),)
    calendar = Calendar(policies, versions, 0, frozenset({1}) if len(dates) > 2 else frozenset())
    for instant in instants:
        assert calendar.at(instant) == Calendar(policies, versions, 0, calendar.cancelled).at(instant)
