"""Laws of the preview: it says what publishing will do, and how many people it stops, exactly."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consentgate.errors import DraftError, ForbiddenError, ImmutableError, InputError
from consentgate.service.holdings import fold
from consentgate.service.preview import Preview
from consentgate.service.terms import Terms
from consentgate.store import subjects as shelf
from consentgate.terms.policy import Act
from consentgate.terms.subject import Subject, SubjectKind
from consentgate.testing import FrozenClock, run
from tests.service.admin_desk import AUDITOR, EDITOR, preview, publish, record, write
from tests.service.conftest import ALICE, BOB, MEMBERS, NEWS, NOTICE, TERMS, TEXT, VISITOR, Desk, draft, settings_for

NEW = TEXT + "Bring back what you borrow.\n"


def test_a_preview_shows_texts_redline_notice_and_findings(desk: Desk) -> None:
    """The text rendered, what changed since the version before, whether the notice period is kept, what was found."""
    desk.publish(draft("1"), draft("1", "# Conditions\n", language="fr"), policies=(replace(TERMS, notice_days=30),))
    info = write(desk, "2", NEW, effective="2026-01-11", summary="Borrowing.")
    found = preview(desk, info.ref)

    (text,) = found.texts
    assert text.before is not None
    assert text.redline is not None
    assert (text.before.label, text.redline.empty, text.translation.summary) == ("1", False, "Borrowing.")
    assert "<h2" in text.html
    assert text.source == NEW
    (notice,) = found.notices
    assert (notice.promised, notice.given, notice.kept) == (30, 10, False)
    assert {finding.code for finding in found.publication.findings} == {"short-notice", "translation-missing"}
    told = [finding.text for finding in found.publication.findings]
    assert any("has no French text yet; its readers will see English." in one for one in told)
    assert found.publication.dry_run
    assert desk.terms.calendar.find("terms", "2") is None


def test_a_preview_counts_who_accepted_and_will_be_asked_again(desk: Desk) -> None:
    """Those with a standing acceptance count; who declined, withdrew or never decided is asked in any case."""
    desk.publish(draft("1"))
    for name in ("a", "b", "c"):
        record(desk, Subject(name))
    record(desk, Subject("d"), act=Act.DECLINE)
    record(desk, Subject("c"), act=Act.WITHDRAW)
    found = preview(desk, write(desk, "2", NEW).ref)

    assert found.stops == 2
    assert [(one.label, one.subjects, one.first) for one in found.each] == [("2", 2, False)]


def test_an_editorial_version_stops_nobody(desk: Desk) -> None:
    """Nor does a text that says again what was accepted."""
    desk.publish(draft("1"))
    record(desk, ALICE)

    assert preview(desk, write(desk, "2", NEW, impact="editorial").ref).stops == 0
    assert preview(desk, write(desk, "3").ref).stops == 0


def test_the_first_version_says_that_everybody_is_asked(desk: Desk) -> None:
    """Nobody can have accepted anything: the number is 0, and `first` says why."""
    info = write(desk, "1")
    found = preview(desk, info.ref, policies=[TERMS])

    assert (found.stops, [one.first for one in found.each]) == (0, [True])


def test_a_linked_visitor_is_counted_as_its_user_once(desk: Desk) -> None:
    """What the device accepted before sign-in counts for the user; the device is nobody besides."""
    desk.publish(draft("1"))
    record(desk, VISITOR)
    run(desk.terms.link(VISITOR.id, ALICE))
    assert preview(desk, write(desk, "2", NEW).ref).stops == 1
    record(desk, ALICE)

    assert preview(desk, write(desk, "2", NEW).ref).stops == 1


def test_only_kinds_that_the_policy_binds_are_counted(desk: Desk) -> None:
    """A visitor's acceptance of a policy for users stops nobody."""
    desk.publish(draft("1", policy="members"), policies=(MEMBERS,))
    record(desk, ALICE, policy="members")
    record(desk, VISITOR, policy="members")

    assert preview(desk, write(desk, "2", NEW, policy="members").ref).stops == 1


def test_consent_stops_nobody(desk: Desk) -> None:
    """It is never a condition of entry."""
    desk.publish(draft("1", policy="newsletter"), policies=(NEWS,))
    record(desk, ALICE, policy="newsletter", act=Act.GRANT)

    assert preview(desk, write(desk, "2", NEW, policy="newsletter").ref).stops == 0


def test_who_is_stopped_by_two_policies_is_counted_once(desk: Desk) -> None:
    """The sum is of people, the parts are by version."""
    desk.publish(draft("1"), draft("1", policy="privacy"), policies=(TERMS, NOTICE))
    for subject in (ALICE, BOB):
        record(desk, subject)
    record(desk, ALICE, policy="privacy", act=Act.ACKNOWLEDGE)
    found = preview(desk, write(desk, "2", NEW).ref, write(desk, "2", NEW, policy="privacy").ref)

    assert (found.stops, sorted(one.subjects for one in found.each)) == (2, [1, 2])


def test_a_preview_refuses_what_publishing_would(desk: Desk) -> None:
    """Malformed drafts, changes of what is published, nothing at all, and the wrong role."""
    desk.publish(draft("1"))
    broken = run(desk.terms.admin.put_draft(EDITOR, "terms", "2", "en", b"broken"))
    with pytest.raises(DraftError):
        preview(desk, broken.ref)
    with pytest.raises(ImmutableError):
        preview(desk, write(desk, "1", NEW).ref)
    with pytest.raises(InputError):
        preview(desk)
    with pytest.raises(ForbiddenError):
        run(desk.terms.admin.preview(AUDITOR, [broken.ref]))


SUBJECTS = [Subject(str(number), kind) for number in range(3) for kind in SubjectKind]
STEPS = st.one_of(
    st.tuples(st.sampled_from(SUBJECTS), st.sampled_from(["1", "2", "3"]), st.sampled_from([Act.ACCEPT, Act.DECLINE,
              Act.WITHDRAW])),
    st.tuples(st.sampled_from(SUBJECTS[:3]), st.sampled_from(SUBJECTS[3:]), st.none()),
    st.just("erase"),
)  # fmt: skip


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(STEPS, max_size=14),
    st.sampled_from(["material", "editorial"]),
    st.sampled_from([None, 20]),
    st.sampled_from(["", "2026-02-01"]),
    st.sampled_from([TEXT, TEXT + "2\n", TEXT + "9\n"]),
)
def test_the_number_is_that_of_a_brute_force_count(
    steps: list[object], impact: str, renew: int | None, date: str, text: str
) -> None:
    """Whatever was decided, linked, withdrawn or erased: asking the gate's rules about everybody gives the same."""
    clock = FrozenClock()
    terms = Terms(settings_for("sqlite://"), clock=clock)
    run(terms.start())
    desk = Desk(terms, clock)
    policy = replace(TERMS, renew_after=renew)
    desk.publish(draft("1"), draft("2", TEXT + "2\n"), policies=(policy,))
    desk.publish(draft("3", TEXT + "3\n", effective="2026-01-21"), policies=(policy,))
    devices: set[str] = set()
    for step in steps:
        clock.advance(hours=1)
        if step == "erase":
            run(terms.erase(SUBJECTS[0], basis="asked for"))
            continue
        who, what, act = step  # type: ignore[misc]
        if act is not None:
            record(desk, who, what, act)
        else:
            device = Subject(what.id + "v", SubjectKind.VISITOR)
            record(desk, device, "2")
            devices.add(device.id)
            run(terms.link(device.id, who))
    write(desk, "4", text, impact=impact, effective=date)
    found = preview(desk, run(terms.admin.drafts(EDITOR))[0].ref)

    assert found.stops == _stopped(desk, found)
    run(terms.stop())


def _stopped(desk: Desk, found: Preview) -> int:
    """Ask about everybody, one by one, before and after publishing it in earnest."""
    terms = desk.terms
    everybody = [*SUBJECTS, *(Subject(f"{n}v", SubjectKind.VISITOR) for n in range(3))]

    def passing(at: int) -> set[str]:
        standing = terms.calendar.at(at).standing("terms")
        passed = set()
        for subject in everybody:
            tag = terms.engine.tag(subject)
            if run(terms._read(lambda connection, tag=tag: shelf.linked_to(connection, tag))):
                continue
            rows = run(terms._read(lambda connection, tag=tag: shelf.decisions_of(connection, tag)))
            held = fold(rows).get("terms")
            valid = {
                serial for serial, one in (held.accepted if held else {}).items()
                if one.expires is None or one.expires > at
            }  # fmt: skip
            assert standing is not None
            if valid & standing.satisfied_by:
                passed.add(subject.key)
        return passed

    (version,) = found.publication.published
    before = passing(version.enforced)
    publish(desk, *[one.ref for one in run(terms.admin.drafts(EDITOR))])
    return len(before - passing(version.enforced))
