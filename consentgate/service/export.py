"""Export: the ledger as a stream, in constant memory, ending with the closing checkpoint.

Room: service. NDJSON is the evidence form (`consentgate.evidence.ledger_file`), CSV and Parquet are for convenience.

Pages of rows are read one by one, each in a short transaction: a slow download holds nothing open, and an erasure
never waits for it. So somebody may be erased while the export runs: what was not written yet is then written as
erased. The entry that says so is younger than the export, and without it a reader would take the gap for a loss;
therefore a complete NDJSON export goes on to the newest entry where one younger than its beginning erased something.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Literal

from consentgate.errors import InputError, TermsChangedError
from consentgate.service.export_forms import COLUMNS, Csv, Form, Ndjson, harmless
from consentgate.service.export_source import OfEngine, Source, note_at
from consentgate.service.selection import Cursor, Selection
from consentgate.store.lines import Head, Lines

if TYPE_CHECKING:
    from consentgate.service.engine import Engine

__all__ = ["COLUMNS", "Cursor", "FormName", "Selection", "harmless", "pages", "stream"]

FormName = Literal["ndjson", "csv", "parquet"]

PAGE = 512
"""Entries a transaction: half a megabyte of text."""

_ERASE = b'"type":"erase"'
_PLACES = 256
"""Entries that are fetched by their places at a time."""


async def stream(
    engine: Engine, form: FormName, where: Selection, cursor: Cursor | None = None
) -> AsyncIterator[bytes]:
    """Yield the export, in chunks of some hundred kilobytes; see `pages`.

    Args:
        engine: what is open.
        form: ``ndjson``, ``csv`` or ``parquet``.
        where: what to export.
        cursor: how much of it is there already.
    """
    import asyncio  # not light, and `pages` needs none

    chunks = pages(OfEngine(engine), form, where, cursor)
    while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
        if chunk:
            yield chunk


def pages(
    source: Source,
    form: FormName,
    where: Selection,
    cursor: Cursor | None = None,
    *,
    progress: Callable[[int, int], object] | None = None,
) -> Iterator[bytes]:
    """Yield the export page by page; some may be empty.

    Args:
        source: where to read.
        form: ``ndjson``, ``csv`` or ``parquet``.
        where: what to export.
        cursor: how much of it is there already: only the rest is yielded. Together they have the bytes that one
            export would have had.
        progress: called with how many entries were looked at, and how many there are.

    Raises:
        InputError: Parquet is not installed here, or cannot be continued.
        NotFoundError: the ledger has not as many entries as the cursor says.
        TermsChangedError: what is there already is not what would be exported now.
    """
    if cursor is not None and form == "parquet":
        raise InputError("a Parquet file cannot be continued", hint="begin anew, or export NDJSON")
    begun_at = cursor.size if cursor is not None and form == "ndjson" else None
    size, note = source.read(lambda lines: note_at(source, lines, begun_at))
    rows = _Rows(source, _writer(source, form, where, size, note), where, progress)
    begin = rows.writer.begin()
    done = 0
    if cursor is None:
        yield begin
    else:
        done = min(cursor.after + 1, size)
        for _ in rows.between(0, done):
            yield b""  # so that whoever drives us may stop
        _check_cursor(rows.writer, cursor, size)
    while done < size:
        yield from rows.between(done, size)
        done = size
        if form == "ndjson" and where.complete and (head := source.read(partial(_erased_since, size))):
            size, note = head.size, head.note
    yield rows.writer.end(size, note)


class _Rows:
    """Reads rows in pages and has them written.

    Args:
        source: where to read.
        writer: of the form.
        where: what to export.
        progress: as in `pages`.
    """

    def __init__(
        self, source: Source, writer: Form, where: Selection, progress: Callable[[int, int], object] | None
    ) -> None:
        self.writer = writer
        self._read, self._progress = source.read, progress
        self._tag = None if where.subject is None else source.tag(where.subject)

    def between(self, start: int, stop: int) -> Iterator[bytes]:
        """What is written of the entries ``start <= place < stop``."""
        if self._tag is not None:
            tag = self._tag
            places = [place for place in self._read(lambda lines: lines.about(tag)) if start <= place < stop]
            for at in range(0, len(places), _PLACES):
                yield self._read(partial(self._some, places[at : at + _PLACES]))
            return
        for at in range(start, stop, PAGE):
            yield self._read(partial(self._page, at, min(at + PAGE, stop)))
            if self._progress is not None:
                self._progress(min(at + PAGE, stop), stop)

    def _page(self, start: int, stop: int, lines: Lines) -> bytes:
        return b"".join([self.writer.rows(rows, lines) for rows in lines.range(start, stop)])

    def _some(self, places: list[int], lines: Lines) -> bytes:
        return self.writer.rows(lines.at(places), lines)


def _writer(source: Source, form: FormName, where: Selection, size: int, note: str) -> Form:
    if form == "ndjson":
        return Ndjson(source, where, size, note)
    if form == "csv":
        return Csv(where)
    from consentgate.service.parquet_form import Parquet  # pyarrow is an extra, and takes 40 MB

    return Parquet(where)


def _erased_since(size: int, lines: Lines) -> Head | None:
    """The newest checkpoint, if an entry younger than the export erased something; see the docstring of this file."""
    head = lines.head()
    if head is None or head.size == size:
        return None
    return head if any(_ERASE in leaf for leaf in lines.leaves(size, head.size)) else None


def _check_cursor(writer: Form, cursor: Cursor, size: int) -> None:
    """Refuse to continue what would not be one file."""
    if cursor.after >= size or writer.digest.hexdigest() != cursor.digest:
        raise TermsChangedError(
            "what was exported already cannot be continued: the same export would begin otherwise now",
            hint="the selection is another one, or somebody in it was erased since: begin the export anew",
        )
