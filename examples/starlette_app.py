"""Starlette, with its own sessions around the gate, so that the gate knows who is signed in.

    python examples/starlette_app.py           # http://127.0.0.1:8000/
    HOST=0.0.0.0 PORT=9000 python examples/starlette_app.py
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from jinja2 import DictLoader, Environment
from starlette.applications import Starlette
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.templating import Jinja2Templates
from starlette.websockets import WebSocket

from consentgate import ConsentGate, Subject, consentgate_banner
from consentgate.service.settings import new_secret

POLICIES = Path(__file__).parent.parent / "policies"
PAGE = """
{% set change = consentgate_banner(request) %}
{% if change %}<p class="banner">{{ change.title }}, new from {{ change.effective.date() }}:
<a href="{{ change.url }}">read</a></p>{% endif %}
<h1>{{ request.url.path }}</h1><p>{{ request.url.query }}</p>
<p>{{ request.session.get("user", "a visitor") }}
<a href="{{ url_for('sign_in') }}?as=Wendell">Sign in as Wendell</a>
<a href="{{ url_for('sign_out') }}">Sign out</a></p>
<form action="{{ url_for('letters') }}" method="post"><input name="letter"><button>Send</button></form>
"""


# --- the application ---------------------------------------------------------------------------------------------

templates = Jinja2Templates(env=Environment(loader=DictLoader({"page.html": PAGE}), autoescape=True))
templates.env.globals["consentgate_banner"] = consentgate_banner


async def page(request: Request) -> Response:
    """Any page, with the banner."""
    return templates.TemplateResponse(request, "page.html")


async def letters(request: Request) -> Response:
    """An HTML form."""
    async with request.form() as form:
        return PlainTextResponse(f"Thank you: {form['letter']}")


async def headlines(request: Request) -> Response:
    """For programs."""
    return JSONResponse(["Night ferry to run again"])


async def events(request: Request) -> Response:
    """A stream of events."""

    async def lines() -> AsyncIterator[str]:
        for number in range(3):
            yield f"data: {number}\n\n"
            await asyncio.sleep(0.01)

    return StreamingResponse(lines(), media_type="text/event-stream")


async def live(socket: WebSocket) -> None:
    """A WebSocket."""
    await socket.accept()
    await socket.send_text("tick")
    await socket.close()


async def health(request: Request) -> Response:
    """For the load balancer: exempt."""
    return PlainTextResponse("ok")


async def sign_in(request: Request) -> Response:
    """Sign in. Any name will do: it is an example."""
    request.session["user"] = request.query_params["as"]
    return RedirectResponse(request.url_for("front"), 303)


async def sign_out(request: Request) -> Response:
    """Sign out: open to those who declined as well."""
    request.session.clear()
    return RedirectResponse(request.url_for("front"), 303)


site = Starlette(
    routes=[
        Route("/", page, name="front"),
        Route("/articles/{name}", page),
        Route("/letters", letters, methods=["POST"]),
        Route("/api/headlines", headlines),
        Route("/events", events),
        WebSocketRoute("/live", live),
        Route("/health", health),
        Route("/sign-in", sign_in),
        Route("/sign-out", sign_out),
    ]
)


# --- the gate ----------------------------------------------------------------------------------------------------


def who(scope: Any) -> Subject | None:
    """Who is signed in: the session is in the scope, because its middleware stands outside."""
    user = scope.get("session", {}).get("user")
    return Subject(user, sign_in="session") if user else None


gated = ConsentGate(
    site,
    policies=os.environ.get("POLICIES", POLICIES),
    database=os.environ.get("DATABASE", "sqlite://"),  # in memory: forgotten at the end. Yours is a file
    secret=os.environ.get("CONSENTGATE_SECRET") or new_secret(),
    subject=who,
    exempt=["/health", "/sign-in"],
    open_paths=["/sign-out"],
    site_name="The Starlette example",
)
app = SessionMiddleware(gated, secret_key=os.environ.get("SESSION_SECRET") or new_secret())

if __name__ == "__main__":
    import uvicorn

    uvicorn.run(app, host=os.environ.get("HOST", "127.0.0.1"), port=int(os.environ.get("PORT", "8000")))
