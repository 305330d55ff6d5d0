"""The queue: on PostgreSQL an entry is durable first, and gets its place in the ledger a moment later.

Room: service. Any number of workers on any number of hosts write at the same time, none waits for another, and none
needs the signing key: a batch of a worker's writer is its openings and one row of the queue for each entry. Whoever has
the key puts them in their places (`consentgate.service.sequencer`).

    begin     where the ledger stood, and which publication was the last, when this process last looked
    jobs      each appends entries (and their openings)
    finish    openings and queue rows, if that is still so: one statement, durable when it returns
    commit    only now is anything acknowledged

Where the jobs make no statement of their own, and decisions do not, there is no transaction around this: a decision is
one journey to the server. The statement says in its answer what it found, so that the next batch knows; where something
was published meanwhile, or what was recorded is later than what is to be, nothing is kept and the same is made again,
by that. Other jobs begin with a look, in a transaction of theirs.

A request that two workers get at once is recorded once: its opening has the request's ref for its key. So nobody looks
first; where the key is taken the batch is rolled back, and the same again looks and finds the first record.

The instant of an entry is the worker's. It is later than that of every entry that has its place by then, and of every
decision that was acknowledged to the same subject before, whatever the clocks of the hosts say: what one subject
decides, one thing after the other, stays in that order. Entries of different subjects that wait for their places at the
same time may stand in the ledger in another order than their instants.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection

from consentgate.service.ledger import Pending
from consentgate.store import direct
from consentgate.store import entries as shelf
from consentgate.store import queue as line
from consentgate.store.queue import Edge, QueueRow
from consentgate.store.writer import Job, LookAgainError
from consentgate.terms.instants import Instant

_MEASURE_EVERY = 5.0
"""Seconds between two looks at how long the line is; meanwhile it can grow by what is decided in them."""


class Queue:
    """The batch object of the store's writer on PostgreSQL.

    Args:
        clock: instant now.
        came: called after a commit: there is something to sequence.
        most: entries that may wait for their places before decisions are turned away.
    """

    def __init__(self, clock: Callable[[], Instant], came: Callable[[], None], most: int) -> None:
        self.behind: Instant = 0
        """How far our clock is behind the latest entry, in microseconds, as of the last batch."""
        self.on_batch: Callable[[int], None] = lambda _entries: None
        self._clock = clock
        self._came = came
        self._most = most
        self._full, self._measured = False, float("-inf")
        self._own = threading.local()  # several threads write, each its own batches
        self._lock = threading.Lock()
        self._seen: Edge | None = None
        """What is newest, as this process last saw it; ``None``: it must look."""

    @property
    def full(self) -> bool:
        """Whether too many entries wait: nobody gives them places. Every few seconds one batch is let in and looks."""
        return self._full and time.monotonic() - self._measured < _MEASURE_EVERY

    def published(self, generation: int) -> None:
        """The calendar of this publication counter is in use from now on: the next batch looks what is newest."""
        with self._lock:
            if self._seen is not None and self._seen.generation != generation:
                self._seen = None

    def begin(self, connection: Connection, jobs: Sequence[Job[Any, Any]]) -> Pending:
        """Open a batch."""
        careful = getattr(self._own, "careful", False)
        self._own.quiet = all(job.quiet for job in jobs)
        self._own.alone = self._own.quiet and not careful
        self._own.refused = False
        if not self._own.alone:
            direct.begin(connection)
        if time.monotonic() - self._measured >= _MEASURE_EVERY:
            self._measured = time.monotonic()
            self._full = line.longer_than(connection, self._most)
        seen = self._seen
        if seen is None or not self._own.alone:
            seen = self._see(line.edge(connection))
        known: dict[bytes, int] = {}
        if careful:
            known = shelf.refs_known(connection, [ref for job in jobs for ref in job.refs])
        return Pending(max(self._clock(), seen.at + 1), seen.generation, known, start=None)

    def _see(self, edge: Edge, *, ours: bool = False) -> Edge:
        """Remember what is newest. Of two threads that see it the slower may have seen less."""
        if not ours:
            self.behind = max(0, edge.at - self._clock())
        with self._lock:
            self._seen = Edge(max(edge.at, self._seen.at if self._seen else 0), edge.generation)
            return self._seen

    def finish(self, connection: Connection, pending: Pending, step: Callable[[str], None]) -> None:
        """Write the batch: openings, and a row of the queue for each entry.

        Raises:
            LookAgainError: something was published since the batch began, or recorded that must come before it.
        """
        if not pending.entries:
            return None
        step("before-entries")
        step("before-head")
        rows = [QueueRow(row.ref, at, row.leaf) for row, at in zip(pending.entries, pending.times, strict=True)]
        if not self._own.quiet:
            # Jobs with statements of their own see to this themselves: one of them may be what was published.
            return line.keep(connection, pending.openings, rows)
        if self._own.alone:
            step("before-commit")  # the one statement is durable when it returns
        kept, edge = line.keep_if(connection, pending.openings, rows, pending.generation)
        self._see(edge)
        if not kept:
            self._own.refused = True
            raise LookAgainError
        self._see(Edge(rows[-1].at, edge.generation), ours=True)
        return None

    def committed(self, pending: Pending) -> None:
        """The batch is durable: tell whoever sequences."""
        self._own.careful = False
        if pending.entries:
            self.on_batch(len(pending.entries))
            self._came()

    def told(self, pending: Pending) -> None:
        """Nothing is left to be done."""

    def rolled_back(self) -> None:
        """Nothing happened, or nobody knows: the same again looks first what is recorded already."""
        if not getattr(self._own, "refused", False):
            self._own.careful = True
