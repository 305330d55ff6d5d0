"""Which room of ours a request under the prefix goes to: the pages, administrators' pages and API, or the open ledger.

Room: web. What is for administrators (and FastAPI with it) is loaded at the first request to it.
"""

from __future__ import annotations

from typing import Any

from consentgate.gate.hooks import ASGIApp, KeptForm, Receive, Scope, Send, passage_of
from consentgate.gate.paths import local_path
from consentgate.gate.verdict import Verdict
from consentgate.service.administrators import AdministratorOf
from consentgate.service.terms import Terms
from consentgate.terms.policy import under
from consentgate.web.tiles import LedgerPages


class Rooms:
    """An ASGI application for everything under the prefix.

    Args:
        terms: the handle; started before the first request arrives here.
        admin: the host's callable that says who administers, or ``None``: tokens alone.
    """

    def __init__(self, terms: Terms, admin: AdministratorOf | None = None) -> None:
        from consentgate.web.pages import build_pages

        self._terms = terms
        self._prefix = terms.settings.prefix
        self._pages: Any = build_pages(terms)
        self._admin = admin
        self._admin_pages: ASGIApp | None = None
        self._api: ASGIApp | None = None
        self._ledger = LedgerPages(terms)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if (proof := passage_of(scope).proof) is not None:
            await self._terms.heard(proof.tree_size)
        app = self._pages
        if scope["type"] == "http":
            path = local_path(scope)
            if under(path, f"{self._prefix}/api"):
                app = self._load_api()
            elif under(path, f"{self._prefix}/admin"):
                app = self._load_admin_pages()
            elif self._ledger.serves(path):
                app = self._ledger
        await app(scope, receive, send)

    def _load_api(self) -> Any:
        if self._api is None:
            from consentgate.web.api import build_api

            self._api = build_api(self._terms, self._prefix, admin=self._admin)
        return self._api

    def _load_admin_pages(self) -> Any:
        if self._admin_pages is None:
            from consentgate.web.admin.pages import AdminPages

            self._admin_pages = AdminPages(self._terms, self._pages.house.renderer, self._admin)
        return self._admin_pages

    async def review(
        self, scope: Scope, receive: Receive, send: Send, *,
        verdict: Verdict, status: int, kept: KeptForm | None, too_large: bool, only: str = "",
    ) -> None:  # fmt: skip
        """Answer with the review page in place."""
        await self._pages.review(
            scope, receive, send, verdict=verdict, status=status, kept=kept, too_large=too_large, only=only
        )  # fmt: skip

    async def unavailable(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 503 with a page that says when to come back."""
        await self._pages.unavailable(scope, receive, send)
