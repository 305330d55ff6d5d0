"""A checkpoint: name, size and root of a ledger at one moment, as a signed note of three lines.

Room: evidence (pure). Called by the ledger service after each batch, and by every check::

    example.com/terms            the origin: which ledger
    20852163                     how many entries
    CsUYapGGPo4dkMgIAUqom/Xa…    base64 of the root over all of them

Whoever keeps a checkpoint can prove later that history was not rewritten. Source: https://c2sp.org/tlog-checkpoint
(v1.0.0). Extension lines are refused: nobody could audit them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from consentgate.errors import VerificationError
from consentgate.evidence.encoding import format_base64, parse_decimal, parse_hash
from consentgate.evidence.note import ED25519, Note, Signature, Signer, Verifier, open_note, parse_note, sign_note
from consentgate.evidence.tlog import EMPTY_ROOT, HASH_SIZE, MAX_SIZE

_CONTROL = re.compile("[\x00-\x1f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Name, size and root of a ledger.

    Args:
        origin: name of the ledger, which is also the name of the key that signs it.
        size: number of entries.
        root: 32 bytes, see `consentgate.evidence.tlog`.
    """

    origin: str
    size: int
    root: bytes

    def format(self) -> str:
        """Write the three lines.

        Raises:
            ValueError: the values cannot be those of a checkpoint.
        """
        if not self.origin or _CONTROL.search(self.origin):
            raise ValueError(f"not an origin: {self.origin[:60]!r}")
        if not 0 <= self.size <= MAX_SIZE or len(self.root) != HASH_SIZE:
            raise ValueError("a checkpoint has a size and a root of 32 bytes")
        return f"{self.origin}\n{self.size}\n{format_base64(self.root)}\n"

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Read what `format` wrote, and only that.

        Raises:
            VerificationError: any other text; an empty ledger with a root that is not the empty root.
        """
        lines = text.split("\n")
        if len(lines) != 4 or lines[3] or not lines[0] or _CONTROL.search(lines[0]):
            raise VerificationError("a checkpoint has three lines: origin, size and root")
        size = parse_decimal(lines[1], "the size in the checkpoint")
        root = parse_hash(lines[2], "the root in the checkpoint")
        if size == 0 and root != EMPTY_ROOT:
            raise VerificationError("the checkpoint of an empty ledger has the root of another")
        return cls(lines[0], size, root)


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A checkpoint whose signature was checked.

    Args:
        checkpoint: what was signed.
        note: its text with all signatures.
        by: the ledger's own signature. Further ones in ``note.signatures`` are those of known witnesses.
    """

    checkpoint: Checkpoint
    note: Note
    by: Signature


def sign_checkpoint(checkpoint: Checkpoint, *signers: Signer) -> bytes:
    """Sign a checkpoint; the inverse of `open_checkpoint`.

    The caller must never sign two checkpoints of one origin that are not prefixes of one another.

    Raises:
        ValueError: a signer is not called like the origin.
    """
    if any(signer.name != checkpoint.origin for signer in signers):
        raise ValueError(f"the key that signs a checkpoint of {checkpoint.origin} must have that name")
    return sign_note(checkpoint.format(), *signers)


def open_checkpoint(data: bytes, verifiers: Iterable[Verifier], *, origin: str | None = None) -> SignedCheckpoint:
    """Check a signed checkpoint.

    A key speaks only for the origin it is named after: a trusted key of one ledger cannot sign for another, and a
    witness's signature alone does not make a checkpoint.

    Args:
        data: the signed note.
        verifiers: the known keys: of the ledger, and of witnesses if wanted.
        origin: refuse a checkpoint of any other ledger.

    Raises:
        VerificationError: malformed, wrongly signed, or of another ledger.
    """
    known = list(verifiers)
    note = open_note(data, known)
    checkpoint = Checkpoint.parse(note.text)
    if origin is not None and checkpoint.origin != origin:
        raise VerificationError(f"this is a checkpoint of {checkpoint.origin}, not of {origin}")
    own = {verifier.id for verifier in known if verifier.name == checkpoint.origin and verifier.type == ED25519}
    for signature in note.signatures:
        if signature.name == checkpoint.origin and signature.key_id in own:
            return SignedCheckpoint(checkpoint, note, signature)
    raise VerificationError(
        f"the checkpoint of {checkpoint.origin} is signed by {note.signatures[0].name}, not by the ledger itself",
        hint="the key of a ledger has the ledger's origin as its name",
    )


def open_with_keys(
    data: bytes, inside: Sequence[Verifier], verifiers: Iterable[Verifier] | None
) -> tuple[SignedCheckpoint, bool]:
    """Check a checkpoint that came in one file with the keys that are said to have signed it.

    The keys in the file prove nothing by themselves: whoever made the file chose them. They are checked all the same,
    each against the one signature at its place, so that neither a key nor a signature in the file is ornament.

    Args:
        data: the signed note.
        inside: the keys in the file, in the order of the signatures.
        verifiers: the keys the reader trusts, or ``None`` if there are none to compare with.

    Returns:
        The checkpoint, and whether it was checked with the reader's own keys.

    Raises:
        VerificationError: a key without its signature, a signature without its key, or a wrong one.
    """
    signatures = parse_note(data).unverified
    keys = [(verifier.name, verifier.id) for verifier in inside]
    if keys != [(signature.name, signature.key_id) for signature in signatures] or len(set(keys)) != len(keys):
        raise VerificationError("the keys in the file are not those that signed its checkpoint, one by one")
    opened = open_checkpoint(data, inside)
    return (opened, False) if verifiers is None else (open_checkpoint(data, verifiers), True)


def keep_signatures(data: bytes, keys: Sequence[Verifier]) -> bytes:
    """Return the note with only the signatures of these keys, in their order. It stays as valid as it was.

    Raises:
        VerificationError: one of them has not signed it.
    """
    note = parse_note(data)
    found = {(signature.name, signature.key_id): signature for signature in note.unverified}
    missing = [key.label for key in keys if (key.name, key.id) not in found]
    if missing or not keys:
        raise VerificationError(f"the checkpoint is not signed by {', '.join(missing) or 'any key'}")
    return Note(note.text, tuple(found[key.name, key.id] for key in keys)).format()
