"""Walk 3: pages → decide → ledger → store; back up come the receipt, the pass, and the way on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from consentgate.evidence.receipt import verify
from tests.walks.conftest import SECOND, Visitor, write_policy


def test_after_acceptance_the_visitor_lands_where_they_were_going(visitor: Visitor) -> None:
    """Path and query, and the next request passes."""
    answer = visitor.accept("/articles/one?page=2&q=a%20b")

    assert (answer.status_code, answer.headers["location"]) == (303, "/articles/one?page=2&q=a%20b")
    assert visitor.get("/articles/one?page=2&q=a%20b").text == "article one?page=2&q=a%20b"


def test_the_receipt_is_there_to_download_and_verifies_offline(visitor: Visitor, app: Any) -> None:
    """For its subject; nobody else finds it."""
    visitor.accept()
    mine = visitor.get("/terms/mine").text
    entry = next(line for line in mine.split('"') if line.startswith("/terms/receipts/") and not line.endswith("/page"))
    receipt = visitor.get(entry)
    proven = verify(receipt.content, verifiers=app.terms.engine.ledger.verifiers)

    assert (proven.trusted, proven.entry.TYPE) == (True, "decision")
    visitor.client.cookies.clear()
    assert visitor.get(entry).status_code == 404


def test_declining_is_recorded_and_explained(visitor: Visitor, app: Any) -> None:
    """And the gate stays closed."""
    stopped = visitor.get("/articles/one")
    page = visitor.get(stopped.headers["location"])
    answer = visitor.post(visitor.form(page.text, do="decline"))

    assert (answer.status_code, answer.headers["location"]) == (303, "/terms/declined")
    assert visitor.get("/terms/declined").status_code == 200
    assert visitor.get("/articles/one").status_code == 303


def test_without_the_tick_nothing_is_recorded_and_the_page_says_so(visitor: Visitor) -> None:
    """A positive act is required; the form survives."""
    stopped = visitor.get("/articles/one")
    fields = visitor.form(visitor.get(stopped.headers["location"]).text)
    fields.pop("assent")
    answer = visitor.post(fields)

    assert answer.status_code == 422
    assert visitor.form(answer.text)["offer"]
    assert visitor.get("/articles/one").status_code == 303


def test_a_publication_between_view_and_click_gives_the_new_offer(visitor: Visitor, app: Any, policies: Path) -> None:
    """409, never a record of a text that was not on the screen."""
    stopped = visitor.get("/articles/one?x=1")
    fields = visitor.form(visitor.get(stopped.headers["location"]).text)
    write_policy(policies, "2", SECOND)
    assert visitor.client.portal is not None
    visitor.client.portal.call(app.terms.publish, policies)
    answer = visitor.post(fields)

    assert answer.status_code == 409
    assert "also in letters" in answer.text
    done = visitor.post(visitor.form(answer.text))
    assert (done.status_code, done.headers["location"]) == (303, "/articles/one?x=1")


def test_a_form_of_another_site_is_refused(visitor: Visitor) -> None:
    """Nobody accepts for a visitor from elsewhere."""
    stopped = visitor.get("/articles/one")
    fields = visitor.form(visitor.get(stopped.headers["location"]).text)

    for origin in ("https://evil.example", "null"):
        assert visitor.post(fields, **{"origin": origin, "sec-fetch-site": "cross-site"}).status_code == 403
    assert visitor.get("/articles/one").status_code == 303


def test_a_double_click_is_one_acceptance(visitor: Visitor, app: Any) -> None:
    """Replay returns the first record."""
    stopped = visitor.get("/articles/one")
    fields = visitor.form(visitor.get(stopped.headers["location"]).text)
    first, second = visitor.post(fields), visitor.post(fields)

    assert [first.status_code, second.status_code] == [303, 303]
    assert visitor.client.portal is not None
    head = visitor.client.portal.call(app.terms.head)
    assert head.size == 2
