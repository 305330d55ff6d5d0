"""What the gate answers, row by row (DESIGN §6), in front of each framework, over a real socket."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import Any

import httpx2
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.frameworks.browser import NAVIGATION, Browser, fields_of
from tests.frameworks.servers import state_of

JSON = {"accept": "application/json"}
FETCH = {"accept": "*/*", "sec-fetch-mode": "cors", "sec-fetch-dest": "empty", "sec-fetch-site": "same-origin"}
CSRF = "0123456789abcdefghijklmnopqrstuv"
"""A token for frameworks that ask for one in cookie and form."""


def led_to_review(answer: httpx2.Response) -> None:
    """303, no body, nothing that anybody may keep."""
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/terms/review?next=")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["vary"] == "Cookie"
    assert answer.content == b""
    for name in ("content-range", "etag", "last-modified", "accept-ranges"):
        assert name not in answer.headers


def told_the_problem(answer: httpx2.Response) -> None:
    """403 with a problem document that says what to accept, and where."""
    assert (answer.status_code, answer.headers["content-type"]) == (403, "application/problem+json")
    assert answer.headers["cache-control"] == "no-store"
    document = answer.json()
    assert (document["status"], document["title"]) == (403, "Terms acceptance required")
    site = str(answer.request.url.join("/"))
    assert document["accept_url"] == f"{site}terms/review"
    said = state_of(answer)
    assert (said["required_version"], said["accepted_version"], said["state"]) == ("1", None, "required")
    assert 'rel="terms-of-service"' in answer.headers["link"]


def told_htmx(answer: httpx2.Response) -> None:
    """The problem document, and where to go as a whole page."""
    told_the_problem(answer)
    assert answer.headers["hx-redirect"].startswith("/terms/review?next=")


def told_without_body(answer: httpx2.Response) -> None:
    """What a GET would get, without its body."""
    assert answer.status_code == 403
    assert answer.content == b""


def shown_in_place(answer: httpx2.Response) -> None:
    """403 with the review page, and the form kept in it."""
    assert (answer.status_code, answer.headers["content-type"]) == (403, "text/html; charset=utf-8")
    assert fields_of(answer.text)["kept"]
    assert "The form you were sending is kept." in answer.text


def shown_as_lost(answer: httpx2.Response) -> None:
    """403 with the review page, which says that the form was not sent."""
    assert (answer.status_code, answer.headers["content-type"]) == (403, "text/html; charset=utf-8")
    assert "kept" not in fields_of(answer.text)
    assert "The form you sent has not arrived." in answer.text


def handed_on(answer: httpx2.Response) -> None:
    """Whatever the application says, it is not the gate's word."""
    assert answer.status_code not in (303, 403)
    assert "terms" not in answer.headers.get("location", "")


def served(answer: httpx2.Response) -> None:
    """200."""
    assert answer.status_code == 200


@dataclass(frozen=True)
class Row:
    """One kind of request, and what it gets while the gate is closed."""

    name: str
    method: str
    path: str
    check: Callable[[httpx2.Response], None]
    headers: dict[str, str] = field(default_factory=lambda: NAVIGATION)
    more: dict[str, Any] = field(default_factory=dict)


def own(**headers: str) -> dict[str, str]:
    """A form from a page of the site itself."""
    return {**NAVIGATION, "sec-fetch-site": "same-origin", **headers}


LETTER = {"letter": "Dear editor, äöü & more"}
TABLE = [
    Row("page navigation", "GET", "/articles/one?page=2&q=a%20b", led_to_review),
    Row("front page", "GET", "/", led_to_review),
    Row("a page by Accept alone", "GET", "/articles/one", led_to_review, {"accept": "text/html"}),
    Row("a page nobody routes", "GET", "/no/such/page", led_to_review),
    Row("HEAD", "HEAD", "/articles/one", led_to_review),
    Row("HEAD of a program", "HEAD", "/api/headlines", told_without_body, JSON),
    Row("part of a file", "GET", "/articles/one", led_to_review, {**NAVIGATION, "range": "bytes=0-9"}),
    Row("part of a file for a program", "GET", "/api/headlines", told_the_problem, {**JSON, "range": "bytes=0-9"}),
    Row("only if changed", "GET", "/articles/one", led_to_review, {**NAVIGATION, "if-none-match": '"x", W/"y"'}),
    Row("JSON", "GET", "/api/headlines", told_the_problem, JSON),
    Row("no Accept but */*", "GET", "/articles/one", told_the_problem, {"accept": "*/*"}),
    Row("fetch", "GET", "/articles/one", told_the_problem, FETCH),
    Row("XHR", "GET", "/articles/one", told_the_problem, {"accept": "text/html", "x-requested-with": "XMLHttpRequest"}),
    Row("JSON POST", "POST", "/letters", told_the_problem, JSON, {"json": LETTER}),
    Row("PUT", "PUT", "/articles/one", told_the_problem, JSON, {"content": b"x"}),
    Row("DELETE of a page", "DELETE", "/articles/one", told_the_problem),
    Row("plain OPTIONS", "OPTIONS", "/articles/one", told_the_problem, {"accept": "*/*"}),
    Row("event stream", "GET", "/events", told_the_problem, {"accept": "text/event-stream"}),
    Row("HTMX", "GET", "/articles/one", told_htmx, {**FETCH, "hx-request": "true", "accept": "text/html"}),
    Row("form", "POST", "/letters", shown_in_place, own(), {"data": LETTER}),
    Row("form of another site", "POST", "/letters", shown_as_lost,
        {**NAVIGATION, "sec-fetch-site": "cross-site", "origin": "https://elsewhere.example"}, {"data": LETTER}),
    Row("large form", "POST", "/letters", shown_as_lost, own(), {"data": {"letter": "x" * 300_000}}),
    Row("form with a file", "POST", "/letters", shown_as_lost, own(), {"files": {"letter": b"x"}}),
    Row("preflight", "OPTIONS", "/api/headlines", handed_on,
        {"origin": "https://elsewhere.example", "access-control-request-method": "GET"}),
    Row("exempt", "GET", "/health", served),
    Row("our own pages", "GET", "/terms", served),
    Row("our own text", "GET", "/terms/library-rules/1", served),
    Row("our own review page", "GET", "/terms/review", served),
    Row("a crawler", "GET", "/articles/one", served, {**NAVIGATION, "user-agent": "Mozilla/5.0 Googlebot/2.1"}),
]  # fmt: skip


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_a_closed_gate_answers_each_request_in_the_way_it_can_use(site: str, row: Row) -> None:
    """One row of the table, in front of one framework."""
    with httpx2.Client(base_url=site, timeout=30) as client:
        row.check(client.request(row.method, row.path, headers=row.headers, **row.more))


def test_a_websocket_is_denied_with_the_problem_document(site: str) -> None:
    """Before it opens, also in front of a framework that has no WebSockets."""
    with pytest.raises(InvalidStatus) as caught, connect(site.replace("http", "ws", 1) + "/live"):
        pass
    response = caught.value.response
    assert (response.status_code, response.headers["content-type"]) == (403, "application/problem+json")
    assert b'"policy":"library-rules"' in response.body


@pytest.mark.parametrize(
    "target",
    [
        "/health/../articles/one", "/health/%2e%2e/articles/one", "//articles/one", "/./articles/one", "/HEALTH",
        "/health/%252e%252e/articles/one", "/health%2f..%2farticles/one", "/health/..%252farticles/one",
        "/health/..;/articles/one", "/health/..%5carticles/one", "/health/..%255carticles/one", "/health/%00",
    ],
)  # fmt: skip
def test_no_way_of_writing_an_address_is_a_way_around_the_gate(site: str, target: str) -> None:
    """Clients tidy addresses up; an attacker sends them as they are."""
    connection = HTTPConnection(site.removeprefix("http://"), timeout=30)
    with closing(connection):
        connection.request("GET", target, headers=NAVIGATION)
        assert connection.getresponse().status == 303


# --- and once it is open -------------------------------------------------------------------------------------------


def test_a_member_gets_what_the_application_says_and_nothing_more(member: Browser) -> None:
    """Path and query arrive; no cookie, no header of ours is added."""
    answer = member.get("/articles/one?page=2&q=a%20b")

    assert answer.status_code == 200
    assert "/articles/one" in answer.text
    assert "page=2&amp;q=a%20b" in answer.text
    assert "consentgate" not in answer.headers.get("set-cookie", "")
    assert member.client.get("/api/headlines", headers=JSON).json()[0] == "Night ferry to run again"
    assert member.client.head("/articles/one", headers=NAVIGATION).status_code in (200, 405)


def test_a_stream_of_events_runs_through_piece_by_piece(member: Browser) -> None:
    """The gate holds nothing back."""
    with member.client.stream("GET", "/events", headers={"accept": "text/event-stream"}) as answer:
        pieces = list(answer.iter_raw())

    assert answer.status_code == 200
    assert b"".join(pieces) == b"data: 0\n\ndata: 1\n\ndata: 2\n\n"
    assert len(pieces) > 1


def test_a_member_has_the_websocket(member: Browser, framework: str) -> None:
    """With the pass in the handshake's cookie. Django has none of its own: the refusal is then the server's word."""
    cookie = "; ".join(f"{name}={value}" for name, value in member.client.cookies.items())
    address = member.address.replace("http", "ws", 1) + "/live"
    if framework == "django":
        with pytest.raises(InvalidStatus) as caught, connect(address, additional_headers={"cookie": cookie}):
            pass
        assert caught.value.response.headers.get("content-type") != "application/problem+json"
        return
    with connect(address, additional_headers={"cookie": cookie}) as socket:
        assert socket.recv(timeout=30) == "tick"


def test_the_banner_tells_a_member_what_is_coming_until_they_accept_it(site: str) -> None:
    """On the way of a good pass too, where the gate itself tells nothing; early acceptance ends it."""
    with Browser(site) as browser:
        browser.accept("/articles/one")
        page = browser.get("/articles/one").text
        assert "Rules of the Library, new from" in page
        address = page.partition('class="banner"')[2].partition('href="')[2].partition('"')[0].replace("&amp;", "&")
        early = browser.get(address)
        assert "within three weeks" in early.text
        done = browser.accept_page(early.text)
        assert (done.status_code, done.headers["location"]) == (303, "/articles/one")
        assert "new from" not in browser.get("/articles/one").text


def test_a_form_that_meets_the_gate_is_kept_and_sent_on_by_one_button(site: str) -> None:
    """Nothing typed is lost, and the framework's own protection against forged forms still holds."""
    with Browser(site) as browser:
        browser.client.cookies.set("csrftoken", CSRF)
        stopped = browser.post("/letters", {**LETTER, "csrfmiddlewaretoken": CSRF})
        shown_in_place(stopped)
        ready = browser.accept_page(stopped.text)
        assert (ready.status_code, "Your form is ready" in ready.text) == (200, True)
        sent = browser.post("/letters", fields_of(ready.text))

    assert sent.status_code == 200
    assert "Dear editor, äöü &amp; more" in sent.text or "Dear editor, äöü & more" in sent.text


def as_user(browser: Browser, framework: str, name: str | None) -> dict[str, str]:
    """Sign in as somebody, or out; returns the header that says who asks, where it is no session."""
    if framework == "bare":
        return {"x-remote-user": name} if name else {}
    if framework == "fastapi":
        return {"authorization": f"Bearer {name.lower()}"} if name else {}
    answer = browser.get(f"/sign-in?as={name}" if name else "/sign-out")
    assert answer.status_code in (302, 303)
    return {}


def test_what_a_visitor_accepted_goes_with_them_when_they_sign_in_and_stays_theirs(site: str, framework: str) -> None:
    """No second question after sign-in; the next user of the browser inherits nothing; who comes back is known."""
    with Browser(site) as browser:
        browser.accept("/articles/one")
        wendell = as_user(browser, framework, "Wendell")
        assert [browser.get("/articles/one", **wendell).status_code for _ in range(2)] == [200, 200]
        nobody = as_user(browser, framework, None)
        # Whoever shows a token with each request keeps no cookies: there the visitor's own pass is still the visitor's.
        assert browser.get("/articles/one", **nobody).status_code == (200 if framework == "fastapi" else 303)
        rosalind = as_user(browser, framework, "Rosalind")
        assert browser.get("/articles/one", **rosalind).status_code == 303
        wendell = as_user(browser, framework, "Wendell")
        assert browser.get("/articles/one", **wendell).status_code == 200
