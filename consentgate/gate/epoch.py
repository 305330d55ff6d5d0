"""An epoch: everything the gate believes at once, swapped by one assignment.

Room: gate. What is demanded, the keys, and whatever was verified or asked under them belong together. When the
generation moves or the time is up a new epoch takes the place of the old one; a request that began under the old one
writes what it learns into the old one's memory, where it is forgotten, and so never carries it over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any

from consentgate.errors import StoreUnavailableError
from consentgate.gate.hooks import Accepted, Hooks
from consentgate.gate.memo import Memo
from consentgate.gate.options import GateOptions, GateState
from consentgate.gate.passes import Pass, PassSealer
from consentgate.gate.seals import Seals
from consentgate.gate.snapshot import Snapshot
from consentgate.terms.calendar import Calendar
from consentgate.terms.instants import SECOND
from consentgate.terms.subject import Subject

PAUSE = 1.0
"""Seconds without another attempt after the calendar could not be loaded: a database in trouble gets no stampede."""

CLOCKS_APART = 600
"""Seconds the clocks of two workers may differ."""

_NEVER = float("-inf")
_MOST_LOCATIONS = 4_096
_MOST_CLAIMS = 1_024


class Epoch:
    """What holds until ``deadline``, and only at ``generation``.

    Args:
        generation: the publication count everything here was made at.
        deadline: seconds since 1970 from which it no longer holds.
        snapshot: what is demanded.
        seals: with the keys in use.
        revoked: see `GateState`.
        memo_size: bound of each memory.
    """

    __slots__ = (
        "asked", "deadline", "enough", "generation", "linked", "locations", "opened", "passes", "revoked", "sealer",
        "seals", "snapshot",
    )  # fmt: skip

    def __init__(
        self, generation: int, deadline: float, snapshot: Snapshot, seals: Seals,
        revoked: Mapping[bytes, int], memo_size: int,
    ) -> None:  # fmt: skip
        self.generation = generation
        self.deadline = deadline
        self.snapshot = snapshot
        self.seals = seals
        self.sealer = PassSealer(seals)
        self.revoked = revoked
        # Tokens that pass on every path, each with what ``subject=`` must return for it to be good.
        self.passes: Memo[bytes, Subject | str | None] = Memo(memo_size)
        # What such passes of visitors say, each with an example: many say the same, and it is not read twice.
        self.enough: Memo[bytes, bytes] = Memo(_MOST_CLAIMS)
        # Authentic tokens that do not: they bind on some paths, or remind.
        self.opened: Memo[bytes, Pass] = Memo(memo_size)
        # What the ledger said, by subject; and which devices were linked to which subjects.
        self.asked: Memo[str, Accepted] = Memo(memo_size)
        self.linked: Memo[tuple[str, str], str] = Memo(memo_size)
        # Where to send whom: sealing an address costs more than the rest of a 303, and many want the same page.
        self.locations: Memo[Hashable, bytes] = Memo(_MOST_LOCATIONS)

    def is_revoked(self, proof: Pass) -> bool:
        """Whether something was withdrawn or erased since a pass was issued, by clocks that may disagree a little.

        One that counts as revoked by mistake costs a look into the ledger, nothing more.
        """
        return bool(self.revoked) and self.revoked.get(proof.binding, -CLOCKS_APART) >= proof.issued - CLOCKS_APART


class Watch:
    """Keeps the epoch up to date.

    Args:
        state: shared with the house.
        hooks: to load what was published.
        options: for the clock and the bounds.
    """

    __slots__ = ("_cell", "_hooks", "_lock", "_loop", "_options", "_paused", "_state", "epoch", "hot")

    def __init__(self, state: GateState, hooks: Hooks, options: GateOptions) -> None:
        self._state = state
        self._hooks = hooks
        self._options = options
        self._cell = state.generation.cell
        self._paused = _NEVER
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock: asyncio.Lock | None = None
        self.epoch = self._make(-1, Calendar(), _NEVER)
        # What the quick look compares with: passes, deadline, generation. One list for good, whose contents are
        # replaced by one slice assignment and read by one unpacking, so that nobody ever sees half of a change.
        self.hot: list[Any] = [{}, _NEVER, -1]
        state.on_seals.append(self.end)

    def warm(self, epoch: Epoch) -> None:
        """Let the quick look use an epoch, and the younger half of its memory."""
        if self.hot[0] is not epoch.passes.young and epoch is self.epoch:
            self.hot[:] = (epoch.passes.young, epoch.deadline, epoch.generation)

    def end(self) -> None:
        """Let the next request begin a new epoch, from what is known: other seals are to be used. From any thread."""
        self.epoch.deadline = _NEVER
        self.hot[:] = ({}, _NEVER, -1)

    def _begin(self, epoch: Epoch) -> Epoch:
        self.epoch = epoch
        self.warm(epoch)
        if epoch.seals is not self._state.seals:
            self.end()  # they were changed while it was made, and `end` ended the one before
        return epoch

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
            return self._begin(self._make(epoch.generation, epoch.snapshot.calendar, now))
        async with self._one_at_a_time():
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
        # By the clock after loading: the first load may have published what takes effect at once, and a moment from
        # before that would let the very request through that waited for it.
        self._begin(self._make(generation, calendar, self._options.clock()))

    def _make(self, generation: int, calendar: Calendar, now: float) -> Epoch:
        snapshot = Snapshot(calendar, 0 if now == _NEVER else int(now * SECOND))
        deadline = min(snapshot.until(), now + self._options.memo_seconds)
        return Epoch(generation, deadline, snapshot, self._state.seals, self._state.revoked, self._options.memo_size)

    def _one_at_a_time(self) -> AbstractAsyncContextManager[object]:
        """A lock of this event loop: test clients run each request in a loop of its own, and a lock belongs to one.

        Under trio there is no loop of asyncio's; there several may load at once, which only costs time.
        """
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return nullcontext()
        if self._lock is None or self._loop is not loop:
            self._lock, self._loop = asyncio.Lock(), loop
        return self._lock
