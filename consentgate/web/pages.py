"""All pages under the prefix, as one ASGI application.

Room: web. ``consentgate.app`` builds it and hands it to the gate, which passes on everything at and under the prefix,
and asks for the review page in place where a form met a closed gate.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from consentgate.errors import ConsentGateError, InputError, NotFoundError, StoreUnavailableError
from consentgate.gate.cookies import PassCookie
from consentgate.gate.hooks import KeptForm
from consentgate.gate.verdict import Verdict
from consentgate.service.settings import Settings
from consentgate.service.terms import Terms
from consentgate.web.checks import rehearse
from consentgate.web.deciding import Deciding
from consentgate.web.lists import Lists
from consentgate.web.mine import Mine
from consentgate.web.notices import error_page
from consentgate.web.render import Renderer
from consentgate.web.security import Proxies
from consentgate.web.texts import Texts
from consentgate.web.visit import House

log = logging.getLogger("consentgate")

_MAX_LOGGED = 1_000


class Pages:
    """The pages, and what the gate asks of them.

    Args:
        terms: the services; started before the first request.
        settings: as configured; ``None`` takes those of the services.
        routes: further routes of ours under the prefix (the admin API), tried first.
    """

    def __init__(self, terms: Terms, settings: Settings | None = None, routes: tuple[BaseRoute, ...] = ()) -> None:
        settings = settings or terms.settings
        self.house = House(
            terms,
            Renderer(settings.templates),
            Proxies.parse(settings.trusted_proxies),
            PassCookie(secure=settings.secure_cookies, domain=settings.cookie_domain),
        )
        self._deciding = Deciding(self.house)
        if settings.templates is not None:
            # Said at start-up, before anybody sees it; our own templates are checked by our tests.
            self._deciding.checks.tell(rehearse(self.house.renderer, settings))
        self._app = Starlette(
            routes=[*routes, *self._routes(settings.prefix)],
            exception_handlers={
                ConsentGateError: self._error,
                HTTPException: self._http_error,
            },
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve everything at and under the prefix."""
        await self._app(scope, receive, send)

    def _routes(self, prefix: str) -> list[BaseRoute]:
        deciding, texts, lists, mine = self._deciding, Texts(self.house), Lists(self.house), Mine(self.house)
        table: list[tuple[str, Callable[..., Any], tuple[str, ...]]] = [
            ("", lists.all, ("GET",)),
            ("/", lists.bare, ("GET",)),
            ("/review", deciding.show, ("GET",)),
            ("/review", deciding.decide, ("POST",)),
            ("/mine", mine.agreements, ("GET",)),
            ("/status", mine.status, ("GET",)),
            ("/declined", mine.declined, ("GET",)),
            ("/receipts/{id}", mine.receipt, ("GET",)),
            ("/receipts/{id}/page", mine.page, ("GET",)),
            ("/static/{file}", self.house.renderer.assets.serve, ("GET",)),
            ("/{slug}", texts.in_force, ("GET",)),
            ("/{slug}/changes", lists.changes, ("GET",)),
            ("/{slug}/history", lists.history, ("GET",)),
            ("/{slug}/{label}", texts.permanent, ("GET",)),
        ]
        return [Route(prefix + path, endpoint, methods=list(methods)) for path, endpoint, methods in table]

    async def review(
        self, scope: Scope, receive: Receive, send: Send, *,
        verdict: Verdict, status: int, kept: KeptForm | None, too_large: bool, only: str = "",
    ) -> None:  # fmt: skip
        """Answer a stopped request with the review page itself; see `consentgate.gate.hooks.Hooks`.

        The verdict is not looked at: the offer asks the ledger, which knows what the pass may have forgotten.
        With ``only`` the page asks about that one policy.
        """
        del verdict
        request = Request(scope, receive)
        try:
            response = await self._deciding.in_place(request, status=status, kept=kept, too_large=too_large, only=only)
        except ConsentGateError as error:
            response = await self._error(request, error)
        await response(scope, receive, send)

    async def unavailable(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 503 in the visitor's language."""
        request = Request(scope, receive)
        response = await self._error(request, StoreUnavailableError("the gate cannot tell whether this may pass"))
        await response(scope, receive, send)

    async def _error(self, request: Request, error: Exception) -> Response:
        """The same error as a page or, for programs, as a problem document (RFC 9457)."""
        assert isinstance(error, ConsentGateError)  # noqa: S101 - Starlette hands us what we registered for
        level = logging.ERROR if error.status >= 500 else logging.INFO
        log.log(level, "%s", _one_line(f"{request.method} {request.scope['path']}: {error}"))
        headers = {"Retry-After": str(getattr(error, "retry_after", 30))} if error.status == 503 else {}
        if "text/html" not in request.headers.get("accept", "text/html"):
            return JSONResponse(
                error.problem(),
                error.status,
                headers | {"Cache-Control": "no-store"},
                media_type="application/problem+json",
            )
        visit = self.house.visit(request)
        return self.house.page(visit, "message.html", error_page(visit, error), status=error.status, headers=headers)

    async def _http_error(self, request: Request, error: Exception) -> Response:
        """What Starlette itself refuses: an unknown address, a method we do not have."""
        assert isinstance(error, HTTPException)  # noqa: S101 - Starlette hands us what we registered for
        ours = NotFoundError("there is no such page") if error.status_code == 404 else InputError(error.detail)
        response = await self._error(request, ours)
        response.status_code = error.status_code
        response.headers.update(error.headers or {})
        return response


def _one_line(text: str) -> str:
    """No line break of a stranger's goes into the log: an address may have any character, and errors repeat it."""
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text[:_MAX_LOGGED])


def build_pages(terms: Terms, settings: Settings | None = None, *, routes: tuple[BaseRoute, ...] = ()) -> Pages:
    """Build the pages.

    Args:
        terms: the services.
        settings: as configured; ``None`` takes those of the services.
        routes: further routes under the prefix, tried first.

    Raises:
        ConfigurationError: a template, catalogue or proxy setting that cannot be used.
    """
    return Pages(terms, settings, routes)
