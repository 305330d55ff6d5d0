"""One thread that writes, so that whatever waits shares one commit.

Room: store. Called by ``service/ledger``, which hands in the `Batch`: what an entry means, how the tree grows and who
signs is decided there; here only transactions, queues and failures are known.

A write never runs in the request's own task: a request that is cancelled between BEGIN and COMMIT would leave the
database locked for everybody. It is a `Job` instead, and whatever arrived during the last transaction is the next one.

What holds after every failure:

* a result is set only after COMMIT returned, so nothing is acknowledged that a crash could take back;
* a job that fails takes no other job with it: it is left out, and the rest of the batch runs again without it;
* where nobody can be blamed, the jobs run again one by one. A job that was committed although COMMIT reported an
  error finds its ref taken when it runs again, and yields the first record;
* the queue is bounded, and what does not fit is refused at once.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from sqlalchemy import Connection

from consentgate.errors import ConsentGateError, OverloadedError, StoreError, StoreUnavailableError
from consentgate.store.database import Database, explained
from consentgate.store.waiting import Item, fail, running, settle

T = TypeVar("T")
C = TypeVar("C")

Step: TypeAlias = Callable[[str], None]
"""Called with the name of the step that comes next: ``begin``, ``before-entries``, ``before-head``, ``before-commit``,
``after-commit``. Fault tests end the process there."""

LARGEST_BATCH = 1_024
_BLAME_LIMIT = 3
"""Jobs left out of a batch after which the rest runs one by one: each costs a run of all the others."""

_GIVE_UP_AFTER = 3
"""Failures of the database in a row after which the rest of a batch is not tried one by one any more."""

_UNTOLD = 0.1
"""Seconds after which a batch is let do the rest although somebody waits: the anchor file is no older than that."""

_AGAIN = 3
"""How often a job is run again that another process was in the way of (PostgreSQL). It then sees what that one did:
the first record of its own request, most of the time."""

_LOOKS = 100
"""How often a batch looks again before it is refused: nobody publishes as fast, so the counter itself is broken."""

_log = logging.getLogger("consentgate")


def _restless() -> StoreUnavailableError:
    return StoreUnavailableError(
        "the publication counter of the database does not stand still, or is missing; nothing was recorded",
        hint="run `consentgate verify`: the database was changed by hand, or restored in part",
    )


@dataclass(frozen=True, slots=True)
class Job(Generic[C, T]):
    """Something to be written.

    Args:
        refs: the refs of the entries it will append, so that the batch can look all of them up in one statement.
        work: called in the writer's thread with the open transaction and the batch's context; its result is what
            the caller gets after the commit. It may run more than once, each time in another transaction. Two jobs
            of one batch may have the same ref: the second must find in the context what the first one added. To
            refuse, it raises a `ConsentGateError` before it adds anything to the context.
        quiet: whether all it does is to add to the context: its work makes no statement of its own. A batch of such
            jobs may be written in one statement.
    """

    refs: tuple[bytes, ...]
    work: Callable[[Connection, C], T]
    quiet: bool = False


class Batch(Protocol[C]):
    """What the jobs of one transaction add up to. All methods are called in the writer's thread."""

    def begin(self, connection: Connection, jobs: Sequence[Job[C, Any]]) -> C:
        """Look around (head, refs that are known) and make the context the jobs add to."""

    def finish(self, connection: Connection, context: C, step: Step) -> None:
        """Write what the jobs added; call ``step("before-entries")`` first and ``step("before-head")`` before the
        head moves."""

    def committed(self, context: C) -> None:
        """It is durable: what is kept in memory may follow."""

    def told(self, context: C) -> None:
        """Everybody was told: what nobody needs to wait for. While much is written, after some of the batches only."""

    def rolled_back(self) -> None:
        """Nothing of it happened: what is kept in memory must be read again."""


class LookAgainError(Exception):
    """What a batch saw when it began is not so any more, and nothing of it was written: the same again, from there."""


class _NotBegunError(Exception):
    """There was no transaction at all (the lock was not free, the file is gone): trying again at once is no use."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(str(error))
        self.error = error


class _JobFailedError(Exception):
    """One job is to blame; the others run again without it."""

    def __init__(self, item: Item[Any], error: Exception) -> None:
        super().__init__(str(error))
        self.item = item
        self.error = error


class Writer(Generic[C]):
    """The one thread of this process that writes. It starts with the first job.

    Args:
        database: the shelves.
        batch: gives the jobs' additions their meaning.
        capacity: most jobs that may wait.
        threads: how many write at the same time, each in transactions of its own: more than one only where the database
            lets them (PostgreSQL, which then has one flush of the disk for all of them).
        on_step: for fault tests; see `Step`.
    """

    def __init__(
        self,
        database: Database,
        batch: Batch[C],
        *,
        capacity: int = 4096,
        threads: int = 1,
        on_step: Step | None = None,
    ) -> None:
        self._database = database
        self._batch = batch
        self._capacity = capacity
        self._step: Step = on_step or (lambda _name: None)
        self._pid = os.getpid()
        self._most_threads = threads
        self._untold: C | None = None
        self._told = 0.0
        # Under `_lock`:
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._queue: deque[Item[C]] = deque()
        self._idle = 0
        self._serving = 0
        self._closing = False
        self._threads: list[threading.Thread] = []

    @property
    def waiting(self) -> int:
        """How many jobs wait for the next transaction."""
        return len(self._queue)

    @property
    def full(self) -> bool:
        """Whether the next job would be refused."""
        return len(self._queue) >= self._capacity

    @property
    def oldest(self) -> float:
        """How many seconds the job has waited that waits longest."""
        with self._changed:
            return time.monotonic() - self._queue[0].since if self._queue else 0.0

    def submit(self, job: Job[C, T]) -> Future[T]:
        """Put a job in line from any thread and return at once; the future is done when it is durable.

        A future that is cancelled before its transaction began is left out; afterwards it cannot be cancelled.

        Raises:
            OverloadedError: too many jobs wait already; nothing was put in line.
            StoreUnavailableError: the writer is closed, or belongs to the parent of this process.
        """
        future: Future[T] = Future()
        self._enqueue(Item(job, future, None))
        return future

    def write(self, job: Job[C, T], *, kept: bool = False) -> asyncio.Future[T]:
        """`submit` for a coroutine: ``await writer.write(job)``.

        The whole batch wakes its event loop once, not once a job as `asyncio.wrap_future` would. Cancelling the
        waiting task after the transaction began does not stop the write; nobody waits for it any more, that is all.

        Args:
            job: what to write.
            kept: write it even where the waiting task was cancelled before.

        Raises:
            OverloadedError, StoreUnavailableError: as `submit`, at once.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._enqueue(Item(job, future, loop, kept))
        return future

    def _enqueue(self, item: Item[C]) -> None:
        if os.getpid() != self._pid:
            raise StoreUnavailableError(
                "the writer was started before this process was forked",
                hint="start the application in each worker, not while it is being imported",
            )
        with self._lock:
            if self._closing:
                raise StoreUnavailableError("the writer is closed", hint="the application is shutting down")
            if len(self._queue) >= self._capacity:
                raise OverloadedError(
                    f"{self._capacity} decisions are waiting to be written", hint="try again in a moment"
                )
            self._queue.append(item)
            if len(self._threads) < self._most_threads:
                self._threads.append(threading.Thread(target=self._run, name="consentgate-writer", daemon=True))
                self._threads[-1].start()
            if self._idle:
                self._changed.notify_all()

    def drain(self, timeout: float | None = None) -> bool:
        """Wait until nothing waits and nothing is being written; whether that came true within the seconds given."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._queue and not self._serving, timeout)

    def close(self, timeout: float = 30.0) -> None:
        """Take no more jobs, write those that wait, end the thread. Twice is once.

        Args:
            timeout: seconds; jobs that are still waiting then fail with `StoreUnavailableError`.
        """
        if os.getpid() != self._pid:
            return
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            threads, deadline = list(self._threads), time.monotonic() + timeout
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        with self._changed:
            left, self._queue = list(self._queue), deque()
            self._changed.notify_all()
        fail(running(left), StoreUnavailableError("the writer was closed before this was written", hint="try again"))

    def _run(self) -> None:
        while items := self._next():
            try:
                self._serve(running(items))
            finally:
                with self._changed:
                    self._serving -= len(items)
                    self._changed.notify_all()
            self._tell()
            self._database.tidy()

    def _next(self) -> list[Item[C]]:
        """Wait for jobs; an empty list says that the writer is closed and nothing is left to do."""
        with self._lock:
            while not self._queue and not self._closing:
                self._idle += 1
                self._changed.wait()
                self._idle -= 1
            items = [self._queue.popleft() for _ in range(min(len(self._queue), LARGEST_BATCH))]
            self._serving += len(items)
            return items

    def _serve(self, items: list[Item[C]]) -> None:
        """Write these together; leave out whoever fails; where nobody is to blame, write them one by one."""
        blamed, again, looks = 0, _AGAIN, 0
        while items:
            try:
                return self._attempt(items)
            except _JobFailedError as failed:
                if again and _conflict(failed.error, "overtaken"):
                    again -= 1
                    continue
                items = [item for item in items if item is not failed.item]
                fail([failed.item], failed.error)
                blamed += 1
                if blamed >= _BLAME_LIMIT:
                    return self._one_by_one(items)
            except _NotBegunError as stopped:
                return fail(items, stopped.error)
            except LookAgainError:
                looks += 1
                if looks == _LOOKS:
                    return fail(items, _restless())
            except BaseException as error:  # noqa: BLE001 - whatever it is, it must not end the thread that writes
                if len(items) == 1:
                    if again and _conflict(error, "overtaken", "taken"):
                        again -= 1
                        continue
                    return fail(items, error)
                _log.warning("a batch of %d writes failed and is tried one by one: %s", len(items), error)
                return self._one_by_one(items)
        return None

    def _one_by_one(self, items: list[Item[C]]) -> None:
        """A transaction for each; a database that fails again and again is not asked a thousand times."""
        failures: list[BaseException] = []
        for place, item in enumerate(items):
            if len(failures) == _GIVE_UP_AFTER:
                return fail(items[place:], failures[-1])
            self._serve([item])
            failures = [*failures, item.error] if isinstance(item.error, StoreError) else []
        return None

    def _attempt(self, items: list[Item[C]]) -> None:
        """One transaction for all of these, and then their results."""
        begun = False
        try:
            with self._database.transaction() as connection:
                begun = True
                self._step("begin")
                context = self._batch.begin(connection, [item.job for item in items])
                answers = [self._work(connection, context, item) for item in items]
                self._batch.finish(connection, context, self._step)
                self._step("before-commit")
        except BaseException as error:
            if not begun:
                raise _NotBegunError(error) from error
            self._batch.rolled_back()
            raise
        self._step("after-commit")
        self._follow(context)
        self._untold = context
        settle(list(zip(items, answers, strict=True)))

    def _follow(self, context: C) -> None:
        """Tell the batch that it is durable. Whatever it makes of that, those who wait are told so too."""
        try:
            self._batch.committed(context)
        except Exception:  # noqa: BLE001 - logged, and healed by reading again
            _log.exception("the ledger's memory could not follow a commit; it will be read again")
            self._batch.rolled_back()

    def _tell(self) -> None:
        """Let the batch do the rest, unless somebody waits. Whatever comes of it, nothing is lost."""
        context, now = self._untold, time.monotonic()
        if context is None or (self._queue and now - self._told < _UNTOLD):
            return
        self._untold, self._told = None, now
        try:
            self._batch.told(context)
        except Exception:  # noqa: BLE001 - logged; nobody waits for it
            _log.exception("what is to be done after a commit failed")

    def _work(self, connection: Connection, context: C, item: Item[C]) -> Any:
        """Run one job. A refusal before it wrote anything concerns nobody else; after that, all must be rolled back."""
        before = self._database.changes(connection)
        item.error = None
        try:
            return item.job.work(connection, context)
        except Exception as raised:
            # A statement that failed is no refusal: PostgreSQL takes no more of them until the roll-back.
            if isinstance(raised, ConsentGateError) and self._database.changes(connection) == before:
                item.error = raised
                return None
            raise _JobFailedError(item, explained(raised)) from raised


def _conflict(error: BaseException, *kinds: str) -> bool:
    """Whether another transaction was in the way: the same again may succeed. See `postgres.explain`."""
    return isinstance(error, StoreError) and error.data.get("conflict") in kinds
