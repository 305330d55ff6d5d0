"""An epoch: everything the gate believes at once, swapped by one assignment.

Room: gate. What is demanded, the keys, and whatever was verified or asked under them belong together. When the
generation moves or the time is up a new epoch takes the place of the old one; a request that began under the old one
writes what it learns into the old one's memory, where it is forgotten, and so never carries it over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from consentgate.errors import StoreUnavailableError
from consentgate.gate.hooks import Accepted, Hooks
from consentgate.gate.memo import Memo
from consentgate.gate.options import GateOptions, GateState
from consentgate.gate.passes import Pass, PassSealer
from consentgate.gate.snapshot import Snapshot
from consentgate.terms.calendar import Calendar
from consentgate.terms.instants import SECOND
from consentgate.terms.subject import Subject

PAUSE = 1.0
"""Seconds without another attempt after the calendar could not be loaded: a database in trouble gets no stampede."""

_NEVER = float("-inf")


class Epoch:
    """What holds until ``deadline``, and only at ``generation``.

    Args:
        generation: the publication count everything here was made at.
        deadline: seconds since 1970 from which it no longer holds.
        snapshot: what is demanded.
        sealer: with the keys in use.
        revoked: see `GateState`.
        memo_size: bound of each memory.
    """

    __slots__ = ("asked", "deadline", "generation", "linked", "opened", "passes", "revoked", "sealer", "snapshot")

    def __init__(
        self, generation: int, deadline: float, snapshot: Snapshot, sealer: PassSealer,
        revoked: Mapping[bytes, int], memo_size: int,
    ) -> None:  # fmt: skip
        self.generation = generation
        self.deadline = deadline
        self.snapshot = snapshot
        self.sealer = sealer
        self.revoked = revoked
        # Tokens that pass on every path, each with what ``subject=`` must return for it to be good.
        self.passes: Memo[bytes, Subject | str | None] = Memo(memo_size)
        # Authentic tokens that do not: they bind on some paths, or remind.
        self.opened: Memo[bytes, Pass] = Memo(memo_size)
        # What the ledger said, by subject; and which devices were linked to which subjects.
        self.asked: Memo[str, Accepted] = Memo(memo_size)
        self.linked: Memo[tuple[str, str], str] = Memo(memo_size)


class Watch:
    """Keeps the epoch up to date.

    Args:
        state: shared with the house.
        hooks: to load what was published.
        options: for the clock and the bounds.
    """

    __slots__ = ("_cell", "_hooks", "_lock", "_loop", "_options", "_paused", "_state", "epoch")

    def __init__(self, state: GateState, hooks: Hooks, options: GateOptions) -> None:
        self._state = state
        self._hooks = hooks
        self._options = options
        self._cell = state.generation.cell
        self._paused = _NEVER
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock: asyncio.Lock | None = None
        self.epoch = self._make(-1, Calendar(), _NEVER)

    def stale(self, now: float) -> bool:
        """Whether the epoch is over."""
        epoch = self.epoch
        return now >= epoch.deadline or self._cell[0] != epoch.generation

    async def renew(self, now: float) -> Epoch:
        """Begin a new epoch unless another request has just done so.

        Raises:
            Exception: whatever `Hooks.reload` raised; for a second after that, `StoreUnavailableError` at once.
        """
        epoch = self.epoch
        if self._cell[0] == epoch.generation:
            # Only the time is up: nothing was published, nothing need be loaded.
            self.epoch = self._make(epoch.generation, epoch.snapshot.calendar, now)
            return self.epoch
        async with self._lock_of_this_loop():
            if self.stale(now):
                await self._load(now)
            return self.epoch

    async def _load(self, now: float) -> None:
        if now < self._paused:
            raise StoreUnavailableError("the published terms could not be loaded a moment ago")
        # Read before loading: what is published meanwhile moves the number on, and the next request loads again.
        generation = self._cell[0]
        try:
            calendar = await self._hooks.reload()
        except Exception:
            self._paused = self._options.clock() + PAUSE
            raise
        self.epoch = self._make(generation, calendar, now)

    def _make(self, generation: int, calendar: Calendar, now: float) -> Epoch:
        snapshot = Snapshot(calendar, 0 if now == _NEVER else int(now * SECOND))
        deadline = min(snapshot.until(), now + self._options.memo_seconds)
        sealer = PassSealer(self._state.seals)
        return Epoch(generation, deadline, snapshot, sealer, self._state.revoked, self._options.memo_size)

    def _lock_of_this_loop(self) -> asyncio.Lock:
        """One loader at a time. Test clients run each request in a loop of its own, and a lock belongs to one loop."""
        loop = asyncio.get_running_loop()
        if self._lock is None or self._loop is not loop:
            self._lock, self._loop = asyncio.Lock(), loop
        return self._lock
