"""Administration with a million decisions on record, against the same with hardly any.

Publishing must take the same statements and under twice the time; any page of decisions and of people who have not
accepted must cost the same wherever it is; the count of how many people a publication will stop is exact.

The big ledger is made first, by the ledger itself; that takes a few minutes. ``CONSENTGATE_BENCH=FOLDER`` keeps it.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from _filler import SLUG, fill, publish  # noqa: E402
from _report import Report  # noqa: E402

from consentgate.service.administrators import Administrator  # noqa: E402
from consentgate.service.listing import DecisionFilter  # noqa: E402
from consentgate.service.settings import Settings  # noqa: E402
from consentgate.service.terms import Terms  # noqa: E402
from consentgate.terms.draft import Draft, draft_from_fields  # noqa: E402
from consentgate.terms.policy import Act  # noqa: E402
from consentgate.terms.subject import Subject  # noqa: E402

WHO = Administrator("bench", frozenset({"owner"}))
FEW = 100
ROUNDS = 7
WORK = ("SELECT", "INSERT", "UPDATE", "DELETE")


def settings(path: Path) -> Settings:
    """A ledger in a file."""
    return Settings(database=f"sqlite:///{path}", secrets=(b"x" * 32,), origin="bench.example/terms")


def make(path: Path, size: int, report: Report) -> None:
    """A ledger with so many acceptances; made once."""
    if path.exists():
        return
    started = time.monotonic()

    async def work() -> None:
        async with Terms(settings(path)) as terms:
            await publish(terms)
            await fill(terms, (Subject(f"user-{number:07d}") for number in range(size)))

    asyncio.run(work())
    report.say(f"made a ledger of {size:,} decisions in {time.monotonic() - started:.0f} s")


def draft(label: str) -> Draft:
    """A material version that nobody has accepted."""
    fields = {"policy": SLUG, "version": label, "impact": "material"}
    return draft_from_fields(fields, f"Be kind, for the {label} time.\n", file=label)


def watch() -> list[str]:
    """From now on: the statements that SQLite itself sees, in every connection of this process."""
    seen: list[str] = []
    for connection in [one for one in gc.get_objects() if isinstance(one, sqlite3.Connection)]:
        with contextlib.suppress(sqlite3.ProgrammingError):  # one that is closed already
            connection.set_trace_callback(seen.append)
    return seen


async def timed(work: Callable[[], Awaitable[Any]], rounds: int = ROUNDS) -> float:
    """Median seconds."""
    taken = []
    for _ in range(rounds):
        started = time.perf_counter()
        await work()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


class Measured:
    """What one ledger costs."""

    publish: float
    statements: int
    preview: float
    stops: int
    first: float
    last: float
    missing: float
    numbers: float
    memory: int


async def measure(path: Path) -> Measured:
    """Publish, preview, list and count."""
    found = Measured()
    async with Terms(settings(path)) as terms:
        admin = terms.admin
        started = time.perf_counter()
        found.stops = (await admin.preview(WHO, drafts=[draft("new")])).stops
        found.preview = time.perf_counter() - started
        oldest = (await admin.decisions(WHO, DecisionFilter(until=(await _oldest(terms)) + 1_000_000))).items[-1].at
        page = DecisionFilter(policy=SLUG, act=Act.ACCEPT)
        found.first = await timed(lambda: admin.decisions(WHO, page, limit=100))
        old = DecisionFilter(policy=SLUG, until=oldest + 100)
        found.last = await timed(lambda: admin.decisions(WHO, old, limit=100))
        tracemalloc.start()
        await admin.decisions(WHO, old, limit=100)
        found.memory = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        taken = []
        for number in range(ROUNDS):
            started = time.perf_counter()
            await admin.publish(WHO, drafts=[draft(f"v{time.time_ns()}-{number}")])
            taken.append(time.perf_counter() - started)
        found.publish = statistics.median(taken)
        found.statements = await _statements(terms)
        found.missing = await timed(lambda: admin.outstanding(WHO, SLUG, limit=100))
        started = time.perf_counter()
        await admin.statistics(WHO, SLUG)
        found.numbers = time.perf_counter() - started
    return found


async def _oldest(terms: Terms) -> int:
    return terms.calendar.versions[0].published


async def _statements(terms: Terms) -> int:
    """Statements of the transaction that publishes a draft of ours."""
    if terms._watch is not None:
        await asyncio.to_thread(terms._watch.stop)  # it asks twice a second, and would be counted too
    label = f"s{time.time_ns()}"
    kept = await terms.admin.put_draft(WHO, SLUG, label, "en", b"---\nimpact: material\n---\nBe kind once more.\n")
    seen = watch()
    await terms.admin.publish(WHO, [kept.ref])
    begun = next(place for place, one in enumerate(seen) if one.startswith("BEGIN IMMEDIATE"))
    done = next(place for place, one in enumerate(seen) if place > begun and one.startswith("COMMIT"))
    return sum(one.split()[0] in WORK for one in seen[begun:done])


def main() -> None:
    """Measure both, print the table."""
    report = Report("administration", __doc__)
    size = 20_000 if report.quick else 1_000_000
    kept = os.environ.get("CONSENTGATE_BENCH")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(kept or temporary)
        big = folder / f"ledger-{size}.db"
        make(big, size, report)
        copy, small = Path(temporary) / "big.db", Path(temporary) / "small.db"
        for suffix in ("", ".key", ".anchor"):
            if big.with_name(big.name + suffix).exists():
                shutil.copy(big.with_name(big.name + suffix), copy.with_name(copy.name + suffix))
        make(small, FEW, report)
        many, few = asyncio.run(measure(copy)), asyncio.run(measure(small))
    what = f"{size:,} decisions / {FEW}"
    report.ratio(f"publish, {what}", many.publish / few.publish, "<=", 2.0, note=f"{many.publish * 1000:.1f} ms")
    report.ratio("statements of the transaction that publishes", many.statements, "<=", 10, unit="statements")
    report.ratio(f"statements, {what}", many.statements / few.statements, "<=", 1.0)
    report.ratio(
        f"newest page of decisions, {what}", many.first / few.first, "<=", 2.0, note=f"{many.first * 1e3:.1f} ms"
    )
    report.ratio("oldest page / newest page", many.last / many.first, "<=", 2.0, note=f"{many.last * 1000:.1f} ms")
    report.ratio("memory of one page", many.memory / 1e6, "<=", 8.0, unit="MB")
    report.ratio("who would be stopped, counted / there", many.stops / size, ">=", 1.0, note="exact")
    report.beside("preview with its count", many.preview, unit="s")
    report.beside("page of who has not accepted", many.missing, unit="s")
    report.beside("statistics of a policy", many.numbers, unit="s")
    report.finish()


if __name__ == "__main__":
    main()
