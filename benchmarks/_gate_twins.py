"""Two applications in one server process, for `_gate_server.py`: uvicorn twice in one event loop, on two ports.

    python _gate_twins.py bare:8001 gated:8002

Where things happen to lie in the memory of a process moves its CPU time a request by some hundredths, as much as the
gate costs altogether; two processes therefore cannot be compared, and one with both applications can. Which of them was
made first matters a little, too, so the caller changes that from process to process.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent)]

import uvicorn  # noqa: E402
from _gate_site import bare, gated  # noqa: E402


class Server(uvicorn.Server):
    """A server that leaves signals alone: of two, only one would hear of them. SIGTERM then simply ends the process."""

    def capture_signals(self) -> contextlib.AbstractContextManager[None]:
        """Capture none."""
        return contextlib.nullcontext()


async def serve(served: list[tuple[Any, int]]) -> None:
    """Serve each application on its port until the process is ended."""
    servers = [
        Server(uvicorn.Config(app, port=port, access_log=False, log_level="error")) for app, port in served
    ]  # fmt: skip
    await asyncio.gather(*(server.serve() for server in servers))


def main(arguments: list[str]) -> None:
    """Make the applications, and serve them as fast as this machine can."""
    makers = {"bare": bare, "gated": gated}
    named = [argument.split(":") for argument in arguments]
    served = [(makers[name](), int(port)) for name, port in named]
    try:
        import uvloop
    except ImportError:
        asyncio.run(serve(served))
    else:
        uvloop.run(serve(served))


if __name__ == "__main__":
    main(sys.argv[1:])
