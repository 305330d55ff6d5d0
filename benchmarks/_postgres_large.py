"""PostgreSQL with a million decisions: moving them there, exporting them, and starting a worker on them.

The decisions are made once, in an SQLite file, and copied. An export is the command ``consentgate export`` beside
``psql`` with ``COPY``: of the same columns for CSV, of ``row_to_json`` for NDJSON, everything written to a pipe that is
read. Compared is the CPU time of the command and of the server process that works for it together, median of
interleaved runs: psql leaves all work to the server, we do most of it ourselves, and the clock on the wall would show
how many cores happened to be idle. Where the system does not tell what the server cost, it is the clock all the same.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from _ledger_child import cost_of, export_command
from _report import Report

from consentgate.service.export_forms import COLUMNS
from consentgate.service.moving import copy
from consentgate.service.settings import Settings
from consentgate.service.terms import Terms
from consentgate.store import moving, schema
from consentgate.store.database import Database
from consentgate.store.tables import SCHEMA_VERSION
from tests.postgres import Server

BAR = 1.2
MOST_RSS = 64
_ROWS = (
    "SELECT e.idx AS place, convert_from(e.leaf, 'UTF8') AS leaf, o.openings AS opened FROM consentgate_entry e"
    " LEFT JOIN consentgate_opening o ON o.ref = e.ref ORDER BY e.idx"
)


@dataclass(frozen=True, slots=True)
class Cost:
    """What an export cost.

    Args:
        cpu: seconds, of the command and of the server; ``None`` where the system does not tell.
        wall: seconds.
        peak: most memory the command had resident, in MB.
    """

    cpu: float | None
    wall: float
    peak: float

    def over(self, other: Cost) -> float:
        """How many times as much."""
        if self.cpu is None or other.cpu is None:
            return self.wall / other.wall
        return self.cpu / other.cpu


def query(form: str) -> str:
    """What psql is told. For CSV it parses each entry once (``jsonb``): 25 times would be easy to beat."""
    if form == "ndjson":
        return f"COPY (SELECT row_to_json(line) FROM ({_ROWS}) line) TO STDOUT"
    found = ["place", *(f"leaf ->> '{name}'" for name in COLUMNS[1:-2])]
    found += [f"opened #>> '{{{name},1}}'" for name in COLUMNS[-2:]]
    parsed = f"SELECT place, leaf::jsonb AS leaf, opened::jsonb AS opened FROM ({_ROWS}) line OFFSET 0"
    return f"COPY (SELECT {', '.join(found)} FROM ({parsed}) line) TO STDOUT (FORMAT csv)"


def in_place(server: Server, file: Path, *, verify: bool) -> tuple[Settings, float]:
    """Copy a ledger to the server; settings to open it with, and the seconds it took.

    Args:
        server: it gets an empty schema for it.
        file: the SQLite database.
        verify: as `consentgate db copy` does; for the large one, which is a copy of our own making, it is left out.
    """
    source = Settings(f"sqlite:///{file}", (b"x" * 32,))
    url, started = server.fresh(), time.perf_counter()
    if verify:
        copy(source, url, lambda *_: None)
    else:
        here, there = Database.open(source.database), Database.bare(url, create=True)
        there.write(schema.make)
        for _ in moving.take_over(here, there):
            pass
        there.write(lambda connection: schema.write_down(connection, SCHEMA_VERSION))
        here.close()
        there.close()
    taken = time.perf_counter() - started
    state = server.folder / f"state-{file.stem}-{time.time_ns()}"  # it goes with the server
    return replace(source, database=url, ledger_key=str(file.with_name(file.name + ".key")), state=state), taken


def exports(report: Report, server: Server, small: Settings, large: Settings) -> None:
    """Exports of all decisions, and the memory they take."""
    size = "" if report.quick else " of 10⁶ decisions"
    for form, beside in (("csv", "the same columns"), ("ndjson", "row_to_json")):
        ours, theirs = list[Cost](), list[Cost]()
        for _ in range(1 if report.quick else 3):
            theirs.append(_cost(server, [str(server.bin / "psql"), large.database, "-qAtXc", query(form)]))
            ours.append(_cost(server, export_command(large.database, form)))
        ratio = statistics.median(one.over(other) for one, other in zip(ours, theirs, strict=True))
        cpu = [one.cpu for one in ours if one.cpu is not None]
        note = f"{statistics.median(cpu):.1f} s of CPU, the server's included" if cpu else "by the clock"
        report.ratio(f"export{size}, {form.upper()} / psql COPY, {beside}", ratio, "<=", BAR, note=note)
        wall = statistics.median(one.wall / other.wall for one, other in zip(ours, theirs, strict=True))
        report.beside(f"the same by the clock, {form.upper()}", wall)
        peak, before = max(one.peak for one in ours), _cost(server, export_command(small.database, form)).peak
        note = f"{before:.0f} MB at a thousand"
        report.ratio(f"export, {form.upper()}: peak RSS", peak, "<=", MOST_RSS, unit="MB", note=note)


def _cost(server: Server, command: list[str]) -> Cost:
    before, started = _of_server(server), time.perf_counter()
    own = cost_of(command)
    wall = time.perf_counter() - started
    if before is None:
        return Cost(None, wall, own.peak)
    time.sleep(0.3)  # until the server has buried the process that worked for the command
    return Cost(own.cpu + (_of_server(server) or 0.0) - before, wall, own.peak)


def _of_server(server: Server) -> float | None:
    """CPU seconds of the processes that worked for connections which are closed by now."""
    pid = int((server.data / "postmaster.pid").read_text().split()[0])
    status = Path(f"/proc/{pid}/stat")
    if not status.exists():
        return None
    fields = status.read_text().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")  # cutime and cstime, see proc(5)


def start_up(report: Report, small: Settings, large: Settings, words: str) -> None:
    """Start a worker of a ledger with a thousand decisions, and of one with many."""

    async def start(settings: Settings) -> float:
        started = time.perf_counter()
        async with Terms(settings):
            return time.perf_counter() - started

    taken: dict[str, list[float]] = {small.database: [], large.database: []}
    for settings in (small, large):
        asyncio.run(start(settings))  # the first one settles in: folder, generation file
    for _ in range(7 if report.quick else 15):
        for settings in (small, large):
            taken[settings.database].append(asyncio.run(start(settings)))
    few, many = (statistics.median(seconds) for seconds in taken.values())
    report.ratio(f"start of a worker at {words} decisions / at 1,000", many / few, "<=", 2.0, note=f"{many:.3f} s")


def at_size(report: Report, server: Server, folder: Path, made: Callable[[Path, int, Report], Path]) -> None:
    """Everything here.

    Args:
        report: what is printed.
        server: has no other work.
        folder: where ledgers are made, or lie already.
        made: makes a ledger with so many decisions.
    """
    tenth, all_of_them = (2_000, 20_000) if report.quick else (100_000, 1_000_000)
    small, _ = in_place(server, made(folder, 1_000, report), verify=True)
    _, taken = in_place(server, made(folder, tenth, report), verify=True)
    report.beside(f"db copy of {tenth:,} decisions, verified", taken, unit="s")
    large, taken = in_place(server, made(folder, all_of_them, report), verify=False)
    report.beside(f"db copy of {all_of_them:,} decisions, its verification left out", taken, unit="s")
    report.say("starting workers …")
    start_up(report, small, large, f"{all_of_them:,}")
    report.say("exports …")
    exports(report, server, small, large)
