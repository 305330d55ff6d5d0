"""The decision: pass, remind or review."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentgate.gate.verdict import PASSED, Item, Outcome, State, Verdict, decide
from consentgate.terms.calendar import Calendar
from consentgate.terms.instants import DAY
from consentgate.terms.policy import Audience, Impact, Kind
from consentgate.terms.subject import SubjectKind
from tests.gate.house import BY_PATH, CONSENT_ONLY, GRACE, NOW, ONE_POLICY, policy, version

VISITOR = SubjectKind.VISITOR


def states(calendar: Calendar, *accepted: int, **more: object) -> list[State]:
    """The state of each policy that binds."""
    more = {"kind": VISITOR, **more}
    verdict = decide(calendar.at(NOW), frozenset(accepted), **more)  # type: ignore[arg-type]
    return [item.state for item in verdict.items]


def test_without_policies_everybody_passes() -> None:
    """Nothing published: the gate is open."""
    assert decide(Calendar().at(NOW), frozenset(), kind=VISITOR) == PASSED


def test_who_has_accepted_nothing_must_review() -> None:
    """The version to decide on is the one in force."""
    verdict = decide(ONE_POLICY.at(NOW), frozenset(), kind=VISITOR)

    assert verdict.outcome is Outcome.REVIEW
    assert verdict.stopping == (Item("terms-of-use", ONE_POLICY.versions[1], State.REQUIRED),)


def test_who_has_accepted_the_version_demanded_passes() -> None:
    """An acceptance of an older version is not enough, one of the version in force is."""
    assert states(ONE_POLICY, 1) == [State.REQUIRED]
    assert states(ONE_POLICY, 2) == [State.CURRENT]
    assert states(ONE_POLICY, 1, 2) == [State.CURRENT]


def test_an_editorial_version_asks_nobody_again() -> None:
    """Accepting the material version before it, or the editorial one, is as good."""
    calendar = Calendar((policy(),), (version(1), version(2, impact=Impact.EDITORIAL)))

    assert states(calendar, 1) == [State.CURRENT]
    assert states(calendar, 2) == [State.CURRENT]
    assert states(calendar) == [State.REQUIRED]


def test_every_policy_must_be_accepted() -> None:
    """One that is missing closes the gate."""
    calendar = Calendar((policy(), policy("privacy", kind=Kind.NOTICE)), (version(1), version(2, "privacy")))

    assert states(calendar, 1) == [State.CURRENT, State.REQUIRED]
    assert states(calendar, 1, 2) == [State.CURRENT, State.CURRENT]


def test_consent_is_never_a_condition_of_entry() -> None:
    """A policy of kind consent takes no part in the decision."""
    assert decide(CONSENT_ONLY.at(NOW), frozenset(), kind=VISITOR) == PASSED


def test_in_grace_the_subject_is_reminded_and_not_stopped() -> None:
    """Effective but not enforced: a reminder, unless it is accepted or put off."""
    moment = GRACE.at(NOW)

    assert decide(moment, frozenset({1}), kind=VISITOR).outcome is Outcome.REMIND
    assert decide(moment, frozenset({2}), kind=VISITOR).outcome is Outcome.PASS
    assert decide(moment, frozenset({1}), kind=VISITOR, snoozed=NOW + 1).outcome is Outcome.PASS
    assert decide(moment, frozenset({1}), kind=VISITOR, snoozed=NOW).outcome is Outcome.REMIND
    assert decide(moment, frozenset({1}), kind=VISITOR, snoozed=NOW + 9, now=NOW + 9).outcome is Outcome.REMIND


def test_not_now_does_not_put_off_what_is_enforced() -> None:
    """A snooze holds against reminders alone."""
    assert decide(GRACE.at(NOW), frozenset(), kind=VISITOR, snoozed=NOW + DAY).outcome is Outcome.REVIEW
    assert (
        decide(GRACE.at(NOW + 6 * DAY), frozenset({1}), kind=VISITOR, snoozed=NOW + 9 * DAY).outcome is Outcome.REVIEW
    )


def test_what_is_announced_may_be_accepted_early_and_asks_nobody() -> None:
    """The state says that something comes; the outcome is to pass."""
    calendar = Calendar((policy(),), (version(1), version(2, announced=NOW - DAY, effective=NOW + 20 * DAY)))
    verdict = decide(calendar.at(NOW), frozenset({1}), kind=VISITOR)

    assert verdict == Verdict(
        Outcome.PASS, (Item("terms-of-use", calendar.versions[1], State.ANNOUNCED),), frozenset({1})
    )
    assert states(calendar, 1, 2) == [State.CURRENT]


def test_an_acceptance_past_its_renewal_is_told_from_none() -> None:
    """The page says "again", and the version accepted before is still known."""
    verdict = decide(ONE_POLICY.at(NOW), frozenset(), kind=VISITOR, expired=frozenset({2}))

    assert verdict.outcome is Outcome.REVIEW
    assert verdict.items[0].state is State.EXPIRED
    assert verdict.accepted == {2}


def test_a_policy_binds_its_audience_only() -> None:
    """By kind and by tag of the subject."""
    calendar = Calendar(
        (
            policy("members", audience=Audience(kinds=frozenset({SubjectKind.USER}))),
            policy("dealers", audience=Audience(tags=frozenset({"business"}))),
        ),
        (version(1, "members"), version(2, "dealers")),
    )

    assert states(calendar) == []
    assert states(calendar, kind=SubjectKind.USER) == [State.REQUIRED]
    assert states(calendar, kind=SubjectKind.USER, tags=frozenset({"business", "eu"})) == [State.REQUIRED] * 2
    assert states(calendar, kind=SubjectKind.SERVICE, tags=frozenset({"business"})) == [State.REQUIRED]


@pytest.mark.parametrize(
    ("path", "binds"),
    [("/", False), ("/account", True), ("/account/x", True), ("/accounts", False), ("//account", True),
     ("/x/../account", True), ("/account/../x", True), ("/./account/", True), ("\\account", True), (None, True),
     ("/x/%2e%2e/account", True), ("/x/..;/account", True), ("/account;v=1", True), ("/x;/account", False)],
)  # fmt: skip
def test_a_policy_binds_its_paths_however_they_are_written(path: str | None, binds: bool) -> None:
    """A path that an application could read as a bound one is bound; no path stands for any."""
    assert bool(states(BY_PATH, path=path)) is binds


@given(st.sets(st.integers(1, 6)), st.sets(st.integers(1, 6)), st.integers(-10, 30))
def test_accepting_more_never_closes_the_gate(some: set[int], more: set[int], days: int) -> None:
    """Whoever passes with some acceptances passes with any further ones, at every instant."""
    calendar = Calendar(
        (policy(), policy("privacy")),
        (
            version(1, effective=NOW - 9 * DAY),
            version(2, effective=NOW, enforced=NOW + 5 * DAY),
            version(3, effective=NOW + 9 * DAY, impact=Impact.EDITORIAL),
            version(4, effective=NOW + 12 * DAY, text="1".rjust(64, "0")),
            version(5, "privacy", effective=NOW + 3 * DAY),
            version(6, "privacy", effective=NOW + 15 * DAY, enforced=NOW + 20 * DAY),
        ),
    )
    moment = calendar.at(NOW + days * DAY)
    order = [Outcome.REVIEW, Outcome.REMIND, Outcome.PASS]

    before = decide(moment, frozenset(some), kind=VISITOR).outcome
    after = decide(moment, frozenset(some | more), kind=VISITOR).outcome

    assert order.index(after) >= order.index(before)


@given(st.sets(st.integers(1, 4)), st.integers(-15, 15), st.booleans())
def test_the_outcome_follows_from_the_states(accepted: set[int], days: int, snoozing: bool) -> None:
    """Review if and only if something stops; remind if and only if something is in grace and not put off."""
    calendar = Calendar(
        (policy(), policy("privacy")),
        (version(1), version(2, effective=NOW, enforced=NOW + 5 * DAY), version(3, "privacy", effective=NOW + 7 * DAY)),
    )
    now = NOW + days * DAY
    verdict = decide(
        calendar.at(now), frozenset(accepted), kind=VISITOR, snoozed=now + 1 if snoozing else None
    )  # fmt: skip
    found = {item.state for item in verdict.items}

    assert (verdict.outcome is Outcome.REVIEW) == bool(verdict.stopping) == any(state.stops for state in found)
    grace = State.GRACE in found and not snoozing
    assert (verdict.outcome is Outcome.REMIND) == (grace and not verdict.stopping)
