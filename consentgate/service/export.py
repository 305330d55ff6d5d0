"""Export: the ledger as a stream, in constant memory, ending with the closing checkpoint.

Room: service. NDJSON is the evidence form (`consentgate.evidence.ledger_file`), CSV the convenience form: one row for
each decision and publication, cells that a spreadsheet would run made harmless (OWASP, CSV injection).

Pages of rows are read one by one, each in a short transaction: a slow download holds nothing open.
"""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal
from uuid import UUID

from consentgate.evidence import ledger_file
from consentgate.evidence.ledger_file import LedgerHeader
from consentgate.evidence.tlog import prove_inclusion
from consentgate.service.engine import Engine
from consentgate.service.receipts import signing_keys
from consentgate.store import entries as shelf
from consentgate.store.entries import ExportRow, HeadRow
from consentgate.terms.instants import Instant, format_instant

PAGE = 1_000
_TRIGGERS = frozenset("=+-@\t\r\n\0＝＋－＠")

COLUMNS = (
    "index", "type", "id", "at", "policy", "kind", "version", "serial", "language", "decision", "method", "source",
    "compared", "text", "redline", "page", "control", "offer", "supersedes", "expires", "test", "impact", "announced",
    "effective", "enforced", "subject", "subject_kind",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Selection:
    """What to export; the default is everything.

    Args:
        policies: slugs; empty means all.
        acts: decisions; empty means all.
        since, until: instants, ``since <= at < until``.
        openings: whether personal fields are opened.
    """

    policies: tuple[str, ...] = ()
    acts: tuple[str, ...] = ()
    since: Instant | None = None
    until: Instant | None = None
    openings: bool = True

    @property
    def complete(self) -> bool:
        """Whether nothing is left out."""
        return not (self.policies or self.acts or self.since is not None or self.until is not None)

    def record(self) -> dict[str, str | int | bool | None]:
        """The selection in words, for the header."""
        said: dict[str, str | int | bool | None] = {}
        if self.policies:
            said["policies"] = ",".join(self.policies)
        if self.acts:
            said["decisions"] = ",".join(self.acts)
        if self.since is not None:
            said["since"] = format_instant(self.since)
        if self.until is not None:
            said["until"] = format_instant(self.until)
        return said

    def matches(self, record: dict[str, object]) -> bool:
        """Whether an entry is wanted: the public facts of the entry decide, so erased ones are not left out."""
        if self.policies and record.get("policy") not in self.policies:
            return False
        if self.acts and record.get("decision") not in self.acts:
            return False
        at = str(record["at"])
        if self.since is not None and at < format_instant(self.since):
            return False
        return self.until is None or at < format_instant(self.until)


async def stream(engine: Engine, form: Literal["ndjson", "csv"], where: Selection) -> AsyncIterator[bytes]:
    """Yield the export, in chunks of some hundred kilobytes.

    Args:
        engine: what is open.
        form: ``ndjson`` or ``csv``.
        where: what to export.
    """
    head = await asyncio.to_thread(engine.database.read, shelf.head)
    writer = _Ndjson(engine, where, head) if form == "ndjson" else _Csv(engine, where, head)
    yield writer.begin()
    after, stop = -1, head.size if head else 0
    while after + 1 < stop:
        rows, after = await asyncio.to_thread(_page, engine, after, stop)
        if chunk := await asyncio.to_thread(writer.rows, rows):
            yield chunk
    yield writer.end()


def _page(engine: Engine, after: int, stop: int) -> tuple[list[ExportRow], int]:
    rows = engine.database.read(
        lambda connection: list(shelf.stream_entries(connection, after=after, stop=stop, limit=PAGE))
    )
    return rows, rows[-1].idx if rows else stop


class _Ndjson:
    """The evidence form."""

    def __init__(self, engine: Engine, where: Selection, head: HeadRow | None) -> None:
        self._engine, self._where = engine, where
        self._note = head.note.encode() if head else _empty_note(engine)
        self._size = head.size if head else 0
        self._digest = sha256()
        self._entries = 0

    def begin(self) -> bytes:
        complete = self._where.complete
        return self._count(
            ledger_file.write_header(
                LedgerHeader(
                    origin=self._engine.ledger.origin,
                    size=self._size,
                    keys=signing_keys(self._engine.ledger, self._note),
                    mode="complete" if complete else "selection",
                    openings=self._where.openings,
                    proofs=not complete,
                    filter=self._where.record(),
                )
            )
        )

    def rows(self, rows: Iterable[ExportRow]) -> bytes:
        if self._where.complete:
            return self._count(b"".join(self._line(row, None) for row in rows))
        wanted = [row for row in rows if self._where.matches(json.loads(row.leaf))]
        if not wanted:
            return b""
        return self._count(
            self._engine.database.read(
                lambda connection: b"".join(
                    self._line(
                        row, prove_inclusion(self._size, row.idx, self._engine.ledger.reader(connection, self._size))
                    )
                    for row in wanted
                )
            )
        )

    def _line(self, row: ExportRow, proof: list[bytes] | None) -> bytes:
        self._entries += 1
        openings = row.opening.openings if row.opening and self._where.openings else None
        return ledger_file.write_entry(row.idx, row.leaf, openings, proof)

    def end(self) -> bytes:
        return ledger_file.write_trailer(self._note, entries=self._entries, digest=self._digest.hexdigest())

    def _count(self, chunk: bytes) -> bytes:
        self._digest.update(chunk)
        return chunk


class _Csv:
    """The convenience form. Its last lines are comments with digest and checkpoint."""

    def __init__(self, engine: Engine, where: Selection, head: HeadRow | None) -> None:
        self._where = where
        self._note = head.note if head else _empty_note(engine).decode()
        self._digest = sha256()

    def begin(self) -> bytes:
        return self._write([COLUMNS])

    def rows(self, rows: Iterable[ExportRow]) -> bytes:
        return self._write(self._cells(rows))

    def _cells(self, rows: Iterable[ExportRow]) -> Iterator[list[str]]:
        for row in rows:
            record = json.loads(row.leaf)
            if record["type"] not in ("decision", "publish") or not self._where.matches(record):
                continue
            opened = json.loads(row.opening.openings) if row.opening and self._where.openings else {}
            record |= {"index": row.idx, "id": str(UUID(bytes=row.ref))}
            record |= {name: opened[name][1] for name in ("subject", "subject_kind") if name in opened}
            yield [harmless(_cell(record.get(column))) for column in COLUMNS]

    def end(self) -> bytes:
        lines = [f"# sha256 of all bytes above: {self._digest.hexdigest()}"]
        lines += [f"# checkpoint: {line}" for line in self._note.splitlines()]
        return ("\r\n".join(lines) + "\r\n").encode()

    def _write(self, rows: Iterable[Iterable[str]]) -> bytes:
        buffer = io.StringIO(newline="")
        csv.writer(buffer).writerows(rows)
        chunk = buffer.getvalue().encode()
        self._digest.update(chunk)
        return chunk


def _cell(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def harmless(cell: str) -> str:
    """A cell no spreadsheet runs: a leading apostrophe where it would begin a formula.

    >>> harmless("=1+1"), harmless("2024-06-24")
    ("'=1+1", '2024-06-24')
    """
    return "'" + cell if cell and cell[0] in _TRIGGERS else cell


def _empty_note(engine: Engine) -> bytes:
    """A checkpoint of the empty ledger: an export before the first entry has one to end with, too."""
    from consentgate.evidence.checkpoint import Checkpoint, sign_checkpoint
    from consentgate.evidence.tlog import EMPTY_ROOT

    return sign_checkpoint(Checkpoint(engine.ledger.origin, 0, EMPTY_ROOT), engine.ledger.signer)
