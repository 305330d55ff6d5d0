"""All pages as one application: routes, methods, mounting, errors."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from consentgate.terms.policy import RESERVED_LABELS, RESERVED_SLUGS
from consentgate.web.pages import build_pages
from tests.web.conftest import BROWSER, Site
from tests.web.forms import actions, hidden_fields


def test_names_that_are_addresses_of_ours_are_known(site: Site) -> None:
    """A policy or a version with such a name could not be reached; whoever publishes must refuse them."""
    paths = [route.path.removeprefix("/terms").strip("/").split("/") for route in build_pages(site.terms)._app.routes]  # type: ignore[attr-defined]
    assert {path[0] for path in paths if path[0] and not path[0].startswith("{")} <= RESERVED_SLUGS
    assert {
        path[1] for path in paths if path[0] == "{slug}" and len(path) > 1 and path[1] != "{label}"
    } == RESERVED_LABELS


@pytest.mark.parametrize("path", ["/terms", "/terms/review", "/terms/mine", "/terms/terms-of-use", "/terms/status"])
def test_head_is_get_without_a_body(site: Site, path: str) -> None:
    """Link checkers and monitors ask with HEAD."""
    site.publish_old()
    browser = site.browser("ann")
    head, got = browser.head(path), browser.get(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == got.headers["content-type"]


def test_a_method_that_is_not_there_is_405(site: Site) -> None:
    """And says which are."""
    site.publish_old()
    answer = site.browser().post("/terms/mine", data={"a": "b"})
    assert answer.status_code == 405
    assert "GET" in answer.headers["allow"]


def test_mounted_below_a_path_every_link_keeps_it(site: Site) -> None:
    """The host's application may live at /app: addresses, forms, static files and the way back follow."""
    site.publish_old()
    mounted = Starlette(routes=[Mount("/app", app=site.app)])
    browser = TestClient(
        mounted, base_url="https://kettle.example", headers=BROWSER | {"x-user": "ann"}, follow_redirects=False
    )
    stopped = browser.get("/app/news/7?a=b")
    assert stopped.headers["location"].startswith("/app/terms/review?next=")
    page = browser.get(stopped.headers["location"])
    assert page.status_code == 200
    assert actions(page.text) == ["/app/terms/review"]
    for part in page.text.split('"'):
        if part.startswith("/") and not part.startswith("//"):
            assert part.startswith("/app"), part
    style = next(part for part in page.text.split('"') if part.endswith(".css"))
    assert browser.get(style).status_code == 200
    done = browser.post(
        actions(page.text)[0], data=hidden_fields(page.text) | {"do": "accept", "assent": "terms-of-use"}
    )
    assert done.headers["location"] == "/app/news/7?a=b"
    assert browser.get("/app/terms/").headers["location"] == "/app/terms"


def test_another_prefix_is_followed_everywhere(make_site: Any) -> None:
    """``prefix=/legal/rules``: nothing says /terms any more."""
    site = make_site(prefix="/legal/rules")
    site.publish_old()
    page = site.browser().get("/legal/rules/review").text
    assert "/terms/" not in page.replace("/terms-of-use", "")
    assert 'action="/legal/rules/review"' in page


def test_a_failing_page_is_logged_and_says_only_what_it_must(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The reader gets a sentence in their language, the log the error's one line."""
    from consentgate.errors import StoreUnavailableError

    async def dead(*_: Any, **__: Any) -> None:
        raise StoreUnavailableError("disk /dev/secret is full")

    site.publish_old()
    monkeypatch.setattr(site.terms, "fresh", dead)
    with caplog.at_level(logging.ERROR, "consentgate"):
        answer = site.browser(language="fr").get("/terms/terms-of-use")
    assert answer.status_code == 503
    assert "Réessayez dans quelques minutes" in answer.text
    assert "secret" not in answer.text
    assert "/dev/secret" in caplog.text


@pytest.mark.parametrize("path", ["x%0aERROR:root:forged", "terms-of-use/x%0d%0aforged%1b%5b2J", "x%e2%80%a8y"])
def test_an_address_cannot_write_a_line_of_its_own_into_the_log(
    site: Site, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    """Neither by the path nor by the error that repeats a part of it."""
    site.publish_old()
    with caplog.at_level(logging.INFO, "consentgate"):
        assert site.browser().get(f"/terms/{path}").status_code == 404
    said = [record.getMessage() for record in caplog.records if "GET /terms/" in record.getMessage()]
    assert len(said) == 1
    assert said[0].isprintable()


def test_when_the_gate_cannot_tell_the_page_says_so(site: Site) -> None:
    """``unavailable``: 503, when to come back, and nothing about why."""
    pages = build_pages(site.terms)
    answer = TestClient(pages.unavailable).get("/news", headers=BROWSER)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
    assert "We cannot keep records at this moment" in answer.text
