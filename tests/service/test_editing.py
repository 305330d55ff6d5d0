"""Laws of publishing by administrators: in one act, on what was seen, by whoever may; of cancelling, of retiring."""

from __future__ import annotations

from dataclasses import replace

import pytest

from consentgate.errors import (
    ConflictError,
    DraftError,
    ForbiddenError,
    ImmutableError,
    InputError,
    NotFoundError,
    PreconditionError,
    PublishError,
    TermsChangedError,
)
from consentgate.evidence.entry import AdminEntry, PublishEntry, decode
from consentgate.service.editing import policy_etag
from consentgate.store import entries as shelf
from consentgate.terms.instants import DAY
from consentgate.testing import run
from tests.service.admin_desk import (
    AUDITOR,
    EDITOR,
    OWNER,
    PUBLISHER,
    SECOND,
    placed,
    preview,
    publish,
    record,
    write,
)
from tests.service.conftest import ALICE, NOTICE, TERMS, TEXT, Desk, draft, settings_for

NEW = TEXT + "Bring back what you borrow.\n"


def entries(desk: Desk) -> list[object]:
    """Everything in the ledger."""
    placed(desk)
    return run(desk.terms._read(lambda connection: [decode(row.leaf) for row in shelf.entries(connection, 0, 10_000)]))


def actions(desk: Desk) -> list[str]:
    """What administrators did."""
    return [entry.action for entry in entries(desk) if isinstance(entry, AdminEntry)]


def test_several_policies_and_translations_are_published_in_one_act(desk: Desk) -> None:
    """All of them or none, and the drafts are gone with it."""
    refs = [
        write(desk, "1").ref,
        write(desk, "1", "# Conditions\n", language="fr").ref,
        write(desk, "1", "Privacy.\n", policy="privacy").ref,
    ]
    state = preview(desk, *refs, policies=[TERMS, NOTICE]).state
    done = publish(desk, *refs, policies=[TERMS, NOTICE], expected=state)

    published = [(one.policy, one.languages) for one in done.publication.published]
    assert published == [("terms", ("en", "fr")), ("privacy", ("en",))]
    assert run(desk.terms.admin.drafts(EDITOR)) == ()
    assert run(desk.terms.verify()).sound


def test_one_bad_draft_stops_the_whole_act(desk: Desk) -> None:
    """Nothing is published, and no draft is lost."""
    good = write(desk, "1").ref
    bad = run(desk.terms.admin.put_draft(EDITOR, "privacy", "1", "en", b"broken")).ref
    with pytest.raises(DraftError):
        publish(desk, good, bad, policies=[TERMS, NOTICE])

    assert desk.terms.calendar.versions == ()
    assert len(run(desk.terms.admin.drafts(EDITOR))) == 2


def test_the_same_act_twice_has_the_answer_of_the_first(desk: Desk) -> None:
    """Also with the state of back then, and although the drafts are gone: a repeated request is no conflict."""
    desk.publish(draft("1"))
    ref = write(desk, "2", NEW).ref
    state = preview(desk, ref).state
    publish(desk, ref, expected=state)
    size = len(entries(desk))
    again = publish(desk, ref, expected=state)

    assert again.publication.unchanged == (("terms", "2"),)
    assert again.publication.empty
    assert len(entries(desk)) == size


@pytest.mark.parametrize("meanwhile", ["published", "edited", "cancelled", "settings"])
def test_what_changed_since_the_preview_is_not_published_over(desk: Desk, meanwhile: str) -> None:
    """Two editors never overwrite each other: the second is told, and the present state with it."""
    desk.publish(draft("1"), draft("9", NEW + "Nine.\n", effective="2026-12-01"))
    ref = write(desk, "2", NEW).ref
    state = preview(desk, ref).state
    if meanwhile == "published":
        publish(desk, write(desk, "1b", TEXT + "And smile.\n").ref)
    elif meanwhile == "edited":
        write(desk, "2", NEW + "Always.\n")
    elif meanwhile == "cancelled":
        run(desk.terms.admin.cancel(PUBLISHER, "terms", "9", "not now"))
    else:
        run(desk.terms.admin.put_policy(PUBLISHER, replace(TERMS, notice_days=0, renew_after=9), if_match="*"))

    with pytest.raises(ConflictError) as refused:
        publish(desk, ref, expected=state)
    assert desk.terms.calendar.find("terms", "2") is None
    assert refused.value.data["state"] == preview(desk, ref).state != state
    assert publish(desk, ref, expected=refused.value.data["state"]).publication.published


def test_a_revoked_pass_does_not_disturb_an_editor(desk: Desk) -> None:
    """An erasure moves the publication counter, and is nothing to whoever previewed."""
    desk.publish(draft("1"))
    record(desk, ALICE)
    ref = write(desk, "2", NEW).ref
    state = preview(desk, ref).state
    run(desk.terms.erase(ALICE, basis="asked for"))

    assert publish(desk, ref, expected=state).publication.published


def test_a_date_is_chosen_at_publication_where_the_text_leaves_it_open(desk: Desk) -> None:
    """It is scheduled; a front matter that says otherwise is named with its line."""
    desk.publish(draft("1"))
    later = desk.clock() + 40 * DAY
    ref, dated = write(desk, "2", NEW).ref, write(desk, "3", NEW + "3\n", effective="2026-03-01").ref
    (version,) = publish(desk, ref, at=later).publication.published

    assert (version.announced, version.effective, version.enforced) == (desk.clock(), later, later)
    with pytest.raises(PublishError) as refused:
        publish(desk, dated, at=later)
    assert refused.value.data["line"] == 6


def test_the_notice_period_is_kept_unless_somebody_takes_it_upon_themselves(desk: Desk) -> None:
    """Refused with the way out; published short only on request, with a finding."""
    desk.publish(draft("1"), policies=(replace(TERMS, notice_days=30),))
    ref = write(desk, "2", NEW, effective="2026-01-10").ref
    with pytest.raises(PublishError, match="notice"):
        publish(desk, ref)

    done = publish(desk, ref, short_notice=True)
    assert [finding.code for finding in done.publication.findings] == ["short-notice"]


def test_only_a_publisher_publishes(desk: Desk) -> None:
    """An owner may, too; an editor and an auditor may not."""
    ref = write(desk, "1").ref
    for by in (EDITOR, AUDITOR):
        with pytest.raises(ForbiddenError):
            publish(desk, ref, by=by, policies=[TERMS])
    assert publish(desk, ref, by=OWNER, policies=[TERMS]).publication.published


def test_what_an_editor_wrote_since_is_never_published_unseen(desk: Desk) -> None:
    """A draft that changes between reading and writing is a conflict also without an expected state."""
    desk.publish(draft("1"))
    ref = write(desk, "2", NEW).ref
    content = run(desk.terms.admin._content([ref], (), (), None, short_notice=False))
    write(desk, "2", NEW + "Secretly.\n")

    with pytest.raises(ConflictError, match="changed meanwhile"):
        run(desk.terms.admin._publish("paul", content, None))
    assert desk.terms.calendar.find("terms", "2") is None


def test_settings_that_change_beside_a_publication_of_another_policy_have_their_entry(desk: Desk) -> None:
    """Bug: where an act published a version of one policy, changed settings of another left no entry."""
    desk.publish(draft("1"), draft("1", "Privacy.\n", policy="privacy"), policies=(TERMS, NOTICE))
    desk.publish(draft("2", NEW), policies=(TERMS, replace(NOTICE, retain_days=5)))

    told = [entry for entry in entries(desk) if isinstance(entry, AdminEntry) and entry.action == "policy.settings"]
    assert [entry.details["policy"] for entry in told] == ["privacy"]


# --- cancel ------------------------------------------------------------------------------------------------------


def scheduled(desk: Desk) -> None:
    """A version in force, and one that is announced for the first of February."""
    desk.publish(draft("1"))
    desk.publish(draft("2", NEW, effective="2026-02-01"))


def test_a_cancelled_version_never_takes_effect_anywhere(desk: Desk) -> None:
    """Not in the calendar, not in another process, not in offers; an entry says who and why; the ledger verifies."""
    scheduled(desk)
    record(desk, ALICE, "1")
    assert desk.state(ALICE) == "announced"
    version = run(desk.terms.admin.cancel(PUBLISHER, "terms", "2", "a mistake in section 3"))

    assert desk.state(ALICE) == "current"
    desk.clock.advance(days=60)
    assert desk.state(ALICE) == "current"
    assert desk.terms.version("terms").label == "1"
    with pytest.raises(NotFoundError, match="cancelled"):
        desk.terms.version("terms", "2")
    (info,) = [one for one in run(desk.terms.admin.versions(AUDITOR)) if one.version.label == "2"]
    assert (info.state, info.version.serial) == ("cancelled", version.serial)
    assert actions(desk) == ["publish.cancel"]
    assert run(desk.terms.verify()).sound


def test_cancelling_twice_is_once(desk: Desk) -> None:
    """The second has the answer of the first, and leaves no entry."""
    scheduled(desk)
    for _ in range(2):
        assert run(desk.terms.admin.cancel(PUBLISHER, "terms", "2", "why")).label == "2"
    assert actions(desk) == ["publish.cancel"]


def test_what_is_in_effect_is_not_cancelled(desk: Desk) -> None:
    """The way out is a new version."""
    scheduled(desk)
    desk.clock.advance(days=31)
    for label in ("1", "2"):
        with pytest.raises(ConflictError, match="in effect") as refused:
            run(desk.terms.admin.cancel(PUBLISHER, "terms", label, "why"))
        assert "new version" in refused.value.hint
    with pytest.raises(NotFoundError):
        run(desk.terms.admin.cancel(PUBLISHER, "terms", "3", "why"))
    with pytest.raises(InputError):
        run(desk.terms.admin.cancel(PUBLISHER, "terms", "2", " "))


def test_an_editorial_version_is_not_left_to_carry_what_nobody_was_asked_about(desk: Desk) -> None:
    """It was held to change no meaning beside the version before it: that one cannot be taken away beneath it."""
    scheduled(desk)
    desk.publish(draft("3", NEW + "\n\nTypo.\n", effective="2026-03-01", impact="editorial"))
    with pytest.raises(ConflictError, match="editorial"):
        run(desk.terms.admin.cancel(PUBLISHER, "terms", "2", "why"))
    run(desk.terms.admin.cancel(PUBLISHER, "terms", "3", "why"))

    assert run(desk.terms.admin.cancel(PUBLISHER, "terms", "2", "why")).label == "2"


def test_the_label_of_a_cancelled_version_is_not_given_again(desk: Desk) -> None:
    """Another text under it is refused; the folder it came from goes on publishing, with a finding."""
    scheduled(desk)
    run(desk.terms.admin.cancel(PUBLISHER, "terms", "2", "why"))
    with pytest.raises(ImmutableError):
        desk.publish(draft("2", NEW + "Other.\n", effective="2026-02-01"))
    done = desk.publish(draft("1"), draft("2", NEW, effective="2026-02-01"))

    assert [finding.code for finding in done.findings] == ["cancelled"]
    assert done.empty


def test_the_same_text_under_another_label_is_not_asked_about_twice(desk: Desk) -> None:
    """Whoever accepted the cancelled version early has accepted its text."""
    scheduled(desk)
    record(desk, ALICE, "2")
    run(desk.terms.admin.cancel(PUBLISHER, "terms", "2", "a week later"))
    desk.publish(draft("2b", NEW, effective="2026-02-08"))
    desk.clock.advance(days=45)

    assert desk.state(ALICE) == "current"


def test_an_offer_of_a_cancelled_version_is_not_answered(desk: Desk) -> None:
    """Nothing is recorded about a text that will never bind; the subject gets a new page."""
    desk.publish(draft("1", effective="2026-02-01"))
    token = desk.seal(ALICE, ask="all")
    run(desk.terms.admin.cancel(PUBLISHER, "terms", "1", "why"))

    with pytest.raises(TermsChangedError):
        desk.decide(token, ALICE)


# --- settings and retirement -------------------------------------------------------------------------------------


def test_settings_are_replaced_only_as_they_were_seen(desk: Desk) -> None:
    """With the etag of what is there; a new policy without one."""
    put = desk.terms.admin.put_policy
    run(put(PUBLISHER, TERMS))
    with pytest.raises(PreconditionError) as refused:
        run(put(PUBLISHER, replace(TERMS, notice_days=5)))
    assert refused.value.etag == policy_etag(TERMS)
    run(put(PUBLISHER, replace(TERMS, notice_days=5), if_match=refused.value.etag))
    assert run(desk.terms.admin.policy(AUDITOR, "terms")).policy.notice_days == 5
    with pytest.raises(PreconditionError, match="somebody else"):
        run(put(PUBLISHER, replace(TERMS, notice_days=6), if_match=refused.value.etag))
    with pytest.raises(PreconditionError, match="no policy"):
        run(put(PUBLISHER, NOTICE, if_match="*"))


def test_a_retired_policy_asks_nobody(desk: Desk) -> None:
    """From the instant on, with the policy that replaces it; twice is once."""
    desk.publish(draft("1"), draft("1", "Privacy.\n", policy="privacy"), policies=(TERMS, NOTICE))
    assert desk.state(ALICE) == "required"
    run(desk.terms.admin.retire(PUBLISHER, "terms", at=desk.clock() + DAY, replaced_by="privacy"))
    assert desk.state(ALICE) == "required"
    desk.clock.advance(days=1)

    assert desk.state(ALICE) is None
    assert run(desk.terms.admin.retire(PUBLISHER, "terms")).publication.empty
    assert actions(desk) == ["policy.settings"]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"at": 1}, InputError),
        ({"replaced_by": "terms"}, InputError),
        ({"replaced_by": "nothing"}, NotFoundError),
        ({"if_match": "0" * 64}, PreconditionError),
    ],
)
def test_a_retirement_that_makes_no_sense_is_refused(
    desk: Desk, options: dict[str, object], error: type[Exception]
) -> None:
    """In the past, by itself, by nothing, or over what somebody else wrote."""
    desk.publish(draft("1"))
    with pytest.raises(error):
        run(desk.terms.admin.retire(PUBLISHER, "terms", **options))  # type: ignore[arg-type]
    with pytest.raises(NotFoundError):
        run(desk.terms.admin.retire(PUBLISHER, "nothing"))


# --- a second person ---------------------------------------------------------------------------------------------


@pytest.fixture(name="careful")
def _careful(open_desk: object) -> Desk:
    desk: Desk = open_desk(approvals=1)  # type: ignore[operator]
    desk.publish(draft("1"))
    return desk


def test_with_approvals_publishing_is_proposing(careful: Desk) -> None:
    """Nothing is published before another publisher approves; then exactly that is, and both stand in the entry."""
    ref = write(careful, "2", NEW).ref
    done = publish(careful, ref)
    assert done.proposal is not None
    assert (done.publication.dry_run, done.proposal.texts, done.proposal.status) == (True, (ref,), "open")
    assert careful.terms.calendar.find("terms", "2") is None

    published = run(careful.terms.admin.approve(SECOND, done.proposal.id))
    assert [version.label for version in published.published] == ["2"]
    assert run(careful.terms.admin.drafts(EDITOR)) == ()
    last = [entry for entry in entries(careful) if isinstance(entry, PublishEntry)][-1]
    assert set(last.commitments) == {"administrator", "approver"}
    found = run(careful.terms.admin.proposal(AUDITOR, done.proposal.id))
    assert (found.status, found.author, found.decider) == ("approved", "paul", "petra")
    assert run(careful.terms.verify()).sound


def test_nobody_approves_their_own(careful: Desk) -> None:
    """Not as themselves, and not by a token that is theirs."""
    done = publish(careful, write(careful, "2", NEW).ref)
    assert done.proposal is not None
    token = replace(SECOND, id="token:1", person="paul")
    for by in (PUBLISHER, token, replace(OWNER, id="paul")):
        with pytest.raises(ForbiddenError, match="own"):
            run(careful.terms.admin.approve(by, done.proposal.id))
    with pytest.raises(ForbiddenError):
        run(careful.terms.admin.approve(EDITOR, done.proposal.id))
    assert careful.terms.calendar.find("terms", "2") is None


def test_a_token_made_by_an_administrator_is_theirs_unless_it_is_said_to_be_somebody_elses(careful: Desk) -> None:
    """So two tokens of one maker cannot play two persons."""
    admin = careful.terms.admin
    mine = run(admin.administrator(run(admin.new_token(OWNER, "publisher", "mine")).secret))
    hers = run(admin.administrator(run(admin.new_token(OWNER, "publisher", "hers", holder="petra")).secret))
    from_shell = run(admin.administrator(run(careful.terms.new_token("publisher", "ci")).secret))

    assert (mine.hand, hers.hand, from_shell.hand) == ("olga", "petra", from_shell.id)
    done = publish(careful, write(careful, "2", NEW).ref, by=mine)
    assert done.proposal is not None
    with pytest.raises(ForbiddenError):
        run(admin.approve(OWNER, done.proposal.id))
    assert run(admin.approve(hers, done.proposal.id)).published


def test_approving_twice_is_once_and_the_second_answer_is_no_error(careful: Desk) -> None:
    """Also by somebody else: what is published stays as it is."""
    done = publish(careful, write(careful, "2", NEW).ref)
    assert done.proposal is not None
    run(careful.terms.admin.approve(SECOND, done.proposal.id))

    assert run(careful.terms.admin.approve(OWNER, done.proposal.id)).empty
    with pytest.raises(ConflictError):
        run(careful.terms.admin.reject(SECOND, done.proposal.id, "too late"))


def test_an_approval_is_an_entry_also_where_nothing_is_left_to_publish(careful: Desk) -> None:
    """The operator had published the same meanwhile: the proposal was settled, and the ledger did not know."""
    done = publish(careful, write(careful, "2", NEW).ref)
    assert done.proposal is not None
    careful.publish(draft("2", NEW))
    assert run(careful.terms.admin.approve(SECOND, done.proposal.id)).empty
    run(careful.terms.admin.approve(SECOND, done.proposal.id))

    approvals = [entry for entry in entries(careful) if isinstance(entry, AdminEntry) and "approve" in entry.action]
    assert [entry.details for entry in approvals] == [{"proposal": done.proposal.id}]
    assert set(approvals[0].commitments) == {"administrator"}


def test_a_retirement_that_waited_for_approval_begins_with_the_approval(careful: Desk) -> None:
    """It began when it was proposed: the record said that nobody was bound on days on which people were asked."""
    done = run(careful.terms.admin.retire(PUBLISHER, "terms"))
    assert done.proposal is not None
    careful.clock.instant += 2 * DAY
    run(careful.terms.admin.approve(SECOND, done.proposal.id))

    approved = careful.clock()
    careful.clock.instant += DAY
    assert run(careful.terms.admin.approve(SECOND, done.proposal.id)).empty
    assert careful.terms.calendar.by_slug["terms"].retired == approved
    assert run(careful.terms.verify()).sound


def test_a_proposal_on_what_is_gone_is_not_published(careful: Desk) -> None:
    """Something else was published since: the approver would approve what they have not seen compared."""
    first = publish(careful, write(careful, "2", NEW).ref)
    other = publish(careful, write(careful, "3", NEW + "Three.\n").ref)
    assert first.proposal is not None
    assert other.proposal is not None
    run(careful.terms.admin.approve(SECOND, first.proposal.id))

    with pytest.raises(ConflictError):
        run(careful.terms.admin.approve(SECOND, other.proposal.id))
    assert [one.id for one in run(careful.terms.admin.proposals(EDITOR, status="open"))] == [other.proposal.id]


def test_what_is_rejected_stays_rejected_with_its_reason(careful: Desk) -> None:
    """One may take back one's own; a reason is asked for; the draft stays for another try."""
    done = publish(careful, write(careful, "2", NEW).ref)
    assert done.proposal is not None
    with pytest.raises(InputError):
        run(careful.terms.admin.reject(PUBLISHER, done.proposal.id, ""))
    rejected = run(careful.terms.admin.reject(PUBLISHER, done.proposal.id, "Section 3 is wrong."))

    assert (rejected.status, rejected.reason) == ("rejected", "Section 3 is wrong.")
    with pytest.raises(ConflictError):
        run(careful.terms.admin.approve(SECOND, done.proposal.id))
    with pytest.raises(NotFoundError):
        run(careful.terms.admin.reject(SECOND, "nothing", "why"))
    assert len(run(careful.terms.admin.drafts(EDITOR))) == 1
    assert "publish.reject" in actions(careful)


def test_the_same_proposal_twice_is_one(careful: Desk) -> None:
    """A repeated request does not fill the list."""
    ref = write(careful, "2", NEW).ref
    one, other = publish(careful, ref), publish(careful, ref)

    assert one.proposal == other.proposal
    assert len(run(careful.terms.admin.proposals(EDITOR))) == 1


def test_an_editor_who_goes_on_writing_keeps_the_newer_draft(careful: Desk) -> None:
    """Approved is what was proposed, not what has been written since."""
    ref = write(careful, "2", NEW).ref
    done = publish(careful, ref)
    assert done.proposal is not None
    newer = write(careful, "2", NEW + "Newer.\n")
    run(careful.terms.admin.approve(SECOND, done.proposal.id))

    (version,) = [one for one in careful.terms.calendar.versions if one.label == "2"]
    assert run(careful.terms.text(version.digest)) == NEW
    assert run(careful.terms.admin.draft(EDITOR, *ref)).etag == newer.etag


def test_settings_and_retirement_need_the_second_person_too(careful: Desk) -> None:
    """Otherwise the gate could be opened by one; the operator's own folder is the operator's own act."""
    done = run(careful.terms.admin.retire(PUBLISHER, "terms"))
    assert done.proposal is not None
    assert done.proposal.policies == ("terms",)
    assert careful.terms.calendar.by_slug["terms"].retired is None
    run(careful.terms.admin.approve(SECOND, done.proposal.id))

    assert careful.terms.calendar.by_slug["terms"].retired is not None


def test_approvals_are_none_or_one() -> None:
    """Anything else is a mistake that is named at start-up."""
    with pytest.raises(Exception, match="approvals"):
        settings_for("sqlite://", approvals=2)
