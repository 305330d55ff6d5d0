"""A ledger without meaning, for tests of the writer: entries in a chain of hashes, the newest link in the head.

Loaded by the tests through the fixture ``fake``, and by ``children.py`` in processes of their own.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from consentgate.store import entries, subjects
from consentgate.store.database import Database
from consentgate.store.entries import EntryRow, HeadRow
from consentgate.store.subjects import OpeningRow
from consentgate.store.writer import Job as Job

GENESIS = "0" * 64


def ref_of(name: str) -> bytes:
    """A ref that is always the same for a name."""
    return hashlib.sha256(name.encode()).digest()[:16]


def link(note: str, leaf_hash: bytes) -> str:
    """The next link of the chain."""
    return hashlib.sha256(note.encode() + leaf_hash).hexdigest()


@dataclass
class Context:
    """A batch in the making."""

    size: int
    note: str
    known: dict[bytes, int]
    rows: list[EntryRow] = field(default_factory=list)
    openings: list[OpeningRow] = field(default_factory=list)

    def append(self, ref: bytes, leaf: bytes) -> int:
        """Add an entry, or give the place it has already."""
        if ref not in self.known:
            self.known[ref] = self.size + len(self.rows)
            self.rows.append(EntryRow(self.known[ref], ref, hashlib.sha256(leaf).digest(), leaf))
            self.openings.append(opening(ref))
        return self.known[ref]


def opening(ref: bytes, **changes: Any) -> OpeningRow:
    """An opening of no importance."""
    row = OpeningRow(ref, ref[:16], "user", None, "terms", 1, "accept", 1_000, None, '{"subject":["salt","someone"]}')
    return row._replace(**changes)


class FakeLedger:
    """The batch object. Counts what is called, and can be told to fail."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.finished = 0
        self.followed = 0
        self.undone = 0
        self.fail_begin: Callable[[], None] = lambda: None
        self.fail_finish: Callable[[], None] = lambda: None
        self.fail_committed: Callable[[], None] = lambda: None
        self.fail_told: Callable[[], None] = lambda: None

    def begin(self, connection: Connection, jobs: Sequence[Job[Context, Any]]) -> Context:
        self.batches.append(len(jobs))
        self.fail_begin()
        head = entries.lock_head(connection)
        refs = [ref for job in jobs for ref in job.refs]
        known = entries.refs_known(connection, refs)
        return Context(head.size if head else 0, head.note if head else GENESIS, known)

    def finish(self, connection: Connection, context: Context, step: Callable[[str], None]) -> None:
        step("before-entries")
        self.fail_finish()
        if context.rows:
            entries.insert_entries(connection, context.rows)
            subjects.insert_openings(connection, context.openings)
            note = context.note
            for row in context.rows:
                note = link(note, row.leaf_hash)
            step("before-head")
            size = context.size + len(context.rows)
            entries.set_head(connection, HeadRow(size, size, note), expected=context.size or None)
        self.finished += 1

    def committed(self, context: Context) -> None:
        self.followed += 1
        self.fail_committed()

    def told(self, context: Context) -> None:
        self.fail_told()

    def rolled_back(self) -> None:
        self.undone += 1


def append(ref: bytes | str, leaf: bytes | None = None) -> Job[Context, int]:
    """A job that appends one entry and returns its place."""
    key = ref_of(ref) if isinstance(ref, str) else ref
    return Job((key,), lambda _connection, context: context.append(key, leaf or b"leaf of " + key))


def check(database: Database) -> list[bytes]:
    """Every ref in order, after a check of everything that must be true of a sound ledger."""

    def look(connection: Connection) -> list[bytes]:
        head = entries.head(connection)
        rows = list(entries.entries(connection, 0, 1_000_000))
        note = GENESIS
        for row in rows:
            note = link(note, row.leaf_hash)
        refs = [row.ref for row in rows]
        assert [row.idx for row in rows] == list(range(len(rows))), "places have gaps"
        assert len(set(refs)) == len(refs), "a ref is there twice"
        assert set(subjects.openings_by_refs(connection, refs)) == set(refs), "an opening is missing"
        assert (head.size, head.note) == (len(rows), note) if head else not rows, "the head is not that of the entries"
        return refs

    return database.read(look)


class Gate:
    """Stops the writer's thread at a step until the test lets it go on."""

    def __init__(self, step: str) -> None:
        self.step = step
        self.reached = threading.Event()
        self._open = threading.Event()

    def __call__(self, step: str) -> None:
        if step == self.step and not self._open.is_set():
            self.reached.set()
            assert self._open.wait(30)

    def open(self) -> None:
        self._open.set()
