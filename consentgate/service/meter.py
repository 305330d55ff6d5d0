"""Meter: what happened in this process, counted; and what stands now, as samples a monitor can fetch.

Room: service. It knows no monitoring system: ``consentgate.web.metrics`` writes samples as Prometheus text, and
`consentgate.service.telemetry` hands them to OpenTelemetry. Counting costs a dictionary look-up a decision and one a
batch; everything else is looked at when somebody asks.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from consentgate.errors import StoreError
from consentgate.service.health import health_of
from consentgate.store import queue
from consentgate.terms.instants import SECOND

if TYPE_CHECKING:
    from consentgate.service.upkeep import Upkeep

SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024)
"""Upper bounds of the classes that batches are counted in, in entries."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One number, or several of one name.

    Args:
        name: without the prefix ``consentgate_``; counters without ``_total``.
        help: one sentence.
        kind: ``counter`` only grows while the process lives; ``gauge`` is what stands now.
        values: by the values of the labels, in their order; a number without labels stands under ``()``.
        labels: names of the labels.
        unit: ``seconds``, or empty for a plain number.
    """

    name: str
    help: str
    kind: Literal["counter", "gauge"]
    values: Mapping[tuple[str, ...], float]
    labels: tuple[str, ...] = ()
    unit: str = ""


@dataclass(slots=True)
class Meter:
    """The counters of one process. Safe for use from many threads."""

    decisions: Counter[tuple[str, ...]] = field(default_factory=Counter)
    refused: Counter[tuple[str, ...]] = field(default_factory=Counter)
    sizes: list[int] = field(default_factory=lambda: [0] * (len(SIZES) + 1))
    entries: int = 0
    watchers: list[Callable[[int], object]] = field(default_factory=list)
    """Told of the size of each batch."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def decided(self, kind: str, act: str) -> None:
        """Count a decision that was recorded."""
        with self._lock:
            self.decisions[kind, act] += 1

    def turned_away(self, reason: str) -> None:
        """Count a write that was refused; nothing of it was recorded."""
        with self._lock:
            self.refused[(reason,)] += 1

    def batch(self, entries: int) -> None:
        """Count a batch that was committed."""
        with self._lock:
            self.sizes[bisect_left(SIZES, entries)] += 1
            self.entries += entries
        for watcher in self.watchers:
            watcher(entries)

    def batches(self) -> tuple[list[tuple[str, float]], int]:
        """Batches by size, as Prometheus counts them (each class holds the smaller ones), and entries in all."""
        with self._lock:
            counts, entries = list(self.sizes), self.entries
        below, classes = 0, []
        for bound, number in zip((*map(str, SIZES), "+Inf"), counts, strict=True):
            below += number
            classes.append((bound, float(below)))
        return classes, entries


def samples(terms: Upkeep) -> Iterator[Sample]:
    """Everything but the batches, which are a histogram: see `Meter.batches`."""
    meter, health = terms.meter, health_of(terms)
    yield Sample("decisions", "Decisions recorded", "counter", dict(meter.decisions), ("kind", "decision"))
    yield Sample("refused", "Writes refused, nothing recorded", "counter", dict(meter.refused), ("reason",))
    yield Sample("ready", "Whether this process answers requests", "gauge", {(): float(health.ready)})
    yield Sample("recording", "Whether decisions can be recorded now", "gauge", {(): float(health.recording)})
    alarms: dict[tuple[str, ...], float] = {(alarm.kind,): 1.0 for alarm in terms.alarms()}
    yield Sample("alarms", "What `consentgate doctor` should be asked about", "gauge", alarms, ("alarm",))
    if not terms.started:
        return
    engine = terms.engine
    yield Sample("queue_length", "Writes waiting in this process", "gauge", {(): float(engine.writer.waiting)})
    yield Sample("queue_age", "How long the oldest of them waits", "gauge", {(): engine.writer.oldest}, unit="seconds")
    yield from _unplaced(terms)
    yield Sample("ledger_entries", "Entries, as far as this process has seen", "gauge", {(): float(engine.ledger.size)})
    yield Sample("generation", "Publications and withdrawals so far", "gauge", {(): float(terms.calendar.generation)})
    behind = engine.batch.behind / SECOND
    yield Sample("clock_behind", "How far the clock is behind the last entry", "gauge", {(): behind}, unit="seconds")


def _unplaced(terms: Upkeep) -> Iterator[Sample]:
    """On PostgreSQL: what is on record and waits for its place, whichever process recorded it. One look."""
    database = terms.engine.database
    if not database.queues:
        return
    try:
        found = database.read(queue.waiting)
    except StoreError:
        return  # `recording` says that the database is away
    age = max(0, terms.clock() - found.oldest) / SECOND if found.oldest is not None else 0.0
    yield Sample("unplaced_entries", "Entries that wait for their places", "gauge", {(): float(found.entries)})
    yield Sample("unplaced_age", "How long the oldest of them waits", "gauge", {(): age}, unit="seconds")
