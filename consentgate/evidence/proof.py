"""An inclusion proof with its checkpoint as one text, the C2SP tlog-proof form.

Room: evidence (pure). Called by `receipt`. Any tool that knows the form can check it, given the bytes of the entry::

    c2sp.org/tlog-proof@v1
    index 73894
    gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=       from the leaf's sibling up to the root's child
    B95lDa8R83lS8n0eG+o0buTxRKQTYFi//1U8anccXmA=

    example.com/terms                                  and then the checkpoint, as it was signed
    …

Source: https://c2sp.org/tlog-proof. Its ``extra`` line, which nobody signs, is refused.
"""

from __future__ import annotations

from dataclasses import dataclass

from consentgate.errors import VerificationError
from consentgate.evidence.encoding import format_base64, parse_decimal, parse_hash, parse_utf8
from consentgate.evidence.tlog import HASH_SIZE, MAX_SIZE

HEADER = "c2sp.org/tlog-proof@v1"
_MAX_HASHES = 63


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """Where an entry stands, and the way from there to the root of a checkpoint.

    Args:
        index: of the entry.
        hashes: at most 63, see `consentgate.evidence.tlog.prove_inclusion`.
        checkpoint: the signed note.
    """

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes

    def format(self) -> bytes:
        """Write the proof; the inverse of `parse`.

        Raises:
            ValueError: the values cannot be those of a proof.
        """
        if not 0 <= self.index <= MAX_SIZE or any(len(item) != HASH_SIZE for item in self.hashes):
            raise ValueError("a proof has an index and hashes of 32 bytes")
        lines = [HEADER, f"index {self.index}", *map(format_base64, self.hashes), "", ""]
        return "\n".join(lines).encode() + self.checkpoint

    @classmethod
    def parse(cls, data: bytes) -> InclusionProof:
        """Read a proof. Nothing is checked yet but its form.

        Raises:
            VerificationError: any text that `format` would not have written.
        """
        head, blank, checkpoint = data.partition(b"\n\n")
        lines = parse_utf8(head, "the proof").split("\n")
        if not blank or lines[0] != HEADER or len(lines) < 2 or not lines[1].startswith("index "):
            raise VerificationError(f"the proof does not begin with {HEADER} and an index")
        if len(lines) - 2 > _MAX_HASHES:
            raise VerificationError(f"the proof has {len(lines) - 2} hashes; no tree needs more than {_MAX_HASHES}")
        index = parse_decimal(lines[1].removeprefix("index "), "the index in the proof")
        return cls(index, tuple(parse_hash(line, "a hash in the proof") for line in lines[2:]), checkpoint)
