"""Durable decisions a second, against what SQLite itself can do: one row a commit, ``synchronous=FULL``.

The ledger does its whole work: commitments, the entry in canonical JSON, openings, tiles, a signed checkpoint a batch.
Left out is the page, and with it the offer, which is made when the page is shown: offers are made beforehand. Each
round measures both, one after the other, on the same disk; the ratio is the median.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

from _filler import CONTROL, PAGE, SLUG, publish

from consentgate.service import decide as deciding
from consentgate.service.facts import Facts
from consentgate.service.holdings import NOTHING
from consentgate.service.offer import SealedOffer
from consentgate.service.settings import Settings
from consentgate.service.terms import Terms
from consentgate.terms.canonical import digest
from consentgate.terms.policy import Act
from consentgate.terms.subject import Subject

FACTS = Facts(method="checkbox-button")
ACTS = {SLUG: Act.ACCEPT}
MOST = 15_000
"""Offers that are made beforehand for each second: more than can be decided about."""


class Plain:
    """One row a commit: 1 KB of entry and as much of everything else, as the ledger keeps it."""

    def __init__(self, path: Path) -> None:
        self._file = sqlite3.connect(path, isolation_level=None)
        self._file.execute("PRAGMA journal_mode=WAL")
        self._file.execute("PRAGMA synchronous=FULL")
        self._file.execute("CREATE TABLE entry (idx INTEGER PRIMARY KEY, ref BLOB, leaf_hash BLOB, leaf BLOB) STRICT")

    def rate(self, seconds: float) -> float:
        """Commits a second."""
        row = (os.urandom(16), os.urandom(32), os.urandom(1_000))
        started, done = time.perf_counter(), 0
        while (passed := time.perf_counter() - started) < seconds:
            self._file.execute("BEGIN IMMEDIATE")
            self._file.execute("INSERT INTO entry (ref, leaf_hash, leaf) VALUES (?, ?, ?)", row)
            self._file.execute("COMMIT")
            done += 1
        return done / passed


def _offers(terms: Terms) -> Iterator[tuple[Subject, SealedOffer]]:
    version, number = terms.version(SLUG), 0
    while True:
        number += 1
        subject = Subject(f"user-{number}-{os.getpid()}")
        offer = deciding.offer_elsewhere(version, NOTHING, subject, terms.clock(), terms._randomness)
        item = replace(offer.items[0], control=digest(CONTROL))
        yield subject, replace(offer, page=digest(PAGE), items=(item,))


async def _rate(terms: Terms, waiting: int, seconds: float, ready: Callable[[], None] = lambda: None) -> float:
    """Decisions a second: as many as there are offers for, or as can be made in so many seconds.

    The clock starts when `ready` returns; the offers are made by then.
    """
    offers, done = iter(list(islice(_offers(terms), int(MOST * seconds)))), 0
    ready()
    started = time.perf_counter()

    async def one_after_the_other() -> None:
        nonlocal done
        for subject, offer in offers:
            await terms._enter(offer, ACTS, subject, FACTS, deciding.refs(offer, ACTS))
            done += 1
            if time.perf_counter() - started >= seconds:
                break

    await asyncio.gather(*(one_after_the_other() for _ in range(waiting)))
    return done / (time.perf_counter() - started)


async def ratios(folder: Path, waiting: list[int], *, rounds: int, seconds: float) -> dict[int, tuple[float, float]]:
    """For each number of tasks that wait: the median ratio, and the median of our decisions a second."""
    plain = Plain(folder / "plain.db")
    settings = Settings(database=f"sqlite:///{folder}/rates.db", secrets=(b"x" * 32,), origin="bench.example/rates")
    found: dict[int, list[tuple[float, float]]] = {number: [] for number in waiting}
    async with Terms(settings) as terms:
        await publish(terms)
        for _ in range(rounds):
            for number in waiting:
                before = plain.rate(seconds / 2)
                ours = await _rate(terms, number, seconds)
                found[number].append((2 * ours / (before + plain.rate(seconds / 2)), ours))
    return {
        number: (statistics.median(ratio for ratio, _ in pairs), statistics.median(rate for _, rate in pairs))
        for number, pairs in found.items()
    }
