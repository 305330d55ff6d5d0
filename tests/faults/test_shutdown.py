"""SIGTERM under load, and too much load: whoever was acknowledged is on record, and everybody is answered."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest

from consentgate.testing import run
from tests.faults.conftest import check
from tests.frameworks.servers import free_port, running


@dataclass
class Load:
    """What came of the requests that were sent."""

    acknowledged: set[bytes] = field(default_factory=set)
    refused: list[dict[str, str]] = field(default_factory=list)
    unanswered: int = 0

    async def one(self, port: int, name: str) -> bool:
        """Ask for one decision, on a connection of its own; whether it was answered."""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return False  # nobody listens any more: nothing was asked
        try:
            writer.write(f"POST /record?{name} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
            answer = await reader.read()
        except OSError:
            answer = b""
        finally:
            writer.close()
        head, _, body = answer.partition(b"\r\n\r\n")
        if b" 200 " in head:
            self.acknowledged.add(bytes.fromhex(json.loads(body[body.index(b"{") : body.rindex(b"}") + 1])["ref"]))
        elif b" 503 " in head:
            lines = (line.partition(": ") for line in head.decode().lower().split("\r\n")[1:])
            self.refused.append({name: value for name, _, value in lines})
        else:
            self.unanswered += 1
            return False
        return True


Serve = Callable[..., tuple[int, "Popen[bytes]", Path]]


@pytest.fixture(name="serve")
def _serve(database: str, tmp_path: Path) -> Iterator[Serve]:
    """A real server in a process of its own: port, process, log."""
    with ExitStack() as stack:

        def serve(**environment: str) -> tuple[int, Popen[bytes], Path]:
            port, log = free_port(), tmp_path / "log"
            command = [sys.executable, "-m", "uvicorn", "tests.faults.served:app", "--port", str(port),
                       "--log-level", "warning"]  # fmt: skip
            given = {"CONSENTGATE_TEST_DATABASE": database, **environment}
            return port, stack.enter_context(running(command, log, port=port, environment=given)), log

        yield serve


def test_a_server_that_is_told_to_stop_answers_everybody_it_let_in(serve: Serve, database: str) -> None:
    """Thirty-two ask without pause when SIGTERM comes: each request that reached the application is answered, nothing
    that was acknowledged is missing, and the process ends by itself."""
    port, process, log = serve()
    load = Load()

    async def ask(number: int) -> None:
        turn = 0
        while await load.one(port, f"{number}-{turn}"):
            turn += 1
            if len(load.acknowledged) >= 100:
                enough.set()

    enough = asyncio.Event()

    async def main() -> None:
        askers = [asyncio.create_task(ask(number)) for number in range(32)]
        await enough.wait()
        process.send_signal(signal.SIGTERM)
        await asyncio.gather(*askers)

    run(main())

    process.wait(30)
    entered = log.read_text().count("entered\n")
    assert len(load.acknowledged) >= 100
    assert load.refused == []
    assert entered == len(load.acknowledged), log.read_text()[-2000:]
    assert run(check(database, load.acknowledged)) == (0, [])


def test_more_than_can_be_written_is_refused_and_not_piled_up(serve: Serve, database: str) -> None:
    """Of two hundred at once, those beyond the bound hear 503 and when to come back; the others are on record."""
    port, _, log = serve(CONSENTGATE_TEST_CAPACITY="20")
    load = Load()

    async def main() -> list[Any]:
        return await asyncio.gather(*(load.one(port, str(number)) for number in range(200)))

    assert all(run(main()))

    assert len(load.acknowledged) + len(load.refused) == 200
    assert len(load.refused) > 50
    assert {refused["retry-after"] for refused in load.refused} == {"2"}
    assert run(check(database, load.acknowledged)) == (0, [])
    assert log.read_text().count("entered\n") == 200
