"""All administrators' pages, as one ASGI application with its table of routes.

Room: web. `consentgate.web.rooms` loads it at the first request under ``<prefix>/admin``.
"""

from __future__ import annotations

import secrets

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from consentgate.errors import ConsentGateError, InputError, NotFoundError
from consentgate.service.administrators import ROLES, AdministratorOf, Role
from consentgate.service.terms import Terms
from consentgate.web.admin.access import Access
from consentgate.web.admin.frame import Do, Frame, Show
from consentgate.web.admin.overview import Overview
from consentgate.web.admin.policies import Policies
from consentgate.web.admin.publishing import Publishing
from consentgate.web.admin.records import Records
from consentgate.web.admin.sessions import Sessions
from consentgate.web.admin.signing_in import SigningIn
from consentgate.web.admin.subjects import Subjects
from consentgate.web.admin.writing import Writing
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

    @property
    def routes(self) -> list[BaseRoute]:
        """Every route, for whoever checks that each asks for a role."""
        return self._app.routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        await self._app(scope, receive, send)

    def _routes(self, base: str) -> list[Route]:
        signing_in = self._signing_in
        get, post = self._get, self._post
        return [
            Route(f"{base}/sign-in", signing_in.show, methods=["GET"]),
            Route(f"{base}/sign-in", signing_in.sign_in, methods=["POST"]),
            post(f"{base}/sign-out", signing_in.sign_out, *ROLES),
            get(base, Overview(self.frame).show, *ROLES),
            Route(f"{base}/", self._bare, methods=["GET"]),
            *self._editing(base),
            *self._reading(base),
        ]

    def _editing(self, base: str) -> list[Route]:
        """What editors and publishers do."""
        get, post = self._get, self._post
        writing, publishing, policies = Writing(self.frame), Publishing(self.frame), Policies(self.frame)
        draft, proposal = f"{base}/drafts/{{policy}}/{{label}}/{{language}}", f"{base}/proposals/{{id}}"
        policy, version = f"{base}/policies/{{policy}}", f"{base}/policies/{{policy}}/versions/{{label}}"
        return [
            get(f"{base}/drafts", writing.every, "editor", "auditor"),
            get(f"{base}/drafts/new", writing.new, "editor"),
            post(f"{base}/drafts/new", writing.create, "editor"),
            get(draft, writing.edit, "editor", "auditor"),
            post(draft, writing.save, "editor"),
            get(f"{base}/publish", publishing.ask, "editor"),
            post(f"{base}/publish", publishing.publish, "publisher"),
            get(f"{base}/proposals", publishing.proposals, "editor", "auditor"),
            get(proposal, publishing.proposal, "editor", "auditor"),
            post(f"{proposal}/approve", publishing.approve, "publisher"),
            post(f"{proposal}/reject", publishing.reject, "publisher"),
            get(f"{base}/policies/new", policies.new, "publisher"),
            post(f"{base}/policies/new", policies.save, "publisher"),
            get(policy, policies.show, *ROLES),
            get(f"{policy}/settings", policies.edit, "publisher"),
            post(f"{policy}/settings", policies.save, "publisher"),
            post(f"{policy}/retire", policies.retire, "publisher"),
            get(f"{policy}/outstanding", policies.outstanding, "auditor"),
            get(version, policies.version, *ROLES),
            post(f"{version}/cancel", policies.cancel, "publisher"),
        ]

    def _reading(self, base: str) -> list[Route]:
        """What auditors and owners do."""
        get, post = self._get, self._post
        subjects, records = Subjects(self.frame, self._signing_in), Records(self.frame, self._signing_in)
        return [
            get(f"{base}/decisions", subjects.decisions, "auditor"),
            get(f"{base}/subjects", subjects.show, "auditor"),
            post(f"{base}/subjects/erase", subjects.erase, "owner"),
            post(f"{base}/subjects/hold", subjects.hold, "owner"),
            post(f"{base}/subjects/release", subjects.release, "owner"),
            get(f"{base}/bundle", subjects.bundle, "auditor"),
            get(f"{base}/export", records.export, "auditor"),
            get(f"{base}/ledger", records.ledger, *ROLES),
            get(f"{base}/tokens", records.tokens, "owner"),
            post(f"{base}/tokens", records.new_token, "owner"),
            post(f"{base}/tokens/revoke", records.revoke, "owner"),
        ]

    def _get(self, path: str, handler: Show, *roles: Role) -> Route:
        return Route(path, self.frame.shown(handler, *roles), methods=["GET"])

    def _post(self, path: str, handler: Do, *roles: Role) -> Route:
        return Route(path, self.frame.done(handler, *roles), methods=["POST"])

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
