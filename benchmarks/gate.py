"""The gate on the hot path: what it adds to a request, in process and in a whole server.

In process: 17 headers, 8 cookies, three policies; the extra time over the bare application, as a multiple of a
"no-op", a class with ``async def __call__`` that only hands on: what every ASGI middleware costs at least. Medians of
several fresh processes (see `_gate_process.py`). In a server: CPU time of the whole server process for each request,
gated over bare (see `_gate_server.py`). ``pip install -r benchmarks/requirements.txt`` adds the peers.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from _gate_process import receive, send  # noqa: E402
from _gate_server import server_ratio  # noqa: E402
from _gate_site import browser_scope, cookies, make_gate, make_token  # noqa: E402
from _report import Report  # noqa: E402

OURS = {
    "no-op", "good pass", "good pass, cookies first", "good pass, subject", "first sight", "forged", "naive", "nobody",
}  # fmt: skip


def in_process(report: Report) -> None:
    """Ratios of extra times, each the median over fresh processes."""
    runs = [_one_process(report) for _ in range(2 if report.quick else 9)]

    def ratio(name: str, base: str = "no-op") -> float:
        return statistics.median(run[name] / run[base] for run in runs)

    unit = statistics.median(run["no-op"] for run in runs)
    report.ratio("good pass, memo warm / no-op", ratio("good pass"), "<=", 4.5, note=f"a no-op is {unit:.0f} ns here")
    session = "Starlette SessionMiddleware"
    if session in runs[0]:
        report.ratio(f"good pass, memo warm / {session}", ratio("good pass", session), "<=", round(1 / 15, 4))
    report.ratio("good pass, first sight / no-op", ratio("first sight"), "<=", 25)
    report.ratio("forged pass, 303 / TimestampSigner refusing, 303", ratio("forged", "naive"), "<=", 0.8)
    report.ratio("no pass, 303 / no-op", ratio("nobody"), "<=", 15, note="256 addresses in turn")
    report.beside("ours with subject=, good pass, memo warm / no-op", ratio("good pass, subject"))
    report.beside("ours, cookies first of 17 fields, good pass, memo warm / no-op", ratio("good pass, cookies first"))
    for name in runs[0]:
        if name not in OURS:
            report.beside(f"{name} / no-op", ratio(name))


def _one_process(report: Report) -> dict[str, float]:
    command = [sys.executable, str(HERE / "_gate_process.py"), *(["--quick"] if report.quick else [])]
    extras: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    report.say("  ".join(f"{name} {extras[name]:.0f} ns" for name in extras if name in OURS))
    return extras


def what_a_pass_does_not_do(report: Report) -> None:
    """Counts of what must be absent when a pass is good. The hooks of this site raise when they are asked anything."""
    inner: list[Any] = []

    class Wait:
        def __await__(self) -> Any:
            yield "the application's own"

    async def waiting(scope: Any, receive: Any, send: Any) -> None:
        inner.append(send)
        await Wait()

    gate = make_gate(waiting)
    waits = 0
    for _ in range(3):  # the first of them at first sight, the others from memory
        waits += len(list(_steps(gate(browser_scope(cookies(make_token())), receive, send)))) - 1
    report.ratio("good pass: awaits of the gate's own, questions to the store", waits, "<=", 0)
    report.ratio("good pass: send wrapped", sum(seen is not send for seen in inner), "<=", 0)
    report.ratio("good pass: threads", threading.active_count() - 1, "<=", 0)


def _steps(coroutine: Any) -> Iterator[Any]:
    while True:
        try:
            yield coroutine.send(None)
        except StopIteration:
            return


def in_servers(report: Report) -> None:
    """The whole server process."""
    houses, rounds, requests = (2, 5, 112) if report.quick else (7, 121, 112)
    for server, bar in (("uvicorn", 1.05), ("granian", 1.10)):
        measured = server_ratio(server, houses=houses, rounds=rounds, requests=requests)
        if measured is None:
            report.say(f"{server}: cannot be measured here")
        else:
            ratio, spread = measured
            note = f"± {spread:.3f}, {houses} processes, {rounds} pairs each"
            report.ratio(f"CPU a request, {server}, gated / bare", ratio, "<=", bar, note=note)


def main() -> None:
    """Measure and report."""
    report = Report("gate", __doc__)
    what_a_pass_does_not_do(report)
    in_process(report)
    in_servers(report)
    report.finish()


if __name__ == "__main__":
    main()
