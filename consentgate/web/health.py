"""Health and metrics: what load balancers, orchestrators and monitors ask.

Room: web. Never gated, and health is answered without the database. ``<prefix>/metrics`` is there with
``metrics=True`` alone; on PostgreSQL it looks once, for how long the queue is.
"""

from __future__ import annotations

import asyncio

from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from consentgate.errors import ConsentGateError
from consentgate.gate.paths import local_path
from consentgate.service.health import health_of
from consentgate.service.terms import Terms
from consentgate.web.metrics import MEDIA_TYPE, render

_FRAME = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class HealthPages:
    """An ASGI application for ``health/…`` and ``metrics`` below the prefix.

    Args:
        terms: the handle; need not be started.
    """

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._health = f"{terms.settings.prefix}/health/"
        self._metrics = f"{terms.settings.prefix}/metrics" if terms.settings.metrics else None

    def serves(self, scope: Scope) -> bool:
        """Whether a request is for one of these."""
        path = local_path(scope) if scope["type"] == "http" else ""
        return path.startswith(self._health) or path == self._metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        await (await self._answer(scope))(scope, receive, send)

    async def _answer(self, scope: Scope) -> Response:
        if scope["method"] not in ("GET", "HEAD"):
            return PlainTextResponse("only GET\n", status_code=405, headers={**_FRAME, "Allow": "GET, HEAD"})
        path = local_path(scope)
        if path == self._metrics:
            text = await asyncio.to_thread(render, self._terms)
            return Response(text, headers={**_FRAME, "Content-Type": MEDIA_TYPE})
        question = path.removeprefix(self._health)
        if question == "live":
            return _said("alive", good=True)
        if question == "ready":
            await self._start()
            health = health_of(self._terms)
            return _said("ready" if health.recording else "degraded" if health.ready else "not ready",
                         *health.problems, good=health.ready)  # fmt: skip
        if question == "recording":
            health = health_of(self._terms)
            return _said("recording" if health.recording else "not recording", *health.problems, good=health.recording)
        return PlainTextResponse("live, ready or recording\n", status_code=404, headers=_FRAME)

    async def _start(self) -> None:
        """Where the server has no lifespan, being asked whether we are ready is what starts us."""
        if not self._terms.started:
            try:
                await self._terms.start()
            except ConsentGateError:
                return  # the log says why; whoever asks is told that it is so


def _said(status: str, *problems: str, good: bool) -> Response:
    headers = _FRAME if good else {**_FRAME, "Retry-After": "5"}
    return JSONResponse({"status": status, "problems": list(problems)}, 200 if good else 503, headers=headers)
