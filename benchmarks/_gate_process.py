"""One fresh process of `gate.py`: extra nanoseconds a request, for each variant, as JSON on the standard output.

Where things happen to lie in memory moves single numbers of a process by a fifth, so `gate.py` runs several and takes
medians. Within a process all variants take turns in short rounds, in rotating order, by the CPU time of this thread;
each is paired with the bare application on the very same requests.
"""

from __future__ import annotations

import gc
import json
import statistics
import sys
import time
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent)]

from _gate_peers import asgi_peers, django_peers, home_made, loop_runner  # noqa: E402
from _gate_site import SECRET, application, browser_scope, cookies, make_gate, make_token  # noqa: E402
from itsdangerous import BadSignature, TimestampSigner  # noqa: E402

from consentgate.gate.answers import Addresses, see_other, target_of  # noqa: E402
from consentgate.gate.options import GateState  # noqa: E402
from consentgate.gate.seals import Seals  # noqa: E402

Run = Callable[[int], float]
"""Makes so many requests and returns the nanoseconds each took."""

Scopes = list[dict[str, Any]]


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


def runner(app: Any, scopes: Scopes) -> Run:
    """Drive an application without an event loop: nothing here waits, so nothing but the code is measured."""
    queue = cycle(scopes)

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


def naive_refusal() -> Any:
    """A gate that does nothing but refuse with itsdangerous' own time-stamped signer, and gives the same answer."""
    signer = TimestampSigner(SECRET)
    addresses = Addresses("/terms", GateState(Seals(SECRET)), None)

    async def gate(scope: Any, receive: Any, send: Any) -> None:
        for name, value in reversed(scope["headers"]):
            if name == b"cookie":
                try:
                    signer.unsign(value.partition(b"consentgate=")[2].partition(b";")[0], max_age=86_400)
                except BadSignature:
                    await see_other(send, addresses.review(scope, target_of(scope)))
                    return
        await application(scope, receive, send)

    return gate


def forge(token: str) -> str:
    """The same pass with another seal."""
    return token[:-1] + ("A" if token[-1] != "A" else "B")


def cookies_first(scope: dict[str, Any]) -> dict[str, Any]:
    """The same request, as a proxy that sorts header fields might send it on."""
    return {**scope, "headers": [scope["headers"][-1], *scope["headers"][:-1]]}


def variants() -> dict[str, tuple[Any, Scopes]]:
    """Applications and the requests they get, by the names `gate.py` uses."""
    good = [browser_scope(cookies(make_token()))]
    many = [browser_scope(cookies(make_token(visitor))) for visitor in range(256)]
    forged = [browser_scope(cookies(forge(make_token())))]
    stamped = [browser_scope(cookies(forge(TimestampSigner(SECRET).sign("3-5-7").decode())))]
    nobody = [browser_scope(cookies(""), path=f"/articles/2026/story-{number}") for number in range(256)]
    return {
        "no-op": (NoOp(application), good),
        "good pass": (make_gate(), good),
        "good pass, cookies first": (make_gate(), [cookies_first(good[0])]),
        "good pass, subject": (make_gate(subject=lambda scope: None), good),
        # 256 visitors take turns at a memo for 32: each is forgotten before it comes again.
        "first sight": (make_gate(memo_size=32), many),
        "forged": (make_gate(), forged),
        "naive": (naive_refusal(), stamped),
        "nobody": (make_gate(), nobody),
        **{name: (app, [scope]) for name, app, scope in asgi_peers(application)},
    }


def extra_times(pairs: dict[str, tuple[Run, Run]], *, rounds: int, count: int) -> dict[str, float]:
    """Median extra nanoseconds of the first run of each pair over the second."""
    names = list(pairs)
    extras: dict[str, list[float]] = {name: [] for name in names}
    for run, base in pairs.values():
        run(4 * count)
        base(4 * count)
    gc.collect()
    gc.disable()
    for turn in range(rounds):
        place = turn % len(names)
        for name in (*names[place:], *names[:place]):
            run, base = pairs[name]
            first, second = (base, run) if turn % 2 else (run, base)
            times = {first: first(count), second: second(count)}
            extras[name].append(times[run] - times[base])
        if turn % 20 == 0:
            gc.collect()
    gc.enable()
    return {name: statistics.median(values) for name, values in extras.items()}


def main(*, quick: bool) -> dict[str, float]:
    """Everything that is measured in one process."""
    rounds = 20 if quick else 120
    pairs = {name: (runner(app, scopes), runner(application, scopes)) for name, (app, scopes) in variants().items()}
    extras = extra_times(pairs, rounds=rounds, count=200)
    if made := home_made(application):
        gate, bare = (loop_runner(app, made[1], send, receive) for app in (made[0], application))
        extras |= extra_times({"BaseHTTPMiddleware gate": (gate, bare)}, rounds=10, count=50)
    for name, run in django_peers():
        extras[name] = statistics.median(run(20) for _ in range(10))
    return extras


if __name__ == "__main__":
    print(json.dumps(main(quick="--quick" in sys.argv)))
