"""Quart: its own signed session cookie is read with its own key, before Quart itself is reached.

    python examples/quart_app.py               # http://127.0.0.1:8000/
    HOST=0.0.0.0 PORT=9000 python examples/quart_app.py
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from itsdangerous import BadSignature
from quart import Quart, Response, jsonify, redirect, render_template_string, request, session, url_for, websocket
from quart.sessions import SecureCookieSessionInterface
from starlette.requests import cookie_parser

from consentgate import ConsentGate, Subject, consentgate_banner
from consentgate.service.settings import new_secret

POLICIES = Path(__file__).parent.parent / "policies"
PAGE = """
{% set change = consentgate_banner(request) %}
{% if change %}<p class="banner">{{ change.title }}, new from {{ change.effective.date() }}:
<a href="{{ change.url }}">read</a></p>{% endif %}
<h1>{{ request.path }}</h1><p>{{ request.query_string.decode() }}</p>
<p>{{ session.get("user", "a visitor") }}
<a href="{{ url_for('sign_in') }}?as=Wendell">Sign in as Wendell</a>
<a href="{{ url_for('sign_out') }}">Sign out</a></p>
<form action="{{ url_for('letters') }}" method="post"><input name="letter"><button>Send</button></form>
"""


# --- the application ---------------------------------------------------------------------------------------------

site = Quart(__name__)
site.secret_key = os.environ.get("SESSION_SECRET") or new_secret()
site.jinja_env.globals["consentgate_banner"] = consentgate_banner


@site.get("/")
@site.get("/articles/<name>")
async def page(name: str = "") -> str:
    """Any page, with the banner."""
    return await render_template_string(PAGE)


@site.post("/letters")
async def letters() -> str:
    """An HTML form."""
    return f"Thank you: {(await request.form)['letter']}"


@site.get("/api/headlines")
async def headlines() -> Response:
    """For programs."""
    return jsonify(["Night ferry to run again"])


@site.get("/events")
async def events() -> Response:
    """A stream of events."""

    async def lines() -> AsyncIterator[bytes]:
        for number in range(3):
            yield b"data: %d\n\n" % number
            await asyncio.sleep(0.01)

    return Response(lines(), mimetype="text/event-stream")


@site.websocket("/live")
async def live() -> None:
    """A WebSocket."""
    await websocket.send("tick")


@site.get("/health")
async def health() -> str:
    """For the load balancer: exempt."""
    return "ok"


@site.get("/sign-in")
async def sign_in() -> Any:
    """Sign in. Any name will do: it is an example."""
    session["user"] = request.args["as"]
    return redirect(url_for("page"), 303)


@site.get("/sign-out")
async def sign_out() -> Any:
    """Sign out: open to those who declined as well."""
    session.clear()
    return redirect(url_for("page"), 303)


# --- the gate ----------------------------------------------------------------------------------------------------

SERIALIZER = SecureCookieSessionInterface().get_signing_serializer(site)


def who(scope: Any) -> Subject | None:
    """Who is signed in, by Quart's own session cookie."""
    cookies = b"; ".join(value for name, value in scope["headers"] if name == b"cookie").decode("latin-1")
    sealed = cookie_parser(cookies).get(site.config["SESSION_COOKIE_NAME"])
    if not sealed:
        return None
    try:
        user = SERIALIZER.loads(sealed, max_age=int(site.permanent_session_lifetime.total_seconds())).get("user")
    except BadSignature:
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
    site_name="The Quart example",
)

if __name__ == "__main__":
    import uvicorn

    uvicorn.run(app, host=os.environ.get("HOST", "127.0.0.1"), port=int(os.environ.get("PORT", "8000")))
