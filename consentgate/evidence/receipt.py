"""A receipt: one entry with everything that proves it, in a text file for the subject to keep.

Room: evidence (pure). Written by the ledger service, verified by anybody. Extension ``.receipt``::

    consentgate receipt v1
    entry {"at":"2026-01-31T08:00:00.000000Z", …}      the entry's bytes
    openings {"subject":["salt","value"]}              what opens its personal fields; some or all may be left out
    key example.com/terms+fb544651+Achy…               who signed the checkpoint below, one line a signature

    c2sp.org/tlog-proof@v1                             from here on it is a tlog-proof, for any tool to check
    …

No byte is free. The entry is bound by its leaf hash, the openings by the commitments in the entry, the proof by the
root in the checkpoint, the checkpoint by its signatures, and each key by the signature it must verify; everything is
in its one canonical spelling. Leaving out a whole opening is the only change a receipt survives, and is meant to be
possible (see `withhold`): the field is then reported as not opened.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from consentgate.errors import VerificationError
from consentgate.evidence.checkpoint import SignedCheckpoint, keep_signatures, open_with_keys
from consentgate.evidence.commitments import (
    Opening,
    Openings,
    check_openings,
    format_openings,
    parse_openings,
)
from consentgate.evidence.encoding import parse_utf8
from consentgate.evidence.entry import Entry, decode
from consentgate.evidence.note import Verifier
from consentgate.evidence.proof import InclusionProof
from consentgate.evidence.tlog import check_inclusion, leaf_hash

HEADER = "consentgate receipt v1"
SUFFIX = ".receipt"

MAX_RECEIPT_BYTES = 2_000_000


@dataclass(frozen=True, slots=True)
class VerifiedReceipt:
    """What a receipt proves.

    Args:
        entry: what was recorded.
        leaf: the entry's bytes.
        index: its place in the ledger, from 0.
        openings: the personal fields that are opened.
        unopened: names of those that are not: erased, or withheld by whoever passed the receipt on.
        checkpoint: the ledger it is in, with the signatures that were verified.
        keys: the keys that stand in the receipt.
        trusted: whether the caller's own keys were used. If not, the key has still to be compared with the one the
            operator publishes: anybody can write a receipt with a key of their own.
        proof: the tlog-proof, for other tools.
    """

    entry: Entry
    leaf: bytes
    index: int
    openings: dict[str, Opening]
    unopened: tuple[str, ...]
    checkpoint: SignedCheckpoint
    keys: tuple[Verifier, ...]
    trusted: bool
    proof: bytes


def write(
    leaf: bytes,
    openings: Openings,
    *,
    index: int,
    proof: Sequence[bytes],
    checkpoint: bytes,
    keys: Sequence[Verifier],
) -> bytes:
    """Write a receipt; the inverse of `verify`, which it has passed when it is returned.

    Args:
        leaf: the entry's bytes, as `consentgate.evidence.entry.encode` made them.
        openings: of its personal fields; those that are missing are withheld or erased.
        index: of the entry.
        proof: from `consentgate.evidence.tlog.prove_inclusion` for the checkpoint's size.
        checkpoint: the signed note. Signatures by other than these keys are left out.
        keys: public keys that signed it, the ledger's own among them.

    Raises:
        VerificationError: these do not belong together: the ledger is damaged.
    """
    note = keep_signatures(checkpoint, keys)
    data = _format(leaf, openings, keys, InclusionProof(index, tuple(proof), note).format())
    verify(data)
    return data


def verify(data: bytes, *, verifiers: Iterable[Verifier] | None = None) -> VerifiedReceipt:
    """Check a receipt, offline.

    Args:
        data: the file.
        verifiers: public keys the caller trusts. Without them the keys inside are used, see `VerifiedReceipt.trusted`.

    Raises:
        VerificationError: it is not a receipt, or not a single bit of it may be believed.
    """
    leaf, openings_text, keys, proof_bytes = _parse(data)
    entry = decode(leaf)
    openings = parse_openings(openings_text)
    unopened = check_openings(entry.commitments, openings)
    proof = InclusionProof.parse(proof_bytes)
    signed, trusted = open_with_keys(proof.checkpoint, keys, verifiers)
    head = signed.checkpoint
    check_inclusion(proof.hashes, head.size, head.root, proof.index, leaf_hash(leaf))
    return VerifiedReceipt(entry, leaf, proof.index, openings, unopened, signed, tuple(keys), trusted, proof_bytes)


def withhold(data: bytes, fields: Iterable[str]) -> bytes:
    """Return the receipt without the openings of some fields, to show it to somebody who need not know them.

    Args:
        data: a receipt.
        fields: names of the fields to leave out.

    Raises:
        VerificationError: the receipt does not verify.
    """
    receipt, hidden = verify(data), set(fields)
    kept = {name: opening for name, opening in receipt.openings.items() if name not in hidden}
    return _format(receipt.leaf, kept, receipt.keys, receipt.proof)


def _format(leaf: bytes, openings: Openings, keys: Iterable[Verifier], proof: bytes) -> bytes:
    head = [HEADER.encode(), b"entry " + leaf, f"openings {format_openings(openings)}".encode()]
    head += [f"key {key}".encode() for key in keys]
    return b"\n".join([*head, b"", proof])


def _parse(data: bytes) -> tuple[bytes, str, list[Verifier], bytes]:
    """Cut a receipt into entry, openings, keys and proof."""
    if len(data) > MAX_RECEIPT_BYTES:
        raise VerificationError(f"the receipt has {len(data):,} bytes; the limit is {MAX_RECEIPT_BYTES:,}")
    # Canonical JSON has no line breaks of its own, so the first blank line is where the proof begins.
    head, blank, proof = data.partition(b"\n\n")
    lines = parse_utf8(head, "the receipt").split("\n")
    if not blank or lines[0] != HEADER:
        raise VerificationError(f"not a receipt: its first line must be {HEADER!r}")
    names = [line.partition(" ")[0] for line in lines[1:]]
    if names[:2] != ["entry", "openings"] or set(names[2:]) != {"key"}:
        raise VerificationError("a receipt has an entry, openings and at least one key, in this order")
    values = [line.partition(" ")[2] for line in lines[1:]]
    return values[0].encode(), values[1], [Verifier.parse(value) for value in values[2:]], proof
