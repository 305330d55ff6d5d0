"""Processes that decide until they are killed. Run as a program by `test_kill`.

One process loads everything once and forks a child for each life; a line of JSON on standard input starts some at
once, a line of JSON on standard output says how they ended. What was acknowledged stands in a file, written by one
system call each, which a killed process cannot take back.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from consentgate.service.settings import Settings
from consentgate.service.terms import Terms
from consentgate.terms.subject import Subject

LONGEST = 20.0
"""Seconds after which a child that did not die by itself is killed."""


def live(database: str, acks: str, step: str, times: int, at_once: int, state: str | None = None) -> None:
    """Decide, `at_once` at a time, and be killed before the step has come so many times."""
    left = times
    out = os.open(acks, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def on_step(name: str) -> None:
        nonlocal left
        if name == step:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    async def one(terms: Terms, number: int) -> None:
        for turn in range(100_000):
            entry = await terms.record(Subject(f"{os.getpid()}-{number}-{turn}"), "terms")
            os.write(out, entry.ref.hex().encode() + b"\n")

    async def main() -> None:
        secrets = (b"only-for-tests-0123456789abcdefghijklmnop",)
        terms = Terms(Settings(database=database, secrets=secrets, state=Path(state) if state else None))
        terms.on_step = on_step
        await terms.start()
        await asyncio.gather(*(one(terms, number) for number in range(at_once)))

    asyncio.run(main())


def start(plan: dict[str, Any]) -> int:
    """Fork one child."""
    child = os.fork()
    if child == 0:
        try:
            live(plan["database"], plan["acks"], plan["step"], plan["times"], plan["at_once"], plan["state"])
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    return child


def end(children: dict[int, float]) -> list[int]:
    """Kill whoever's time has come, and wait for all; how each of them ended, as `waitpid` says."""
    endings = []
    while children:
        child, status = os.waitpid(-1, os.WNOHANG)
        if child:
            endings.append(status)
            children.pop(child)
            continue
        for one in [one for one, when in children.items() if time.monotonic() >= when]:
            os.kill(one, signal.SIGKILL)
            children[one] = float("inf")
        time.sleep(0.002)
    return endings


def main() -> None:
    """Serve one line after the other."""
    for line in sys.stdin:
        now = time.monotonic()
        children = {start(plan): now + (plan["after"] or LONGEST) for plan in json.loads(line)}
        print(json.dumps(end(children)), flush=True)


if __name__ == "__main__":
    main()
