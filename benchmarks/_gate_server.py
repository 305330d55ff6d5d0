"""CPU time of a whole server process for each request, gated over bare.

Both servers run at once, on one core, and are loaded in turns, a few hundred milliseconds each, by sixteen keep-alive
connections from another core; what counts is the CPU time of the server's processes and threads, so that a busy machine
disturbs little. Linux only: it reads ``/proc``.
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

from _gate_site import BROWSER, PATH, cookies, make_token

HERE = Path(__file__).resolve().parent
CONNECTIONS = 16


def server_ratio(server: str, *, rounds: int, seconds: float) -> float | None:
    """Median of paired ratios of CPU time a request, or ``None`` where it cannot be measured here."""
    if not Path("/proc/self/schedstat").exists():
        return None
    with _client_core(), _serve(server, "bare") as bare, _serve(server, "gated") as gated:
        if bare is None or gated is None:
            return None
        for target in (bare, gated):
            _load(target, 0.5)
        ratios = []
        for turn in range(rounds):
            pair = (bare, gated) if turn % 2 else (gated, bare)
            cost = {target: _load(target, seconds) for target in pair}
            ratios.append(cost[gated] / cost[bare])
    return statistics.median(ratios)


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


Target = tuple[int, int]
"""Process id and port."""


@contextlib.contextmanager
def _serve(server: str, name: str) -> Iterator[Target | None]:
    port = _free_port()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(HERE), str(HERE.parent)))}
    process = subprocess.Popen(
        [sys.executable, "-m", *_command(server, name, port)],
        cwd=HERE, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    with contextlib.suppress(OSError):  # before it has threads and children, which inherit it
        os.sched_setaffinity(process.pid, {0})
    try:
        yield (process.pid, port) if _up(port, process) else None
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _command(server: str, name: str, port: int) -> list[str]:
    target = f"_gate_site:{name}"
    if server == "uvicorn":
        return ["uvicorn", "--factory", target, "--port", str(port), "--no-access-log", "--log-level", "error"]
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


def _load(target: Target, seconds: float) -> float:
    """Nanoseconds of CPU the server spends on a request."""
    pid, port = target
    request = _request(port)
    selector = selectors.DefaultSelector()
    connections = [socket.create_connection(("127.0.0.1", port)) for _ in range(CONNECTIONS)]
    for connection in connections:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(connection, selectors.EVENT_READ)
        connection.send(request)
    done, before = 0, _cpu(pid)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for key, _ in selector.select(1):
            connection = connections[connections.index(key.fileobj)]  # type: ignore[arg-type]
            answer = connection.recv(4096)
            while not answer.endswith(b"hello"):
                more = connection.recv(4096)
                if not more:
                    raise AssertionError(f"unexpected answer: {answer[:200]!r}")
                answer += more
            done += 1
            connection.send(request)
    spent = _cpu(pid) - before
    for connection in connections:
        connection.close()
    selector.close()
    return spent / done


def _request(port: int) -> bytes:
    fields = [(name, value) for name, value in BROWSER if name != b"host"]
    lines = [b"GET " + PATH.encode() + b" HTTP/1.1", b"host: 127.0.0.1:" + str(port).encode()]
    lines += [name + b": " + value for name, value in fields]
    return b"\r\n".join([*lines, b"cookie: " + cookies(make_token()), b"", b""])


def _cpu(pid: int) -> int:
    """Nanoseconds of CPU of a process, its threads and its children."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        total += int((task / "schedstat").read_text().split()[0])
        children = (task / "children").read_text().split()
        total += sum(_cpu(int(child)) for child in children)
    return total
