"""A visitor walks from one sub-domain to another: one question for both, or one for each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from consentgate import ConsentGate, consentgate_banner
from tests.walks.conftest import HTML, SECRET, Visitor, bare_site, write_policy

OLD_NAME, NEW_NAME = "__Host-consentgate", "__Secure-consentgate"


def site(tmp_path: Path, policies: Path, **options: Any) -> Any:
    """The test site; each is a worker of its own on the same database."""
    database = f"sqlite:///{tmp_path}/terms.db"
    return ConsentGate(bare_site(), policies=policies, database=database, secret=SECRET, **options)


def browser(app: Any, address: str, jar: TestClient | None = None) -> TestClient:
    """A browser at an address, with the cookies of another one; a cookie goes where its domain says."""
    return TestClient(app, base_url=address, follow_redirects=False, cookies=jar.cookies if jar else None)


def accept(client: TestClient) -> Any:
    """Meet the gate, read, tick, accept."""
    visitor, origin = Visitor(client), str(client.base_url).rstrip("/")
    page = visitor.get(visitor.get("/articles/one").headers["location"])
    return visitor.post(visitor.form(page.text), origin=origin)


@pytest.mark.parametrize("scheme", ["https", "http"])
def test_what_was_accepted_on_one_sub_domain_holds_on_the_other(tmp_path: Path, policies: Path, scheme: str) -> None:
    """One question; the pass goes along, and is found by the gate, by our pages and by what the host asks."""
    app = site(tmp_path, policies, cookie_domain="example.org")
    with browser(app, f"{scheme}://www.example.org") as www:
        given = accept(www).headers["set-cookie"]
        assert given.startswith((NEW_NAME if scheme == "https" else "consentgate") + "=")
        assert "; Domain=example.org; Path=/;" in given
        with browser(app, f"{scheme}://shop.example.org:8443", www) as shop:
            for _ in range(2):
                answer = shop.get("/articles/one", headers=HTML)
                assert (answer.status_code, "set-cookie" in answer.headers) == (200, False)
            assert "/terms/receipts/" in shop.get("/terms/mine", headers=HTML).text
        with browser(app, f"{scheme}://elsewhere.example", www) as other:
            assert other.get("/articles/one", headers=HTML).status_code == 303


def test_a_host_outside_of_the_domain_is_asked_once_and_then_let_in(tmp_path: Path, policies: Path) -> None:
    """Its browser would drop a shared cookie; it gets one of its own, and no endless questions."""
    app = site(tmp_path, policies, cookie_domain="example.org")
    with browser(app, "https://localhost.test") as client:
        assert accept(client).headers["set-cookie"].startswith(f"{OLD_NAME}=")
        for _ in range(2):
            answer = client.get("/articles/one", headers=HTML)
            assert (answer.status_code, "set-cookie" in answer.headers) == (200, False)


def test_a_site_that_begins_to_share_asks_nobody_again_and_nobody_for_ever(tmp_path: Path, policies: Path) -> None:
    """The pass of before counts, is replaced on the next page, and does not come back between visitor and new terms."""
    with browser(site(tmp_path, policies), "https://www.example.org") as before:
        accept(before)
        token = before.cookies[OLD_NAME]
    app = site(tmp_path, policies, cookie_domain="example.org")
    with browser(app, "https://www.example.org") as www:
        www.cookies.set(OLD_NAME, token, domain="www.example.org", path="/")
        assert www.get("/articles/one", headers=HTML).status_code == 200
        assert {cookie.name for cookie in www.cookies.jar} == {OLD_NAME, NEW_NAME}
        write_policy(policies, "2", "# Terms of Use\n\nBe kind. Be brief. Be back soon.\n")
        www.portal.call(app.terms.publish, policies)  # type: ignore[union-attr]  # it is there while the client is open
        assert accept(www).status_code == 303
        assert [www.get("/articles/one", headers=HTML).status_code for _ in range(2)] == [200, 200]


def test_one_name_with_and_without_a_domain_is_no_endless_question(tmp_path: Path, policies: Path) -> None:
    """On plain http both have the same name and are sent together; the one sealed last counts, here and for banners."""
    banners: list[Any] = []

    async def telling(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            banners.append(consentgate_banner(scope))
        await bare_site()(scope, receive, send)

    with browser(site(tmp_path, policies), "http://www.example.org") as before:
        accept(before)
        token = before.cookies["consentgate"]
    write_policy(policies, "2", "# Terms of Use\n\nBe kind. Be brief. Be back soon.\n")
    database = f"sqlite:///{tmp_path}/terms.db"
    app = ConsentGate(telling, policies=policies, database=database, secret=SECRET, cookie_domain="example.org")
    with browser(app, "http://www.example.org") as www:
        www.cookies.set("consentgate", token, domain="www.example.org", path="/")
        assert accept(www).status_code == 303
        sent = www.cookies.jar
        assert [cookie.name for cookie in sent] == ["consentgate", "consentgate"]
        assert [www.get("/articles/one", headers=HTML).status_code for _ in range(2)] == [200, 200]
        assert banners == [None, None]
