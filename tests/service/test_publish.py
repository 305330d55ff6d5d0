"""Laws of publishing: idempotent, immutable, all or nothing, and as cheap with many acceptances as with none."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from consentgate.errors import ConsentGateError, DraftError, ImmutableError, PublishError
from consentgate.terms.instants import DAY
from consentgate.terms.policy import Impact, Policy
from consentgate.terms.subject import Subject
from consentgate.testing import run
from tests.service.conftest import ALICE, MEMBERS, NOTICE, TERMS, TEXT, Desk, draft


def test_what_is_published_is_in_force_at_once_unless_it_says_otherwise(desk: Desk) -> None:
    """Left-out dates mean: at publication."""
    done = desk.publish(draft("1"))

    assert [(one.label, one.serial, one.effective) for one in done.published] == [("1", 1, desk.clock.instant)]
    assert run(desk.terms.accepted_version(ALICE, "terms")) is None
    assert desk.state(ALICE) == "required"


def test_publishing_the_same_again_changes_nothing(desk: Desk) -> None:
    """Idempotent."""
    desk.publish(draft("1"))
    before = run(desk.terms.head())
    again = desk.publish(draft("1"))

    assert (again.empty, again.unchanged) == (True, (("terms", "1"),))
    assert run(desk.terms.head()) == before


@pytest.mark.parametrize(
    "changed",
    [{"text": TEXT + "More.\n"}, {"summary": "Another."}, {"impact": "editorial"}, {"effective": "2030-01-01"}],
)
def test_a_published_version_cannot_change(desk: Desk, changed: dict[str, str]) -> None:
    """A correction is a new version."""
    desk.publish(draft("1"))
    changed = dict(changed)
    text = changed.pop("text", TEXT)

    with pytest.raises(ImmutableError, match="is published"):
        desk.publish(draft("1", text, **changed))


def test_nothing_is_published_half(desk: Desk) -> None:
    """One bad draft refuses them all."""
    desk.publish(draft("1"))
    before = run(desk.terms.head())

    with pytest.raises(ConsentGateError):
        desk.publish(draft("2", TEXT + "More.\n"), draft("1", "Changed.\n"))
    assert run(desk.terms.head()) == before
    assert [version.label for version in desk.terms.calendar.versions] == ["1"]


def test_a_dry_run_says_what_would_happen_and_does_nothing(desk: Desk) -> None:
    """The editor looks first."""
    done = desk.publish(draft("1"), dry_run=True)

    assert (done.dry_run, [one.label for one in done.published]) == (True, ["1"])
    assert run(desk.terms.head()) is None


def test_a_translation_may_come_later(desk: Desk) -> None:
    """Translations may trail; the version stays what it is."""
    desk.publish(draft("1"))
    done = desk.publish(draft("1", "# Conditions\n\nSoyez aimables.\n", language="fr", impact=""))

    assert [(version.label, item.language) for version, item in done.translations] == [("1", "fr")]
    assert desk.terms.version("terms").languages == ("en", "fr")
    assert run(desk.terms.verify()).sound


def test_several_policies_and_translations_are_published_in_one_act(desk: Desk) -> None:
    """What changes at once is published at once: one generation, one checkpoint."""
    done = desk.publish(
        draft("1"), draft("1", "Conditions.\n", language="fr", impact=""), draft("1", "Privacy.\n", policy="privacy"),
        policies=(TERMS, NOTICE),
    )  # fmt: skip

    assert {(one.policy, one.languages) for one in done.published} == {("terms", ("en", "fr")), ("privacy", ("en",))}
    assert done.generation == 1


@pytest.mark.parametrize(
    ("dates", "says"),
    [
        ({"announce": "2026-03-01", "effective": "2026-02-01"}, "dates out of order"),
        ({"effective": "2026-03-01", "enforce": "2026-02-01"}, "dates out of order"),
    ],
)
def test_dates_out_of_order_are_refused(desk: Desk, dates: dict[str, str], says: str) -> None:
    """announced ≤ effective ≤ enforced."""
    with pytest.raises(DraftError, match=says):
        desk.publish(draft("1", **dates))


def test_a_version_cannot_take_effect_before_the_one_that_is_published(desk: Desk) -> None:
    """History is not re-ordered."""
    desk.publish(draft("2"))

    with pytest.raises(PublishError, match="before 2, which is in force already"):
        desk.publish(draft("1", TEXT + "More.\n", effective="2020-01-01", announce="2020-01-01"))


def test_a_typo_can_be_mended_while_a_version_is_scheduled(desk: Desk) -> None:
    """And the publisher is told that the scheduled text must have the change, too."""
    desk.publish(draft("1"))
    desk.accept(ALICE)
    desk.publish(draft("3", TEXT + "More.\n", effective="2026-02-01"))
    done = desk.publish(draft("2", TEXT.replace("owe", "owe us"), impact="editorial"))

    assert "before-scheduled" in [finding.code for finding in done.findings]
    assert (desk.terms.version("terms").label, desk.state(ALICE)) == ("2", "announced")
    desk.clock.advance(days=31)
    assert (desk.terms.version("terms").label, desk.state(ALICE)) == ("3", "required")


def test_the_first_import_of_a_folder_brings_its_history(desk: Desk) -> None:
    """Bug: a scheduled version that was announced long ago was refused for want of notice on a new database."""
    policy = replace(TERMS, notice_days=30)
    pending = draft("2", TEXT + "More.\n", announce="2025-11-01", effective="2026-01-10")
    desk.publish(draft("1", announce="2025-01-01", effective="2025-01-01"), pending, policies=(policy,))

    assert desk.state(ALICE) == "required"


def test_two_texts_for_one_version_are_refused(desk: Desk) -> None:
    """Also where only the case of the label differs."""
    with pytest.raises(PublishError, match="two texts"):
        desk.publish(draft("1"), draft("1", "Other.\n"))
    desk.publish(draft("1a"))
    with pytest.raises(PublishError, match="taken for it"):
        desk.publish(draft("1A", "Other.\n"))


def test_a_version_needs_its_prevailing_text(desk: Desk) -> None:
    """One language prevails, so it must be there."""
    with pytest.raises(DraftError, match="no text in its prevailing language"):
        desk.publish(draft("1", language="fr"))


def test_a_draft_of_an_unknown_policy_is_refused(desk: Desk) -> None:
    """A policy is its settings."""
    with pytest.raises(DraftError, match="no policy 'nothing'"):
        desk.publish(draft("1", policy="nothing"), policies=())


def test_an_impact_left_out_is_editorial_only_where_no_word_changed(desk: Desk) -> None:
    """For words a person decides."""
    desk.publish(draft("1"))
    done = desk.publish(draft("2", TEXT.replace("kind to", "kind\nto"), impact=""))

    assert done.published[0].impact is Impact.EDITORIAL
    assert "no-readable-change" in [finding.code for finding in done.findings]
    with pytest.raises(PublishError, match="does not say its impact"):
        desk.publish(draft("3", TEXT + "And smile.\n", impact=""))


def test_the_notice_period_of_the_policy_is_kept_or_waived_by_name(desk: Desk) -> None:
    """P2B Art. 3(2): a change without notice is void; whoever needs it says so."""
    policy = replace(TERMS, notice_days=30)
    desk.publish(draft("1"), policies=(policy,))
    soon = draft("2", TEXT + "More.\n", effective="2026-01-11")

    with pytest.raises(PublishError, match="gives 10 days of notice; its policy promises 30"):
        desk.publish(soon, policies=(policy,))
    done = desk.publish(soon, policies=(policy,), short_notice=True)
    assert "short-notice" in [finding.code for finding in done.findings]


def test_the_kind_and_the_prevailing_language_of_a_published_policy_cannot_change(desk: Desk) -> None:
    """People accepted a contract in that language."""
    desk.publish(draft("1"))

    for other in (replace(TERMS, kind=NOTICE.kind), replace(TERMS, prevailing="fr")):
        with pytest.raises(ImmutableError, match="cannot"):
            desk.publish(policies=(other,))


def test_changed_settings_are_an_entry_of_their_own(desk: Desk) -> None:
    """Everything an administrator does is in the ledger."""
    desk.publish(draft("1"))
    done = desk.publish(policies=(replace(TERMS, renew_after=10),))

    assert [policy.slug for policy in done.policies] == ["terms"]
    assert b'\\"action\\":\\"policy.settings\\"' in desk.export()


def test_changed_settings_are_entered_beside_a_version_of_another_policy(desk: Desk) -> None:
    """In one act: the version's entry names the settings of its own policy only."""
    desk.publish(draft("1"), draft("1", policy="privacy"), policies=(TERMS, NOTICE))
    desk.publish(draft("2", TEXT + "More.\n"), policies=(replace(NOTICE, notice_days=9),))

    assert b'\\"policy\\":\\"privacy\\",\\"settings\\"' in desk.export()
    assert run(desk.terms.verify()).problems == []


def test_the_summary_of_a_translation_that_comes_later_is_kept(desk: Desk) -> None:
    """Its digest is in the entry, and its bytes are there."""
    desk.publish(draft("1"))
    desk.publish(draft("1", TEXT + "Bref.\n", language="fr", summary="Tout est neuf."))

    assert run(desk.terms.verify()).problems == []


def test_editorial_versions_ask_nobody_and_material_ones_everybody(desk: Desk) -> None:
    """The impact decides."""
    desk.publish(draft("1"))
    desk.accept(ALICE)
    desk.publish(draft("2", TEXT.replace("owe", "ow"), impact="editorial"))
    assert desk.state(ALICE) == "current"
    desk.publish(draft("3", TEXT + "And smile.\n"))
    assert desk.state(ALICE) == "required"


def test_a_scheduled_version_is_announced_then_in_grace_then_required(desk: Desk) -> None:
    """The calendar moves by the clock alone."""
    desk.publish(draft("1"))
    desk.accept(ALICE)
    desk.publish(draft("2", TEXT + "More.\n", effective="2026-02-01", enforce="2026-03-01"))
    states = []
    for days in (0, 31, 28):
        desk.clock.advance(days=days)
        states.append(desk.state(ALICE))

    assert states == ["announced", "grace", "required"]


@pytest.mark.sqlite
def test_publishing_costs_the_same_statements_however_many_accepted(desk: Desk) -> None:
    """Nobody's acceptance is touched by a publication."""

    def publish_another(policy: Policy) -> int:
        return len(desk.statements(lambda: desk.publish(draft("1", policy=policy.slug), policies=(policy,))))

    desk.publish(draft("1"))
    few = publish_another(NOTICE)
    for number in range(60):
        run(desk.terms.record(Subject(f"user{number}"), "terms"))
    many = publish_another(MEMBERS)

    assert many == few


def test_two_publishers_at_once_do_not_overwrite_each_other(open_desk: object) -> None:
    """The loser plans again on what the winner published."""
    one, other = open_desk(), open_desk()  # type: ignore[operator]

    async def both() -> None:
        await asyncio.gather(
            one.terms.publish([draft("1")], policies=[TERMS]),
            other.terms.publish([draft("1", "Privacy.\n", policy="privacy")], policies=[NOTICE]),
        )

    run(both())
    calendar = run(one.terms.reload())
    assert sorted((version.policy, version.serial) for version in calendar.versions) in (
        [("privacy", 1), ("terms", 2)],
        [("privacy", 2), ("terms", 1)],
    )
    assert run(one.terms.verify()).sound


def test_the_sample_policies_publish_and_verify(desk: Desk) -> None:
    """The folder that the demo and the docs use."""
    desk.clock.instant += 320 * DAY  # in November 2026, when the folder was written
    root = Path(__file__).resolve().parents[2] / "policies"
    done = run(desk.terms.publish(root))

    assert {policy.slug for policy in done.policies} >= {"terms-of-use", "privacy"}
    assert {one.impact for one in done.published} == {Impact.MATERIAL, Impact.EDITORIAL}
    assert run(desk.terms.publish(root)).empty
    assert run(desk.terms.verify()).sound


@pytest.mark.sqlite
def test_two_publications_in_one_batch_do_not_take_each_others_serials(desk: Desk) -> None:
    """Bug: the second job of a batch held its plan against the counter as it was before the first; its serial was
    taken."""

    async def both() -> None:
        terms = desk.terms
        await asyncio.gather(
            terms.publish([draft("1")], policies=[TERMS]),
            terms.publish([draft("1", "Privacy.\n", policy="privacy")], policies=[NOTICE]),
            terms.publish([draft("1", "Members.\n", policy="members")], policies=[MEMBERS]),
        )

    run(both())
    assert sorted(version.serial for version in desk.terms.calendar.versions) == [1, 2, 3]
    assert run(desk.terms.verify()).sound
