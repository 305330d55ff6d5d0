"""Laws of deciding: shown equals signed, one offer one decision, and nothing recorded that was not on the screen."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from sqlalchemy import Connection

from consentgate.errors import DecisionError, OfferExpiredError, SealError, StoreUnavailableError, TermsChangedError
from consentgate.evidence.entry import DecisionEntry
from consentgate.evidence.receipt import verify
from consentgate.service.facts import Facts
from consentgate.terms.canonical import digest, text_digest
from consentgate.terms.policy import Act
from consentgate.terms.subject import Subject, SubjectKind
from consentgate.testing import run
from tests.service.conftest import ALICE, BOB, MEMBERS, NEWS, NOTICE, TERMS, TEXT, VISITOR, Desk, draft


def test_an_acceptance_records_exactly_what_was_shown(desk: Desk) -> None:
    """Text, redline, page, control, base: by digest, from the sealed offer."""
    desk.publish(draft("1"))
    first = desk.accept(ALICE).decisions[0]
    desk.publish(draft("2", TEXT + "And smile.\n"))
    made = desk.offer(ALICE)
    second = desk.accept(ALICE).decisions[0]

    assert (first.compared, first.redline, first.supersedes) == (None, None, None)
    assert (second.version, second.compared, second.supersedes) == ("2", "1", first.id)
    assert second.text == made.items[0].translation.digest == text_digest(TEXT + "And smile.\n")
    assert second.redline == made.items[0].redline.digest
    assert run(desk.terms.blob(second.page)) == b"<html>"
    assert b'"sentence":"I accept."' in run(desk.terms.blob(second.control))
    assert (second.method, second.source, second.gate) == ("checkbox-button", "server", desk.terms.engine.gate_digest)


def test_the_receipt_of_an_acceptance_verifies_without_us(desk: Desk) -> None:
    """What the subject takes home."""
    desk.publish(draft("1"))
    entry = desk.accept(ALICE).decisions[0]
    proven = verify(run(desk.terms.receipt(str(entry.id))), verifiers=desk.terms.engine.ledger.verifiers)

    assert (proven.entry, proven.trusted) == (entry, True)
    assert proven.openings["subject"].value == "alice"


def test_a_replayed_offer_returns_the_first_record(desk: Desk) -> None:
    """Double click, lost answer: one decision."""
    desk.publish(draft("1"))
    token = desk.seal(ALICE)
    first, again = desk.decide(token, ALICE), desk.decide(token, ALICE)

    assert (again.replayed, again.decisions) == (True, first.decisions)
    head = run(desk.terms.head())
    assert head is not None
    assert head.size == 2


def test_two_clicks_at_the_same_instant_make_one_record(desk: Desk) -> None:
    """Also within one batch of the writer."""
    desk.publish(draft("1"))
    token = desk.seal(ALICE)

    async def both() -> list[object]:
        return await asyncio.gather(*(desk.terms.decide(token, {"terms": Act.ACCEPT}, subject=ALICE) for _ in range(5)))

    decided = run(both())
    assert all(one.decisions == decided[0].decisions for one in decided)  # type: ignore[attr-defined]
    assert len(desk.decided()) == 1


def test_an_offer_answered_one_way_cannot_be_answered_the_other(desk: Desk) -> None:
    """Decline, back button, accept: a new offer is needed, and the first record stays."""
    desk.publish(draft("1"))
    token = desk.seal(ALICE)
    desk.decide(token, ALICE, Act.DECLINE)

    with pytest.raises(TermsChangedError, match="answered already"):
        desk.decide(token, ALICE, Act.ACCEPT)
    assert desk.state(ALICE) == "declined"
    desk.accept(ALICE)
    assert desk.state(ALICE) == "current"


def test_an_answer_that_contradicts_the_first_records_none_of_its_parts(desk: Desk) -> None:
    """Declined, gone back, then accepted with the notice beside it: the notice is not acknowledged on the quiet."""
    desk.publish(draft("1"), draft("1", policy="privacy"), policies=(TERMS, NOTICE))
    token = desk.seal(ALICE)
    desk.decide(token, ALICE, Act.DECLINE)
    with pytest.raises(TermsChangedError, match="otherwise"):
        run(desk.terms.decide(token, {"terms": Act.ACCEPT, "privacy": Act.ACKNOWLEDGE}, subject=ALICE))

    assert [row["decision"] for row in desk.decided()] == ["decline"]


def test_what_was_published_between_view_and_click_is_never_signed(desk: Desk) -> None:
    """409, and nothing on record."""
    desk.publish(draft("1"))
    token = desk.seal(ALICE)
    desk.publish(draft("2", TEXT + "And smile.\n"))

    with pytest.raises(TermsChangedError, match="1 is not in force any more; 2 is"):
        desk.decide(token, ALICE)
    assert desk.decided() == []


def test_a_publication_of_another_process_is_seen_inside_the_transaction(open_desk: object) -> None:
    """The calendar in memory may be old; the one in the transaction decides."""
    here, there = open_desk(), open_desk()  # type: ignore[operator]
    here.publish(draft("1"))
    run(there.terms.reload())
    token = there.seal(ALICE)
    here.publish(draft("2", TEXT + "And smile.\n"))
    there.terms._seen = there.terms.generation.value  # pretend that the bump was missed

    with pytest.raises(TermsChangedError):
        there.decide(token, ALICE)


def test_a_version_that_takes_effect_while_the_page_is_open_voids_the_offer(desk: Desk) -> None:
    """The calendar can move without a publication."""
    desk.publish(draft("1"))
    desk.publish(draft("2", TEXT + "And smile.\n", effective="2026-01-01T06:00Z"))
    token = desk.seal(ALICE)
    desk.clock.advance(hours=7)

    with pytest.raises(TermsChangedError):
        desk.decide(token, ALICE)


def test_an_offer_lives_at_least_twenty_hours_and_not_for_ever(desk: Desk) -> None:
    """WCAG 2.2.1."""
    desk.publish(draft("1"))
    token = desk.seal(ALICE)
    desk.clock.advance(hours=20)
    assert desk.decide(token, ALICE).accepted
    late = desk.seal(BOB)
    desk.clock.advance(hours=25)
    with pytest.raises(OfferExpiredError):
        desk.decide(late, BOB)


def test_a_worker_whose_clock_is_behind_takes_the_offer(desk: Desk) -> None:
    """Seconds of skew between workers never loop a visitor."""
    desk.publish(draft("1"))
    desk.clock.advance(seconds=60)
    token = desk.seal(ALICE)
    desk.clock.advance(seconds=-60)

    assert desk.decide(token, ALICE).accepted


def test_a_forged_offer_opens_nothing(desk: Desk) -> None:
    """Each single character changed is refused."""
    desk.publish(draft("1"))
    token = desk.seal(ALICE)

    for place in range(0, len(token), 7):
        forged = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        with pytest.raises((SealError, TermsChangedError)):
            desk.decide(forged, ALICE)
    assert desk.decided() == []


def test_somebody_else_cannot_answer_an_offer(desk: Desk) -> None:
    """Sign-in or sign-out while the page was open: read again as who you are now."""
    desk.publish(draft("1"))
    token = desk.seal(ALICE)

    for other in (BOB, None, VISITOR):
        with pytest.raises(TermsChangedError, match="somebody else is signed in"):
            desk.decide(token, other)


def test_a_visitor_whose_cookie_is_gone_can_still_answer_the_page(desk: Desk) -> None:
    """The offer carries the visitor's id."""
    desk.publish(draft("1"))

    assert desk.decide(desk.seal(VISITOR), None).subject == VISITOR


@pytest.mark.parametrize(
    ("acts", "error"),
    [({}, DecisionError), ({"other": Act.ACCEPT}, DecisionError), ({"terms": Act.GRANT}, DecisionError)],
)
def test_only_acts_that_were_offered_can_be_recorded(desk: Desk, acts: dict[str, Act], error: type[Exception]) -> None:
    """A contract is accepted or declined, and what was not offered not at all."""
    desk.publish(draft("1"))
    token = desk.seal(ALICE)

    with pytest.raises(error):
        run(desk.terms.decide(token, acts, subject=ALICE))


def test_an_impersonating_administrator_cannot_decide(desk: Desk) -> None:
    """Who looks through somebody's eyes signs nothing for them."""
    desk.publish(draft("1"))
    token = desk.seal(ALICE)

    with pytest.raises(DecisionError, match="cannot decide for them"):
        desk.decide(token, replace(ALICE, impersonated_by="root"))


def test_each_kind_is_answered_in_its_own_way(desk: Desk) -> None:
    """Contracts are accepted, notices acknowledged, consents granted; the gate never waits for consent."""
    policies = (TERMS, NOTICE, NEWS)
    desk.publish(*(draft("1", f"{one.slug} text.\n", policy=one.slug) for one in policies), policies=policies)
    made = desk.offer(ALICE)

    assert {item.policy.slug for item in made.items} == {"terms", "privacy"}
    token = run(desk.terms.seal_offer(made, page=None, controls={}))
    run(desk.terms.decide(token, {"terms": Act.ACCEPT, "privacy": Act.ACKNOWLEDGE}, subject=ALICE))
    assert [one.state.value for one in run(desk.terms.status(ALICE))] == ["current"] * 3


def test_an_audience_binds_only_its_kind_of_subject(desk: Desk) -> None:
    """Visitors are not asked what members are asked."""
    desk.publish(draft("1", policy="members"), policies=(MEMBERS,))

    assert desk.offer(VISITOR).items == ()
    assert [item.policy.slug for item in desk.offer(ALICE).items] == ["members"]


@pytest.mark.parametrize("seconds", [0, -5, -3600])
def test_a_withdrawal_counts_although_the_clock_was_set_back(desk: Desk, seconds: int) -> None:
    """The later decision is the one that stands, whatever the clock said when its page was shown."""
    desk.publish(draft("1", policy="newsletter"), policies=(NEWS,))
    desk.clock.advance(days=1)
    desk.decide(desk.seal(ALICE, only=["newsletter"]), ALICE, Act.GRANT, "newsletter")
    desk.clock.advance(seconds=seconds)
    desk.decide(desk.seal(ALICE, only=["newsletter"]), ALICE, Act.WITHDRAW, "newsletter")

    assert run(desk.terms.accepted_version(ALICE, "newsletter")) is None
    assert [entry.decision for entry in run(desk.terms.decisions(ALICE))] == ["withdraw", "grant"]


def test_an_acceptance_expires_where_the_policy_renews(desk: Desk) -> None:
    """renew_after: the state says expired, and the redline is empty because nothing changed."""
    desk.publish(draft("1"), policies=(replace(TERMS, renew_after=10),))
    desk.accept(ALICE)
    desk.clock.advance(days=9)
    assert desk.state(ALICE) == "current"
    desk.clock.advance(days=1, seconds=1)
    assert desk.state(ALICE) == "expired"
    desk.accept(ALICE)
    assert desk.state(ALICE) == "current"


def test_after_a_b_a_the_redline_is_empty_and_nobody_is_asked(desk: Desk) -> None:
    """For who accepted A."""
    desk.publish(draft("1"))
    desk.accept(ALICE)
    desk.publish(draft("2", TEXT + "And smile.\n"))
    desk.publish(draft("3", TEXT))

    assert desk.state(ALICE) == "current"
    assert desk.offer(ALICE).items == ()
    assert desk.offer(ALICE, only=["terms"]).items[0].redline.empty


def test_the_summaries_of_all_skipped_versions_are_offered(desk: Desk) -> None:
    """Who was away for two versions reads both summaries, and one redline."""
    desk.publish(draft("1"))
    desk.accept(ALICE)
    desk.publish(draft("2", TEXT + "Two.\n", summary="Second."))
    desk.publish(draft("3", TEXT + "Two.\n\nThree.\n", summary="Third."))
    [item] = desk.offer(ALICE).items

    assert [version.label for version in item.skipped] == ["2", "3"]
    assert (item.base.label, item.redline.summary.changes) == ("1", 2)


def test_the_version_that_applied_at_any_instant_can_be_told(desk: Desk) -> None:
    """Old terms stay applicable for who never accepted the new ones."""
    desk.publish(draft("1"))
    between = desk.accept(ALICE).decisions[0].at
    desk.clock.advance(days=1)
    desk.publish(draft("2", TEXT + "And smile.\n"))
    assert run(desk.terms.accepted_version(ALICE, "terms")).label == "1"  # type: ignore[union-attr]
    desk.accept(ALICE)

    labels = [run(desk.terms.accepted_version(ALICE, "terms", at)) for at in (between - 1, between, None)]
    assert [label.label if label else None for label in labels] == [None, "1", "2"]


@pytest.mark.parametrize(("mode", "kept"), [("none", None), ("truncated", "203.0.113.0/24"), ("full", "203.0.113.77")])
def test_no_more_of_an_address_is_kept_than_the_operator_chose(open_desk: object, mode: str, kept: str | None) -> None:
    """Default: nothing; and in the ledger itself only a commitment."""
    desk = open_desk(record_ip=mode)  # type: ignore[operator]
    desk.publish(draft("1"))
    token = desk.seal(ALICE)
    facts = Facts(ip="203.0.113.77", user_agent="Agent/1.0")
    run(desk.terms.decide(token, {"terms": Act.ACCEPT}, subject=ALICE, facts=facts))
    everything = desk.export()

    assert (b"203.0.113" in everything) == (kept is not None)
    assert kept is None or kept.encode() in everything
    assert b"Agent/1.0" not in everything


def test_what_was_recorded_elsewhere_says_so(desk: Desk) -> None:
    """No page, no control; method and source are honest."""
    desk.publish(draft("1"))
    entry = run(desk.terms.record(ALICE, "terms", "1", method="import"))

    assert (entry.method, entry.source, entry.page, entry.control, entry.redline) == (
        "import",
        "import",
        None,
        None,
        None,
    )
    assert desk.state(ALICE) == "current"


def test_what_was_committed_is_recorded_once_although_commit_reported_an_error(
    open_desk: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The writer runs a batch again that was committed after all; both callers get the first record of theirs."""
    desk = open_desk()
    desk.publish(draft("1"))
    engine, busy, go_on = desk.terms.engine, threading.Event(), threading.Event()
    honest, errors = engine.database.transaction, [StoreUnavailableError("the disk says it failed")]

    @contextmanager
    def lying(timeout: float | None = None) -> Iterator[Connection]:
        with honest(timeout) as connection:
            yield connection
        if errors:
            raise errors.pop()

    async def at_once() -> list[DecisionEntry]:
        engine.submit(lambda *_: (busy.set(), go_on.wait(60)))  # until both wait for the same transaction
        await asyncio.to_thread(busy.wait, 60)  # or all three would be one batch, and nobody would wait
        both = [asyncio.create_task(desk.terms.record(who, "terms")) for who in (ALICE, BOB)]
        while engine.writer.waiting < 2:  # noqa: ASYNC110 - another thread counts
            await asyncio.sleep(0.01)
        monkeypatch.setattr(engine.database, "transaction", lying)
        go_on.set()
        return await asyncio.gather(*both)

    entries = run(at_once())
    assert not errors
    assert sorted(row["id"] for row in desk.decided()) == sorted(str(entry.id) for entry in entries)


@pytest.mark.sqlite
def test_pages_and_control_wordings_are_kept_once(desk: Desk) -> None:
    """Content-addressed: a thousand visitors, one blob."""
    desk.publish(draft("1"))
    desk.seal(ALICE, b"<html>page</html>")
    statements = desk.statements(lambda: desk.seal(BOB, b"<html>page</html>"))

    assert not [one for one in statements if one.startswith("INSERT")]
    assert run(desk.terms.blob(digest(b"<html>page</html>"))) == b"<html>page</html>"


def test_a_service_decides_for_whom_it_acts(desk: Desk) -> None:
    """acting_for and authority stand as commitments."""
    desk.publish(draft("1"))
    agent = Subject("bot", SubjectKind.SERVICE, acting_for="ACME Ltd", authority="account representative")
    entry = desk.accept(agent).decisions[0]

    assert {"acting_for", "authority"} <= set(entry.commitments)


def test_versions_are_compared_in_a_language_both_have(desk: Desk) -> None:
    """Bug: a French reader of a new translation saw French compared with English, every word marked."""
    desk.publish(draft("1"))
    desk.accept(ALICE)
    desk.publish(draft("2", TEXT + "And smile.\n"), draft("2", "# Conditions\n\nSouriez.\n", language="fr", impact=""))
    [item] = desk.offer(ALICE, languages=("fr",)).items

    assert (item.translation.language, item.base_translation.language) == ("fr", "en")
    assert item.redline.summary.changes == 1
