"""The handle's ground: start and stop, the calendar in memory, threads, kept contents.

Room: service. `consentgate.service.terms.Terms` is the handle; this is the part that every operation stands on.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Self, TypeVar

from sqlalchemy import Connection

from consentgate.errors import ConfigurationError, ConsentGateError, NotFoundError, OverloadedError, RewindError
from consentgate.gate.generation import Generation
from consentgate.gate.seals import Seals
from consentgate.service import publish as publishing
from consentgate.service.alarms import Alarms
from consentgate.service.engine import Clock, Engine, Randomness, now, open_generation
from consentgate.service.fence import raised
from consentgate.service.holdings import State
from consentgate.service.ledger import Pending
from consentgate.service.meter import Meter
from consentgate.service.offer import version_to_offer
from consentgate.service.reading import open_reading
from consentgate.service.settings import Settings
from consentgate.service.watch import Watch
from consentgate.store import blobs, meta
from consentgate.store.writer import Job, Step
from consentgate.terms.calendar import Calendar
from consentgate.terms.canonical import digest
from consentgate.terms.policy import Version
from consentgate.terms.redline import ALGORITHM, Redline, compare, from_bytes, to_bytes

T = TypeVar("T")


class Handle:
    """What is open, and how coroutines reach it without blocking.

    Args:
        settings: as configured.
        clock, randomness: for tests; the wall clock and the system's randomness by default.
        reading: open for reading alone: without key, without a write, also on a replica; see
            `consentgate.service.reading`.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock = now,
        randomness: Randomness = secrets.token_bytes,
        reading: bool = False,
    ) -> None:
        self.settings = settings
        self.reading = reading
        self.clock = clock
        self._randomness = randomness
        self.on_step: Step | None = None
        """For fault tests: called in the writer's thread before each step of a transaction."""
        self._engine: Engine | None = None
        self._generation: Generation | None = None
        self._calendar = Calendar()
        self._seen = 0
        self.revoked: Mapping[bytes, int] = {}
        """Whose passes are no evidence any more, as this process last saw it; see `GateState.revoked`."""
        self._alarms = Alarms()
        self.meter = Meter()
        """What this process did, counted."""
        self.on_seals: list[Callable[[Seals], None]] = []
        """Told which seals to use: when we start, and when the sealing keys change."""
        self._watch: Watch | None = None
        self._starting = asyncio.Lock()
        self._kept_pages: set[str] = set()
        self._text: Callable[[str], str] = lru_cache(maxsize=256)(lambda key: self.engine.text(key))
        self._redline: Callable[[str, str], Redline] = lru_cache(maxsize=256)(self._read_redline)

    # --- life ----------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Open the ledger, publish the policies folder if one is set, and begin to watch. Twice is once.

        Opened for reading alone, it neither publishes nor watches.

        Raises:
            ConsentGateError: start-up is refused; the hint says what to do.
        """
        async with self._starting:
            if self._engine is not None:
                return
            engine = await asyncio.to_thread(self._open)
            self._engine = engine
            engine.batch.on_batch = self.meter.batch
            if engine.sequencer is not None:
                engine.sequencer.on_trouble = self._troubled
            try:
                await self.reload()
                if not self.reading:
                    await self._opened()
            except BaseException:
                self._engine = None
                await asyncio.to_thread(engine.close)
                raise
            if self.reading:
                return
            self._tell_seals(engine)
            listener = engine.database.listener()
            self._watch = Watch(
                listener.generation if listener else self._read_generation,
                self._moved,
                self._calendar.generation,
                also=self._watched,
                listener=listener,
                always=self._look_at_keys,
            )
            self._watch.start()

    def _open(self) -> Engine:
        if self.reading:
            return open_reading(self.settings, clock=self.clock)
        return Engine.open(
            self.settings,
            self.generation,
            clock=self.clock,
            randomness=self._randomness,
            on_step=self.on_step,
        )

    async def _opened(self) -> None:
        """What else belongs to start-up, once everything is open."""

    async def stop(self) -> None:
        """Write what was accepted, then close everything. Twice is once."""
        watch, self._watch = self._watch, None
        if watch is not None:  # first: its thread may just be telling what it saw, and needs the engine for that
            await asyncio.to_thread(watch.stop)
        engine, self._engine = self._engine, None
        if engine is not None:
            await asyncio.to_thread(engine.close)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def generation(self) -> Generation:
        """The publication counter of this host, which every gate reads on every request."""
        if self._generation is None:
            self._generation = open_generation(self.settings)
        return self._generation

    @property
    def started(self) -> bool:
        """Whether the ledger is open."""
        return self._engine is not None

    @property
    def watching(self) -> bool:
        """Whether the last look for publications reached the database. When not, gating goes on from memory."""
        return self._watch is not None and self._watch.healthy

    @property
    def engine(self) -> Engine:
        """The open resources.

        Raises:
            ConsentGateError: not started.
        """
        if self._engine is None:
            raise ConsentGateError(
                "consentgate was not started", hint="await terms.start(), or let the gate see lifespan"
            )
        return self._engine

    @property
    def calendar(self) -> Calendar:
        """Everything published, as this process last saw it."""
        return self._calendar

    async def reload(self) -> Calendar:
        """Read everything published, anew."""
        seen = self.engine.generation.value
        calendar, revoked = await asyncio.to_thread(self.engine.published)
        if calendar.generation >= self._calendar.generation:
            if self.engine.queue is not None:
                self.engine.queue.published(calendar.generation)
            self._calendar, self._seen, self.revoked = calendar, seen, revoked
        return self._calendar

    async def fresh(self) -> Calendar:
        """The calendar, read anew if anybody on this host has published since."""
        if self.engine.generation.value != self._seen:
            return await self.reload()
        return self._calendar

    def _troubled(self, error: ConsentGateError) -> None:
        """The sequencer could not give entries their places."""
        if isinstance(error, RewindError):
            self._alarms.ring("rewind", str(error), error.hint, self.clock())

    def _moved(self, _: int) -> None:
        """Another host published: every gate of this one loads at its next request."""
        self.engine.generation.bump()

    def _tell_seals(self, engine: Engine) -> None:
        for take in self.on_seals:
            take(engine.seals)

    def _look_at_keys(self) -> None:
        """Other sealing keys reach a running worker. The watching thread calls this, before each look."""
        engine = self.engine
        if engine.look_at_keys():
            self._tell_seals(engine)
        trouble = engine.keyring.trouble if engine.keyring else None
        if trouble is None:
            self._alarms.end("secret")
        else:
            what = f"{trouble}; this process goes on with the sealing keys it knows"
            self._alarms.ring("secret", what, trouble.hint, self.clock())

    def _watched(self) -> None:
        """What else the watching thread does, after each look."""

    def _read_generation(self) -> int:
        return self.engine.database.read(meta.generation)

    def version(self, policy: str, label: str | None = None) -> Version:
        """A version by its label, or the one in force.

        Raises:
            NotFoundError: there is none.
        """
        if policy not in self._calendar.by_slug:
            raise NotFoundError(f"there is no policy {policy}", policy=policy)
        if label is not None:
            found = self._calendar.find(policy, label)
            if found is not None and self._calendar.is_cancelled(found):
                raise NotFoundError(
                    f"{policy} {label} was cancelled before it took effect", policy=policy, version=label
                )
        else:
            standing = self._calendar.at(self.clock()).standing(policy)
            found = version_to_offer(standing, State.CURRENT) if standing else None
        if found is None:
            raise NotFoundError(f"{policy} has no version {label or 'in force'}", policy=policy, version=label)
        return found

    # --- kept contents --------------------------------------------------------------------------------------------

    async def text(self, text_digest: str) -> str:
        """A canonical text by its digest."""
        return await asyncio.to_thread(self._text, text_digest)

    async def blob(self, blob_digest: str) -> bytes:
        """Kept bytes (text, page, control wording, redline) by their digest."""
        return await asyncio.to_thread(self.engine.blob, blob_digest)

    async def redline(self, old_digest: str, new_digest: str) -> Redline:
        """The redline between two texts, by their digests; kept once it was computed at publication."""
        return await asyncio.to_thread(self._redline, old_digest, new_digest)

    def _read_redline(self, old_digest: str, new_digest: str) -> Redline:
        kept = self.engine.database.read(
            lambda connection: blobs.get_redline(connection, old_digest, new_digest, ALGORITHM)
        )
        if kept is not None and digest(kept.data) == kept.digest:
            return from_bytes(kept.data)
        fresh = compare(self._text(old_digest), self._text(new_digest))
        data = to_bytes(fresh)
        if not self.reading:
            self.engine.submit(lambda connection, _: _keep_redline(connection, old_digest, new_digest, data))
        return fresh

    async def settled(self) -> bool:
        """Wait, for two seconds at most, until what is recorded by now has its place in the ledger; whether it has.

        On SQLite it always has. On PostgreSQL a place is given a moment after the acknowledgement.
        """
        return await asyncio.to_thread(self.engine.settle) if self.engine.database.queues else True

    # --- threads -------------------------------------------------------------------------------------------------

    async def _read(self, work: Callable[[Connection], T]) -> T:
        return await asyncio.to_thread(self.engine.database.read, work)

    async def _write(
        self, work: Callable[[Connection, Pending], T], refs: tuple[bytes, ...] = (), *, quiet: bool = False
    ) -> T:
        if self.reading:
            raise ConfigurationError("this ledger was opened for reading", hint="open it without reading=True")
        fence = raised()
        if fence is not None:
            work = fence.around(work)
        # Kept: a request that is cancelled has still asked for this, and its retry will find the first record.
        try:
            if quiet and self.engine.queue is not None and self.engine.queue.full:
                raise OverloadedError(
                    "too many entries wait for their places in the ledger",
                    hint="is `consentgate sequencer` running? decisions are taken again when it has caught up",
                    retry_after=5,
                )
            return await self.engine.writer.write(Job(refs, work, quiet and fence is None), kept=True)
        except OverloadedError:
            self.meter.turned_away("overloaded")
            raise
        except RewindError as error:
            self._alarms.ring("rewind", str(error), error.hint, self.clock())
            raise


def _keep_redline(connection: Connection, old_digest: str, new_digest: str, data: bytes) -> None:
    blobs.put_blob(connection, digest(data), publishing.REDLINE, data)
    blobs.put_redline(connection, old_digest, new_digest, ALGORITHM, digest(data))
