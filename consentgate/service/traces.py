"""Traces: where copies of what was erased may still be, and until when.

Room: service. `consentgate.service.upkeep` finds out how far the bytes are gone; here it is put in words, the same for
the command, the pages and the API. What lies outside the files of the database is named each time, because nobody who
erases by hand reads the documentation first.
"""

from __future__ import annotations

from dataclasses import dataclass

from consentgate.store.scrubbing import Scrubbed, Why

REWRITE = "consentgate db rewrite"


@dataclass(frozen=True, slots=True)
class Trace:
    """A place where a copy may be.

    Args:
        where: a word for machines: ``rows``, ``pages``, ``log``, ``copies``.
        what: the place, in words.
        until: what ends it, in words that go on after "until".
    """

    where: str
    what: str
    until: str


_RETRIED = "which is tried at the next erasure and at the next start"
_ROWS = Trace(
    "rows",
    "the files of the database: somebody reads an older state of it",
    f"they have ended and the rows of before are removed, {_RETRIED}, or by `{REWRITE}`",
)
_FAILED = Trace(
    "rows",
    "the files of the database: they could not be cleared, and the log of the application says why",
    f"that is done, {_RETRIED}, or by the owner of the table with `{REWRITE}`",
)
_ERASED_LOG = Trace(
    "log",
    "the write-ahead log beside the database: somebody reads an older state of it",
    f"they have ended and the log is emptied, {_RETRIED}",
)
_PLACES: dict[Why, Trace] = {
    "reader": _ROWS,
    "failed": _FAILED,
    "size": Trace(
        "pages",
        "unused space within the data files: the table is large, and nobody could decide while it is written anew",
        f"the space is used again, or `{REWRITE}` was run at a quiet hour",
    ),
    "busy": Trace(
        "pages",
        "unused space within the data files: the table was in use, and could not be written anew at once",
        f"that is done, {_RETRIED}, or by `{REWRITE}`",
    ),
    "refused": Trace(
        "pages",
        "unused space within the data files: the server would not write the table anew; its log says why",
        f"the space is used again, or the owner of the table has run `{REWRITE}`",
    ),
}
_LOG = Trace(
    "log",
    "the write-ahead log of the server",
    "its files are used again, which takes as much writing as max_wal_size allows",
)
_COPIES = Trace("copies", "backups, and exports and receipts that left", "they are deleted, which is up to you")
_SERVER_COPIES = Trace(
    "copies",
    "the archive of that log, replicas, backups, and exports and receipts that left",
    "they are deleted, or the replica has caught up, which is up to you",
)


def traces(scrubbed: Scrubbed) -> tuple[Trace, ...]:
    """Where copies may still be, the nearest first."""
    if not scrubbed.server:
        first = _FAILED if scrubbed.why == "failed" else _ERASED_LOG
        return (_COPIES,) if scrubbed.gone else (first, _COPIES)
    if scrubbed.gone:
        return (_LOG, _SERVER_COPIES)
    return (_PLACES.get(scrubbed.why, _FAILED), _LOG, _SERVER_COPIES)
