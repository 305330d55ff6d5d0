"""Laws of drafts: nothing an editor wrote is lost, and nobody overwrites what they have not seen."""

from __future__ import annotations

import pytest

from consentgate.errors import ForbiddenError, InputError, NotFoundError, PreconditionError
from consentgate.service.drafts import MAX_BODY_BYTES
from consentgate.terms.canonical import digest
from consentgate.testing import run
from tests.service.admin_desk import AUDITOR, EDITOR, PUBLISHER, body, placed, write
from tests.service.conftest import Desk

MALFORMED = [b"", b"no front matter", b"---\nversion: [\n---\nx", b"\xff\xfe", body("1", impact="huge"), body("other")]


@pytest.mark.parametrize("bytes_", MALFORMED, ids=range(len(MALFORMED)))
def test_a_malformed_draft_is_kept_as_it_is_and_says_what_is_wrong(desk: Desk, bytes_: bytes) -> None:
    """An editor who saves half a text gets it back, byte for byte, with the error beside it."""
    kept = run(desk.terms.admin.put_draft(EDITOR, "terms", "1", "en", bytes_))

    found = run(desk.terms.admin.draft(EDITOR, "terms", "1", "en"))
    assert (found.body, found.parsed, found.etag) == (bytes_, None, digest(bytes_))
    assert found.error is not None
    assert found.error.file == kept.ref.file == "terms/1.en.md"


def test_a_draft_says_what_it_would_be(desk: Desk) -> None:
    """Its fields are parsed, and the checks of a single text have looked at it."""
    info = write(desk, "1", "Dear {{ name }}.\n", summary="New.")

    assert info.parsed is not None
    assert (info.parsed.summary, info.author, info.updated) == ("New.", "edith", desk.clock())
    assert [finding.code for finding in info.findings] == ["template-syntax"]


def test_nobody_overwrites_what_they_have_not_seen(desk: Desk) -> None:
    """A second editor with the older etag is refused and told the present one; what is there stays."""
    put = desk.terms.admin.put_draft
    first = run(put(EDITOR, "terms", "1", "en", b"one"))
    with pytest.raises(PreconditionError, match="already"):
        run(put(EDITOR, "terms", "1", "en", b"two"))
    second = run(put(EDITOR, "terms", "1", "en", b"two", if_match=first.etag))

    with pytest.raises(PreconditionError, match="somebody else") as refused:
        run(put(EDITOR, "terms", "1", "en", b"three", if_match=first.etag))
    assert refused.value.etag == second.etag == refused.value.problem()["etag"]
    assert run(desk.terms.admin.draft(EDITOR, "terms", "1", "en")).body == b"two"
    assert run(put(EDITOR, "terms", "1", "en", b"four", if_match="*")).body == b"four"


def test_saving_the_same_bytes_again_is_no_conflict_and_no_entry(desk: Desk) -> None:
    """A request that is repeated because its answer was lost changes nothing."""
    run(desk.terms.admin.put_draft(EDITOR, "terms", "1", "en", b"one"))
    placed(desk)
    before = run(desk.terms.head())
    again = run(desk.terms.admin.put_draft(EDITOR, "terms", "1", "en", b"one"))
    placed(desk)

    assert again.body == b"one"
    assert before is not None
    assert run(desk.terms.head()).size == before.size


def test_a_draft_that_is_not_there_is_not_replaced(desk: Desk) -> None:
    """`*` and an etag both say that something must be there."""
    for if_match in ("*", digest(b"gone")):
        with pytest.raises(PreconditionError):
            run(desk.terms.admin.put_draft(EDITOR, "terms", "1", "en", b"x", if_match=if_match))
    assert run(desk.terms.admin.drafts(EDITOR)) == ()


def test_a_draft_is_deleted_once_and_only_as_it_was_seen(desk: Desk) -> None:
    """With an etag only that one; a second time there is nothing."""
    delete = desk.terms.admin.delete_draft
    info = write(desk, "1")
    with pytest.raises(PreconditionError):
        run(delete(EDITOR, "terms", "1", "en", if_match=digest(b"other")))
    run(delete(EDITOR, "terms", "1", "EN", if_match=info.etag))

    with pytest.raises(NotFoundError):
        run(delete(EDITOR, "terms", "1", "en"))
    with pytest.raises(NotFoundError):
        run(desk.terms.admin.draft(EDITOR, "terms", "1", "en"))


@pytest.mark.parametrize(
    ("place", "field"),
    [
        (("Terms", "1", "en"), "policy"),
        (("admin", "1", "en"), "policy"),
        (("terms", "a/b", "en"), "version"),
        (("terms", "history", "en"), "version"),
        (("terms", "1", "no language"), "language"),
    ],
)
def test_a_place_that_cannot_be_is_refused_by_field(desk: Desk, place: tuple[str, str, str], field: str) -> None:
    """The refusal names the field, for a form or a program to point at."""
    with pytest.raises(InputError) as refused:
        run(desk.terms.admin.put_draft(EDITOR, *place, b"x"))

    assert refused.value.data["field"] == field


def test_a_draft_has_a_largest_size(desk: Desk) -> None:
    """One byte more than a text with its front matter may have is refused."""
    with pytest.raises(InputError, match="may have"):
        run(desk.terms.admin.put_draft(EDITOR, "terms", "1", "en", b"x" * (MAX_BODY_BYTES + 1)))


def test_an_auditor_reads_drafts_and_writes_none(desk: Desk) -> None:
    """Roles are demanded by the verb itself, not by who calls it."""
    write(desk, "1")

    assert len(run(desk.terms.admin.drafts(AUDITOR, policy="terms", label="1"))) == 1
    assert run(desk.terms.admin.drafts(AUDITOR, policy="terms", label="2")) == ()
    with pytest.raises(ForbiddenError):
        run(desk.terms.admin.put_draft(AUDITOR, "terms", "2", "en", b"x"))
    with pytest.raises(ForbiddenError):
        run(desk.terms.admin.delete_draft(AUDITOR, "terms", "1", "en"))


def test_the_same_bytes_again_do_not_make_a_draft_somebody_elses(desk: Desk) -> None:
    """The author changed, and no entry said so."""
    first = write(desk, "1")
    again = write(desk, "1", by=PUBLISHER)

    assert (again.author, again.updated) == (first.author, first.updated)
