"""Check evidence files, offline: ``python -m consentgate.evidence FILE… [--key VKEY] [--json]``.

Room: evidence. Called by auditors and visitors, on a machine that may have nothing but Python and ``cryptography``.
It must not import a database, a web framework or settings. Exit codes: 0 all verify, 1 something is refused, 2 usage.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

from consentgate.errors import VerificationError
from consentgate.evidence import bundle, ledger_file, receipt
from consentgate.evidence.checkpoint import open_checkpoint
from consentgate.evidence.entry import Entry
from consentgate.evidence.note import MAX_NOTE_BYTES, Verifier, parse_note
from consentgate.evidence.report import (
    Report,
    match_document,
    printable,
    report_bundle,
    report_checkpoint,
    report_ledger,
    report_receipt,
)

_EPILOG = """\
Four kinds of files are known: receipts (.receipt), bundles (.zip), ledger exports (.ndjson) and checkpoints.
The key is the line the operator publishes, such as
  example.com/terms+b42a7447+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop
Nothing is sent anywhere. Exit code: 0 verified, 1 refused, 2 wrong usage."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: without the program's name; by default those of the process.

    Returns:
        The exit code.
    """
    parser = argparse.ArgumentParser(
        prog="python -m consentgate.evidence",
        description="Say what an evidence file proves, by which key, and what it does not prove.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "files", metavar="FILE", nargs="+", help="a receipt, a bundle, a ledger export or a checkpoint; - for stdin"
    )
    parser.add_argument("--key", metavar="VKEY", action="append", help="public key to trust; may be repeated")
    parser.add_argument(
        "--compare", metavar="FILE", action="append", default=[],
        help="a document, such as the text: say which document of the receipt it is; may be repeated",
    )  # fmt: skip
    parser.add_argument("--roots-only", action="store_true", help="of an export, check only digest, root and signature")
    parser.add_argument("--json", action="store_true", help="one JSON object for each file, one a line")
    options = parser.parse_args(arguments)
    try:
        verifiers = [Verifier.parse(key) for key in options.key] if options.key else None
        documents = {name: Path(name).read_bytes() for name in options.compare}
    except VerificationError as error:
        parser.error(f"--key: {printable(str(error))}")
    except OSError as error:
        parser.error(f"--compare: {error}")
    return max([_check_one(name, verifiers, documents, options) for name in options.files])


def _check_one(
    name: str, verifiers: list[Verifier] | None, documents: dict[str, bytes], options: argparse.Namespace
) -> int:
    """Check one file, write what there is to say about it, and return its exit code."""
    try:
        with _open(name) as stream:
            report = check(stream, verifiers, documents=documents, roots_only=options.roots_only)
    except OSError as error:
        sys.stderr.write(f"{printable(name)}: cannot be read: {error.strerror or error}\n")
        return 2
    except VerificationError as error:
        _write_refusal(name, error, as_json=options.json)
        return 1
    if options.json:
        _write({"file": name, **report.record()})
    else:
        sys.stdout.write(f"{printable(name)}: {report.verdict}\n{report.text()}\n\n")
    return 0


def check(
    stream: BinaryIO,
    verifiers: list[Verifier] | None,
    *,
    documents: dict[str, bytes] | None = None,
    roots_only: bool = False,
) -> Report:
    """Find out what kind of file this is, and check it.

    Args:
        stream: the file, open as ``rb``, at its beginning.
        verifiers: keys the reader trusts.
        documents: name -> bytes of documents to compare a receipt with.
        roots_only: see `consentgate.evidence.ledger_file.verify_ledger`.

    Raises:
        VerificationError: it does not verify, or is of no known kind.
    """
    start = stream.readline(ledger_file.MAX_LINE_BYTES)
    rest = _Resumed(start, stream)
    is_receipt = start == receipt.HEADER.encode() + b"\n"
    if documents and not is_receipt:
        raise VerificationError(
            "documents can be compared with a receipt only, and this is none",
            hint="check this file without --compare; of a bundle, compare a receipt in its folder receipts",
        )
    if start.startswith((_CSV, b"PAR1")):
        raise VerificationError(
            "this is a table for a spreadsheet or a database; such a file proves nothing, whatever is in it",
            hint="the same as evidence: `consentgate export --output ledger.ndjson`, or format=ndjson over HTTP",
        )
    if start.startswith(b"PK"):
        return report_bundle(bundle.verify(rest.read(bundle.MAX_BYTES + 1), verifiers=verifiers))
    if start.startswith(b'{"filter":'):
        return report_ledger(ledger_file.verify_ledger(rest, verifiers, roots_only=roots_only))
    if is_receipt:
        verified = receipt.verify(rest.read(receipt.MAX_RECEIPT_BYTES + 1), verifiers=verifiers)
        return report_receipt(verified, _compare(verified.entry, documents or {}))
    return _check_checkpoint(rest.read(MAX_NOTE_BYTES + 1), verifiers)


def _compare(entry: Entry, documents: dict[str, bytes]) -> dict[str, str]:
    """Which document of a proven entry each of these files is."""
    found = {}
    for name, data in documents.items():
        try:
            found[name] = match_document(entry, data)
        except VerificationError as error:
            raise VerificationError(f"{name} does not belong to it: {error}", hint=error.hint, document=name) from error
    return found


def _check_checkpoint(data: bytes, verifiers: list[Verifier] | None) -> Report:
    try:
        note = parse_note(data)
    except VerificationError as error:
        raise VerificationError(
            "this is neither a receipt, nor a bundle, nor a ledger export, nor a checkpoint",
            hint="if it should be one of them, it was damaged on the way, for instance by an editor",
        ) from error
    if verifiers is None:
        names = ", ".join(f"{item.name}+{item.key_id.hex()}" for item in note.unverified[:5])
        raise VerificationError(
            f"a checkpoint has no key inside; it claims to be signed by {names}",
            hint="give the key the operator publishes, with --key",
        )
    return report_checkpoint(open_checkpoint(data, verifiers), verifiers)


_CSV = b"index,type,id,at,"
"""How the first line of a CSV export begins."""


class _Resumed:
    """A stream whose first line was already read."""

    def __init__(self, start: bytes, stream: BinaryIO) -> None:
        self._start = start
        self._stream = stream

    def readline(self, size: int = -1, /) -> bytes:
        """Return the next line."""
        start, self._start = self._start, b""
        return start or self._stream.readline(size)

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes."""
        start, self._start = self._start, b""
        return start + self._stream.read(size if size < 0 else max(0, size - len(start)))


def _open(name: str) -> BinaryIO:
    if name == "-":
        return io.BufferedReader(io.FileIO(sys.stdin.fileno(), closefd=False))
    return Path(name).open("rb")


def _write_refusal(name: str, error: VerificationError, *, as_json: bool) -> None:
    if as_json:
        _write({**error.data, "file": name, "verified": False, "error": str(error), "hint": error.hint})
        return
    sys.stdout.write(f"{printable(name)}: REFUSED: {printable(str(error))}\n")
    if error.hint:
        sys.stdout.write(f"  {printable(error.hint)}\n")
    if "document" in error.data:
        sys.stdout.write("  The receipt itself is intact: run this without --compare to read what it proves.\n\n")
    else:
        sys.stdout.write("  Nothing in this file is proven.\n\n")


def _write(record: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(record, sort_keys=True) + "\n")


if __name__ == "__main__":
    # A terminal that cannot show a character gets its code instead of a crash.
    for output in (sys.stdout, sys.stderr):
        if isinstance(output, io.TextIOWrapper):
            output.reconfigure(errors="backslashreplace")
    sys.exit(main())
