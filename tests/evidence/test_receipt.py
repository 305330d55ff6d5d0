"""Receipts: they prove one entry, and not one byte of them is free."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentgate.errors import VerificationError
from consentgate.evidence import receipt
from consentgate.evidence.checkpoint import Checkpoint, sign_checkpoint
from consentgate.evidence.commitments import Opening
from consentgate.evidence.note import Signer
from consentgate.evidence.proof import InclusionProof


@pytest.fixture(name="data", scope="module")
def _data(sample) -> bytes:
    return sample.receipt(4)


def test_a_receipt_proves_its_entry(sample, data):
    """Every entry's receipt verifies with the ledger's key and gives back the entry and its openings."""
    for index in range(len(sample.leaves)):
        verified = receipt.verify(sample.receipt(index), verifiers=[sample.log.verifier])

        assert verified.trusted
        assert (verified.index, verified.entry) == (index, sample.entries[index])
        assert verified.openings == sample.openings[index]
        assert verified.leaf == sample.leaves[index]
        assert verified.checkpoint.checkpoint.size == len(sample.leaves)


def test_without_a_key_of_the_reader_it_says_so(sample, data):
    """Checked against the key inside, a receipt is not called trusted; the key is there to be compared."""
    verified = receipt.verify(data)

    assert not verified.trusted
    assert verified.keys == (sample.log.verifier, sample.witness.verifier)
    assert [item.time is None for item in verified.checkpoint.note.signatures] == [True, False]


def test_an_erased_field_is_named_and_everything_else_still_holds(sample):
    """The third entry's address was erased: its receipt verifies and names it."""
    verified = receipt.verify(sample.receipt(3))

    assert verified.unopened == ("ip",)
    assert verified.openings["subject"].value == "user:3"


def test_no_byte_of_a_receipt_is_free(sample, data):
    """Any byte changed in any of several ways is refused, with the reader's keys and with those inside."""
    for at in range(len(data)):
        for mask in (0x01, 0x04, 0x20, 0x80, 0xFF):
            broken = data[:at] + bytes([data[at] ^ mask]) + data[at + 1 :]
            with pytest.raises(VerificationError):
                receipt.verify(broken)
    for at in range(0, len(data), 7):
        broken = data[:at] + bytes([data[at] ^ 2]) + data[at + 1 :]
        with pytest.raises(VerificationError):
            receipt.verify(broken, verifiers=[sample.log.verifier])


def test_no_byte_can_be_added_or_taken_away(data):
    """A byte more or less at any place is refused, and so is every beginning of the file."""
    for at in range(len(data)):
        added = [data[:at] + extra + data[at:] for extra in (b"\n", b" ", b"0", data[at : at + 1])]
        for broken in (data[:at] + data[at + 1 :], data[:at], *added):
            with pytest.raises(VerificationError):
                receipt.verify(broken)
    for tail in (b"\n", b" ", b"\0", data):
        with pytest.raises(VerificationError):
            receipt.verify(data + tail)


def test_lines_cannot_be_moved_or_doubled(data):
    """Any two lines exchanged, or one doubled or left out, is refused."""
    lines = data.split(b"\n")
    for first in range(len(lines) - 1):
        doubled = [*lines[: first + 1], *lines[first:]]
        missing = lines[:first] + lines[first + 1 :]
        swapped = [*lines[:first], lines[first + 1], lines[first], *lines[first + 2 :]]
        for changed in (doubled, missing, swapped):
            if changed != lines:
                with pytest.raises(VerificationError):
                    receipt.verify(b"\n".join(changed))


def test_a_receipt_of_another_key_is_refused(sample, data):
    """A forger with a key of the same name convinces nobody who brings the right key."""
    forger = Signer(sample.log.name, b"\x55" * 32)
    proof = InclusionProof.parse(receipt.verify(data).proof)
    checkpoint = sign_checkpoint(Checkpoint(forger.name, 7, receipt.verify(data).checkpoint.checkpoint.root), forger)
    forged = receipt.write(
        sample.leaves[4],
        sample.openings[4],
        index=4,
        proof=proof.hashes,
        checkpoint=checkpoint,
        keys=[forger.verifier],
    )

    assert not receipt.verify(forged).trusted
    with pytest.raises(VerificationError, match="no known key"):
        receipt.verify(forged, verifiers=[sample.log.verifier])
    with pytest.raises(VerificationError, match="no known key"):
        receipt.verify(data, verifiers=[])


def test_a_witness_alone_does_not_vouch_for_a_ledger(sample, data):
    """The reader must know the ledger's own key."""
    with pytest.raises(VerificationError):
        receipt.verify(data, verifiers=[sample.witness.verifier])

    assert receipt.verify(data, verifiers=[sample.witness.verifier, sample.log.verifier]).trusted


@pytest.mark.parametrize("hidden", [[], ["ip"], ["subject", "ip"], ["subject", "subject_kind", "ip"], ["unknown"]])
def test_fields_can_be_withheld(sample, data, hidden):
    """A receipt shown with fewer openings verifies, and names what is not opened."""
    shown = receipt.verify(receipt.withhold(data, hidden), verifiers=[sample.log.verifier])

    assert set(shown.unopened) == set(hidden) - {"unknown"}
    assert set(shown.openings) == {"subject", "subject_kind", "ip"} - set(hidden)
    for name in hidden:
        value = sample.openings[4].get(name, Opening(b"", "nowhere")).value
        assert value == "user" or value.encode() not in receipt.withhold(data, hidden)


def test_nothing_is_withheld_from_what_does_not_verify(data):
    """A damaged receipt is not passed on."""
    with pytest.raises(VerificationError):
        receipt.withhold(data[:-1], ["ip"])


def test_the_proof_can_be_cut_out_for_other_tools(sample, data):
    """Everything after the first blank line is a tlog-proof with the checkpoint verbatim."""
    tail = data.partition(b"\n\n")[2]

    assert receipt.verify(data).proof == tail
    assert InclusionProof.parse(tail) == InclusionProof(4, tuple(sample.proof(4)), sample.cosigned)


def test_no_receipt_is_written_that_would_not_verify(sample):
    """Wrong index, wrong proof, wrong openings, a key that did not sign: refused when it is written."""
    right = {"index": 4, "proof": sample.proof(4), "checkpoint": sample.checkpoint, "keys": [sample.log.verifier]}
    assert receipt.write(sample.leaves[4], sample.openings[4], **right)
    wrong = [
        {"index": 5}, {"proof": sample.proof(5)}, {"proof": []}, {"keys": [sample.witness.verifier]}, {"keys": []},
        {"checkpoint": b""}, {"checkpoint": sample.checkpoint[:-2]},
    ]  # fmt: skip
    for change in wrong:
        with pytest.raises(VerificationError):
            receipt.write(sample.leaves[4], sample.openings[4], **{**right, **change})
    with pytest.raises(VerificationError):
        receipt.write(sample.leaves[4], sample.openings[5], **right)
    with pytest.raises(VerificationError):
        receipt.write(sample.leaves[5], sample.openings[5], **right)


def test_signatures_of_unknown_keys_do_not_get_into_a_receipt(sample):
    """Where the service does not know a witness's key, its signature is left out: it would be a free byte."""
    data = receipt.write(
        sample.leaves[1],
        {},
        index=1,
        proof=sample.proof(1),
        checkpoint=sample.cosigned,
        keys=[sample.log.verifier],
    )

    assert sample.witness.name.encode() not in data
    assert receipt.verify(data).unopened == ("ip", "subject", "subject_kind")


def test_receipts_are_bounded(data):
    """Two megabytes are the most that is looked at."""
    with pytest.raises(VerificationError, match="limit"):
        receipt.verify(data + b"x" * receipt.MAX_RECEIPT_BYTES)


@given(st.binary(max_size=60), st.integers(0, 3000), st.integers(0, 3000))
def test_verifying_anything_raises_a_verification_error(sample, noise, start, stop):
    """Noise, and noise in the middle of a real receipt, raise `VerificationError` and nothing else."""
    data = sample.receipt(4)
    mixed = data[:start] + noise + data[stop:]
    if mixed != data:
        with pytest.raises(VerificationError):
            receipt.verify(mixed)
    with pytest.raises(VerificationError):
        receipt.verify(noise)
