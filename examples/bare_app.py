"""No framework at all: an ASGI application is a coroutine function, and the gate goes around it all the same.

    python examples/bare_app.py                # http://127.0.0.1:8000/
    HOST=0.0.0.0 PORT=9000 python examples/bare_app.py

Who is reading is told by an authenticating proxy in front, in a header of its own; anybody else is a visitor.
"""

from __future__ import annotations

import asyncio
import html
import os
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from consentgate import ConsentGate, Subject, consentgate_banner
from consentgate.service.settings import new_secret

POLICIES = Path(__file__).parent.parent / "policies"


# --- the application ---------------------------------------------------------------------------------------------


async def site(scope: Any, receive: Any, send: Any) -> None:
    """Answer one connection. It knows nothing of the gate but the banner."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": "tick"})
        await send({"type": "websocket.close"})
    elif scope["type"] == "http":
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if path == "/events":
            await events(send)
        elif path == "/letters" and scope["method"] == "POST":
            letter = dict(parse_qsl(await read(receive))).get("letter", "")
            await answer(send, f"<h1>Thank you</h1><p>{html.escape(letter)}</p>")
        elif path == "/api/headlines":
            await answer(send, '["Night ferry to run again"]', b"application/json")
        elif path == "/health":
            await answer(send, "ok", b"text/plain")
        else:
            query = scope["query_string"].decode()
            await answer(send, f"{banner(scope)}<h1>{html.escape(path)}</h1><p>{html.escape(query)}</p>{FORM}")
    # Lifespan is not for us: the gate answers it.


FORM = '<form action="letters" method="post"><input name="letter"><button>Send</button></form>'


def banner(scope: Any) -> str:
    """What is coming, for who reads this page; the same function works in any template."""
    change = consentgate_banner(scope)
    if change is None:
        return ""
    link = f'<a href="{html.escape(change.url)}">read</a>'
    return f'<p class="banner">{html.escape(change.title)}, new from {change.effective:%d %B %Y}: {link}</p>'


async def events(send: Any) -> None:
    """A stream of events that goes on after the first."""
    await send(head(b"text/event-stream"))
    for number in range(3):
        await send({"type": "http.response.body", "body": b"data: %d\n\n" % number, "more_body": True})
        await asyncio.sleep(0.01)
    await send({"type": "http.response.body"})


async def read(receive: Any) -> str:
    """The whole body of a small form."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body.decode()


async def answer(send: Any, text: str, kind: bytes = b"text/html; charset=utf-8") -> None:
    """A whole response."""
    await send(head(kind))
    await send({"type": "http.response.body", "body": text.encode()})


def head(kind: bytes) -> dict[str, Any]:
    """The beginning of a response."""
    return {"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]}


# --- the gate ----------------------------------------------------------------------------------------------------


def who(scope: Any) -> Subject | None:
    """The reader the proxy names. It must strip this header from what comes in, or anybody could send it."""
    name = dict(scope["headers"]).get(b"x-remote-user", b"").decode("latin-1")
    return Subject(name, sign_in="proxy") if name else None


app = ConsentGate(
    site,
    policies=os.environ.get("POLICIES", POLICIES),
    database=os.environ.get("DATABASE", "sqlite://"),  # in memory: forgotten at the end. Yours is a file
    secret=os.environ.get("CONSENTGATE_SECRET") or new_secret(),
    subject=who,
    exempt=["/health"],
    site_name="The bare example",
)

if __name__ == "__main__":
    import uvicorn

    uvicorn.run(app, host=os.environ.get("HOST", "127.0.0.1"), port=int(os.environ.get("PORT", "8000")))
