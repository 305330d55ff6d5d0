"""Users, renewals, sign-in and rotation: the ledger is asked where the pass is not enough, and then remembered."""

from __future__ import annotations

from typing import Any

import pytest

from consentgate.errors import StoreUnavailableError
from consentgate.gate.epoch import Watch
from consentgate.gate.hooks import Accepted, Scope
from consentgate.gate.passes import MAX_PASS_LENGTH, PassSealer
from consentgate.gate.seals import Seals
from consentgate.gate.verdict import Outcome, State
from consentgate.terms.calendar import Calendar
from consentgate.terms.instants import DAY, SECOND
from consentgate.terms.policy import Audience
from consentgate.terms.subject import Subject, SubjectKind
from tests.gate.house import (
    GRACE,
    NAVIGATION,
    NOW,
    OLD_SECRET,
    ONE_POLICY,
    SECRET,
    VISITOR,
    VISITOR_ID,
    House,
    Site,
    policy,
    version,
)

ANN, BOB = Subject("ann"), Subject("bob")
YES, NO = Accepted(frozenset({2}), tree_size=17), Accepted(frozenset({1}))


def who(scope: Scope) -> Subject | str | None:
    """A host that names its user in a header; a service in another."""
    fields = dict(scope["headers"])
    if service := fields.get(b"x-service"):
        return Subject(service.decode(), SubjectKind.SERVICE)
    return fields[b"x-user"].decode() if b"x-user" in fields else None


def signed_in(name: str = "ann", **more: str) -> dict[str, str]:
    """A page opened by somebody signed in."""
    return {**NAVIGATION, "x-user": name, **more}


def site_with(ledger: dict[str, Accepted] | None = None, **more: Any) -> Site:
    """A site with users."""
    return Site(House(ledger=ledger or {}), subject=who, **more)


def asked(site: Site) -> list[str]:
    """What the ledger was asked, beside the calendar."""
    return [what for what in site.house.asked if what != "reload"]


# A user without a pass


def test_a_user_on_a_new_device_costs_one_question_and_then_has_a_pass() -> None:
    """The answer sets the cookie, and the cookie answers from then on."""
    site = site_with({"user:ann": YES})

    first = site.get(headers=signed_in())
    assert first.reached
    assert first.cookie is not None
    again = [site.get(headers=signed_in(), cookie=first.cookie) for _ in range(3)]

    assert all(answer.reached and answer.cookie is None for answer in again)
    assert asked(site) == ["accepted user:ann"]
    proof = site.sealer.open(first.cookie)
    assert (proof.serials, proof.tree_size) == ((2,), 17)
    assert site.sealer.belongs_to(proof, ANN)


@pytest.mark.parametrize(
    "headers",
    [{"authorization": "Bearer x"}, {"authorization": "Bearer x", **NAVIGATION}, {"sec-fetch-mode": "cors"}, {}],
)
def test_a_program_costs_one_question_and_is_then_remembered(headers: dict[str, str]) -> None:
    """No cookie for who would not keep it: a bounded memory by subject answers."""
    site = site_with({"service:feed": YES})
    for _ in range(3):
        answer = site.get(headers={"x-service": "feed", **headers})
        assert answer.reached
        assert answer.cookie is None

    assert asked(site) == ["accepted service:feed"]


def test_what_is_remembered_is_asked_again_when_the_time_is_up() -> None:
    """After `memo_seconds`, and when something was published."""
    site = site_with({"service:feed": YES}, memo_seconds=60)
    for seconds in (0, 59, 1, 59, 1):
        site.clock.seconds += seconds
        assert site.get(headers={"x-service": "feed"}).reached
    assert len(asked(site)) == 3

    site.publish(ONE_POLICY)
    assert site.get(headers={"x-service": "feed"}).reached
    assert len(asked(site)) == 4


def test_a_user_who_has_not_accepted_is_asked_about_at_each_request() -> None:
    """Nothing is remembered of a no: it may have become a yes in another worker a moment ago."""
    site = site_with({"user:ann": NO})
    assert site.get(headers=signed_in()).status == 303
    assert site.get(headers={"x-user": "ann"}).status == 403

    site.house.ledger["user:ann"] = YES

    assert site.get(headers={"x-user": "ann"}).reached
    assert site.get(headers=signed_in()).reached


def test_what_one_user_accepted_is_not_anothers() -> None:
    """Neither by memory nor by cookie."""
    site = site_with({"user:ann": YES})
    token = site.get(headers=signed_in()).cookie
    for _ in range(2):
        assert site.get(headers=signed_in("ann"), cookie=token).reached
        assert site.get(headers=signed_in("bob"), cookie=token).status == 303
        assert site.get(headers={"x-user": "bob"}, cookie=token).status == 403
        assert site.get(headers={"x-service": "ann"}, cookie=token).status == 403


def test_an_older_pass_of_a_user_who_accepted_elsewhere_does_not_ask_again() -> None:
    """Accepted on the phone, then a page on the desk: the ledger knows, and the desk gets a new pass."""
    site = site_with({"user:ann": YES})

    answer = site.get(headers=signed_in(), cookie=site.token(1, subject=ANN))

    assert answer.reached
    assert answer.cookie is not None
    assert site.sealer.open(answer.cookie).serials == (2,)


def test_the_memory_of_subjects_is_bounded() -> None:
    """A thousand tokens with room for eight: nobody is let in or out wrongly."""
    site = site_with({f"service:{number}": YES for number in range(0, 200, 2)}, memo_size=8)
    for number in [*range(200), 0, 1, 198, 199]:
        assert site.get(headers={"x-service": str(number)}).reached == (number % 2 == 0)


# Signing in and out


def test_what_a_visitor_accepted_is_linked_when_they_sign_in() -> None:
    """Once; then the user has a pass."""
    site = site_with()
    site.house.linked[VISITOR_ID, "user:ann"] = YES

    answer = site.get(headers=signed_in(), cookie=site.token(2))
    assert answer.reached
    assert answer.cookie is not None
    assert site.sealer.belongs_to(site.sealer.open(answer.cookie), ANN)
    assert answer.passage.visitor_id == VISITOR_ID
    assert site.get(headers=signed_in(), cookie=answer.cookie).reached

    assert asked(site) == [f"link {VISITOR_ID} user:ann"]


def test_a_client_that_keeps_sending_the_visitors_pass_is_linked_once() -> None:
    """The second time the memory answers, or the ledger, but no second link is made."""
    site = site_with({"user:ann": YES})
    site.house.linked[VISITOR_ID, "user:ann"] = YES
    for _ in range(3):
        assert site.get(headers={"x-user": "ann"}, cookie=site.token(2)).reached
    assert asked(site) == [f"link {VISITOR_ID} user:ann"]

    site.house.linked[VISITOR_ID, "user:bob"] = NO
    for _ in range(2):
        assert site.get(headers={"x-user": "bob"}, cookie=site.token(2)).status == 403
    assert asked(site)[1:] == [f"link {VISITOR_ID} user:bob", "accepted user:bob"]


def test_a_visitor_who_accepted_nothing_has_nothing_to_link() -> None:
    """A pass that only says "not now" carries nothing over."""
    site = site_with({"user:ann": YES})

    assert site.get(headers=signed_in(), cookie=site.token(snoozed=NOW + DAY)).reached
    assert asked(site) == ["accepted user:ann"]


def test_an_administrator_behind_a_users_eyes_carries_nothing_over_and_gets_no_pass() -> None:
    """What the administrator's own device accepted is not the user's."""
    ann = Subject("ann", impersonated_by="root")
    site = Site(House(ledger={"user:ann": YES}), subject=lambda scope: ann)

    answer = site.get(headers=NAVIGATION, cookie=site.token(2))

    assert answer.reached
    assert answer.cookie is None
    assert asked(site) == ["accepted user:ann"]


def test_after_signing_out_a_users_pass_does_not_open_the_gate() -> None:
    """On a shared browser the next visitor is asked."""
    site = site_with({"user:ann": YES})
    token = site.get(headers=signed_in()).cookie
    for _ in range(2):
        assert site.get(headers=signed_in(), cookie=token).reached
        assert site.get(headers=NAVIGATION, cookie=token).status == 303


def test_a_visitors_pass_does_not_count_for_a_user_without_the_link() -> None:
    """Only what the ledger says after linking counts."""
    site = site_with()
    for _ in range(2):
        assert site.get(headers=signed_in(), cookie=site.token(2)).status == 303
        assert site.get(headers=NAVIGATION, cookie=site.token(2)).reached


def test_on_our_own_pages_a_user_is_linked_too() -> None:
    """Whoever opens "my agreements" right after signing in finds them there."""
    site = site_with()
    site.house.linked[VISITOR_ID, "user:ann"] = YES

    answer = site.get("/terms/mine", headers=signed_in(), cookie=site.token(2))

    assert answer.body == b"page"
    assert answer.cookie is not None
    assert answer.passage.subject == ANN
    assert asked(site) == [f"link {VISITOR_ID} user:ann"]


def test_sending_a_decision_links_nobody() -> None:
    """Only opening a page does."""
    site = site_with()
    site.get("/terms/review", method="POST", headers=signed_in(), cookie=site.token(2))

    assert asked(site) == []


def test_our_own_page_is_served_when_linking_fails() -> None:
    """The page is told who asks, and that something failed."""
    site = site_with()
    site.get()
    site.house.fault = StoreUnavailableError("down")

    answer = site.get("/terms/mine", headers=signed_in(), cookie=site.token(2))

    assert answer.body == b"page"
    assert answer.passage.failed
    assert answer.passage.subject == ANN


# Tags, kinds and named visitors


def test_tags_of_the_subject_decide_what_binds() -> None:
    """The same pass is judged anew when the subject's tags change."""
    calendar = Calendar((policy("dealers", audience=Audience(tags=frozenset({"business"}))),), (version(1, "dealers"),))
    tags: set[str] = set()
    site = Site(House(calendar), subject=lambda scope: Subject("ann", tags=frozenset(tags)))
    token = site.token(9, subject=ANN)

    assert site.get(cookie=token).reached
    assert site.get(cookie=token).reached
    tags.add("business")
    assert site.get(cookie=token).status == 403
    tags.clear()
    assert site.get(cookie=token).reached


def test_a_visitor_the_host_names_is_a_subject_like_others() -> None:
    """A kiosk or a guest account: bound by digest, never mistaken for an anonymous visitor."""
    desk = Subject("desk 7", SubjectKind.VISITOR)
    site = Site(subject=lambda scope: desk if dict(scope["headers"]).get(b"x-desk") else None)
    token = site.token(2, subject=desk)
    for _ in range(2):
        assert site.get(headers={"x-desk": "1"}, cookie=token).reached
        assert site.get(cookie=token).status == 403


# Renewal, revocation, many versions


def test_a_pass_past_its_renewal_asks_the_ledger_and_is_replaced() -> None:
    """The ledger says whether it was renewed meanwhile."""
    site = Site(House(ledger={f"visitor:{VISITOR_ID}": Accepted(frozenset({2}), expires=NOW + 90 * DAY)}))
    token = site.token(2, expires=NOW + DAY)
    assert site.get(headers=NAVIGATION, cookie=token).cookie is None
    site.clock.seconds += 86_400

    answer = site.get(headers=NAVIGATION, cookie=token)

    assert answer.reached
    assert answer.cookie is not None
    assert site.sealer.open(answer.cookie).expires == (NOW + 90 * DAY) // SECOND
    assert asked(site) == [f"accepted visitor:{VISITOR_ID}"]


def test_a_pass_past_its_renewal_that_was_not_renewed_is_stopped_as_expired() -> None:
    """The page says "again", not "for the first time"."""
    site = Site(House(ledger={f"visitor:{VISITOR_ID}": Accepted(frozenset(), expired=frozenset({2}))}))
    token = site.token(2, expires=NOW + SECOND)
    site.clock.seconds += 2

    answer = site.get(cookie=token)

    assert answer.status == 403
    assert b'"state":"expired"' in answer.body
    assert b'"accepted_version":"2.0"' in answer.body
    assert site.get("/terms/review", cookie=token).passage.verdict.outcome is Outcome.REVIEW


def test_a_pass_never_outlives_its_renewal_by_being_remembered() -> None:
    """However often it was seen before, from its second on it does not count."""
    site = Site(memo_seconds=900)
    token = site.token(2, expires=NOW + 1_000 * SECOND)
    seen = []
    for seconds in (0, 899, 100, 1, 1):
        site.clock.seconds += seconds
        seen.append((site.get(cookie=token).reached, site.get(cookie=token).reached))

    assert seen == [(True, True)] * 3 + [(False, False)] * 2


def test_a_revoked_pass_is_no_evidence_any_more() -> None:
    """After a withdrawal on one device the passes of the others ask the ledger."""
    site = Site(House(ledger={f"visitor:{VISITOR_ID}": NO}))
    token = site.token(2)
    assert site.get(cookie=token).reached

    (binding,) = site.sealer.bindings(VISITOR)
    site.state.revoked = {binding: NOW // SECOND}
    site.state.generation.bump()

    assert site.get(cookie=token).status == 403
    assert site.get(cookie=site.token(2, subject=Subject("f" * 32, SubjectKind.VISITOR))).reached
    site.house.ledger[f"visitor:{VISITOR_ID}"] = YES
    assert site.get(cookie=token).reached
    assert site.get(cookie=site.token(2, now=NOW + 3_600 * SECOND)).reached


def test_a_pass_sealed_by_a_clock_ahead_is_revoked_like_others() -> None:
    """A few minutes between two workers' clocks do not save it."""
    site = Site()
    token = site.token(2, now=NOW + 300 * SECOND)
    (binding,) = site.sealer.bindings(VISITOR)
    site.state.revoked = {binding: NOW // SECOND}

    assert site.get(cookie=token).status == 403


def test_with_more_versions_than_a_pass_can_list_the_ledger_is_asked_once() -> None:
    """Sixty policies: the pass lists 48, says that there are more, and the memory does the rest."""
    slugs = [f"policy-{number:02}" for number in range(60)]
    calendar = Calendar(tuple(map(policy, slugs)), tuple(version(n + 1, slug) for n, slug in enumerate(slugs)))
    everything = Accepted(frozenset(range(1, 61)))
    site = Site(House(calendar, ledger={f"visitor:{VISITOR_ID}": everything}))
    token = site.token(*range(1, 61))
    for _ in range(3):
        assert site.get(cookie=token).reached

    assert asked(site) == [f"accepted visitor:{VISITOR_ID}"]
    assert site.get(cookie=site.token(*range(1, 60))).reached


# Grace


def test_a_user_in_grace_who_accepted_elsewhere_is_not_interrupted() -> None:
    """Before a page comes in between, the ledger is asked."""
    site = Site(House(GRACE, ledger={"user:ann": YES}), subject=who)

    answer = site.get(headers=signed_in(), cookie=site.token(1, subject=ANN))

    assert answer.reached
    assert answer.cookie is not None


def test_not_now_is_kept_when_a_pass_is_replaced() -> None:
    """The new pass still knows until when."""
    site = Site(House(GRACE, ledger={"user:ann": NO}), subject=who)
    token = site.token(1, subject=ANN, expires=NOW - SECOND, snoozed=NOW + DAY, tree_size=99)

    answer = site.get(headers=signed_in(), cookie=token)

    assert answer.reached
    assert answer.cookie is not None
    proof = site.sealer.open(answer.cookie)
    assert proof.snoozed_until == NOW + DAY
    assert proof.tree_size == 99
    assert answer.passage.verdict.items[0].state is State.GRACE


# Rotation


def test_a_pass_of_an_older_secret_is_sealed_again_on_the_next_page() -> None:
    """Visitors and users move to the newest secret without being asked anything."""
    for subject, headers in ((VISITOR, NAVIGATION), (ANN, signed_in())):
        site = site_with(secrets=(SECRET, OLD_SECRET))
        token = PassSealer(Seals(OLD_SECRET)).issue(subject, [2], now=NOW, snoozed=NOW + DAY)

        part = site.get(headers={**headers, "sec-fetch-mode": "cors"}, cookie=token)
        page = site.get(headers=headers, cookie=token)

        assert part.reached
        assert part.cookie is None
        assert page.reached
        assert page.cookie is not None
        again = PassSealer(Seals(SECRET)).open(page.cookie)
        assert PassSealer(Seals(SECRET)).belongs_to(again, subject)
        assert (again.serials, again.snoozed_until) == ((2,), NOW + DAY)
        assert asked(site) == []


def test_a_new_secret_takes_effect_at_the_next_bump() -> None:
    """Keys are replaced while the gate runs; taken away, an old one opens nothing."""
    site = Site()
    token = site.token(2)
    assert site.get(headers=NAVIGATION, cookie=token).cookie is None

    site.state.seals = Seals((OLD_SECRET, SECRET))
    site.state.generation.bump()
    renewed = site.get(headers=NAVIGATION, cookie=token).cookie
    assert renewed is not None

    site.state.seals = Seals(OLD_SECRET)
    site.state.generation.bump()
    assert site.get(headers=NAVIGATION, cookie=token).status == 303
    assert site.get(headers=NAVIGATION, cookie=renewed).reached


def test_other_seals_take_effect_at_the_next_request_while_the_database_is_away() -> None:
    """They are a matter of this process: nothing is loaded for them, and nothing of the old ones is remembered."""
    site = Site()
    token = site.token(2)
    assert site.get(headers=NAVIGATION, cookie=token).reached
    assert site.get(headers=NAVIGATION, cookie=token).reached
    site.house.fault = StoreUnavailableError("down")

    site.state.use(Seals((OLD_SECRET, SECRET)))
    renewed = site.get(headers=NAVIGATION, cookie=token).cookie
    assert renewed is not None
    assert PassSealer(Seals(OLD_SECRET)).is_newest(renewed)

    site.state.use(Seals(OLD_SECRET))
    assert site.get(headers=NAVIGATION, cookie=token).status == 303
    assert site.get(headers=NAVIGATION, cookie=renewed).reached


def test_seals_that_change_while_an_epoch_is_made_are_not_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread that brings them may come at any moment: the next request begins again."""
    site = Site()
    token, make = site.token(2), Watch._make

    def made(watch: Watch, *words: Any) -> Any:
        epoch = make(watch, *words)
        monkeypatch.setattr(Watch, "_make", make)
        site.state.use(Seals(OLD_SECRET))
        return epoch

    assert site.get(headers=NAVIGATION, cookie=token).reached
    monkeypatch.setattr(Watch, "_make", made)
    site.state.generation.bump()
    site.get(headers=NAVIGATION, cookie=token)

    assert site.get(headers=NAVIGATION, cookie=token).status == 303


def test_a_failing_ledger_stops_a_user_without_a_pass_only() -> None:
    """Who has a good pass notices nothing of an outage."""
    site = site_with()
    visitor, user = site.token(2), site.token(2, subject=ANN)
    assert site.get().status == 403
    site.house.fault = StoreUnavailableError("down")
    for _ in range(2):
        assert site.get(cookie=visitor).reached
        assert site.get(headers={"x-user": "ann"}, cookie=user).reached
        assert site.get(headers={"x-user": "ann"}).status == 503


def test_a_thousand_policies_make_no_larger_pass_and_no_more_questions() -> None:
    """Whoever accepted them all is asked about once; the pass stays below its bound, and the memory answers."""
    serials = range(1, 1_001)
    slugs = [f"policy-{serial}" for serial in serials]
    calendar = Calendar(
        tuple(policy(slug) for slug in slugs),
        tuple(version(serial, slug) for serial, slug in zip(serials, slugs, strict=True)),
    )
    site = Site(House(calendar, ledger={"user:ann": Accepted(frozenset(serials))}), subject=who)
    headers = {**NAVIGATION, "x-user": "ann"}

    first = site.get(headers=headers)
    assert first.reached
    assert first.cookie is not None
    assert len(first.cookie) <= MAX_PASS_LENGTH
    for _ in range(3):
        assert site.get(headers=headers, cookie=first.cookie).reached

    assert site.house.asked == ["reload", "accepted user:ann"]
    assert not site.get(headers={**NAVIGATION, "x-user": "bob"}, cookie=first.cookie).reached
