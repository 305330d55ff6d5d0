"""What all administrators' pages share: the door, the frame around a page, and what happens to an error.

Room: web. A page module has a class with handlers ``(Entered) -> Response`` and ``(Entered, Form) -> Response``; its
table of routes names the roles, and `Frame.shown` and `Frame.done` make endpoints of them. So no handler can forget
the sign-in, the role, the same-origin check or the form token.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from consentgate.errors import (
    AccessError,
    ConsentGateError,
    OverloadedError,
    ThrottledError,
    UnauthenticatedError,
)
from consentgate.service.administrators import Administrator, Role
from consentgate.service.terms import Terms
from consentgate.web.admin.access import Access, Entered
from consentgate.web.admin.forms import Form, read_form
from consentgate.web.render import Renderer
from consentgate.web.security import page_headers

log = logging.getLogger("consentgate")

LANGUAGE = "en"
"""The administrators' pages speak English; what visitors see is in six languages."""

MANY = 100_000
"""Entries of a ledger from which on pages come without exact numbers of people, and with a link that counts them: it
takes time with the number of decisions, and seconds where there are millions."""

FORM_TOKEN = "form_token"  # noqa: S105 - the name of a field

Show: TypeAlias = Callable[[Entered], Awaitable[Response]]
Do: TypeAlias = Callable[[Entered, Form], Awaitable[Response]]
Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]

MENU: tuple[tuple[str, str, tuple[Role, ...]], ...] = (
    ("", "Overview", ("auditor", "editor", "publisher", "owner")),
    ("/drafts", "Drafts", ("editor", "auditor")),
    ("/proposals", "Proposals", ("editor", "auditor")),
    ("/decisions", "Decisions", ("auditor",)),
    ("/subjects", "Subjects", ("auditor",)),
    ("/export", "Export", ("auditor",)),
    ("/ledger", "Ledger", ("auditor", "editor", "publisher", "owner")),
    ("/tokens", "Tokens", ("owner",)),
)
"""Path below ``<prefix>/admin``, words, and who sees it."""


class Frame:
    """The frame around every page.

    Args:
        terms: the services.
        renderer: of templates.
        access: the door.
    """

    def __init__(self, terms: Terms, renderer: Renderer, access: Access) -> None:
        self.terms = terms
        self.renderer = renderer
        self.access = access

    async def counts(self, entered: Entered) -> bool:
        """Whether people are counted for this page: where that is quick, or it was asked for."""
        return "count" in entered.request.query_params or (await self.terms.ledger_state()).size < MANY

    def base(self, request: Request) -> str:
        """Address of the administrators' pages."""
        return f"{request.scope.get('root_path', '')}{self.terms.settings.prefix}/admin"

    def shown(self, handler: Show, *roles: Role) -> Endpoint:
        """An endpoint for GET that one of these roles may see."""

        async def endpoint(request: Request) -> Response:
            try:
                entered = await self.access.enter(request)
            except UnauthenticatedError:
                return self.to_sign_in(request)
            try:
                entered.administrator.require(*roles)
                response = await handler(entered)
            except ConsentGateError as error:
                response = self.refused(request, error, entered.administrator)
            return self.kept_alive(response, entered)

        return endpoint

    def done(self, handler: Do, *roles: Role) -> Endpoint:
        """An endpoint for POST that one of these roles may use, from a page of their own."""

        async def endpoint(request: Request) -> Response:
            administrator: Administrator | None = None
            try:
                self.access.check_sender(request)
                entered = await self.access.enter(request)
                administrator = entered.administrator
                administrator.require(*roles)
                form = await read_form(request)
                self.access.check_form(entered, form.text(FORM_TOKEN))
                return self.kept_alive(await handler(entered, form), entered)
            except ConsentGateError as error:
                return self.refused(request, error, administrator)

        return endpoint

    def kept_alive(self, response: Response, entered: Entered) -> Response:
        """Renew the session's cookie: it ends a while after the last request, not after the first."""
        already = any(name == b"set-cookie" for name, _ in response.raw_headers)
        if entered.session is not None and not already:
            cookie = self.access.sessions.cookie(entered.session, scheme=self.access.scheme(entered.request))
            response.headers.append("set-cookie", cookie)
        return response

    def page(
        self,
        request: Request,
        template: str,
        *,
        administrator: Administrator | None = None,
        form_token: str = "",
        signed_in: bool = False,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        **context: Any,
    ) -> Response:
        """Render a page of ours with the headers all of them have."""
        base = self.base(request)
        html = self.renderer.render(
            f"admin/{template}",
            LANGUAGE,
            base=base.removesuffix("/admin"),
            admin=base,
            root=request.scope.get("root_path", ""),
            home=f"{request.scope.get('root_path', '')}/",
            site=self.terms.settings.site_name,
            open_paths=(),
            who=administrator,
            menu=self._menu(base, administrator, request.url.path),
            signed_in=signed_in,
            form_token=form_token,
            now=self.terms.clock(),
            **context,
        )
        frame = page_headers(private=True, index=False) | {"Content-Language": LANGUAGE, **(headers or {})}
        return Response(html.encode(), status_code=status, media_type="text/html", headers=frame)

    def show(self, entered: Entered, template: str, **context: Any) -> Response:
        """Render a page for somebody who entered."""
        return self.page(
            entered.request,
            template,
            administrator=entered.administrator,
            form_token=entered.form_token,
            signed_in=entered.session is not None,
            **context,
        )

    def refused(self, request: Request, error: ConsentGateError, who: Administrator | None = None) -> Response:
        """An error as a page: what happened, what to do, and the way back."""
        level = logging.ERROR if error.status >= 500 else logging.INFO
        log.log(level, "administration: %s %s: %s", request.method, request.scope["path"], ascii(str(error))[:400])
        headers: dict[str, str] = {}
        if isinstance(error, OverloadedError | ThrottledError):
            headers["Retry-After"] = str(error.retry_after)
        # No challenge goes with a 401 here: the way in is the sign-in page, not the browser's own prompt.
        return self.page(
            request, "error.html", administrator=who, status=error.status, headers=headers, error=error,
            access=isinstance(error, AccessError),
        )  # fmt: skip

    def to_sign_in(self, request: Request) -> Response:
        """Lead to the sign-in, and from there back to this page."""
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        query = "" if path == self.base(request) else "?" + urlencode({"next": path})
        return self.go(f"{self.base(request)}/sign-in{query}")

    @staticmethod
    def go(location: str) -> Response:
        """``303 See Other``, so that going back never sends a form again."""
        return Response(status_code=303, headers={"Location": location, "Cache-Control": "no-store"})

    @staticmethod
    def _menu(base: str, who: Administrator | None, path: str) -> list[tuple[str, str, bool]]:
        if who is None:
            return []
        here = path.rstrip("/")
        return [
            (base + place, words, here == base + place or (bool(place) and here.startswith(f"{base}{place}/")))
            for place, words, roles in MENU
            if who.may(*roles)
        ]
