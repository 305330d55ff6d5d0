"""The bare example in a server that cannot send a denial response: the extension is taken out of each handshake."""

from __future__ import annotations

from typing import Any

from examples.bare_app import app as gated


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Serve as an older server would."""
    extensions = {name: value for name, value in (scope.get("extensions") or {}).items() if "websocket" not in name}
    await gated({**scope, "extensions": extensions}, receive, send)
