"""Our start-up around the inner application's, whether it has one or not.

Room: the top floor, used by ``consentgate.app``. Some applications raise on a lifespan scope (Django), some ignore
it, some answer with a failure; the server must hear one clear story (ASGI specification, Lifespan Protocol).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from consentgate.errors import ConsentGateError
from consentgate.gate.hooks import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger("consentgate")


def lifespan_around(
    app: ASGIApp,
    start: Callable[[], Awaitable[None]],
    stop: Callable[[], Awaitable[None]],
    *,
    carried: Mapping[str, Any] | None = None,
) -> ASGIApp:
    """Build the application that answers the lifespan scope.

    Args:
        app: the inner application.
        start: opens our resources; its errors refuse start-up.
        stop: closes them.
        carried: what every request's ``scope["state"]`` is to hold, where the server supports that.
    """

    async def lifespan(scope: Scope, receive: Receive, send: Send) -> None:
        if carried and isinstance(state := scope.get("state"), dict):
            state.update(carried)
        inner = _Inner(app, scope)
        await receive()  # lifespan.startup
        try:
            await start()
        except Exception as error:
            await send({"type": "lifespan.startup.failed", "message": _say(error)})
            raise  # the server has its message; test clients want the error itself
        failure = await inner.startup()
        if failure is not None:
            await stop()
            await send(failure)
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()  # lifespan.shutdown
        try:
            failure = await inner.shutdown()
        finally:
            await stop()
        await send(failure or {"type": "lifespan.shutdown.complete"})

    return lifespan


def _say(error: Exception) -> str:
    hint = getattr(error, "hint", "")
    if not isinstance(error, ConsentGateError):
        log.error("consentgate could not start", exc_info=error)
    return f"consentgate could not start: {error}" + (f" ({hint})" if hint else "")


class _Inner:
    """The inner application's lifespan, run in a task of its own so that we can speak to it in turn."""

    def __init__(self, app: ASGIApp, scope: Scope) -> None:
        self._app = app
        self._scope = scope
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._from_app: asyncio.Queue[Message | None] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._supported = False

    async def startup(self) -> Message | None:
        """Start it; the failure message, or ``None`` when it started or has no lifespan."""
        self._task = asyncio.create_task(self._run(), name="consentgate-inner-lifespan")
        await self._to_app.put({"type": "lifespan.startup"})
        answer = await self._from_app.get()
        if answer is None:
            return None  # it raised or returned: the specification says it has no lifespan
        if answer["type"] == "lifespan.startup.failed":
            await self._finish()
            return answer
        self._supported = True
        return None

    async def shutdown(self) -> Message | None:
        """Stop it; the failure message, or ``None``."""
        if not self._supported:
            await self._finish()
            return None
        await self._to_app.put({"type": "lifespan.shutdown"})
        answer = await self._from_app.get()
        await self._finish()
        return answer if answer is not None and answer["type"] == "lifespan.shutdown.failed" else None

    async def _finish(self) -> None:
        if self._task is not None:
            await asyncio.wait([self._task], timeout=10)
            self._task.cancel()

    async def _run(self) -> None:
        try:
            await self._app(self._scope, self._to_app.get, self._from_app.put)
        except Exception as error:  # noqa: BLE001 - "if an exception is raised … the server must continue" (ASGI)
            log.debug("the inner application has no lifespan: %r", error)
        finally:
            await self._from_app.put(None)
