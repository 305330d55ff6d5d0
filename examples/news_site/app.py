"""The newspaper itself: a Starlette app with pages, forms, JSON and a WebSocket. It knows nothing of the gate.

Nothing here had to be written differently for consentgate. `main.py` puts the gate around it.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence
from typing import Any

from babel.dates import format_date
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders, UploadFile
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.templating import Jinja2Templates
from starlette.types import ASGIApp, Lifespan, Message, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from examples.news_site.content import ARTICLES, BY_SLUG, HERE, SECTIONS, TICKER, search
from examples.news_site.people import People

TOPICS = ("The Friday letter", "Harbour and tides", "Culture", "Rovers on Saturday")
MAX_PICTURE = 2_000_000


templates = Jinja2Templates(HERE / "templates")
templates.env.trim_blocks = templates.env.lstrip_blocks = True
templates.env.filters["day"] = lambda day, language="en_GB": format_date(day, "full", locale=language)


def page(request: Request, template: str, status: int = 200, **context: Any) -> Response:
    """Answer with a page."""
    state = request.app.state
    around = {"reader": state.people.who(request.scope), "sections": SECTIONS, **state.more_context(request)}
    return templates.TemplateResponse(request, template, {**around, **context}, status_code=status)


# --- to read -------------------------------------------------------------------------------------------------------


async def front(request: Request) -> Response:
    """The front page."""
    return page(request, "front.html", lead=ARTICLES[0], second=ARTICLES[1:4], others=ARTICLES[4:], ticker=TICKER)


async def article(request: Request) -> Response:
    """One article."""
    found = BY_SLUG.get(request.path_params["slug"])
    if found is None:
        raise HTTPException(404)
    more = [other for other in ARTICLES if other is not found][:3]
    return page(request, "article.html", article=found, more=more)


async def section(request: Request) -> Response:
    """Everything in one section."""
    title = SECTIONS.get(request.path_params["name"])
    if title is None:
        raise HTTPException(404)
    return page(request, "list.html", title=title, articles=[item for item in ARTICLES if item.section == title])


async def archive(request: Request) -> Response:
    """Search the archive: ``/search?q=…``"""
    query = request.query_params.get("q", "")[:200]
    return page(request, "search.html", query=query, articles=search(query))


async def headlines(request: Request) -> Response:
    """The front page for programs."""
    return JSONResponse(
        [
            {"title": item.title, "section": item.section, "date": item.day.isoformat(), "url": f"/news/{item.slug}"}
            for item in ARTICLES
        ]
    )


async def live(request: Request) -> Response:
    """The ticker as a page; with scripts on it goes on by itself."""
    return page(request, "live.html", ticker=TICKER)


async def live_lines(websocket: WebSocket) -> None:
    """The ticker as a WebSocket: a line every three seconds."""
    await websocket.accept()
    try:
        for line in itertools.cycle(TICKER):
            await websocket.send_json({"line": line})
            # Waiting for a word from the other side, rather than sleeping, notices at once when it goes away.
            try:
                await asyncio.wait_for(websocket.receive_text(), timeout=3)
            except TimeoutError:
                continue
    except WebSocketDisconnect:
        return


# --- to write ------------------------------------------------------------------------------------------------------


async def newsletter(request: Request) -> Response:
    """Subscribe to a newsletter: an ordinary HTML form."""
    if request.method == "GET":
        return page(request, "newsletter.html", topics=TOPICS, chosen=TOPICS[:1], email="", note="", error="")
    async with request.form(max_fields=20, max_files=0) as form:
        email, note = str(form.get("email", "")).strip(), str(form.get("note", "")).strip()
        chosen = [topic for topic in form.getlist("topic") if topic in TOPICS]
    if "@" not in email or not chosen:
        error = "Please give an email address with an @ in it." if chosen else "Please choose at least one newsletter."
        again = {"topics": TOPICS, "chosen": chosen, "email": email, "note": note, "error": error}
        return page(request, "newsletter.html", 422, **again)
    facts = [("We write to", email), ("About", ", ".join(chosen)), ("You told us", note or "–")]
    return page(request, "thanks.html", title="You are on the list", facts=facts)


async def letters(request: Request) -> Response:
    """A letter to the editor, perhaps with a picture: a multipart form."""
    if request.method == "GET":
        return page(request, "letters.html", name="", letter="", error="")
    if int(request.headers.get("content-length", "0")) > MAX_PICTURE + 100_000:
        return page(request, "letters.html", 413, name="", letter="", error="Pictures may have 2 MB at most.")
    async with request.form(max_fields=10, max_files=1) as form:
        name, letter = str(form.get("name", "")).strip(), str(form.get("letter", "")).strip()
        picture, sent = form.get("picture"), "–"
        if isinstance(picture, UploadFile) and picture.size:
            sent = f"{picture.filename}, {picture.size:,} bytes"
    if not name or not letter:
        return page(request, "letters.html", 422, name=name, letter=letter, error="Please fill in name and letter.")
    facts = [("From", name), ("Letter", letter), ("Picture", sent)]
    return page(request, "thanks.html", title="Your letter is with the editor", facts=facts)


# --- who you are ---------------------------------------------------------------------------------------------------


async def sign_in(request: Request) -> Response:
    """Sign in: any name will do, this is an example."""
    if request.method == "GET":
        return page(request, "sign_in.html", next=own_path(request.query_params.get("next")), error="")
    async with request.form(max_fields=5, max_files=0) as form:
        name, back = str(form.get("name", "")).strip()[:60], own_path(str(form.get("next", "")))
    if not name.isprintable() or not name:
        return page(request, "sign_in.html", 422, next=back, error="Please type a name.")
    response = RedirectResponse(back, 303)
    request.app.state.people.sign_in(response, name, secure=request.url.scheme == "https")
    return response


def own_path(address: str | None) -> str:
    """An address to return to, if it is one of ours, else the front page."""
    ours = address and address.startswith("/") and not address.startswith("//") and "\\" not in address
    return address if ours and address and address.isprintable() else "/"


async def sign_out(request: Request) -> Response:
    """Sign out. A page with a button: a link that does something could be followed by a program."""
    if request.method == "GET":
        return page(request, "sign_out.html")
    response = RedirectResponse("/", 303)
    request.app.state.people.sign_out(response)
    return response


async def account(request: Request) -> Response:
    """What a reader can do with their account."""
    return page(request, "account.html")


async def account_delete(request: Request) -> Response:
    """Delete the account. Open to those who declined the terms as well: that is how they leave."""
    if request.method == "GET":
        return page(request, "account_delete.html")
    gone = request.app.state.people.who(request.scope)
    # Here a real site deletes its own rows.
    response = page(request, "thanks.html", title="Your account is deleted", facts=[("Name", gone or "–")], reader=None)
    request.app.state.people.sign_out(response)
    return response


async def contact(request: Request) -> Response:
    """How to reach us."""
    return page(request, "contact.html")


async def corrections(request: Request) -> Response:
    """What we do about mistakes."""
    return page(request, "corrections.html")


# --- the frame -----------------------------------------------------------------------------------------------------


async def favicon(request: Request) -> Response:
    """What browsers ask for on their own."""
    return FileResponse(HERE / "static" / "mark.svg")


async def not_found(request: Request, error: Exception) -> Response:
    """404."""
    return page(request, "not_found.html", 404)


HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "object-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}  # fmt: skip


class Protection:
    """Response headers of a careful site, and no forms from other sites.

    A plain ASGI middleware, so that streams and WebSockets pass through untouched.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        if scope["method"] == "POST" and Request(scope).headers.get("sec-fetch-site") in ("cross-site", "same-site"):
            refusal = PlainTextResponse("This form came from another site.", 403)
            await refusal(scope, receive, send_protected)
            return
        await self.app(scope, receive, send_protected)


ROUTES: tuple[BaseRoute, ...] = (
    Route("/", front),
    Route("/news/{slug}", article, name="article"),
    Route("/section/{name}", section, name="section"),
    Route("/search", archive),
    Route("/api/headlines", headlines),
    Route("/live", live),
    WebSocketRoute("/live", live_lines),
    Route("/newsletter", newsletter, methods=["GET", "POST"]),
    Route("/letters", letters, methods=["GET", "POST"]),
    Route("/account", account),
    Route("/account/delete", account_delete, methods=["GET", "POST"]),
    Route("/sign-in", sign_in, methods=["GET", "POST"]),
    Route("/sign-out", sign_out, methods=["GET", "POST"]),
    Route("/contact", contact),
    Route("/corrections", corrections),
    Route("/favicon.ico", favicon),
    Mount("/static", StaticFiles(directory=HERE / "static"), name="static"),
)


def create_site(
    people: People,
    *,
    more_routes: Sequence[BaseRoute] = (),
    more_context: Callable[[Request], dict[str, Any]] = lambda _: {},
    lifespan: Lifespan[Starlette] | None = None,
) -> Starlette:
    """Make the newspaper.

    Args:
        people: names its readers.
        more_routes: pages that others add.
        more_context: what others want every template to know.
        lifespan: what others do at start and at the end.
    """
    site = Starlette(
        routes=[*ROUTES, *more_routes],
        middleware=[Middleware(Protection)],
        exception_handlers={404: not_found},
        lifespan=lifespan,
    )
    site.state.people = people
    site.state.more_context = more_context
    return site
