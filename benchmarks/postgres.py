"""PostgreSQL: decisions a second, in one process and in four; how soon a publication is everywhere; large ledgers.

Decisions are durable ones (``fsync`` on, ``synchronous_commit`` on), against one row a commit by psycopg itself on 16
connections, measured before and after each of ours; the ratio is the median. Beside it stands what psycopg reaches on
one connection, where nothing shares a flush of the disk: one decision after the other is to be held against that. The
ledger does its whole work, the sequencer in the same process included; only the page is left out. The server is one of
the tests', on this machine, so that client and server share its cores. What is measured with a million decisions on
record: see `_postgres_large`; ``CONSENTGATE_BENCH=FOLDER`` keeps them, as for `ledger`.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import psycopg  # noqa: E402
from _filler import SLUG, publish  # noqa: E402
from _ledger_rates import _rate  # noqa: E402
from _postgres_large import at_size  # noqa: E402
from _report import Report  # noqa: E402
from ledger import ledger  # noqa: E402

from consentgate.service.settings import Settings  # noqa: E402
from consentgate.service.terms import Terms  # noqa: E402
from consentgate.store import queue  # noqa: E402
from consentgate.terms.draft import draft_from_fields  # noqa: E402
from consentgate.terms.instants import SECOND  # noqa: E402
from tests.postgres import Server, programs  # noqa: E402

BARS = {1: 0.25, 16: 0.6, 256: 1.2}
PROCESSES, EACH = 4, 64
CONNECTIONS = 16


def settings(url: str, state: Path) -> Settings:
    """A ledger on the server."""
    return Settings(database=url, secrets=(b"x" * 32,), origin="bench.example/terms", state=state)


def plain(server: Server, seconds: float, connections: int = CONNECTIONS) -> float:
    """Single rows a second, each committed, by so many connections at once: 1 KB of entry as the ledger keeps it."""
    server.execute(
        "CREATE TABLE IF NOT EXISTS plain (idx bigserial PRIMARY KEY, ref bytea, leaf_hash bytea, leaf bytea)"
    )
    row, done = (os.urandom(16), os.urandom(32), os.urandom(1_000)), [0] * connections
    ready = threading.Barrier(connections + 1)
    ended = threading.Event()

    def insert(place: int) -> None:
        with psycopg.connect(server.address()) as connection:
            ready.wait()
            while not ended.is_set():
                connection.execute("INSERT INTO plain (ref, leaf_hash, leaf) VALUES (%s, %s, %s)", row)
                connection.commit()
                done[place] += 1

    threads = [threading.Thread(target=insert, args=(place,)) for place in range(connections)]
    for thread in threads:
        thread.start()
    ready.wait()
    started = time.perf_counter()
    time.sleep(seconds)
    ended.set()
    passed = time.perf_counter() - started
    for thread in threads:
        thread.join()
    return sum(done) / passed


async def rates(server: Server, state: Path, report: Report) -> float:
    """One process, 1 / 16 / 256 waiting; its decisions a second with 256."""
    rounds, seconds = (2, 1.0) if report.quick else (5, 3.0)
    found: dict[int, list[tuple[float, float]]] = {number: [] for number in BARS}
    single: list[tuple[float, float]] = []
    async with Terms(settings(server.fresh(), state / "one")) as terms:
        await publish(terms)
        for _ in range(rounds):
            for waiting, pairs in found.items():
                before = await asyncio.to_thread(plain, server, seconds / 2)
                ours = await _rate(terms, waiting, seconds)
                after = await asyncio.to_thread(plain, server, seconds / 2)
                pairs.append((2 * ours / (before + after), ours))
                if waiting == 1:
                    alone = await asyncio.to_thread(plain, server, seconds / 2, 1)
                    single.append((ours / alone, 2 * alone / (before + after)))
    for waiting, pairs in found.items():
        rate = statistics.median(rate for _, rate in pairs)
        ratio = statistics.median(ratio for ratio, _ in pairs)
        name = f"decisions a second, {waiting} waiting / single rows, {CONNECTIONS} connections"
        report.ratio(name, ratio, ">=", BARS[waiting], note=f"{rate:,.0f} a second")
    one = statistics.median(ratio for ratio, _ in single)
    report.beside("decisions a second, 1 waiting / single rows, 1 connection", one)
    share = statistics.median(share for _, share in single)
    report.beside(f"single rows a second, 1 connection / {CONNECTIONS} connections", share)
    return statistics.median(rate for _, rate in found[256])


def child(url: str, state: str, seconds: str) -> None:
    """One of several processes: say when ready, begin when told, say how many."""

    def ready() -> None:
        print("ready", flush=True)
        sys.stdin.readline()

    async def main() -> None:
        async with Terms(settings(url, Path(state))) as terms:
            print(json.dumps(await _rate(terms, EACH, float(seconds), ready)), flush=True)

    asyncio.run(main())


def together(server: Server, state: Path, report: Report, alone: float) -> None:
    """Four processes, 64 waiting in each; how old what waits for its place becomes."""
    url, seconds = server.fresh(), 2.0 if report.quick else 8.0
    here = settings(url, state / "four")

    async def begin() -> None:
        async with Terms(here) as terms:
            await publish(terms)

    asyncio.run(begin())
    words = [sys.executable, __file__, "child", url, str(state / "four"), str(seconds)]
    children = [
        subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(PROCESSES)
    ]
    for one in children:
        assert one.stdout is not None
        one.stdout.readline()
    for one in children:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    ages = asyncio.run(watch_ages(here, seconds))
    total = sum(json.loads(one.communicate()[0]) for one in children)
    name = f"decisions a second, {PROCESSES} processes, {EACH} waiting in each / one process, 256 waiting"
    report.ratio(name, total / alone, ">=", 1.0, note=f"{total:,.0f} a second")
    report.ratio("until an entry has its place, p99", ages[int(len(ages) * 0.99)], "<=", 1.0, unit="s")


async def watch_ages(here: Settings, seconds: float) -> list[float]:
    """How long the oldest entry has waited, looked at fifty times a second; sorted."""
    ages = []
    async with Terms(here) as terms:
        ended = time.monotonic() + seconds
        while time.monotonic() < ended:
            waiting = await terms._read(queue.waiting)
            ages.append(max(0.0, (terms.clock() - waiting.oldest) / SECOND) if waiting.oldest else 0.0)
            await asyncio.sleep(0.02)
    return sorted(ages)


def gate(url: str, state: str) -> None:
    """A worker: say when the calendar it gates by has another number of versions."""

    async def main() -> None:
        async with Terms(settings(url, Path(state))) as terms:
            seen = len(terms.calendar.versions)
            print(seen, flush=True)
            while True:
                found = len((await terms.fresh()).versions)
                if found != seen:
                    seen = found
                    print(f"{found} {time.time()}", flush=True)
                await asyncio.sleep(0.002)

    asyncio.run(main())


def spread(server: Server, state: Path, report: Report) -> None:
    """Publish, and see when four workers gate by it: each with a folder of its own, as on four hosts."""
    url, times = server.fresh(), 5 if report.quick else 25

    async def main() -> tuple[list[float], list[float]]:
        calm, lost = list[float](), list[float]()
        async with Terms(settings(url, state / "spread")) as terms:
            await publish(terms)
            (key,) = (state / "spread").glob("*.key")
            workers = []
            for number in range(PROCESSES):
                folder = state / f"host-{number}"
                folder.mkdir()
                (folder / key.name).write_text(key.read_text())
                words = [sys.executable, __file__, "gate", url, str(folder)]
                workers.append(subprocess.Popen(words, stdout=subprocess.PIPE, text=True))  # noqa: ASYNC220 - set-up
            for worker in workers:
                assert worker.stdout is not None
                worker.stdout.readline()
            for turn in range(2 * times):
                if turn % 2:
                    server.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
                        " AND query LIKE 'SELECT value FROM consentgate_meta%'"
                    )
                fields = {"policy": SLUG, "version": f"v{turn}", "impact": "material"}
                await terms.publish([draft_from_fields(fields, f"Be kind, {turn}.\n", file="x")])
                published = time.time()
                for worker in workers:
                    assert worker.stdout is not None
                    line = await asyncio.to_thread(worker.stdout.readline)
                    (lost if turn % 2 else calm).append(max(0.0, float(line.split()[1]) - published))
            for worker in workers:
                worker.kill()
                worker.communicate()
        return sorted(calm), sorted(lost)

    calm, lost = asyncio.run(main())
    report.ratio("from publishing to the last gate of four, p99", calm[int(len(calm) * 0.99)], "<=", 1.0, unit="s")
    name = "the same, right after every watching connection was lost, p99"
    report.ratio(name, lost[int(len(lost) * 0.99)], "<=", 1.0, unit="s")


def main() -> None:
    """Measure everything."""
    report = Report("postgres", __doc__)
    version = next((version for version in (18, 15) if programs(version)), None)
    if version is None:
        report.say("there is no PostgreSQL here: nothing was measured")
        report.finish()
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder)
        server = Server(version, max_wal_size="4GB", shared_buffers="256MB")
        try:
            report.say(f"PostgreSQL {version}: decisions a second …")
            alone = asyncio.run(rates(server, state, report))
            report.say("four processes …")
            together(server, state, report, alone)
            report.say("publications …")
            spread(server, state, report)
            report.say("many decisions …")
            kept = os.environ.get("CONSENTGATE_BENCH")
            at_size(report, server, Path(kept) if kept else state, ledger)
        finally:
            server.close()
    report.finish()


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        child(*sys.argv[2:])
    elif sys.argv[1:2] == ["gate"]:
        gate(*sys.argv[2:])
    else:
        main()
