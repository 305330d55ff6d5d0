"""The sequencer: what waits in the queue gets its place in the ledger, and a signed checkpoint says so.

Room: service. One thread of every process that holds the signing key; `consentgate sequencer` is a process of its own
for sites whose web workers hold none. Whichever of them finds the head's row free takes the queue in its order:

    lock      the head's row, or nothing: somebody else is at it
    catch up  hash what others sequenced, and hold it against the root they signed
    place     insert entries and full tiles, sign the checkpoint, swap the head
    commit    the same transaction took them out of the queue, so an entry is in one of the two and never in both

Nobody who decides waits for this. A sequencer that stands still loses the head's row when the server ends its
transaction; when it wakes up its transaction is gone, and it never signed a second history because a head that has
moved is caught up with first.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable

from sqlalchemy import Connection

from consentgate.errors import ConsentGateError, RewindError
from consentgate.evidence.tlog import leaf_hash
from consentgate.service.ledger import Ledger, Pending
from consentgate.store import entries as shelf
from consentgate.store import queue as line
from consentgate.store.database import Database
from consentgate.store.entries import EntryRow
from consentgate.store.writer import Step

log = logging.getLogger("consentgate")

LARGEST_BATCH = 2_048
_IDLE = 0.1
"""Seconds between two looks while nobody says that there is something: entries of workers without a key."""

_PACE = 0.2
"""Seconds between two batches, unless somebody waits for a receipt: each batch is a commit and a signature, and those
who decide share the disk and the interpreter with it."""

_TAKEN = 0.3
"""Seconds after which it is looked again whether somebody else is at it: as long as the head moves by their hand, or is
locked, they take everything there is, and nobody else need read what they placed to go on from there."""

_BUSY = 0.005
"""Seconds between two attempts while shutting down."""

_TROUBLE = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0)
"""Seconds to wait after one, two, … failures in a row."""


class Sequencer:
    """The thread that sequences. Make it, `start` it, `close` it.

    Args:
        database: the shelves.
        ledger: signs, and knows the tree.
        on_step: for fault tests: called with ``sequencer:`` and the name of the step that comes next.
    """

    def __init__(self, database: Database, ledger: Ledger, *, on_step: Step | None = None) -> None:
        self.on_trouble: Callable[[ConsentGateError], None] = lambda _error: None
        """Told of each failure: where the ledger contradicts what this process has seen somebody must look."""
        self._database = database
        self._ledger = ledger
        self._step: Step = (lambda name: on_step(f"sequencer:{name}")) if on_step else (lambda _name: None)
        self._failures = 0
        self._others = 0  # where the head stood when it was last seen to have been moved by somebody else
        self._pid = os.getpid()
        self._wake, self._hurry = threading.Event(), threading.Event()
        self._closing = threading.Event()
        self._deadline = float("inf")
        self._thread = threading.Thread(target=self._run, name="consentgate-sequencer", daemon=True)

    @property
    def healthy(self) -> bool:
        """Whether the last attempt succeeded."""
        return self._failures == 0

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self, *, hurry: bool = False) -> None:
        """Say that there is something to do; with `hurry`, that somebody waits for it. From any thread."""
        if hurry:
            self._hurry.set()
        self._wake.set()

    def close(self, timeout: float = 10.0) -> None:
        """Sequence what waits, then end. Twice is once.

        Args:
            timeout: seconds; what still waits then is durable, and whoever starts next sequences it.
        """
        self._deadline = time.monotonic() + timeout
        self._closing.set()
        self.wake(hurry=True)
        if self._thread.is_alive() and os.getpid() == self._pid:
            self._thread.join(timeout + 1)

    def _run(self) -> None:
        hurry = False
        while True:
            rest = self._attempt(hurry=hurry or self._closing.is_set())
            hurry = False
            if self._closing.is_set():
                # Only an empty queue ends it at once; a head that is taken, or a database that is away, may come back.
                if rest == _IDLE or time.monotonic() >= self._deadline:
                    return
                time.sleep(_BUSY)
                continue
            if rest == _IDLE:
                self._wake.wait(_IDLE)
                rest = _PACE
            if rest:
                hurry = self._hurry.wait(rest)
                self._wake.clear()
                self._hurry.clear()

    def _attempt(self, *, hurry: bool) -> float:
        """Sequence a batch; how long to rest before the next: not at all while there is much more."""
        try:
            size, waits = self._database.read(line.state)
            if not waits:
                self._healed()
                return _IDLE
            if not hurry and self._ledger.size < size != self._others:
                self._others = size
                self._healed()
                return _TAKEN
            done = self.sequence()
        except ConsentGateError as error:
            return self._failed(error)
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not end the thread that sequences
            return self._failed(ConsentGateError(f"the sequencer stumbled: {error!r}"))
        self._healed()
        return _TAKEN if done is None else _PACE if done < LARGEST_BATCH else 0.0

    def _healed(self) -> None:
        if self._failures:
            log.info("entries get their places in the ledger again")
        self._failures = 0

    def _failed(self, error: ConsentGateError) -> float:
        if not self._failures or isinstance(error, RewindError):
            self.on_trouble(error)
        if not self._failures:
            log.warning("entries wait for their places in the ledger: %s; it is tried again", error)
        self._failures += 1
        # Not by `_wake`: each decision would try a database that is away again.
        time.sleep(0.0 if self._closing.is_set() else _TROUBLE[min(self._failures, len(_TROUBLE)) - 1])
        return _BUSY

    def sequence(self, limit: int = LARGEST_BATCH) -> int | None:
        """Give places to the first entries of the queue.

        Returns:
            How many; ``None`` where somebody else is at it.

        Raises:
            RewindError: the ledger is not the one this process has seen; nothing was signed.
            StoreError: the database refused; everything waits as before.
        """
        self._step("begin")
        with self._database.transaction() as connection:
            pending = self._place(connection, limit)
            if pending is None:
                return None
            self._step("before-commit")
        self._step("after-commit")
        self._ledger.committed(pending)
        self._ledger.told(pending)
        return len(pending.entries)

    def _place(self, connection: Connection, limit: int) -> Pending | None:
        head = shelf.take_head(connection)
        if head is None:
            return None
        self._ledger.catch_up(connection, head)
        rows = line.take(connection, limit)
        start = head.size
        # The instant of the head never goes back, whatever the clocks of the workers said.
        latest = max([head.at, *(row.at for row in rows)])
        pending = Pending(latest + 1, 0, {}, start)
        pending.entries = [
            EntryRow(start + place, row.ref, leaf_hash(row.leaf), row.leaf) for place, row in enumerate(rows)
        ]
        self._ledger.finish(connection, pending, self._step)
        return pending
