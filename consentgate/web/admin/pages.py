"""All administrators' pages, as one ASGI application with its table of routes.

Room: web. `consentgate.web.rooms` loads it at the first request under ``<prefix>/admin``.
"""

from __future__ import annotations

import secrets

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from consentgate.errors import ConsentGateError, InputError, NotFoundError
from consentgate.service.administrators import ROLES, AdministratorOf
from consentgate.service.terms import Terms
from consentgate.web.admin.access import Access
from consentgate.web.admin.frame import Frame
from consentgate.web.admin.overview import Overview
from consentgate.web.admin.sessions import Sessions
from consentgate.web.admin.signing_in import SigningIn
from consentgate.web.render import Renderer
from consentgate.web.security import Proxies


class AdminPages:
    """Everything under ``<prefix>/admin``.

    Args:
        terms: the services, started.
        renderer: of templates.
        admin: the host's callable that says who administers, or ``None``.
    """

    def __init__(self, terms: Terms, renderer: Renderer, admin: AdministratorOf | None = None) -> None:
        settings = terms.settings
        proxies = Proxies.parse(settings.trusted_proxies)
        sessions = Sessions(lambda: terms.engine.seals, terms.clock, secrets.token_bytes, settings.secure_cookies)
        self.frame = Frame(terms, renderer, Access(terms, admin, sessions, proxies))
        self._signing_in = SigningIn(self.frame, proxies)
        self._app = Starlette(
            routes=self._routes(f"{settings.prefix}/admin"),
            exception_handlers={ConsentGateError: self._error, HTTPException: self._http_error},
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        await self._app(scope, receive, send)

    def _routes(self, base: str) -> list[Route]:
        frame, signing_in = self.frame, self._signing_in
        return [
            Route(f"{base}/sign-in", signing_in.show, methods=["GET"]),
            Route(f"{base}/sign-in", signing_in.sign_in, methods=["POST"]),
            Route(f"{base}/sign-out", frame.done(signing_in.sign_out, *ROLES), methods=["POST"]),
            Route(base, frame.shown(Overview(frame).show, *ROLES), methods=["GET"]),
            Route(f"{base}/", self._bare, methods=["GET"]),
        ]

    async def _bare(self, request: Request) -> Response:
        return self.frame.go(self.frame.base(request))

    async def _error(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, ConsentGateError)  # noqa: S101 - Starlette hands us what we registered for
        return self.frame.refused(request, error)

    async def _http_error(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - Starlette hands us what we registered for
        ours = NotFoundError("there is no such page") if error.status_code == 404 else InputError(error.detail)
        response = self.frame.refused(request, ours)
        response.status_code = error.status_code
        response.headers.update(error.headers or {})
        return response
