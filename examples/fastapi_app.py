"""FastAPI: bearer tokens for people and programs, and one route that demands a policy of its own.

    python examples/fastapi_app.py             # http://127.0.0.1:8000/
    HOST=0.0.0.0 PORT=9000 python examples/fastapi_app.py

    curl -H "Authorization: Bearer wendell" http://127.0.0.1:8000/api/headlines
"""

from __future__ import annotations

import asyncio
import html
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Form, Request, WebSocket
from fastapi.responses import HTMLResponse, PlainTextResponse, StreamingResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from consentgate import ConsentGate, Subject, SubjectKind, consentgate_banner, passage_of, requires
from consentgate.service.settings import new_secret
from consentgate.terms.draft import parse_draft
from consentgate.terms.policy import Audience, Policy

POLICIES = Path(__file__).parent.parent / "policies"

PEOPLE = {"wendell": Subject("1"), "rosalind": Subject("2"), "robot": Subject("crawler", SubjectKind.SERVICE)}
"""By token. Yours come from a table, or out of a signed token that can be read without one."""

ON_DEMAND = Policy(
    slug="data-processing",
    title=(("en", "Data Processing Agreement"),),
    audience=Audience(tags=frozenset({"on-demand"})),  # nobody has this tag: only routes demand it
)
TEXT = """---
version: "1"
impact: material
---
# Data Processing Agreement

We process what you upload as you tell us to, and for nothing else.
"""


# --- the application ---------------------------------------------------------------------------------------------


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Our own start-up: the gate has opened its ledger before."""
    draft = parse_draft(TEXT.encode(), file="inline", policy=ON_DEMAND.slug, label="1", language="en")
    await app.terms.publish([draft], policies=[ON_DEMAND])
    yield


site = FastAPI(lifespan=lifespan)
Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(HTTPBearer(auto_error=False))]


@site.get("/", response_class=HTMLResponse)
@site.get("/articles/{name}", response_class=HTMLResponse)
async def page(request: Request) -> str:
    """Any page, with the banner."""
    banner = ""
    if change := consentgate_banner(request):
        link = f'<a href="{html.escape(change.url)}">read</a>'
        banner = f'<p class="banner">{html.escape(change.title)}, new from {change.effective:%d %B %Y}: {link}</p>'
    here = f"<h1>{html.escape(request.url.path)}</h1><p>{html.escape(request.url.query)}</p>"
    return banner + here


@site.get("/api/headlines")
async def headlines(token: Bearer) -> list[str]:
    """For programs."""
    return ["Night ferry to run again", f"Good morning, {token.credentials if token else 'stranger'}"]


@site.get("/api/me")
async def me(request: Request) -> dict[str, str | None]:
    """What the gate knows about this request. A pass that is simply good is not looked into: it tells nothing."""
    passage = passage_of(request.scope)
    return {"subject": passage.subject.key if passage.subject else None, "outcome": passage.verdict.outcome}


@site.post("/api/uploads", dependencies=[Depends(requires("data-processing"))])
async def upload() -> str:
    """Only here the agreement about data processing is demanded."""
    return "uploaded"


@site.post("/letters", response_class=PlainTextResponse)
async def letters(letter: Annotated[str, Form()]) -> str:
    """An HTML form."""
    return f"Thank you: {letter}"


@site.get("/events")
async def events() -> StreamingResponse:
    """A stream of events."""

    async def lines() -> AsyncIterator[str]:
        for number in range(3):
            yield f"data: {number}\n\n"
            await asyncio.sleep(0.01)

    return StreamingResponse(lines(), media_type="text/event-stream")


@site.websocket("/live")
async def live(socket: WebSocket) -> None:
    """A WebSocket."""
    await socket.accept()
    await socket.send_text("tick")
    await socket.close()


@site.get("/health", response_class=PlainTextResponse)
async def health() -> str:
    """For the load balancer: exempt."""
    return "ok"


# --- the gate ----------------------------------------------------------------------------------------------------


def who(scope: Any) -> Subject | None:
    """Whose token it is. An unknown one is nobody's: the route itself refuses it."""
    kind, _, token = dict(scope["headers"]).get(b"authorization", b"").decode("latin-1").partition(" ")
    return PEOPLE.get(token.strip()) if kind.lower() == "bearer" else None


app = ConsentGate(
    site,
    policies=os.environ.get("POLICIES", POLICIES),
    database=os.environ.get("DATABASE", "sqlite://"),  # in memory: forgotten at the end. Yours is a file
    secret=os.environ.get("CONSENTGATE_SECRET") or new_secret(),
    subject=who,
    exempt=["/health"],
    site_name="The FastAPI example",
)

if __name__ == "__main__":
    import uvicorn

    uvicorn.run(app, host=os.environ.get("HOST", "127.0.0.1"), port=int(os.environ.get("PORT", "8000")))
