"""Laws of the banner: who is told what is coming, and until when."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from consentgate import ConsentGate, consentgate_banner
from consentgate.terms.draft import draft_from_fields
from consentgate.terms.policy import Policy
from consentgate.testing import FrozenClock, accepted_cookie, memory_terms, run
from tests.frameworks.browser import fields_of
from tests.host.conftest import DPA, ON_DEMAND, RULES, Site, accept, day, write


async def _page(request: Request) -> JSONResponse:
    banner = consentgate_banner(request)
    if banner is None:
        return JSONResponse(None)
    names = ("policy", "title", "version", "state", "url", "changes_url")
    return JSONResponse({name: getattr(banner, name) for name in names} | {"effective": banner.effective.isoformat()})


def site() -> Starlette:
    """An application whose pages say what the banner says."""
    return Starlette(routes=[Route("/", _page), Route("/open", _page)])


def publish(client: Any, policies: Path) -> None:
    """Publish what is new in the folder."""
    client.portal.call(client.terms.publish, policies)


@pytest.fixture(name="client")
def _client(open_site: Site) -> TestClient:
    client = open_site(site(), exempt=("/open",))
    accept(client, client.get("/").headers["location"])
    return client


def test_there_is_none_while_nothing_is_coming(client: TestClient) -> None:
    """Nor for what only routes demand."""
    assert client.get("/").json() is None


def test_an_announced_version_is_told_and_may_be_accepted_early(
    client: TestClient, policies: Path, consentgate_clock: FrozenClock
) -> None:
    """Title, version, day, and where to read and decide; who has accepted it is told no more."""
    write(policies, "rules", "2", RULES.format(time="a week"), effective=day(consentgate_clock, 30),
          announce=day(consentgate_clock, 0))  # fmt: skip
    publish(client, policies)
    told = client.get("/?page=3").json()

    assert (told["policy"], told["title"], told["version"]) == ("rules", "Rules of the Library", "2")
    assert (told["state"], told["effective"]) == ("announced", datetime(2026, 1, 31, tzinfo=UTC).isoformat())
    assert told["changes_url"] == "/terms/rules/changes?from=1&to=2"
    assert client.get(told["changes_url"]).status_code == 200
    done = accept(client, told["url"])
    assert (done.status_code, done.headers["location"]) == (303, "/?page=3")
    assert client.get("/").json() is None
    consentgate_clock.advance(days=31)
    assert client.get("/").status_code == 200


def test_grace_is_told_to_who_put_it_off(client: TestClient, policies: Path, consentgate_clock: FrozenClock) -> None:
    """ "Not now" ends the page in between, not the line above the page."""
    write(policies, "rules", "2", RULES.format(time="a week"), enforce=day(consentgate_clock, 30))
    publish(client, policies)
    stopped = client.get("/")
    page = client.get(stopped.headers["location"])
    client.post("/terms/review", data={**fields_of(page.text), "do": "later"})

    assert client.get("/").json()["state"] == "grace"


def test_who_has_accepted_nothing_is_told_nothing_of_changes(client: TestClient) -> None:
    """On an exempt page somebody new has more to read than what is new."""
    client.cookies.clear()
    assert client.get("/open").json() is None


def test_a_site_that_only_reminds_tells_what_is_required(open_site: Site) -> None:
    """With ``anonymous="remind"`` the banner is all a visitor sees of the gate."""
    client = open_site(site(), anonymous="remind")
    told = client.get("/").json()

    assert (told["state"], told["policy"], told["changes_url"]) == ("required", "rules", None)
    accept(client, told["url"])
    assert client.get("/").json() is None


def test_what_only_routes_demand_is_never_told(
    client: TestClient, policies: Path, consentgate_clock: FrozenClock
) -> None:
    """It binds nobody who does not come to such a route."""
    write(policies, "dpa", "2", DPA.format(label="2"), ON_DEMAND, effective=day(consentgate_clock, 30),
          announce=day(consentgate_clock, 0))  # fmt: skip
    publish(client, policies)

    assert client.get("/").json() is None


def test_a_subject_that_cannot_be_told_leaves_an_open_page_standing(
    open_site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """Without a banner, and with a line in the log."""

    def broken(_: Any) -> Any:
        raise KeyError("session")

    client = open_site(site(), exempt=("/open",), subject=broken)
    assert (client.get("/open").status_code, client.get("/open").json()) == (200, None)
    assert any("could not be told" in record.message for record in caplog.records)


def test_without_a_gate_there_is_none() -> None:
    """A template works in tests of the bare application."""
    with TestClient(site()) as client:
        assert client.get("/").json() is None
    assert consentgate_banner({"type": "http", "headers": []}) is None


def test_what_must_be_renewed_is_told_where_visitors_are_only_reminded() -> None:
    """The gate lets them through, so nothing else would say it."""
    clock = FrozenClock()
    terms = memory_terms(clock=clock, anonymous="remind")
    policy = Policy("rules", (("en", "Rules"),), renew_after=10)
    fields = {"policy": "rules", "version": "1", "language": "en", "impact": "material"}
    with TestClient(ConsentGate(site(), terms=terms)) as client:
        run(terms.publish([draft_from_fields(fields, "# Rules\n\nBe kind.\n", file="1.en.md")], policies=[policy]))
        client.cookies.update(accepted_cookie(terms, "visitor:" + "ab" * 16))
        assert client.get("/").json() is None
        clock.advance(days=11)

        assert client.get("/").json()["state"] == "expired"
