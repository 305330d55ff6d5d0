"""A browser for the tests of frameworks: it keeps cookies, follows nothing by itself, and fills in forms."""

from __future__ import annotations

import html
import re
from typing import Any, Self
from urllib.parse import urlsplit

import httpx2

NAVIGATION = {
    "accept": "text/html,application/xhtml+xml,*/*;q=0.8",
    "sec-fetch-mode": "navigate",
    "sec-fetch-dest": "document",
}  # fmt: skip


class Browser:
    """Somebody with a browser.

    Args:
        address: scheme, host and port of the site.
        root: prefix the site stands under, as the browser knows it.
        **options: of the client.
    """

    def __init__(self, address: str, root: str = "", **options: Any) -> None:
        self.address, self.root = address, root
        self.client = httpx2.Client(base_url=address, timeout=30, **options)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    @property
    def origin(self) -> str:
        """As the browser says it in ``Origin``."""
        parts = urlsplit(self.address)
        return f"{parts.scheme}://{parts.netloc}"

    def get(self, path: str, **headers: str) -> httpx2.Response:
        """Navigate."""
        return self.client.get(path, headers={**NAVIGATION, **headers})

    def post(self, path: str, fields: dict[str, Any], **headers: str) -> httpx2.Response:
        """Send a form of one of the site's own pages."""
        own = {"origin": self.origin, "sec-fetch-site": "same-origin"}
        return self.client.post(path, data=fields, headers={**NAVIGATION, **own, **headers})

    def accept_page(self, page: str) -> httpx2.Response:
        """Tick every box of a review page, and accept."""
        return self.post(f"{self.root}/terms/review", {**fields_of(page), "do": "accept"})

    def accept(self, path: str) -> httpx2.Response:
        """Meet the gate at a path, read, tick, accept; returns the answer to the form."""
        stopped = self.get(path)
        assert stopped.status_code == 303, (stopped.status_code, stopped.text[:500])
        page = self.get(stopped.headers["location"])
        assert page.status_code == 200, page.text[:500]
        return self.accept_page(page.text)


def fields_of(page: str) -> dict[str, Any]:
    """The fields of a page's form: what is hidden as it stands, every box ticked."""
    fields: dict[str, Any] = {}
    for tag in re.findall(r"<input[^>]*>", page):
        name, value = (re.search(rf'{key}="([^"]*)"', tag) for key in ("name", "value"))
        if name is None:
            continue
        content = html.unescape(value[1]) if value else "on"
        if 'type="checkbox"' in tag:
            assert "checked" not in tag, "no box may be ticked when the page opens"
            fields.setdefault(name[1], []).append(content)
        elif 'type="hidden"' in tag:
            fields[name[1]] = content if value else ""
    return fields
