"""A site with administrators, and browsers for them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.web.conftest import Site


class AdminSite(Site):
    """A site whose administrators sign in with tokens."""

    def token(self, role: str, *, days: int | None = 365) -> str:
        """A new token of a role."""
        secret: str = self.run(self.terms.new_token, role, f"the {role}", days=days).secret
        return secret

    def administrator(self, role: str) -> TestClient:
        """A browser in which somebody of this role has signed in."""
        browser = self.browser()
        answer = sign_in(browser, self.token(role))
        assert answer.status_code == 303, answer.text
        return browser


def form_token(page: str) -> str:
    """What a page's forms carry."""
    found = re.search(r'name="form_token" value="([^"]+)"', page)
    assert found, page
    return found[1]


def send(browser: TestClient, shown: str, to: str, fields: dict[str, Any] | None = None) -> Any:
    """Open a page, and send a form from it."""
    return browser.post(to, data={"form_token": form_token(browser.get(shown).text), **(fields or {})})


def sign_in(browser: TestClient, token: str, *, after: str = "") -> Any:
    """Fill in the sign-in page."""
    address = "/terms/admin/sign-in" + (f"?next={after}" if after else "")
    return send(browser, address, "/terms/admin/sign-in", {"token": token, "next": after})


@pytest.fixture(name="site")
def _site(tmp_path: Path) -> Iterator[AdminSite]:
    with AdminSite(tmp_path) as site:
        yield site
