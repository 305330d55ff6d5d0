"""Laws of retention: what still counts stays however old, what stopped counting goes when its time is over."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consentgate.service.erase import Erased
from consentgate.service.retain import ended
from consentgate.service.terms import Terms
from consentgate.terms.instants import DAY
from consentgate.terms.policy import Act
from consentgate.terms.subject import Subject
from consentgate.testing import FrozenClock, run
from tests.service.conftest import ALICE, BOB, NEWS, TERMS, TEXT, VISITOR, Desk, draft, settings_for
from tests.service.test_erase import erasures, mine, opened, problems

KEPT = replace(TERMS, retain_days=30)
NEWS_KEPT = replace(NEWS, retain_days=30)


def purge(desk: Desk, **options: Any) -> Erased:
    """Purge."""
    return run(desk.terms.purge(**options))


def test_what_counts_is_kept_however_old_it_is(desk: Desk) -> None:
    """An acceptance of what is in force is no candidate, ten years later."""
    desk.publish(draft("1"), policies=(KEPT,))
    desk.accept(ALICE)
    desk.clock.advance(days=3_650)

    assert purge(desk) == purge(desk, dry_run=True) == Erased()
    assert desk.state(ALICE) == "current"


def test_what_a_later_version_replaced_goes_when_its_time_is_over(desk: Desk) -> None:
    """Counted from when the later version was enforced, not from the acceptance; once, with one entry on record."""
    desk.publish(draft("1"), policies=(KEPT,))
    desk.accept(ALICE)
    ids = mine(desk, ALICE)
    desk.clock.advance(days=100)
    desk.publish(draft("2", TEXT + "And smile.\n"), policies=(KEPT,))
    desk.clock.advance(days=29)
    assert purge(desk) == Erased()
    desk.clock.advance(days=2)
    assert purge(desk, dry_run=True) == Erased(1)
    assert erasures(desk) == []
    done = purge(desk, by="cron")

    assert (done.entries, done.gone) == (1, True)
    (record,) = erasures(desk)
    assert (record.mode, record.basis, list(record.refs)) == ("shred", "retention", ids)
    assert opened(desk, ids) == [set()]
    assert purge(desk) == Erased()
    assert problems(desk) == []


def test_what_the_same_subject_replaced_goes_and_the_newest_stays(desk: Desk) -> None:
    """Of three acceptances the last one is kept."""
    desk.publish(draft("1"), policies=(KEPT,))
    for _ in range(3):
        run(desk.terms.record(ALICE, "terms"))
        desk.clock.advance(days=40)
    newest, *older = mine(desk, ALICE)

    assert purge(desk).entries == 2
    assert opened(desk, [newest, *older]) == [{"subject", "subject_kind"}, set(), set()]
    assert desk.state(ALICE) == "current"


def test_after_a_to_b_to_a_the_first_acceptance_still_counts(desk: Desk) -> None:
    """Who accepted A is current again, and stays on record; who accepted B goes."""
    desk.publish(draft("1"), policies=(KEPT,))
    desk.accept(ALICE)
    desk.publish(draft("2", TEXT + "And smile.\n"), policies=(KEPT,))
    desk.accept(BOB)
    desk.publish(draft("3"), policies=(KEPT,))
    desk.clock.advance(days=60)

    assert purge(desk).entries == 1
    assert (desk.state(ALICE), len(mine(desk, BOB))) == ("current", 0)


def test_what_had_to_be_renewed_and_was_not_goes(desk: Desk) -> None:
    """Counted from the day it ran out."""
    desk.publish(draft("1"), policies=(replace(KEPT, renew_after=10),))
    desk.accept(ALICE)
    desk.clock.advance(days=39)
    assert purge(desk) == Erased()
    desk.clock.advance(days=2)

    assert purge(desk).entries == 1


def test_a_retired_policy_lets_go(desk: Desk) -> None:
    """Counted from when it was retired."""
    desk.publish(draft("1"), policies=(KEPT,))
    desk.accept(ALICE)
    desk.publish(policies=(replace(KEPT, retired=desk.clock() + 5 * DAY),))
    desk.clock.advance(days=34)
    assert purge(desk) == Erased()
    desk.clock.advance(days=2)

    assert purge(desk).entries == 1


def test_a_withdrawal_never_goes_before_what_it_withdraws(desk: Desk) -> None:
    """Without it the consent would seem to stand again; both go when both are over."""
    desk.publish(draft("1", policy="newsletter"), policies=(NEWS_KEPT,))
    run(desk.terms.record(ALICE, "newsletter", act=Act.GRANT))
    desk.clock.advance(days=1)
    run(desk.terms.record(ALICE, "newsletter", act=Act.WITHDRAW))
    withdrawn = mine(desk, ALICE)[0]
    desk.clock.advance(days=40)

    assert purge(desk).entries == 1
    assert mine(desk, ALICE) == [withdrawn]
    assert run(desk.terms.accepted_version(ALICE, "newsletter")) is None


def test_what_is_held_outlives_its_time(desk: Desk) -> None:
    """A hold on the user keeps what their device decided, too; released, it goes."""
    desk.publish(draft("1"), policies=(KEPT,))
    desk.accept(VISITOR)
    run(desk.terms.link(VISITOR.id, BOB))
    run(desk.terms.erase(BOB, mode="hold", basis="case 12"))
    desk.publish(draft("2", TEXT + "And smile.\n"), policies=(KEPT,))
    desk.clock.advance(days=60)
    assert purge(desk) == purge(desk, dry_run=True) == Erased()
    run(desk.terms.release_hold(BOB, basis="settled"))

    done = purge(desk)
    assert done.entries == 2  # the acceptance, and the link, which carries nothing any more
    assert problems(desk) == []


def test_only_policies_with_a_limit_and_only_those_named(desk: Desk) -> None:
    """Without `retain_days` nothing ends; a purge may be for one policy."""
    desk.publish(draft("1"), draft("1", policy="newsletter"), policies=(TERMS, NEWS_KEPT))
    for slug, act in (("terms", Act.ACCEPT), ("newsletter", Act.GRANT)):
        for _ in range(2):
            run(desk.terms.record(ALICE, slug, act=act))
    desk.clock.advance(days=60)

    assert purge(desk, policies=["terms"]) == Erased()
    assert purge(desk, policies=["newsletter"]).entries == 1


def test_a_purge_goes_through_all_pages(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are, each is looked at once, and the others' numbers do not matter."""
    monkeypatch.setattr("consentgate.service.retain.PAGE", 4)
    desk.publish(draft("1"), policies=(KEPT,))
    for number in range(11):
        run(desk.terms.record(Subject(f"user-{number}"), "terms"))
    for number in range(0, 11, 2):
        run(desk.terms.record(Subject(f"user-{number}"), "terms"))
    desk.clock.advance(days=60)

    assert purge(desk, dry_run=True).entries == purge(desk).entries == 6
    assert all(desk.state(Subject(f"user-{number}")) == "current" for number in range(11))
    assert problems(desk) == []


@given(
    acts=st.lists(st.sampled_from(["accept", "decline", "withdraw", "wait", "publish"]), max_size=9),
    wait=st.sampled_from([10, 45]),
)
@settings(max_examples=25, deadline=None)
def test_a_purge_never_changes_how_anybody_stands(acts: list[str], wait: int) -> None:
    """Whatever somebody decided in whatever order: state and version accepted are the same before and after."""
    clock = FrozenClock()
    terms = Terms(settings_for("sqlite://"), clock=clock)
    run(terms.start())
    desk = Desk(terms, clock)
    desk.publish(draft("0"), policies=(KEPT,))
    for number, act in enumerate(acts, 1):
        clock.advance(days=1)
        if act == "wait":
            clock.advance(days=wait)
        elif act == "publish":
            desk.publish(draft(str(number), TEXT + f"{number}.\n"), policies=(KEPT,))
        else:
            run(terms.record(ALICE, "terms", act=Act(act)))
    before = (desk.state(ALICE), _counting(desk))
    purge(desk)
    after = (desk.state(ALICE), _counting(desk))
    found = run(terms.verify()).problems
    run(terms.stop())

    assert after == before
    assert found == []


def _counting(desk: Desk) -> frozenset[int]:
    """The serials of a subject's acceptances that satisfy what is in force."""
    standing = desk.terms.calendar.at(desk.clock()).standing("terms")
    assert standing is not None
    return run(desk.terms.accepted(ALICE)).serials & standing.satisfied_by


@pytest.mark.parametrize("at", [0, 5, 10])
def test_what_is_accepted_early_ends_the_older_one_only_when_it_takes_effect(desk: Desk, at: int) -> None:
    """Until then the older one is what binds."""
    later = {"announce": "2026-01-01", "effective": "2026-03-01", "enforce": "2026-03-01"}
    desk.publish(draft("1"), draft("2", TEXT + "And smile.\n", **later), policies=(KEPT,), short_notice=True)
    run(desk.terms.record(ALICE, "terms", "1"))
    run(desk.terms.record(ALICE, "terms", "2"))
    desk.clock.advance(days=at)
    tag = desk.terms.engine.tag(ALICE)
    from consentgate.store.subjects import decisions_of

    rows = sorted(
        desk.terms.engine.database.read(lambda connection: decisions_of(connection, tag)), key=lambda row: row.at
    )
    version = desk.terms.calendar.find("terms", "2")
    assert version is not None
    assert ended(rows[0], rows[1:], desk.terms.calendar, KEPT) == version.effective
