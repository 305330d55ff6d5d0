"""CPU time of a whole server process for each request, gated over bare.

Both applications are served at once, on one core, and loaded in turns, some milliseconds each, by sixteen keep-alive
connections from another core: so short that most slices are not interrupted. What counts is the CPU time of the
server's processes and threads, not the clock, so that a busy machine disturbs little; and ratios of two slices in a
row, so that what disturbs both is not counted. In uvicorn both are in one process (see `_gate_twins.py`), and several
fresh processes are asked. Linux only: it reads ``/proc``.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from _gate_site import BROWSER, PATH, SERVED, cookies, make_token

HERE = Path(__file__).resolve().parent
CONNECTIONS = 16

Target = tuple[int, int]
"""Process id and port."""


def server_ratio(server: str, *, houses: int, rounds: int, requests: int) -> tuple[float, float] | None:
    """How much CPU a request costs, gated over bare, or ``None`` where it cannot be measured here.

    Args:
        server: ``uvicorn`` or ``granian``.
        houses: fresh server processes.
        rounds: pairs of slices in each.
        requests: in a slice.

    Returns:
        The median over the houses of each one's median of paired ratios; and half the span of the middle half of those,
        which tells how much to make of the last digits.
    """
    if not Path("/proc/self/schedstat").exists():
        return None
    found = []
    for house in range(houses):
        with contextlib.ExitStack() as stack:
            stack.enter_context(_client_core())
            targets = stack.enter_context(_house(server, gated_first=house % 2 == 1))
            if targets is None:
                return None
            bare, gated = (stack.enter_context(_Load(*target)) for target in targets)
            ratios = []
            for turn in range(-2, rounds):
                pair = (bare, gated) if turn % 2 else (gated, bare)
                cost = {load: load.run(requests) for load in pair}
                if turn >= 0:  # the first are to warm up
                    ratios.append(cost[gated] / cost[bare])
            found.append(statistics.median(ratios))
    low, _, high = statistics.quantiles(found, n=4) if len(found) > 1 else (found[0],) * 3
    return statistics.median(found), (high - low) / 2


@contextlib.contextmanager
def _house(server: str, *, gated_first: bool) -> Iterator[tuple[Target, Target] | None]:
    """The bare and the gated application: in one process where the server can be asked for that, else in two."""
    with contextlib.ExitStack() as stack:
        if server == "uvicorn":
            ports = (_free_port(), _free_port())
            named = [f"bare:{ports[0]}", f"gated:{ports[1]}"]
            command = [str(HERE / "_gate_twins.py"), *(named[::-1] if gated_first else named)]
            process = stack.enter_context(_running(command))
            both = all(_up(port, process) for port in ports)
            yield ((process.pid, ports[0]), (process.pid, ports[1])) if both else None
            return
        targets = []
        for name in ("bare", "gated"):
            port = _free_port()
            process = stack.enter_context(_running(["-m", *_command(name, port)]))
            if not _up(port, process):
                yield None
                return
            targets.append((process.pid, port))
        yield targets[0], targets[1]


@contextlib.contextmanager
def _client_core() -> Iterator[None]:
    """Keep this process off the first core, which is the servers'."""
    cores = os.sched_getaffinity(0)
    if len(cores) > 1:
        os.sched_setaffinity(0, cores - {0})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


@contextlib.contextmanager
def _running(arguments: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(HERE), str(HERE.parent), *sys.path))}
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=HERE, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    with contextlib.suppress(OSError):  # before it has threads and children, which inherit it
        os.sched_setaffinity(process.pid, {0})
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _command(name: str, port: int) -> list[str]:
    target = f"_gate_site:{name}"
    return ["granian", "--interface", "asgi", "--factory", target, "--port", str(port), "--workers", "1", "--no-log"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _up(port: int, process: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
            return True
        time.sleep(0.1)
    return False


class _Load:
    """Sixteen keep-alive connections to a server, each with one request under way at a time.

    Args:
        pid: of the server.
        port: of the application.
    """

    def __init__(self, pid: int, port: int) -> None:
        self._pid = pid
        self._request = _request(port)
        self._selector = selectors.DefaultSelector()
        self._connections = [socket.create_connection(("127.0.0.1", port)) for _ in range(CONNECTIONS)]

    def __enter__(self) -> Self:
        for connection in self._connections:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._selector.register(connection, selectors.EVENT_READ, connection)
        return self

    def __exit__(self, *_: object) -> None:
        for connection in self._connections:
            connection.close()
        self._selector.close()

    def run(self, requests: int) -> float:
        """Nanoseconds of CPU the server spends on a request."""
        before = _cpu(self._pid)
        for connection in self._connections:
            connection.send(self._request)
        sent, done = len(self._connections), 0
        while done < sent:
            for key, _ in self._selector.select(10):
                answer = key.data.recv(4096)
                while not answer.endswith(b"hello"):
                    more = key.data.recv(4096)
                    if not more:
                        raise AssertionError(f"unexpected answer: {answer[:200]!r}")
                    answer += more
                done += 1
                if sent < requests:
                    key.data.send(self._request)
                    sent += 1
        return (_cpu(self._pid) - before) / done


def _request(port: int) -> bytes:
    fields = [(name, value) for name, value in BROWSER if name != b"host"]
    lines = [b"GET " + PATH.encode() + b" HTTP/1.1", b"host: 127.0.0.1:" + str(port).encode()]
    lines += [name + b": " + value for name, value in fields]
    return b"\r\n".join([*lines, b"cookie: " + cookies(make_token(serials=SERVED)), b"", b""])


def _cpu(pid: int) -> int:
    """Nanoseconds of CPU of a process, its threads and its children."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        total += int((task / "schedstat").read_text().split()[0])
        children = (task / "children").read_text().split()
        total += sum(_cpu(int(child)) for child in children)
    return total
