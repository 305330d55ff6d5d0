"""The ledger for everybody: its keys, and, where the operator opens them, its checkpoint, tiles and entries.

Room: web. ``<prefix>/keys`` is always there: whoever holds a receipt compares the key in it with this page.
``<prefix>/log/…`` follows https://c2sp.org/tlog-tiles and is off by default (``tiles=True``), because it shows every
entry to everybody. What an entry has in clear is what was decided about which version, and when; nobody is named.
"""

from __future__ import annotations

from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from consentgate.errors import ConsentGateError, NotFoundError
from consentgate.gate.paths import local_path
from consentgate.service.terms import Terms

FOREVER = "public, max-age=31536000, immutable"
_SHORTLY = "public, max-age=5"
_FRAME = {"X-Content-Type-Options": "nosniff", "Access-Control-Allow-Origin": "*"}


class LedgerPages:
    """An ASGI application for ``keys`` and ``log/…`` below the prefix.

    Args:
        terms: the handle; started.
    """

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._prefix = terms.settings.prefix

    def serves(self, path: str) -> bool:
        """Whether a path is one of these."""
        return path == f"{self._prefix}/keys" or (
            self._terms.settings.tiles and path.startswith(f"{self._prefix}/log/")
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        await (await self._answer(scope))(scope, receive, send)

    async def _answer(self, scope: Scope) -> Response:
        if scope["method"] not in ("GET", "HEAD"):
            return _text("only GET\n", status=405, headers={"Allow": "GET, HEAD"})
        name = local_path(scope).removeprefix(self._prefix + "/")
        try:
            return await (self._keys() if name == "keys" else self._log(name.removeprefix("log/")))
        except ConsentGateError as error:
            return _text(f"{error}\n{error.hint}\n", status=error.status)

    async def _keys(self) -> Response:
        state = await self._terms.ledger_state()
        return _text("".join(f"{key}\n" for key in state.keys), headers={"Cache-Control": "no-cache"})

    async def _log(self, name: str) -> Response:
        if name == "checkpoint":
            if not (note := await self._terms.checkpoint()):
                raise NotFoundError("nothing was recorded yet", hint="come back later")
            return _text(note, headers={"Cache-Control": _SHORTLY})
        data, full = await self._terms.tile(name)
        # A partial tile stays right, but nobody will ask for it once the tile is full.
        headers = {**_FRAME, "Cache-Control": FOREVER if full else "public, max-age=3600"}
        return Response(data, media_type="application/octet-stream", headers=headers)


def _text(text: str, *, status: int = 200, headers: dict[str, str] | None = None) -> PlainTextResponse:
    frame = {**_FRAME, "Cache-Control": "no-store", **(headers or {})}
    return PlainTextResponse(text, status_code=status, headers=frame)
