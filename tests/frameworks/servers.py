"""Servers and proxies for the tests of frameworks: children that are always ended, sockets that are waited for.

The examples run as their readers run them, each in a process of its own; what they publish and where they keep it
comes from the environment.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
FRAMEWORKS = ("bare", "starlette", "fastapi", "litestar", "quart", "django")
SECRET = "only-for-tests-0123456789abcdefghijklmnop"

_PATIENCE = 60.0
"""Seconds for a server to come up on a machine that does much else."""


def free_port() -> int:
    """A port nobody listens on."""
    with closing(socket.socket()) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def wait_for(port: int, alive: Callable[[], bool]) -> None:
    """Wait until somebody answers; fail at once when the child has died."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        with suppress(OSError), closing(socket.create_connection(("127.0.0.1", port), timeout=5)):
            return
        if not alive():
            break
        time.sleep(0.02)
    raise AssertionError(f"nobody answers on port {port}")


@contextmanager
def running(
    command: list[str], log: Path, *, port: int, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A child that listens on a port; ended in any case, and its log shown when it never came up."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("CONSENTGATE", "COV"))}
    with log.open("wb") as output:
        child = subprocess.Popen(
            command,
            cwd=ROOT,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**kept, **(environment or {})},
            start_new_session=True,  # so that a server's own workers can be ended with it
        )
        try:
            try:
                wait_for(port, lambda: child.poll() is None)
            except AssertionError as error:
                raise AssertionError(f"{error}; it said:\n{log.read_text(errors='replace')[-3000:]}") from None
            yield child
        finally:
            _end(child)


def _end(child: subprocess.Popen[bytes]) -> None:
    """Ask it to go, and in any case leave none of its workers behind."""
    child.terminate()
    with suppress(subprocess.TimeoutExpired):
        child.wait(10)
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait(10)


def own_environment(policies: Path, **more: str) -> dict[str, str]:
    """What an example reads: which policies, which secrets."""
    return {
        "POLICIES": str(policies),
        "CONSENTGATE_SECRET": SECRET,
        "SESSION_SECRET": "0123456789abcdef" * 4,
        "PYTHONUNBUFFERED": "1",
        **more,
    }


@contextmanager
def example(framework: str, folder: Path, policies: Path, **more: str) -> Iterator[str]:
    """An example, started as its docstring says; gives its address."""
    port = free_port()
    environment = own_environment(policies, HOST="127.0.0.1", PORT=str(port), **more)
    command = [sys.executable, f"examples/{framework}_app.py"]
    with running(command, folder / f"{framework}.log", port=port, environment=environment):
        yield f"http://127.0.0.1:{port}"


def server_command(server: str, framework: str, port: int, *, lifespan: bool, options: tuple[str, ...]) -> list[str]:
    """The command line of a server for an example's application."""
    target = f"examples.{framework}_app:app" if framework in FRAMEWORKS else f"tests.frameworks.{framework}:app"
    if server == "uvicorn":
        said = ["--host", "127.0.0.1", "--port", str(port), "--lifespan", _on(lifespan)]
        return [sys.executable, "-m", "uvicorn", target, *said, *options]
    if server == "hypercorn":
        # Hypercorn has no option to leave lifespan out: an application that raises on it is served all the same.
        return [sys.executable, "-m", "hypercorn", target, "--bind", f"127.0.0.1:{port}", *options]
    interface = "asgi" if lifespan else "asginl"
    said = ["--interface", interface, "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    return [sys.executable, "-m", "granian", target, *said, *options]


def _on(value: bool) -> str:
    return "on" if value else "off"


@contextmanager
def served(
    server: str, framework: str, folder: Path, policies: Path, *, lifespan: bool = True, options: tuple[str, ...] = ()
) -> Iterator[str]:
    """An example's application, or a module of these tests, in a server of choice; gives its address."""
    port = free_port()
    command = server_command(server, framework, port, lifespan=lifespan, options=options)
    environment = own_environment(policies, PYTHONPATH=str(ROOT))
    with running(command, folder / f"{server}-{framework}.log", port=port, environment=environment):
        yield f"http://127.0.0.1:{port}"


# --- policies -----------------------------------------------------------------------------------------------------

FIRST = "# Rules of the Library\n\nWhoever borrows a book brings it back within a month.\n"
COMING = "# Rules of the Library\n\nWhoever borrows a book brings it back within three weeks.\n"


def write_policies(folder: Path) -> Path:
    """One policy in force, with a version that is announced for next month."""
    place = folder / "library-rules"
    place.mkdir(parents=True)
    (place / "policy.toml").write_text('title = "Rules of the Library"\n')
    (place / "1.en.md").write_text(f'---\nversion: "1"\nimpact: material\n---\n{FIRST}')
    day = f"{datetime.now(UTC) + timedelta(days=30):%Y-%m-%d}"
    front = f'version: "2"\nimpact: material\nannounce: 2020-01-01\neffective: {day}'
    (place / "2.en.md").write_text(f"---\n{front}\n---\n{COMING}")
    return folder


# --- a proxy ------------------------------------------------------------------------------------------------------


class StrippingProxy:
    """A reverse proxy under a prefix: it takes the prefix off, says that the visitor speaks https, and passes bytes on.

    One connection is one request, which keeps it short; everything after the head goes through as it is.

    Args:
        upstream: port of the application.
        prefix: such as ``/shop``.
        scheme: what ``X-Forwarded-Proto`` says.
    """

    def __init__(self, upstream: int, prefix: str, *, scheme: str = "http") -> None:
        self._upstream, self._prefix, self._scheme = upstream, prefix, scheme
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with closing(client), suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                part = client.recv(65_536)
                if not part:
                    return
                head += part
            head, _, body = head.partition(b"\r\n\r\n")
            with closing(socket.create_connection(("127.0.0.1", self._upstream))) as server:
                server.sendall(self._rewrite(head) + b"\r\n\r\n" + body)
                back = threading.Thread(target=_pump, args=(client, server), daemon=True)
                back.start()
                _pump(server, client)

    def _rewrite(self, head: bytes) -> bytes:
        line, _, fields = head.partition(b"\r\n")
        method, target, version = line.split(b" ")
        prefix = self._prefix.encode()
        assert target.startswith(prefix), f"the browser left the prefix: {target!r}"
        target = target[len(prefix) :] or b"/"
        kept = [one for one in fields.split(b"\r\n") if not one.lower().startswith(b"connection:")]
        if b"\r\nupgrade:" not in b"\r\n" + fields.lower():
            kept.append(b"Connection: close")
        else:
            kept.append(b"Connection: Upgrade")
        kept += [b"X-Forwarded-Proto: " + self._scheme.encode(), b"X-Forwarded-For: 192.0.2.7"]
        return b"\r\n".join([b" ".join([method, target, version]), *kept])


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while part := source.recv(65_536):
            sink.sendall(part)
        sink.shutdown(socket.SHUT_WR)


def state_of(answer: Any, slug: str = "library-rules") -> dict[str, Any]:
    """What a problem document says about one policy."""
    return next(one for one in answer.json()["policies"] if one["policy"] == slug)
