"""Litestar: its own encrypted session cookie is opened with its own backend, before Litestar itself is reached.

    python examples/litestar_app.py            # http://127.0.0.1:8000/
    HOST=0.0.0.0 PORT=9000 python examples/litestar_app.py
"""

from __future__ import annotations

import asyncio
import html
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

from cryptography.exceptions import InvalidTag
from litestar import Litestar, MediaType, Request, WebSocket, get, post, websocket
from litestar.connection import ASGIConnection
from litestar.enums import RequestEncodingType
from litestar.middleware.session.client_side import ClientSideSessionBackend, CookieBackendConfig
from litestar.params import Body
from litestar.response import Redirect, Stream

from consentgate import ConsentGate, Subject, consentgate_banner
from consentgate.service.settings import new_secret

POLICIES = Path(__file__).parent.parent / "policies"
SESSIONS = CookieBackendConfig(secret=bytes.fromhex(os.environ.get("SESSION_SECRET") or new_secret()))


# --- the application ---------------------------------------------------------------------------------------------


@get(["/", "/articles/{name:str}"], media_type=MediaType.HTML)
async def page(request: Request[Any, Any, Any]) -> str:
    """Any page, with the banner."""
    banner = ""
    if change := consentgate_banner(request):
        link = f'<a href="{html.escape(change.url)}">read</a>'
        banner = f'<p class="banner">{html.escape(change.title)}, new from {change.effective:%d %B %Y}: {link}</p>'
    here = f"<h1>{html.escape(request.url.path)}</h1><p>{html.escape(request.url.query)}</p>"
    reader = html.escape(request.session.get("user", "a visitor"))
    return banner + here + f'<p>{reader} <a href="/sign-in?as=Wendell">Sign in as Wendell</a></p>'


@post("/letters", media_type=MediaType.TEXT, status_code=200)
async def letters(data: Annotated[dict[str, str], Body(media_type=RequestEncodingType.URL_ENCODED)]) -> str:
    """An HTML form."""
    return f"Thank you: {data['letter']}"


@get("/api/headlines")
async def headlines() -> list[str]:
    """For programs."""
    return ["Night ferry to run again"]


@get("/events")
async def events() -> Stream:
    """A stream of events."""

    async def lines() -> AsyncIterator[str]:
        for number in range(3):
            yield f"data: {number}\n\n"
            await asyncio.sleep(0.01)

    return Stream(lines(), media_type="text/event-stream")


@websocket("/live")
async def live(socket: WebSocket[Any, Any, Any]) -> None:
    """A WebSocket."""
    await socket.accept()
    await socket.send_text("tick")
    await socket.close()


@get("/health", media_type=MediaType.TEXT)
async def health() -> str:
    """For the load balancer: exempt."""
    return "ok"


@get("/sign-in")
async def sign_in(request: Request[Any, Any, Any]) -> Redirect:
    """Sign in. Any name will do: it is an example."""
    request.session["user"] = request.query_params["as"]
    return Redirect("/", status_code=303)


@get("/sign-out")
async def sign_out(request: Request[Any, Any, Any]) -> Redirect:
    """Sign out: open to those who declined as well."""
    request.clear_session()
    return Redirect("/", status_code=303)


site = Litestar(
    [page, letters, headlines, events, live, health, sign_in, sign_out], middleware=[SESSIONS.middleware]
)  # fmt: skip


# --- the gate ----------------------------------------------------------------------------------------------------

BACKEND = ClientSideSessionBackend(SESSIONS)


def who(scope: Any) -> Subject | None:
    """Who is signed in, by Litestar's own session cookie."""
    connection: Any = ASGIConnection(scope)
    parts = [connection.cookies[key].encode() for key in BACKEND.get_cookie_keys(connection)]
    if not parts or parts == [b"null"]:  # how Litestar clears a cookie
        return None
    try:
        user = BACKEND.load_data(parts).get("user")
    except (InvalidTag, ValueError):
        return None
    return Subject(user, sign_in="session") if user else None


app = ConsentGate(
    site,
    policies=os.environ.get("POLICIES", POLICIES),
    database=os.environ.get("DATABASE", "sqlite://"),  # in memory: forgotten at the end. Yours is a file
    secret=os.environ.get("CONSENTGATE_SECRET") or new_secret(),
    subject=who,
    exempt=["/health", "/sign-in"],
    open_paths=["/sign-out"],
    site_name="The Litestar example",
)

if __name__ == "__main__":
    import uvicorn

    uvicorn.run(app, host=os.environ.get("HOST", "127.0.0.1"), port=int(os.environ.get("PORT", "8000")))
