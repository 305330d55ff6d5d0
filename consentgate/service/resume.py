"""How far a file has come that an interrupted export has left.

Room: service. Called by the command line, which has the file; whoever has it elsewhere finds the same `Cursor` by the
rule in the reference of formats.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import BinaryIO, Literal

from consentgate.errors import VerificationError
from consentgate.evidence.ledger_file import parse_header
from consentgate.service.selection import Cursor

_ENTRY = re.compile(rb'\{"i":([0-9]+),')
_ROW = re.compile(rb"([0-9]+),")


@dataclass(frozen=True, slots=True)
class Whole:
    """The part of a file that is whole.

    Args:
        cursor: where to go on.
        size, lines: bytes and lines up to there.
    """

    cursor: Cursor
    size: int
    lines: int


def whole_part(file: BinaryIO, form: Literal["ndjson", "csv", "parquet"]) -> Whole | None:
    """Find the last whole entry, in one pass and in constant memory; ``None`` where not even the first line is whole.

    Args:
        file: from its beginning.
        form: what it is.
    """
    begin = file.readline()
    if not begin.endswith(b"\n"):
        return None
    size = 0
    if form == "ndjson":
        try:
            size = parse_header(begin).size
        except VerificationError:
            return None
    digest, length, lines, last = sha256(begin), len(begin), 1, -1
    record, quoted = b"", False
    for line in file:
        # A cell of a CSV may have line breaks, between quotation marks.
        record += line
        quoted ^= form == "csv" and line.count(b'"') % 2 == 1
        if not line.endswith(b"\n") or quoted:
            continue
        match = (_ENTRY if form == "ndjson" else _ROW).match(record)
        if not match:
            break  # the trailer, which is written anew
        digest.update(record)
        length, lines, last = length + len(record), lines + record.count(b"\n"), int(match[1])
        record = b""
    return Whole(Cursor(size, last, digest.hexdigest()), length, lines)
