"""The words: the verdict first, nothing claimed that was not checked, nothing printed that could deceive."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest

from consentgate.errors import VerificationError
from consentgate.evidence import receipt
from consentgate.evidence.account import Gap
from consentgate.evidence.checkpoint import open_checkpoint
from consentgate.evidence.ledger_file import verify_ledger, write_ledger
from consentgate.evidence.report import (
    match_document,
    printable,
    report_checkpoint,
    report_ledger,
    report_receipt,
)

TEXT = b"# Rules\n\nBring the books back.\n"


@pytest.fixture(name="ledger", scope="module")
def _ledger(sample):
    data = b"".join(write_ledger(sample.header(), sample.rows(), sample.checkpoint))
    return verify_ledger(io.BytesIO(data), [sample.log.verifier])


def test_a_trusted_receipt_is_called_verified_and_an_untrusted_one_is_not(sample):
    """Without a key of the reader, the report says so, in these words, and shows the key to compare."""
    data = sample.receipt()
    trusted = report_receipt(receipt.verify(data, verifiers=[sample.log.verifier]))
    inside = report_receipt(receipt.verify(data))

    assert trusted.verdict.startswith("VERIFIED")
    assert "key inside" not in trusted.text()
    assert "VERIFIED" not in inside.verdict + inside.text()
    assert "Checked against the key inside the file itself; compare it with the published one." in inside.text()
    assert str(sample.log.verifier) in inside.text()


def test_a_receipt_tells_its_facts_and_its_gaps(sample):
    """What was decided, by whom, what is opened, what is gone, who witnessed it, and what is not proven."""
    keys = [sample.log.verifier, sample.witness.verifier]
    text = report_receipt(receipt.verify(sample.receipt(3), verifiers=keys)).text()

    assert "accept — rules, version 2026-01-01, read in en" in text
    assert "user:3" in text
    assert "not opened: erased, or withheld" in text
    assert "The witness witness.example/w saw the ledger in this state at 2026-01-01 00:01:00 UTC." in text
    assert "the word of the operator's clock" in text
    assert "a later entry may withdraw or replace it" in text


def test_an_unknown_witness_is_not_called_as_one(sample):
    """The reader's keys decide whose signatures count."""
    text = report_receipt(receipt.verify(sample.receipt(), verifiers=[sample.log.verifier])).text()

    assert "witness" not in text


def test_test_and_imported_decisions_are_pointed_out(sample):
    """They verify, but the reader must not overlook what they are."""
    verified = receipt.verify(sample.receipt())
    changed = replace(verified, entry=replace(verified.entry, test=True, source="import"))
    text = report_receipt(changed).text()

    assert "It binds nobody" in text
    assert "another system saw it" in text


def test_every_type_of_entry_has_words(sample):
    """Publications and erasures have receipts too."""
    publication = report_receipt(receipt.verify(sample.receipt(0))).text()
    erasure = report_receipt(receipt.verify(sample.receipt(6))).text()

    assert "text, en" in publication
    assert "Rules — SHA-256" in publication
    assert str(sample.entries[3].id) in erasure
    assert "asked for by the subject" in erasure


def test_a_ledger_tells_its_counts(ledger):
    """Entries, decisions, opened and erased fields; nothing to look at."""
    report = report_ledger(ledger)

    assert "7 (all of them)" in report.text()
    assert "5 × rules, version 2026-01-01" in report.text()
    assert "14 fields opened and right, 1 erased on record" in report.text()
    assert report.findings == ()


def test_losses_are_findings(ledger):
    """What is gone without record, and decisions about unpublished texts, are shown before anything else is claimed."""
    summary = replace(ledger.summary, missing=3, gaps=(Gap("an-id", ("ip",)),), unpublished=2, tests=1)
    text = report_ledger(replace(ledger, summary=summary)).text()

    assert "3 personal fields are gone and no erase entry says why: an-id: ip" in text
    assert "2 decisions are about a text that no earlier entry published" in text
    assert "1 decision is from a test set-up" in text
    assert text.index("Look at this") < text.index("Proven")


@pytest.mark.parametrize(
    ("changes", "said", "unsaid"),
    [
        ({"mode": "selection", "proofs": True}, "Each of these entries stands in that ledger", "all entries of"),
        ({"mode": "selection"}, "only a complete export shows that", "all entries"),
        ({"openings": False}, "without openings", "asked for the root only"),
        ({"mode": "selection", "filter": {"policy": "rules"}}, "policy = rules", "all of them"),
    ],
)
def test_a_ledger_file_claims_no_more_than_was_checked(ledger, changes, said, unsaid):
    """A selection is not complete."""
    text = report_ledger(replace(ledger, header=replace(ledger.header, **changes))).text()

    assert said in text
    assert unsaid not in text


def test_a_root_only_check_says_what_it_left_out(ledger):
    """Neither the form of the entries nor the personal values."""
    text = report_ledger(replace(ledger, summary=None)).text()

    assert "you asked for the root only" in text
    assert "opened" not in text


def test_a_checkpoint_report_names_only_the_keys_that_signed(sample):
    """Other keys the reader gave are not shown as signers."""
    keys = [sample.log.verifier, sample.witness.verifier]
    report = report_checkpoint(open_checkpoint(sample.checkpoint, keys), keys)

    assert report.keys == (str(sample.log.verifier),)
    assert "Not proven" in report.text()


def test_reports_for_machines_are_json(sample, ledger):
    """The same facts, with the entry as it stands in the ledger."""
    record = json.loads(json.dumps(report_receipt(receipt.verify(sample.receipt())).record()))

    assert (record["kind"], record["verified"], record["trusted_key"]) == ("receipt", True, False)
    assert record["entry"] == sample.entries[4].to_record()
    assert record["openings"]["subject"] == "user:4"
    assert json.loads(json.dumps(report_ledger(ledger).record()))["fields"] == {"opened": 14, "erased": 1, "missing": 0}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 中 ", "plain é 中 "),
        ("a\x1b[2Kb", "a\\x1b[2Kb"),
        ("a\nb\rc", "a\\nb\\rc"),
        ("a\u202eb", "a\\u202eb"),
        ("a\u200bb", "a\\u200bb"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
    ],
)
def test_what_could_deceive_is_written_out(text, shown):
    """Control, bidirectional and invisible characters cannot play with the terminal."""
    assert printable(text) == shown


def test_long_values_are_cut():
    """And say how long they are."""
    assert printable("x" * 4000).endswith("… (4,000 characters)")


def test_a_document_is_matched_to_its_digest(sample):
    """The text is recognised, also with the line ends of another system; anything else is refused."""
    decision, publication = sample.entries[1], sample.entries[0]

    assert match_document(decision, TEXT) == "text"
    assert match_document(decision, TEXT.replace(b"\n", b"\r\n")) == "text"
    assert match_document(publication, TEXT) == "text"
    for data in (TEXT + b"x", b"", b"\xff\x00"):
        with pytest.raises(VerificationError, match="none of the documents"):
            match_document(decision, data)


def test_the_author_is_told_that_front_matter_is_no_part_of_the_text(sample):
    """Bug: who compared the file in the policies folder was told only that not one byte may differ."""
    with pytest.raises(VerificationError) as caught:
        match_document(sample.entries[1], b"---\nversion: 1\n---\n" + TEXT)

    assert caught.value.hint.startswith("it begins with front matter")
