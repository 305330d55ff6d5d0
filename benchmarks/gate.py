"""The gate on the hot path: what it adds to a request, in process and in a whole server.

In process: 17 headers, 8 cookies, three policies; the extra time over the bare application, as a multiple of a
"no-op", a class with ``async def __call__`` that only hands on: what every ASGI middleware costs at least. All variants
run in turns, many short rounds, CPU time of this thread, medians. In a server: CPU time of the whole server process for
each request, gated over bare, servers in turns. ``pip install -r benchmarks/requirements.txt`` adds the peers.
"""

from __future__ import annotations

import gc
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent)]

from _gate_peers import asgi_peers, django_peers, home_made, loop_runner  # noqa: E402
from _gate_server import server_ratio  # noqa: E402
from _gate_site import SECRET, application, browser_scope, cookies, make_gate, make_token  # noqa: E402
from _report import Report  # noqa: E402
from itsdangerous import BadSignature, TimestampSigner  # noqa: E402

from consentgate.gate.answers import Addresses, see_other, target_of  # noqa: E402
from consentgate.gate.options import GateState  # noqa: E402
from consentgate.gate.seals import Seals  # noqa: E402

Run = Callable[[int], float]
"""Makes so many requests and returns the nanoseconds each took."""


class NoOp:
    """What every ASGI middleware costs at least."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


async def send(message: Any) -> None:
    """A server that writes nothing."""


async def receive() -> Any:
    """A client that sends nothing."""
    return {"type": "http.request", "body": b"", "more_body": False}


def runner(app: Any, scopes: Iterable[dict[str, Any]]) -> Run:
    """Drive an application without an event loop: nothing here waits, so nothing but the code is measured."""
    queue = cycle(list(scopes))

    def run(count: int) -> float:
        batch = [next(queue) for _ in range(count)]
        start = time.thread_time_ns()
        for scope in batch:
            coroutine = app(scope, receive, send)
            try:
                coroutine.send(None)
            except StopIteration:
                continue
            raise AssertionError("something waited")
        return (time.thread_time_ns() - start) / count

    return run


def extra_times(runs: dict[str, Run], *, rounds: int, count: int) -> dict[str, float]:
    """Median extra nanoseconds of each run over the one called ``bare``, paired round by round, order rotating."""
    names = list(runs)
    extras: dict[str, list[float]] = {name: [] for name in names}
    for run in runs.values():
        run(count)
    gc.collect()
    gc.disable()
    for turn in range(rounds):
        place = turn % len(names)
        times = {name: runs[name](count) for name in (*names[place:], *names[:place])}
        for name in names:
            extras[name].append(times[name] - times["bare"])
        if turn % 50 == 0:
            gc.collect()
    gc.enable()
    return {name: statistics.median(values) for name, values in extras.items()}


def naive_refusal() -> Any:
    """A gate that does nothing but refuse with itsdangerous' own time-stamped signer, and gives the same answer."""
    signer = TimestampSigner(SECRET)
    addresses = Addresses("/terms", GateState(Seals(SECRET)), None)
    needle = b"consentgate="

    async def gate(scope: Any, receive: Any, send: Any) -> None:
        for name, value in reversed(scope["headers"]):
            if name == b"cookie":
                try:
                    signer.unsign(value.partition(needle)[2].partition(b";")[0], max_age=86_400)
                except BadSignature:
                    await see_other(send, addresses.review(scope, target_of(scope)))
                    return
        await application(scope, receive, send)

    return gate


def forge(token: str) -> str:
    """The same pass with another seal."""
    return token[:-1] + ("A" if token[-1] != "A" else "B")


def in_process(report: Report) -> None:
    """Everything that is measured without a server."""
    rounds, count = (40, 100) if report.quick else (500, 250)
    ours = runs_of_ours()
    theirs = {name: runner(app, [scope]) for name, app, scope in asgi_peers(application)}
    extras = extra_times({**ours, **theirs}, rounds=rounds, count=count)
    unit = extras["no-op"]
    warm, session = extras["good pass"], extras.get("Starlette SessionMiddleware")
    report.ratio("good pass, memo warm / no-op", warm / unit, "<=", 4.5, note=f"a no-op is {unit:.0f} ns")
    if session:
        report.ratio("good pass, memo warm / SessionMiddleware", warm / session, "<=", round(1 / 15, 4))
    report.ratio("good pass, first sight / no-op", extras["first sight"] / unit, "<=", 25)
    report.ratio("forged pass, 303 / TimestampSigner refusing, 303", extras["forged"] / extras["naive"], "<=", 0.8)
    report.ratio("no cookie, 303 / no-op", extras["nobody"] / unit, "<=", 15, note="512 addresses in turn")
    report.beside("ours with subject=, good pass, memo warm / no-op", extras["good pass, subject"] / unit)
    report.beside("ours, a crawler's name looked up before the 303 / no-op", extras["nobody, crawlers"] / unit)
    for name in theirs:
        report.beside(f"{name} / no-op", extras[name] / unit)
    if made := home_made(application):
        in_loop = {
            "bare": loop_runner(application, made[1], send, receive),
            "gate": loop_runner(made[0], made[1], send, receive),
        }
        report.beside("BaseHTTPMiddleware gate / no-op", extra_times(in_loop, rounds=20, count=100)["gate"] / unit)
    for name, run in django_peers():
        report.beside(f"{name} / no-op", statistics.median(run(50) for _ in range(5 if report.quick else 20)) / unit)


def runs_of_ours() -> dict[str, Run]:
    """The gate in each situation, the floor and the hand-written refusal, by the names `in_process` uses."""
    good = [browser_scope(cookies(make_token()))]
    many = [browser_scope(cookies(make_token(visitor))) for visitor in range(512)]
    forged = [browser_scope(cookies(forge(make_token())))]
    stamped = [browser_scope(cookies(forge(TimestampSigner(SECRET).sign("3-5-7").decode())))]
    nobody = [browser_scope(cookies(""), path=f"/articles/2026/story-{number}") for number in range(512)]
    return {
        "bare": runner(application, good),
        "no-op": runner(NoOp(application), good),
        "good pass": runner(make_gate(), good),
        "good pass, subject": runner(make_gate(subject=lambda scope: None), good),
        # 512 visitors take turns at a memo for 64: each is forgotten before it comes again.
        "first sight": runner(make_gate(memo_size=64), many),
        "forged": runner(make_gate(crawlers="gate"), forged),
        "naive": runner(naive_refusal(), stamped),
        "nobody": runner(make_gate(crawlers="gate"), nobody),
        "nobody, crawlers": runner(make_gate(), nobody),
    }


def what_a_pass_does_not_do(report: Report) -> None:
    """Counts of what must be absent when a pass is good; the hooks raise when they are asked anything."""
    inner: list[Any] = []

    class Wait:
        def __await__(self) -> Any:
            yield "the application's own"

    async def waiting(scope: Any, receive: Any, send: Any) -> None:
        inner.append(send)
        await Wait()

    gate = make_gate(waiting)
    waits = 0
    for _ in range(3):  # first sight, then from memory
        coroutine = gate(browser_scope(cookies(make_token())), receive, send)
        waits = sum(1 for _ in _steps(coroutine)) - 1
    threads = threading.active_count() - 1
    report.ratio("hooks asked, awaits of the gate's own, good pass", waits, "<=", 0)
    report.ratio("send wrapped, good pass", sum(seen is not send for seen in inner), "<=", 0)
    report.ratio("threads started", threads, "<=", 0)


def _steps(coroutine: Any) -> Iterator[Any]:
    while True:
        try:
            yield coroutine.send(None)
        except StopIteration:
            return


def in_servers(report: Report) -> None:
    """The whole server process."""
    rounds, seconds = (3, 0.3) if report.quick else (31, 0.7)
    for server, bar in (("uvicorn", 1.05), ("granian", 1.10)):
        ratio = server_ratio(server, rounds=rounds, seconds=seconds)
        if ratio is None:
            report.say(f"{server}: cannot be measured here")
        else:
            report.ratio(f"CPU a request, {server}, gated / bare", ratio, "<=", bar, note=f"{rounds} pairs")


def main() -> None:
    """Measure and report."""
    report = Report("gate", __doc__)
    what_a_pass_does_not_do(report)
    in_process(report)
    in_servers(report)
    report.finish()


if __name__ == "__main__":
    main()
