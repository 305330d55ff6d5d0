"""The record: decisions a second, exports, verification and receipts, each against what stands beside it.

Decisions a second are durable ones (SQLite, ``synchronous=FULL``), against one row a commit by SQLite itself. Exports
are the command ``consentgate export`` against ``sqlite3 -csv`` with the same columns of the same rows, CPU seconds of
the whole process, median of interleaved runs, everything written to a pipe that is read. Verification is against
reading the rows it was made of. Receipts are compared with themselves at a thousand entries.

The big ledger is made first, by the ledger itself; that takes a minute or two. ``CONSENTGATE_BENCH=FOLDER`` keeps it.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from _filler import fill, publish  # noqa: E402
from _ledger_child import BASELINE, Cost, cost_of, export_command, json_columns, sqlite_command  # noqa: E402
from _ledger_rates import ratios  # noqa: E402
from _report import Report  # noqa: E402

from consentgate.evidence.ledger_file import verify_ledger  # noqa: E402
from consentgate.service.settings import Settings  # noqa: E402
from consentgate.service.terms import Terms  # noqa: E402
from consentgate.terms.subject import Subject  # noqa: E402

WAITING = {1: 0.35, 16: 1.4, 256: 3.0}
EXPORTS = {"ndjson": 1.6, "csv": 2.5, "parquet": 2.0}
MOST_RSS = 64


def settings(path: Path) -> Settings:
    """A ledger in a file."""
    return Settings(database=f"sqlite:///{path}", secrets=(b"x" * 32,), origin="bench.example/terms")


def ledger(folder: Path, size: int, report: Report) -> Path:
    """A ledger with so many decisions; made once."""
    path = folder / f"ledger-{size}.db"
    if path.exists():
        return path
    draft = folder / f"making-{size}.db"

    async def make() -> None:
        async with Terms(settings(draft)) as terms:
            await publish(terms)
            await fill(terms, (Subject(f"user-{number:07d}") for number in range(size)))

    started = time.monotonic()
    asyncio.run(make())
    report.say(f"{size:,} decisions made in {time.monotonic() - started:.0f} s")
    for file in folder.glob(f"{draft.name}*"):
        file.rename(folder / file.name.replace(draft.name, path.name))
    return path


def decisions(report: Report, folder: Path) -> None:
    """Durable decisions a second."""
    rounds, seconds = (3, 0.3) if report.quick else (15, 1.0)
    found = asyncio.run(ratios(folder, list(WAITING), rounds=rounds, seconds=seconds))
    for waiting, bar in WAITING.items():
        ratio, rate = found[waiting]
        name = f"durable decisions a second, {waiting} waiting / raw sqlite3, a row a commit"
        report.ratio(name, ratio, ">=", bar, note=f"{rate:,.0f} a second here")


def exports(report: Report, small: Path, large: Path) -> None:
    """Exports of all decisions, and the memory they take."""
    for form, bar in EXPORTS.items():
        ours, theirs, beside = _compare(report, form, large)
        size = "" if report.quick else " of 10⁶ decisions"
        name = f"export{size}, {form.upper() if form != 'parquet' else 'Parquet'} / {BASELINE}, the same columns"
        columns = "place, entry, openings" if form == "ndjson" else f"{len(json_columns())} columns of the JSON"
        report.ratio(name, ours.cpu / theirs.cpu, "<=", bar, note=f"{columns}; {ours.cpu:.1f} s of CPU here")
        if form != "ndjson":
            name = f"export, {form} / {BASELINE} of place, entry and openings as they lie"
            report.beside(name, ours.cpu / beside.cpu)
        if form != "parquet":
            peak = cost_of(export_command(small, form)).peak
            report.ratio(f"export, {form.upper()}: peak RSS", ours.peak, "<=", MOST_RSS, unit="MB")
            note = f"{peak:.0f} and {ours.peak:.0f} MB"
            name = f"export, {form.upper()}: peak RSS at ten times the size"
            report.ratio(name, ours.peak / peak, "<=", 1.1, note=note)
        else:
            report.beside("export, Parquet: peak RSS", ours.peak, unit="MB")


def _compare(report: Report, form: str, path: Path) -> tuple[Cost, Cost, Cost]:
    """Our export, SQLite's of the same columns, and SQLite's of the rows as they lie."""
    runs: dict[str, list[Cost]] = {"ours": [], "same": [], "plain": []}
    same, plain = sqlite_command(path, form), sqlite_command(path, "ndjson")
    for _ in range(1 if report.quick else 3):
        runs["ours"].append(cost_of(export_command(path, form)))
        runs["same"].append(cost_of(same))
        runs["plain"].append(cost_of(plain))
    report.say(f"{form}: " + "  ".join(f"{name} {_median(costs).cpu:.2f} s" for name, costs in runs.items()))
    return _median(runs["ours"]), _median(runs["same"]), _median(runs["plain"])


def _median(costs: list[Cost]) -> Cost:
    return Cost(statistics.median(cost.cpu for cost in costs), max(cost.peak for cost in costs))


def verification(report: Report, path: Path, folder: Path) -> None:
    """A full export: what its roots cost, and what everything does."""
    file = folder / "export.ndjson"
    cost_of(export_command(path, "ndjson"), file)
    rows = "SELECT e.*, o.* FROM consentgate_entry e LEFT JOIN consentgate_opening o ON o.ref = e.ref ORDER BY e.idx"

    def read_lines() -> None:
        with file.open("rb") as stream:
            for line in stream:
                json.loads(line)

    def read_database() -> None:
        connection = sqlite3.connect(path)
        for _ in connection.execute(rows):
            pass
        connection.close()

    def verify(*, roots_only: bool) -> None:
        with file.open("rb") as stream:
            verify_ledger(stream, roots_only=roots_only)

    times = 1 if report.quick else 3
    reading, database = _cpu(read_lines, times), _cpu(read_database, times)
    roots = _cpu(lambda: verify(roots_only=True), times)
    note = "both tables, by Python's sqlite3"
    report.ratio("verify a full export, roots only / reading the rows", roots / database, "<=", 2.2, note=note)
    report.beside("verify a full export, roots only / reading its lines as JSON", roots / reading)
    everything = _cpu(lambda: verify(roots_only=False), 1)
    report.beside("verify a full export, everything / reading its lines as JSON", everything / reading)
    file.unlink()


def receipts(report: Report, small: Path, large: Path) -> None:
    """A receipt, at a thousand entries and at very many."""
    few, many = (_receipt_cost(path, 40 if report.quick else 200) for path in (small, large))
    name = "a receipt, CPU, in the big ledger / in one of 1,000 entries"
    report.ratio(name, many / few, "<=", 3, note=f"{many * 1e6:,.0f} µs here")


def _receipt_cost(path: Path, number: int) -> float:
    connection = sqlite3.connect(path)
    (size,) = connection.execute("SELECT max(idx) FROM consentgate_entry").fetchone()
    places = [1 + size * at // number for at in range(number)]
    marks = ",".join("?" * number)
    leaves = connection.execute(f"SELECT leaf FROM consentgate_entry WHERE idx IN ({marks})", places).fetchall()
    connection.close()
    names = [json.loads(leaf)["id"] for (leaf,) in leaves]

    async def measure() -> float:
        async with Terms(settings(path)) as terms:
            await terms.receipt(names[0])
            costs = []
            for name in names:
                started = time.process_time()
                await terms.receipt(name)
                costs.append(time.process_time() - started)
            return statistics.median(costs)

    return asyncio.run(measure())


def _cpu(work: Callable[[], object], times: int) -> float:
    """CPU seconds, the least of some."""
    best = float("inf")
    for _ in range(times):
        started = time.process_time()
        work()
        best = min(best, time.process_time() - started)
    return best


def main() -> None:
    """Measure and report."""
    report = Report("ledger", __doc__)
    kept = os.environ.get("CONSENTGATE_BENCH")
    folder = Path(kept) if kept else Path(tempfile.mkdtemp(prefix="consentgate-bench-"))
    scratch = Path(tempfile.mkdtemp(prefix="rates-", dir=folder))
    try:
        decisions(report, scratch)
        tiny = ledger(folder, 1_000, report)
        tenth = ledger(folder, 2_000 if report.quick else 100_000, report)
        large = ledger(folder, 20_000 if report.quick else 1_000_000, report)
        receipts(report, tiny, large)
        verification(report, tenth, scratch)
        exports(report, tenth, large)
    finally:
        shutil.rmtree(scratch if kept else folder)
    report.finish()


if __name__ == "__main__":
    main()
