"""Laws of what auditors look at: exact, in pages of one cost, and nothing without the role."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consentgate.errors import ConfigurationError, ForbiddenError, HeldError, InputError, NotFoundError
from consentgate.evidence.entry import DecisionEntry, LinkEntry
from consentgate.evidence.tlog import check_consistency
from consentgate.service import drafts as drafting
from consentgate.service import listing
from consentgate.service.administrators import Administrator
from consentgate.service.listing import DecisionFilter
from consentgate.service.terms import Terms
from consentgate.terms.instants import DAY
from consentgate.terms.policy import Act, Policy
from consentgate.terms.subject import Subject, SubjectKind
from consentgate.testing import FrozenClock, run
from tests.service.admin_desk import AUDITOR, EDITOR, OWNER, PUBLISHER, placed, publish, record, write
from tests.service.conftest import ALICE, BOB, MEMBERS, NOTICE, TERMS, TEXT, VISITOR, Desk, draft, settings_for
from tests.service.fill import load_filler

NEW = TEXT + "Bring back what you borrow.\n"


def everything(desk: Desk, limit: int = 3, **where: Any) -> list[Any]:
    """All decisions, page by page."""
    found, cursor = [], None
    while True:
        page = run(desk.terms.admin.decisions(AUDITOR, DecisionFilter(**where), cursor=cursor, limit=limit))
        assert len(page.items) <= limit
        found += page.items
        if page.next is None:
            return found
        cursor = page.next


# --- decisions ---------------------------------------------------------------------------------------------------

PEOPLE = [ALICE, BOB, Subject("robot", SubjectKind.SERVICE)]
DONE = st.tuples(
    st.sampled_from(PEOPLE), st.sampled_from([("terms", "1"), ("terms", "2"), ("members", "1")]),
    st.sampled_from([Act.ACCEPT, Act.DECLINE, Act.WITHDRAW]),
)  # fmt: skip


@settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(DONE, max_size=12), st.integers(1, 4))
def test_pages_together_are_every_decision_that_matches_once_and_in_order(steps: list[Any], limit: int) -> None:
    """Whatever the filters and the size of a page."""
    clock = FrozenClock()
    terms = Terms(settings_for("sqlite://"), clock=clock)
    run(terms.start())
    desk = Desk(terms, clock)
    desk.publish(draft("1"), draft("2", NEW), draft("1", policy="members"), policies=(TERMS, MEMBERS))
    told = []
    for subject, (policy, label), act in steps:
        clock.advance(hours=1)
        record(desk, subject, label, act, policy)
        told.append((clock(), policy, label, act, subject.key))
    told.reverse()
    half = clock() - DAY // 8
    for policy in (None, "terms", "members"):
        for version in (None, "1") if policy else (None,):
            for act in (None, Act.ACCEPT, Act.WITHDRAW):
                for subject in (None, ALICE):
                    for since, until in ((None, None), (half, None), (None, half)):
                        found = everything(
                            desk, limit, policy=policy, version=version, act=act, subject=subject, since=since,
                            until=until,
                        )  # fmt: skip
                        assert [(one.at, one.policy, one.version, one.act, one.subject.key) for one in found] == [
                            one for one in told
                            if policy in (None, one[1]) and version in (None, one[2]) and act in (None, one[3])
                            and (subject is None or subject.key == one[4])
                            and (since is None or one[0] >= since) and (until is None or one[0] < until)
                        ]  # fmt: skip
    run(terms.stop())


def test_a_decision_in_a_list_says_what_its_entry_says(desk: Desk) -> None:
    """Version, language, digest of the text, method; and who, as long as that is not erased."""
    desk.publish(draft("1"))
    entry = record(desk, ALICE)
    (item,) = everything(desk)

    assert (item.id, item.version, item.text, item.method, item.subject) == (
        str(entry.id), "1", desk.terms.calendar.versions[0].digest, "api", ALICE,
    )  # fmt: skip
    run(desk.terms.erase(ALICE, fields=["subject"], basis="asked for"))
    assert everything(desk)[0].subject is None
    run(desk.terms.erase(ALICE, basis="asked for"))
    assert everything(desk) == []


def test_a_page_goes_on_where_it_ended_whatever_was_added(desk: Desk) -> None:
    """New decisions come first; whoever is reading older pages sees none twice and misses none."""
    desk.publish(draft("1"))
    for number in range(4):
        record(desk, Subject(str(number)))
    page = run(desk.terms.admin.decisions(AUDITOR, limit=2))
    record(desk, Subject("later"))
    rest = run(desk.terms.admin.decisions(AUDITOR, limit=2, cursor=page.next))

    assert [one.subject.id for one in (*page.items, *rest.items)] == ["3", "2", "1", "0"]
    assert rest.next is None


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"cursor": "nonsense"}, InputError),
        ({"cursor": "AAAA"}, InputError),
        ({"cursor": "ä"}, InputError),
        ({"limit": 0}, InputError),
        ({"limit": 501}, InputError),
        ({"where": DecisionFilter(policy="nothing")}, NotFoundError),
        ({"where": DecisionFilter(policy="terms", version="9")}, NotFoundError),
        ({"where": DecisionFilter(version="1")}, InputError),
    ],
)
def test_a_question_that_cannot_be_answered_is_refused(
    desk: Desk, options: dict[str, Any], error: type[Exception]
) -> None:
    """An empty list would be a wrong answer."""
    desk.publish(draft("1"))
    with pytest.raises(error):
        run(desk.terms.admin.decisions(AUDITOR, **options))


def test_decisions_are_found_by_the_language_that_was_shown(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each once and in order, though a page looks at so many and no more, and may be short."""
    french = draft("1", "Soyez aimables.\n", language="fr")
    desk.publish(draft("1"), french)
    monkeypatch.setattr(listing, "SCANNED", 4)
    monkeypatch.setattr(listing, "MAX_PAGE", 2)
    told = []
    for number, language in enumerate(["fr", "en", "en", "fr", "fr", "en", "en", "en", "en", "en", "fr"]):
        desk.clock.advance(hours=1)
        who = Subject(str(number))
        desk.decide(desk.seal(who, languages=(language,)), who)
        told += [str(number)] if language == "fr" else []

    for limit in (1, 2):
        assert [one.subject.id for one in everything(desk, limit, language="FR")] == told[::-1]
    assert [one.language for one in everything(desk, 2, language="fr", act=Act.ACCEPT)] == ["fr"] * 4
    assert everything(desk, 2, language="de") == []
    assert [one.subject.id for one in everything(desk, 2, language="fr", subject=Subject("3"))] == ["3"]
    with pytest.raises(InputError, match="no language tag"):
        everything(desk, 2, language="not a tag")


# --- cost --------------------------------------------------------------------------------------------------------


@pytest.mark.sqlite
def test_publishing_takes_the_same_few_statements_however_many_have_decided(desk: Desk) -> None:
    """At most ten in its transaction, drafts of ours included; with 3,000 acceptances as with none."""
    filler = load_filler()
    run(filler.publish(desk.terms))

    def cost(label: str, text: str, *, drafts: bool = False) -> int:
        given = [draft(label, text)]
        if drafts:
            given, refs = [], [write(desk, label, text).ref]
        content = run(desk.terms.admin._content(refs if drafts else (), given, (), None, short_notice=False))
        calendar = run(desk.terms.reload())
        plan = desk.terms.admin._plan(calendar, content)
        take = partial(drafting.take, dict(content.refs or {}))
        first = (lambda connection, _: take(connection)) if drafts else None
        seen = desk.statements(lambda: run(desk.terms._publish(plan, calendar, "paul", first=first)))
        seen = seen[: next(place for place, one in enumerate(seen) if one.startswith("COMMIT"))]
        return sum(one.split()[0] in ("SELECT", "INSERT", "UPDATE", "DELETE") for one in seen)

    few = [cost("2", NEW), cost("3", NEW + "Three.\n", drafts=True)]
    run(filler.fill(desk.terms, (Subject(str(number)) for number in range(3_000))))
    many = [cost("4", NEW + "Four.\n"), cost("5", NEW + "Five.\n", drafts=True)]

    assert few == many == [9, 10]


# --- who has not accepted ----------------------------------------------------------------------------------------


def missing(desk: Desk, policy: str = "terms", limit: int = 2) -> dict[str, tuple[str, str | None]]:
    """Who has not accepted, page by page: state and version accepted last."""
    found: dict[str, tuple[str, str | None]] = {}
    cursor = None
    while True:
        page = run(desk.terms.admin.outstanding(AUDITOR, policy, cursor=cursor, limit=limit))
        for one in page.items:
            assert one.subject is not None
            assert one.subject.key not in found
            found[one.subject.key] = (one.state.value, one.accepted)
        if page.next is None:
            return found
        cursor = page.next


def test_who_has_not_accepted_are_those_the_gate_would_stop(desk: Desk) -> None:
    """Among everybody on record: by an older version, by a refusal, or by nothing about this policy at all."""
    desk.publish(draft("1"), draft("1", policy="privacy"), policies=(TERMS, NOTICE))
    for number in range(4):
        record(desk, Subject(str(number)))
    record(desk, BOB, act=Act.ACKNOWLEDGE, policy="privacy")
    record(desk, VISITOR)
    run(desk.terms.link(VISITOR.id, ALICE))
    assert missing(desk) == {"user:bob": ("required", None)}
    desk.publish(draft("2", NEW))
    record(desk, Subject("1"))
    record(desk, Subject("2"), act=Act.DECLINE)

    assert missing(desk) == {
        "user:0": ("required", "1"),
        "user:2": ("declined", "1"),
        "user:3": ("required", "1"),
        "user:alice": ("required", "1"),
        "user:bob": ("required", None),
    }
    assert {key for key in missing(desk) if desk.state(Subject(key.removeprefix("user:"))) == "current"} == set()


def test_whom_a_policy_does_not_bind_is_not_missing(desk: Desk) -> None:
    """A visitor owes nothing to the members' terms; nobody owes a policy that is retired or a consent."""
    desk.publish(draft("1"), draft("1", policy="members"), policies=(TERMS, MEMBERS))
    record(desk, VISITOR)
    record(desk, BOB)
    assert set(missing(desk, "members")) == {"user:bob"}
    run(desk.terms.admin.retire(PUBLISHER, "members"))

    assert missing(desk, "members") == {}
    with pytest.raises(NotFoundError):
        missing(desk, "nothing")


# --- statistics --------------------------------------------------------------------------------------------------


def test_statistics_count_subjects_and_draw_a_curve(desk: Desk) -> None:
    """Everybody on record is exactly one of accepted, refused, undecided."""
    desk.publish(draft("1"), draft("1", policy="privacy"), policies=(TERMS, NOTICE))
    for day in range(3):
        for number in range(day + 1):
            record(desk, Subject(f"{day}-{number}"))
        desk.clock.advance(days=2)
    record(desk, Subject("0-0"), act=Act.WITHDRAW)
    record(desk, ALICE, act=Act.DECLINE)
    record(desk, BOB, act=Act.ACKNOWLEDGE, policy="privacy")
    found = run(desk.terms.admin.statistics(AUDITOR, "terms"))[0]

    assert (found.accepted, found.refused, found.undecided) == (5, 2, 1)
    assert found.curve is not None
    assert [(point.accepted, point.refused, point.total) for point in found.curve.points] == [
        (1, 0, 1), (2, 0, 3), (3, 0, 6), (0, 2, 6),
    ]  # fmt: skip
    assert found.curve.period == DAY
    later = run(desk.terms.admin.statistics(AUDITOR, "terms", since=desk.clock() - 3 * DAY))[0]
    assert later.curve is not None
    assert [point.accepted for point in later.curve.points] == [3, 0]
    assert [one.policy for one in run(desk.terms.admin.statistics(EDITOR))] == ["terms", "privacy"]
    with pytest.raises(NotFoundError):
        run(desk.terms.admin.statistics(AUDITOR, "nothing"))


def test_a_curve_has_a_hundred_and_twenty_points_at_most(desk: Desk) -> None:
    """Hours for the first three days, then days, then several days."""
    desk.publish(draft("1"))
    periods = []
    for days in (1, 30, 800):
        desk.clock.instant = desk.terms.calendar.versions[0].published + days * DAY
        record(desk, Subject(str(days)))
        curve = run(desk.terms.admin.statistics(AUDITOR, "terms"))[0].curve
        assert curve is not None
        assert len(curve.points) <= 120
        periods.append(curve.period / DAY)

    assert periods == [1 / 24, 1, 7]


# --- looking -----------------------------------------------------------------------------------------------------


def test_policies_say_what_is_in_force_and_what_is_scheduled(desk: Desk) -> None:
    """With the number of decisions about what is in force."""
    desk.publish(draft("1"), draft("2", NEW, effective="2026-02-01"))
    record(desk, ALICE, "1")
    (found,) = run(desk.terms.admin.policies(EDITOR))

    assert found.standing is not None
    assert found.standing.in_force is not None
    assert (found.standing.in_force.label, [one.label for one in found.scheduled], found.tally.accepted) == (
        "1", ["2"], 1,
    )  # fmt: skip
    with pytest.raises(NotFoundError):
        run(desk.terms.admin.policy(EDITOR, "nothing"))


def test_a_text_is_there_in_the_languages_it_has(desk: Desk) -> None:
    """And in no other: an auditor never takes one translation for another."""
    desk.publish(draft("1"))
    version, translation, text = run(desk.terms.admin.version_text(AUDITOR, "terms", "1", "en"))

    assert (version.label, translation.language, text) == ("1", "en", TEXT)
    for place in (("terms", "1", "fr"), ("terms", "2", "en"), ("nothing", "1", "en")):
        with pytest.raises(NotFoundError):
            run(desk.terms.admin.version_text(AUDITOR, *place))


def test_a_subjects_record_is_their_history_standing_and_holds(desk: Desk) -> None:
    """Entries of theirs and of their devices; what was erased is named as erased."""
    desk.publish(draft("1"))
    record(desk, VISITOR)
    run(desk.terms.link(VISITOR.id, ALICE))
    run(desk.terms.admin.hold(OWNER, ALICE, basis="case 5"))
    found = run(desk.terms.admin.subject(AUDITOR, ALICE))

    assert [type(item.entry) for item in found.history][:2] == [DecisionEntry, LinkEntry]
    assert [status.state.value for status in found.standing] == ["current"]
    assert ([hold.basis for hold in found.holds], found.held) == (["case 5"], True)
    with pytest.raises(HeldError):
        run(desk.terms.admin.erase(OWNER, ALICE, basis="asked for"))
    run(desk.terms.admin.release(OWNER, ALICE, basis="closed"))
    run(desk.terms.admin.erase(OWNER, VISITOR, basis="asked for", mode="pseudonymise"))
    after = run(desk.terms.admin.subject(AUDITOR, ALICE))
    assert "subject" in after.history[0].erased
    with pytest.raises(NotFoundError):
        run(desk.terms.admin.subject(AUDITOR, BOB))


def test_health_says_where_the_ledger_stands(desk: Desk) -> None:
    """Size, checkpoint, what waits, alarms."""
    desk.publish(draft("1"))
    placed(desk)
    found = run(desk.terms.admin.health(EDITOR))

    assert (found.ledger.size, found.waiting, found.age, found.alarms) == (1, 0, 0, ())


def test_a_consistency_proof_verifies(desk: Desk) -> None:
    """Between any two sizes there were; sizes that never were are refused by name."""
    desk.publish(draft("1"))
    for number in range(6):
        record(desk, Subject(str(number)))
    placed(desk)
    for old in range(1, 8):
        found = run(desk.terms.admin.consistency(AUDITOR, old))
        proof = [bytes.fromhex(one) for one in found.proof]
        check_consistency(proof, old, bytes.fromhex(found.old_root), 7, bytes.fromhex(found.new_root))
    for sizes, field in (((0, 7), "from"), ((5, 4), "from"), ((3, 8), "to")):
        with pytest.raises(InputError) as refused:
            run(desk.terms.admin.consistency(AUDITOR, *sizes))
        assert refused.value.data["field"] == field


# --- who may -----------------------------------------------------------------------------------------------------

CALLS: dict[str, tuple[str, tuple[Any, ...], dict[str, Any]]] = {
    "decisions": ("auditor", (), {}),
    "outstanding": ("auditor", ("terms",), {}),
    "subject": ("auditor", (ALICE,), {}),
    "bundle": ("auditor", (ALICE,), {}),
    "holds": ("auditor", (), {}),
    "drafts": ("editor auditor", (), {}),
    "proposals": ("editor auditor", (), {}),
    "draft": ("editor auditor", ("terms", "9", "en"), {}),
    "put_draft": ("editor", ("terms", "8", "en", b"x"), {}),
    "delete_draft": ("editor", ("terms", "9", "en"), {}),
    "preview": ("editor", ((), ), {"policies": [TERMS]}),
    "publish": ("publisher", ((), ), {"policies": [TERMS]}),
    "approve": ("publisher", ("nothing",), {}),
    "reject": ("publisher", ("nothing", "why"), {}),
    "receipt": ("auditor", ("nothing",), {}),
    "cancel": ("publisher", ("terms", "2", "why"), {}),
    "retire": ("publisher", ("terms",), {}),
    "put_policy": ("publisher", (TERMS,), {"if_match": "*"}),
    "erase": ("owner", (ALICE,), {"basis": "why"}),
    "hold": ("owner", (ALICE,), {"basis": "why"}),
    "release": ("owner", (ALICE,), {"basis": "why"}),
    "tokens": ("owner", (), {}),
    "new_token": ("owner", ("auditor", "x"), {}),
    "revoke_token": ("owner", ("00000000",), {}),
    "policies": ("auditor editor publisher owner", (), {}),
    "versions": ("auditor editor publisher owner", (), {}),
    "version_text": ("auditor editor publisher owner", ("terms", "1", "en"), {}),
    "statistics": ("auditor editor publisher owner", (), {}),
    "health": ("auditor editor publisher owner", (), {}),
    "consistency": ("auditor editor publisher owner", (1,), {}),
}  # fmt: skip
IMPLIED = {"auditor": {"auditor"}, "editor": {"editor"}, "publisher": {"editor", "publisher"}}


@pytest.mark.parametrize("verb", CALLS)
def test_every_verb_demands_its_role(desk: Desk, verb: str) -> None:
    """Refused before anything is looked at, whoever calls it."""
    needed, given, options = CALLS[verb]
    desk.publish(draft("1"), draft("2", NEW, effective="2026-02-01"))
    for role in ("auditor", "editor", "publisher", "owner", "nobody"):
        by = Administrator(role, frozenset({role} if role != "nobody" else ()))
        allowed = role == "owner" or bool(IMPLIED.get(role, set()) & set(needed.split()))
        try:
            run(getattr(desk.terms.admin, verb)(by, *given, **options))
            refused = False
        except ForbiddenError:
            refused = True
        except (NotFoundError, InputError):
            refused = False
        assert refused is not allowed, (verb, role)


def test_every_verb_is_in_the_table() -> None:
    """A verb that is added is added there, too."""
    from consentgate.service.administration import Administration

    verbs = {name for name in dir(Administration) if not name.startswith("_")}
    alike = {"policy": "policies", "version": "versions", "proposal": "proposals", "preview_proposal": "proposals"}
    assert verbs - {"administrator"} - set(alike) == set(CALLS)


@pytest.mark.parametrize(("id_", "roles"), [("", {"owner"}), ("a\nb", {"owner"}), ("x" * 201, set()), ("x", {"king"})])
def test_an_administrator_that_cannot_be_is_a_mistake_of_the_host(id_: str, roles: set[str]) -> None:
    """It is named, and nobody gets in."""
    with pytest.raises(ConfigurationError):
        Administrator(id_, frozenset(roles))


def test_who_did_something_stands_in_the_ledger_as_a_commitment_only(desk: Desk) -> None:
    """The export without openings does not name the administrator."""
    write(desk, "1")
    publish(desk, write(desk, "1").ref, policies=[Policy("terms", (("en", "Terms"),))])
    placed(desk)
    exported = desk.export().decode()

    assert "paul" in exported
    leaves = b"".join(row.leaf for row in run(desk.terms._read(lambda connection: list(_entries(connection)))))
    assert b"paul" not in leaves
    assert hashlib.sha256(leaves).digest()


def _entries(connection: Any) -> Any:
    from consentgate.store import entries

    return entries.entries(connection, 0, 100)
