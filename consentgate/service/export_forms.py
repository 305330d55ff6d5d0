"""The forms an export has: NDJSON, the evidence, and CSV, the convenience.

Room: service; called by `consentgate.service.export`, which hands in rows. Both are made for millions of rows: a line
of NDJSON is the bytes that are stored, quoted; a line of CSV is cut out of them (`consentgate.service.csv_lines`), and
made of the entry itself, by the csv module, only where a cell has to be quoted or made harmless (OWASP, CSV injection).
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import Any, Protocol

from consentgate.errors import StoreError
from consentgate.evidence import ledger_file
from consentgate.evidence.ledger_file import LedgerHeader
from consentgate.evidence.tlog import prove_inclusion
from consentgate.service.csv_lines import DecisionLines
from consentgate.service.export_source import Source, reader
from consentgate.service.selection import Selection
from consentgate.store.lines import Line, Lines

COLUMNS = (
    "index", "type", "id", "at", "policy", "kind", "version", "serial", "language", "decision", "method", "source",
    "compared", "text", "redline", "page", "control", "offer", "supersedes", "expires", "test", "impact", "announced",
    "effective", "enforced", "subject", "subject_kind",
)  # fmt: skip

_OF_ENTRY = COLUMNS[1:-2]
_TRIGGERS = frozenset("=+-@\t\r\n\0＝＋－＠")
_parse = json.JSONDecoder().raw_decode  # of what is canonical JSON, the quick way in
DECISION, PUBLISH = b'"type":"decision"', b'"type":"publish"'


class Hash(Protocol):
    """A digest in the making."""

    def update(self, data: bytes, /) -> None:
        """Take more bytes."""

    def hexdigest(self) -> str:
        """The digest so far."""


class Form(Protocol):
    """What each form does with rows."""

    @property
    def digest(self) -> Hash:
        """Of everything written so far."""

    def begin(self) -> bytes:
        """What stands before the first entry."""

    def rows(self, rows: Sequence[Line], lines: Lines) -> bytes:
        """What stands for these entries, which may be nothing."""

    def end(self, size: int, note: str) -> bytes:
        """What stands behind the last one: digest and checkpoint."""


class Digesting:
    """What forms have in common: the digest over what was written."""

    def __init__(self) -> None:
        self.digest: Hash = sha256()

    def count(self, chunk: bytes) -> bytes:
        """Digest what is being written."""
        self.digest.update(chunk)
        return chunk


class Ndjson(Digesting):
    """The evidence form.

    Args:
        source: where it is read from.
        where: what is exported.
        size, note: the checkpoint proofs lead to.
    """

    def __init__(self, source: Source, where: Selection, size: int, note: str) -> None:
        super().__init__()
        self._where, self._size = where, size
        self._keys, self._keys_of = source.keys(note), source.keys
        self._origin = source.origin
        self._entries = 0

    def begin(self) -> bytes:
        """The header."""
        complete = self._where.complete
        header = LedgerHeader(
            origin=self._origin,
            size=self._size,
            keys=self._keys,
            mode="complete" if complete else "selection",
            openings=self._where.openings,
            proofs=not complete,
            filter=self._where.record(),
        )
        return self.count(ledger_file.write_header(header))

    def rows(self, rows: Sequence[Line], lines: Lines) -> bytes:
        """One line for each wanted entry, in a selection with its proof."""
        if self._where.narrowed:
            rows = [row for row in rows if self._where.matches(json.loads(row[1]))]
        if not self._where.openings:
            rows = [(index, leaf, None) for index, leaf, _ in rows]
        self._entries += len(rows)
        if self._where.complete:
            return self.count(ledger_file.write_entries(rows))
        read = reader(lines, self._size)
        return self.count(
            b"".join(ledger_file.write_entry(*row, prove_inclusion(self._size, row[0], read)) for row in rows)
        )

    def end(self, size: int, note: str) -> bytes:
        """The trailer."""
        if size != self._size and self._keys_of(note) != self._keys:
            raise StoreError("the ledger's key was changed while it was exported", hint="begin the export anew")
        return ledger_file.write_trailer(note.encode(), entries=self._entries, digest=self.digest.hexdigest())


class Csv(Digesting):
    """The convenience form. Its last lines are comments with digest and checkpoint.

    Args:
        where: what is exported.
    """

    def __init__(self, where: Selection) -> None:
        super().__init__()
        self._openings = where.openings
        self._wanted: Callable[[dict[str, Any]], bool] | None = where.matches if where.narrowed else None
        self._simple = DecisionLines(_OF_ENTRY)

    def begin(self) -> bytes:
        """The names of the columns."""
        return self.count(_quoted(COLUMNS).encode())

    def rows(self, rows: Sequence[Line], lines: Lines) -> bytes:
        """One row for each wanted decision or publication."""
        del lines
        if self._wanted is not None:  # each has to be looked into anyway
            return self.count(b"".join([self._row(*row) for row in rows]))
        made: list[bytes] = []
        simple: list[Line] = []
        lines_of: list[bytes] = []
        for row in rows:
            line = self._simple.line(row[0], row[1], row[2] if self._openings else None)
            if line is not None:
                simple.append(row)
                lines_of.append(line)
                continue
            if other := self._row(*row):
                made += (self._joined(lines_of, simple), other)
                simple, lines_of = [], []
        made.append(self._joined(lines_of, simple))
        return self.count(b"".join(made))

    def _joined(self, lines: list[bytes], rows: list[Line]) -> bytes:
        """Lines that seemed simple; where one is not, all of them again, the long way."""
        joined = self._simple.join(lines)
        return joined if joined is not None else b"".join([self._row(*row) for row in rows])

    def _row(self, index: int, leaf: bytes, openings: str | None) -> bytes:
        # In JSON a quotation mark inside of a string is escaped, so these are found where they are keys. (Below, the
        # parsed value decides: details of an administrator's entry might have such a key, too.)
        if DECISION not in leaf and PUBLISH not in leaf:
            return b""
        record, _ = _parse(leaf.decode())
        if record["type"] not in ("decision", "publish") or (self._wanted and not self._wanted(record)):
            return b""
        subject, kind = subject_cells(openings) if openings and self._openings else ("", "")
        cells = [str(index)]
        cells += [
            value if type(value) is str else "" if value is None else _cell(value)
            for value in map(record.get, _OF_ENTRY)
        ]
        cells += (subject, kind)
        return _quoted([harmless(cell) for cell in cells]).encode()

    def end(self, size: int, note: str) -> bytes:
        """Comments."""
        del size
        lines = [f"# sha256 of all bytes above: {self.digest.hexdigest()}"]
        lines += [f"# checkpoint: {line}" for line in note.splitlines()]
        return ("\r\n".join(lines) + "\r\n").encode()


def subject_cells(openings: str) -> tuple[str, str]:
    """The values of ``subject`` and ``subject_kind``, empty where they are not opened."""
    opened, _ = _parse(openings)
    subject, kind = opened.get("subject"), opened.get("subject_kind")
    return subject[1] if subject else "", kind[1] if kind else ""


def _cell(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def harmless(cell: str) -> str:
    """A cell no spreadsheet runs: a leading apostrophe where it would begin a formula.

    >>> harmless("=1+1"), harmless("2024-06-24")
    ("'=1+1", '2024-06-24')
    """
    return "'" + cell if cell and cell[0] in _TRIGGERS else cell


def _quoted(cells: Iterable[str]) -> str:
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerow(cells)
    return buffer.getvalue()
