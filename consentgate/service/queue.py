"""The queue: on PostgreSQL an entry is durable first, and gets its place in the ledger a moment later.

Room: service. Any number of workers on any number of hosts write at the same time, none waits for another, and none
needs the signing key: a batch of a worker's writer is its openings and one row of the queue for each entry. Whoever has
the key puts them in their places (`consentgate.service.sequencer`).

    begin     look at the clock of the ledger and the publication counter: one statement
    jobs      each appends entries (and their openings)
    finish    openings and queue rows, if nothing was published meanwhile: one statement
    commit    only now is anything acknowledged

Where the jobs make no statement of their own, and decisions do not, there is no transaction around these two: the
second is one of its own, on the disk when it returns. So a decision is two journeys to the server, of which one waits
for the disk, and a worker that is stopped anywhere holds no row that others wait for.

A request that two workers get at once is recorded once: its opening has the request's ref for its key. So nobody looks
first; where the key is taken the batch is rolled back, and the same again looks and finds the first record.

The instant of an entry is the worker's. It is later than that of every entry committed before the worker looked,
whatever the clocks of the hosts say: what one subject decides, one thing after the other, stays in that order. Entries
of different subjects that meet in the same millisecond may stand in the ledger in another order than their instants.
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
from consentgate.store.queue import QueueRow
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

    @property
    def full(self) -> bool:
        """Whether too many entries wait: nobody gives them places. Every few seconds one batch is let in and looks."""
        return self._full and time.monotonic() - self._measured < _MEASURE_EVERY

    def begin(self, connection: Connection, jobs: Sequence[Job[Any, Any]]) -> Pending:
        """Open a batch."""
        careful = getattr(self._own, "careful", False)
        self._own.quiet = all(job.quiet for job in jobs)
        self._own.alone = self._own.quiet and not careful
        if not self._own.alone:
            direct.begin(connection)
        if time.monotonic() - self._measured >= _MEASURE_EVERY:
            self._measured = time.monotonic()
            self._full = line.longer_than(connection, self._most)
        edge, generation = line.edge(connection)
        known: dict[bytes, int] = {}
        if careful:
            known = shelf.refs_known(connection, [ref for job in jobs for ref in job.refs])
        now = self._clock()
        self.behind = max(0, edge - now)
        return Pending(max(now, edge + 1), generation, known, start=None)

    def finish(self, connection: Connection, pending: Pending, step: Callable[[str], None]) -> None:
        """Write the batch: openings, and a row of the queue for each entry.

        Raises:
            LookAgainError: something was published since the batch began.
        """
        if not pending.entries:
            return
        step("before-entries")
        step("before-head")
        rows = [QueueRow(row.ref, at, row.leaf) for row, at in zip(pending.entries, pending.times, strict=True)]
        # Jobs with statements of their own see to this themselves: one of them may be what was published.
        generation = pending.generation if self._own.quiet else None
        if self._own.alone:
            step("before-commit")  # the one statement is durable when it returns
        if not line.keep(connection, pending.openings, rows, generation=generation):
            raise LookAgainError

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
        self._own.careful = True
