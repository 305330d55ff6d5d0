"""The account: gaps are erased or lost, decisions are about published texts, and the sums stay bounded."""

from __future__ import annotations

from dataclasses import replace

import pytest

from consentgate.evidence.account import MAX_ROWS, OTHERS, Account
from consentgate.evidence.entry import EraseEntry
from consentgate.terms.identifiers import uuid7

GONE = ("ip", "subject")


def erasure(*refs, fields=None, mode="shred") -> EraseEntry:
    """An erase entry."""
    return EraseEntry(
        id=uuid7(9, bytes(10)), at=9, commitments={}, refs=refs, fields=fields, mode=mode, basis="asked for"
    )


def account_of(*entries, complete=True):
    """Sums over entries; decisions have lost two fields."""
    account = Account(complete=complete)
    for entry in entries:
        account.add(entry, opened=0, unopened=GONE if entry.TYPE == "decision" else ())
    return account.summary()


@pytest.mark.parametrize(
    ("fields", "mode", "erased", "left"),
    [
        (None, "shred", 2, ()),
        (("ip",), "pseudonymise", 1, ("subject",)),
        (("ip", "subject"), "pseudonymise", 2, ()),
        (("session",), "pseudonymise", 0, GONE),
        (None, "hold", 0, GONE),
    ],
)
def test_an_erase_entry_accounts_for_what_it_names(make_decision, fields, mode, erased, left):
    """All fields or the named ones; a legal hold accounts for nothing."""
    entry = make_decision(1, {})
    summary = account_of(entry, erasure(entry.id, fields=fields, mode=mode))

    assert (summary.erased, summary.missing) == (erased, len(left))
    assert [gap.fields for gap in summary.gaps] == ([left] if left else [])


def test_an_erasure_accounts_only_for_entries_before_it(make_decision):
    """A later loss is not excused by an earlier erase entry; a second erase entry counts nothing twice."""
    first, second = make_decision(1, {}), make_decision(2, {})
    summary = account_of(erasure(first.id), first)
    assert (summary.erased, summary.missing) == (0, 2)

    summary = account_of(first, second, erasure(first.id), erasure(first.id, uuid7(7, bytes(10))))
    assert (summary.erased, summary.missing) == (2, 2)


def test_fields_are_accounted_for_one_after_the_other(make_decision):
    """An address erased today and the rest next year add up."""
    entry = make_decision(1, {})
    summary = account_of(entry, erasure(entry.id, fields=("ip",), mode="pseudonymise"), erasure(entry.id))

    assert (summary.erased, summary.missing) == (2, 0)


def test_decisions_about_unpublished_texts_are_counted(make_decision, publication):
    """The text must have been published before, in that language, under that version."""
    good = make_decision(1, {})
    others = [replace(good, text="0" * 64), replace(good, language="de"), replace(good, version="other")]

    assert account_of(publication, good).unpublished == 0
    assert account_of(good, publication).unpublished == 1
    assert account_of(publication, good, *others).unpublished == 3
    assert account_of(good, complete=False).unpublished is None


def test_test_decisions_are_counted_apart(make_decision):
    """They bind nobody and do not stand among the acceptances."""
    summary = account_of(make_decision(1, {}), make_decision(2, {}, test=True))

    assert summary.tests == 1
    assert sum(summary.decisions.values()) == 1
    assert summary.types == {"decision": 2}


def test_the_span_of_time_is_from_the_earliest_to_the_latest(make_decision):
    """Whatever the order."""
    summary = account_of(make_decision(5, {}), make_decision(2, {}), make_decision(9, {}))

    assert summary.last is not None
    assert summary.first is not None
    assert summary.last - summary.first == 7
    assert account_of().first is None


def test_sums_are_bounded_whatever_a_file_says(make_decision):
    """A thousand rows, then everything else is summed up in one; twenty examples of gaps."""
    summary = account_of(*(make_decision(number, {}, version=f"v{number}") for number in range(MAX_ROWS + 50)))

    assert len(summary.decisions) == MAX_ROWS + 1
    assert summary.decisions[OTHERS, OTHERS, "accept"] == 50
    assert len(summary.gaps) == 20
