"""A ledger that goes on under a new name after a restore says so, and says the truth about what stands before."""

from __future__ import annotations

import io
from hashlib import sha256

import pytest

from consentgate.errors import VerificationError
from consentgate.evidence.checkpoint import Checkpoint, sign_checkpoint
from consentgate.evidence.entry import EpochEntry, encode
from consentgate.evidence.ledger_file import LedgerHeader, VerifiedLedger, verify_ledger, write_ledger
from consentgate.evidence.note import Signer
from consentgate.evidence.report import report_ledger
from consentgate.evidence.tlog import leaf_hash, root
from consentgate.terms.identifiers import uuid7

NOW = 1_767_225_600_000_000


def gone_on(sample, **changes) -> bytes:
    """The export of a ledger that holds the sample's entries and an epoch entry."""
    signer = Signer(sample.log.name + "/2", sha256(b"new key").digest())
    facts = {
        "origin": sample.log.name, "size": 7, "root": root(sample.hashes).hex(),
        "known_size": 9, "known_root": "a" * 64,
    }  # fmt: skip
    entry = EpochEntry(id=uuid7(NOW, b"0123456789"), at=NOW, commitments={}, **{**facts, **changes})
    leaf = encode(entry)
    hashes = [*sample.hashes, leaf_hash(leaf)]
    note = sign_checkpoint(Checkpoint(signer.name, len(hashes), root(hashes)), signer)
    rows = [*sample.rows(), (7, leaf, None)]
    return b"".join(write_ledger(LedgerHeader(origin=signer.name, size=8, keys=(signer.verifier,)), rows, note))


def verify(data: bytes, **options) -> VerifiedLedger:
    """Verify bytes."""
    return verify_ledger(io.BytesIO(data), **options)


def test_a_ledger_that_went_on_after_a_restore_verifies_and_tells(sample):
    """The reader is told where the restore was, and how many entries are known to be lost."""
    report = report_ledger(verify(gone_on(sample)))

    said = "After the first 7 entries a backup of"
    assert any(said in finding and "lost: 2." in finding for finding in report.findings)


@pytest.mark.parametrize(("known", "said"), [(None, "lost: nobody knows how many."), (7, "lost: none.")])
def test_what_is_lost_is_said_as_far_as_it_is_known(sample, known, said):
    """Without memory outside the database nobody knows; where nothing was lost it says so."""
    report = report_ledger(verify(gone_on(sample, known_size=known, known_root=None)))

    assert any(said in finding for finding in report.findings)


@pytest.mark.parametrize("change", [{"size": 6}, {"size": 8}, {"root": "b" * 64}])
def test_an_epoch_that_speaks_of_another_history_is_refused(sample, change):
    """Size and root must be those of the entries before it, whoever signed it."""
    with pytest.raises(VerificationError, match="other entries than those that stand before it"):
        verify(gone_on(sample, **change))
    assert verify(gone_on(sample, **change), roots_only=True).entries == 8
