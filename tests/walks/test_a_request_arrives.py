"""Walk 1: gate/asgi → gate/passes → gate/verdict → the host's app. Nothing else is touched."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
import threading
from typing import Any

from consentgate.gate.cookies import PLAIN_NAME
from tests.walks.conftest import Visitor


def test_a_visitor_with_a_pass_goes_straight_through(visitor: Visitor) -> None:
    """No redirect, no cookie, nothing added."""
    visitor.accept()
    answer = visitor.get("/articles/two")

    assert (answer.status_code, answer.text) == (200, "article two?")
    assert "set-cookie" not in answer.headers
    assert "vary" not in answer.headers


def test_a_good_pass_costs_no_statement_no_thread_and_no_await_of_our_own(visitor: Visitor, app: Any) -> None:
    """Counted: SQL seen by SQLite itself, threads started, and suspensions of the coroutine."""
    visitor.accept()
    token = visitor.client.cookies[PLAIN_NAME]
    scope = {
        "type": "http", "method": "GET", "path": "/articles/two", "raw_path": b"/articles/two", "query_string": b"",
        "scheme": "http", "root_path": "", "http_version": "1.1", "server": ("testserver", 80), "client": None,
        "headers": [(b"host", b"testserver"), (b"accept", b"text/html"), (b"cookie", f"{PLAIN_NAME}={token}".encode())],
    }  # fmt: skip
    seen: list[str] = []
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    def suspensions(value: Any) -> int:
        """Drive the coroutine by hand: each time it yields, somebody awaited something that was not ready."""
        coroutine, count = app(dict(value), receive, send), 0
        try:
            while True:
                coroutine.send(None)
                count += 1
        except StopIteration:
            return count

    async def watched() -> tuple[int, int]:
        await app(dict(scope), receive, send)  # the first sight of the pass: from here on it is remembered
        connections = [one for one in gc.get_objects() if isinstance(one, sqlite3.Connection)]
        for connection in connections:
            connection.set_trace_callback(seen.append)
        before = threading.active_count()
        count = suspensions(scope)
        for connection in connections:
            connection.set_trace_callback(None)
        return count, threading.active_count() - before

    count, threads = asyncio.run(watched())
    watching = [one for one in seen if "generation" not in one and one not in ("BEGIN", "COMMIT", "ROLLBACK")]
    assert (count, threads, watching) == (0, 0, [])
    assert [message["status"] for message in sent if message["type"] == "http.response.start"] == [200, 200]


def test_what_is_exempt_and_our_own_pages_are_never_gated(visitor: Visitor) -> None:
    """Health checks, the texts, the page itself: a gated review page would be an endless loop."""
    for path in ("/robots.txt", "/.well-known/acme-challenge/x"):
        assert visitor.get(path).status_code == 404, path
    for path in ("/health", "/terms", "/terms/review", "/terms/terms-of-use", "/terms/terms-of-use/1", "/terms/status"):
        assert visitor.get(path).status_code == 200, path


def test_a_preflight_passes(visitor: Visitor) -> None:
    """CORS asks before it may ask."""
    answer = visitor.client.options(
        "/articles/one", headers={"origin": "https://a.example", "access-control-request-method": "GET"}
    )

    assert answer.status_code not in (303, 403)


def test_a_program_gets_a_problem_document_with_links_that_work(visitor: Visitor) -> None:
    """403 and where to go, never HTML."""
    answer = visitor.client.get("/api/data", headers={"accept": "application/json"})
    [policy] = answer.json()["policies"]

    assert (answer.status_code, answer.headers["content-type"]) == (403, "application/problem+json")
    assert (policy["required_version"], policy["accepted_version"]) == ("1", None)
    for address in (policy["accept_url"], policy["text_url"]):
        assert visitor.get(address).status_code == 200
    assert 'rel="terms-of-service"' in answer.headers["link"]


def test_a_websocket_is_refused_before_it_opens_and_let_in_with_a_pass(visitor: Visitor) -> None:
    """A terms gate that forgets WebSockets is no gate."""
    import pytest
    from starlette.testclient import WebSocketDenialResponse

    with pytest.raises(WebSocketDenialResponse) as caught, visitor.client.websocket_connect("/live"):
        pass
    assert caught.value.status_code == 403
    assert caught.value.json()["policies"][0]["policy"] == "terms-of-use"
    visitor.accept()
    with visitor.client.websocket_connect("/live") as socket:
        assert socket.receive_text() == "tick"


def test_a_form_that_meets_the_gate_is_kept_and_sent_on_after_acceptance(visitor: Visitor) -> None:
    """Nothing typed is lost, and nothing is sent that the visitor did not send."""
    stopped = visitor.client.post(
        "/form", data={"letter": "Dear editor, äöü & more"},
        headers={"accept": "text/html", "origin": "http://testserver", "sec-fetch-site": "same-origin"},
    )  # fmt: skip
    assert stopped.status_code == 403
    answer = visitor.post(visitor.form(stopped.text))
    assert answer.status_code == 200
    fields = visitor.form(answer.text)
    fields.pop("do")
    again = visitor.client.post("/form", data=fields)

    assert again.text == "posted letter=Dear+editor%2C+%C3%A4%C3%B6%C3%BC+%26+more"


def test_no_cookie_whatever_opens_the_gate_or_breaks_it(visitor: Visitor) -> None:
    """Forged, truncated, foreign, duplicated, huge."""
    visitor.accept()
    token = visitor.client.cookies[PLAIN_NAME]
    visitor.client.cookies.clear()
    bad = ["", "x", token[:-1], token[:-1] + ("A" if token[-1] != "A" else "B"), token * 2, "A" * 100_000, "\x80", '"']
    for value in bad:
        answer = visitor.client.get(
            "/articles/one",
            headers={"accept": "text/html", "cookie": f"{PLAIN_NAME}={value}".encode("latin-1")},  # type: ignore[dict-item]
        )
        assert answer.status_code == 303, value[:40]
        assert visitor.get(answer.headers["location"]).status_code == 200
