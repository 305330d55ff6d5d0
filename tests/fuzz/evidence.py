"""Fuzz the readers of evidence with atheris: whatever comes in, `VerificationError` is the only error that comes out.

Not collected by pytest: `make fuzz` runs it where atheris installs (Linux, and Pythons it has wheels for). It starts
from genuine files, so that the fuzzer need not guess their forms; whatever else is raised ends it with a crash file.
"""

from __future__ import annotations

import contextlib
import io
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["consentgate.evidence", "consentgate.terms.canonical"]):
    from consentgate.errors import CanonicalError, VerificationError
    from consentgate.evidence import bundle, ledger_file, receipt
    from consentgate.evidence.__main__ import check
    from consentgate.evidence.checkpoint import Checkpoint, sign_checkpoint
    from consentgate.evidence.commitments import commit_all, format_openings, parse_openings
    from consentgate.evidence.entry import DecisionEntry, decode, encode
    from consentgate.evidence.note import Signer, Verifier, parse_note
    from consentgate.evidence.proof import InclusionProof
    from consentgate.evidence.tlog import leaf_hash
    from consentgate.terms.canonical import parse_canonical_json
    from consentgate.terms.identifiers import uuid7

KEY = Signer("example.com/terms", b"\x01" * 32)
NOW = 1_767_225_600_000_000


def seeds() -> dict[str, bytes]:
    """One genuine file of each kind."""
    commitments, openings = commit_all({"subject": "user:1", "subject_kind": "user"}, lambda: b"\x02" * 32)
    entry = DecisionEntry(
        id=uuid7(NOW, b"\x03" * 10), at=NOW, commitments=commitments, policy="rules", kind="contract", version="1",
        serial=1, language="en", text="a" * 64, decision="accept", method="checkbox-button",
    )  # fmt: skip
    leaf = encode(entry)
    note = sign_checkpoint(Checkpoint(KEY.name, 1, leaf_hash(leaf)), KEY)
    proven = receipt.write(leaf, openings, index=0, proof=[], checkpoint=note, keys=[KEY.verifier])
    header = ledger_file.LedgerHeader(origin=KEY.name, size=1, keys=(KEY.verifier,))
    rows = [(0, leaf, format_openings(openings))]
    return {
        "receipt": b"\0" + proven,
        "bundle": b"\0" + bundle.write({"receipts/00000000.receipt": proven}),
        "ledger": b"\0" + b"".join(ledger_file.write_ledger(header, rows, note)),
        "note": b"\1" + note,
        "key": b"\2" + str(KEY.verifier).encode(),
        "entry": b"\3" + leaf,
        "openings": b"\4" + format_openings(openings).encode(),
        "proof": b"\5" + receipt.verify(proven).proof,
    }


READERS = (
    lambda data: check(io.BytesIO(data), None),
    parse_note,
    lambda data: Verifier.parse(data.decode("utf-8", "surrogateescape")),
    decode,
    lambda data: parse_openings(data.decode("utf-8", "surrogateescape")),
    InclusionProof.parse,
)


def one(data: bytes) -> None:
    """Read one input; its first byte says as what."""
    if not data:
        return
    reader = READERS[data[0] % len(READERS)]
    with contextlib.suppress(VerificationError):
        reader(data[1:])
    with contextlib.suppress(CanonicalError):
        parse_canonical_json(data[1:])


def main() -> None:
    """Write the seeds into the folder of inputs (the first argument that is no option), and go."""
    folder = next((Path(word) for word in sys.argv[1:] if not word.startswith("-")), None)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in seeds().items():
            (folder / f"seed-{name}").write_bytes(data)
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
