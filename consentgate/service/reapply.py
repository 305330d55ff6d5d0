"""Erase again after a restore: a backup brings back what was erased since it was made.

Room: service; called by `consentgate.service.upkeep`. Two memories say what was erased: the erase entries in the
ledger, and the erasure log beside the database, which knows those that the backup does not. What only the log knows is
entered anew, so that the ledger says it again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from consentgate.evidence.entry import EraseEntry, decode
from consentgate.service.erase import (
    Erased,
    Order,
    blank,
    erase,
    erase_rows,
    not_held,
    release,
    scrub_due,
    subject_of,
)
from consentgate.service.ledger import Pending
from consentgate.store import entries as shelf
from consentgate.store import erasing, meta, subjects
from consentgate.store.erasing import HOLD
from consentgate.terms.subject import Subject

PAGE = 2_000
_ERASE = b'"type":"erase"'
_AGAIN = "again after a restore: "


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the ledger, looked through for erase entries.

    Args:
        entries: those found.
        after: the last place that was looked at.
        end: whether there is nothing more.
    """

    entries: tuple[EraseEntry, ...]
    after: int
    end: bool


def erase_entries(connection: Connection, after: int) -> Page:
    """The erase entries among the next entries of the ledger."""
    rows = list(shelf.entries(connection, after + 1, after + 1 + PAGE))
    found = (decode(row.leaf) for row in rows if _ERASE in row.leaf)
    entries = tuple(entry for entry in found if isinstance(entry, EraseEntry))
    return Page(entries, rows[-1].idx if rows else after, len(rows) < PAGE)


def apply_recorded(entries: Iterable[EraseEntry], connection: Connection, _pending: Pending) -> int:
    """Erase again what these entries of the ledger say; how many openings had come back."""
    back = 0
    for entry in entries:
        if not entry.erases:
            continue
        rows = subjects.openings_by_refs(connection, [one.bytes for one in entry.refs])
        if entry.fields is None:
            back += subjects.delete_openings(connection, rows)
        else:
            back += len(blank(connection, rows.values(), frozenset(entry.fields))[0])
    if back:
        scrub_due(connection)
    return back


def unknown(connection: Connection, entries: Sequence[EraseEntry]) -> list[EraseEntry]:
    """Those entries of the log that the ledger does not have."""
    known = shelf.refs_known(connection, [entry.ref for entry in entries])
    return [entry for entry in entries if entry.ref not in known]


def apply_lost(
    entry: EraseEntry,
    tag_of: Callable[[Subject], bytes],
    by: str,
    randomness: Callable[[int], bytes],
    connection: Connection,
    pending: Pending,
) -> Erased:
    """Do again what only the log remembers, and enter it.

    What is under a hold meanwhile is left alone.
    """
    meta.lock_generation(connection)
    rows = list(subjects.openings_by_refs(connection, [one.bytes for one in entry.refs]).values())
    basis = (_AGAIN + entry.basis.removeprefix(_AGAIN))[:2_000]
    if entry.erases:
        fields = None if entry.fields is None else frozenset(entry.fields)
        order = Order((), "shred" if fields is None else "pseudonymise", fields, basis, by)
        return erase_rows(order, not_held(connection, rows), randomness, connection, pending)
    about = {one.key: (one, tag_of(one)) for one in map(subject_of, rows) if one is not None}
    held = erasing.held_tags(connection)
    wanted = entry.mode == HOLD
    order = Order(tuple(one for one in about.values() if (one[1] in held) is not wanted), "hold", None, basis, by)
    return (erase if wanted else release)(order, randomness, connection, pending)
