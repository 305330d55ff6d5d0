"""A policy's life over HTTP: announced, in grace, enforced, declined, expired, retired; for some, all, nobody."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from consentgate import Act, ConsentGate, StoreError, Subject, passage_of
from consentgate.errors import StoreUnavailableError
from consentgate.gate.cookies import PLAIN_NAME
from consentgate.terms.instants import to_datetime
from consentgate.testing import FrozenClock, memory_terms
from tests.walks.conftest import HTML, Visitor

A = "# Terms\n\nBe kind to one another.\n\nPay what you owe on time.\n"
B = "# Terms\n\nBe kind to one another, also in letters.\n\nPay what you owe on time.\n"
JSON = {"accept": "application/json", "sec-fetch-mode": "cors"}


async def _anything(request: Request) -> PlainTextResponse:
    """Any page and any form: it says what the gate told."""
    return PlainTextResponse(f"inside {request.url.path} failed={passage_of(request.scope).failed}")


def site() -> Starlette:
    """An application that answers everything."""
    return Starlette(routes=[Route("/{path:path}", _anything, methods=["GET", "POST"])])


@dataclass
class Life:
    """A site whose clock stands still, and the folder its policies lie in.

    Args:
        clock: of everything.
        folder: of the policies.
        client: a browser.
        terms: the handle.
    """

    clock: FrozenClock
    folder: Path
    client: TestClient
    terms: Any

    @property
    def visitor(self) -> Visitor:
        """The one with that browser."""
        return Visitor(self.client)

    def day(self, days: int) -> str:
        """A date so many days from now."""
        return f"{to_datetime(self.clock()) + timedelta(days=days):%Y-%m-%d}"

    def publish(self) -> None:
        """Publish what is new in the folder, in the site's own loop."""
        assert self.client.portal is not None
        self.client.portal.call(self.terms.publish, self.folder)

    def ask(self, path: str = "/") -> Any:
        """A program's request."""
        return self.client.get(path, headers=JSON)

    def state(self, slug: str = "terms") -> str | None:
        """What the status page says about a policy."""
        said = self.client.get("/terms/status").json()["policies"]
        return next((str(one["state"]) for one in said if one["policy"] == slug), None)


def write(folder: Path, label: str, text: str, *, slug: str = "terms", settings: str = "", **fields: str) -> None:
    """A version of a policy as a file."""
    place = folder / slug
    place.mkdir(parents=True, exist_ok=True)
    title = text.partition("\n")[0].removeprefix("# ")
    (place / "policy.toml").write_text(f'title = "{title}"\n{settings}')
    given = {"version": f'"{label}"', "impact": "material", **fields}
    front = "".join(f"{key}: {value}\n" for key, value in given.items())
    (place / f"{label}.en.md").write_text(f"---\n{front}---\n{text}")


Begin = Callable[..., Life]


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    folder = tmp_path / "policies"
    folder.mkdir()
    return folder


@pytest.fixture(name="begin")
def _begin(folder: Path, consentgate_clock: FrozenClock) -> Iterator[Begin]:
    """Start a site on what lies in the folder."""
    with ExitStack() as stack:

        def begin(subject: Any = None, update_header: bool = False, **settings: Any) -> Life:
            terms = memory_terms(folder if any(folder.iterdir()) else None, clock=consentgate_clock, **settings)
            app = ConsentGate(site(), terms=terms, subject=subject, update_header=update_header)
            client = stack.enter_context(TestClient(app, follow_redirects=False, headers={}))
            return Life(consentgate_clock, folder, client, terms)

        yield begin


@pytest.fixture(name="member")
def _member(folder: Path, begin: Begin) -> Life:
    """A site with terms, and a visitor who has accepted them."""
    write(folder, "1", A)
    life = begin()
    assert life.visitor.accept("/").status_code == 303
    assert life.visitor.get("/").status_code == 200
    return life


# --- announced ----------------------------------------------------------------------------------------------------


def test_an_announced_version_stops_nobody_until_its_day(member: Life) -> None:
    """No publication, no restart: the day itself closes the gate, to the second."""
    write(member.folder, "2", B, announce=member.day(0), effective=member.day(30))
    member.publish()
    assert (member.visitor.get("/").status_code, member.state()) == (200, "announced")
    member.clock.advance(days=30, seconds=-1)
    assert member.visitor.get("/").status_code == 200
    member.clock.advance(seconds=1)
    assert (member.visitor.get("/").status_code, member.state()) == (303, "required")


def test_whoever_accepts_early_is_not_asked_on_the_day(member: Life) -> None:
    """The page words it as what will change, and shows the redline."""
    write(member.folder, "2", B, announce=member.day(0), effective=member.day(30))
    member.publish()
    page = member.visitor.get("/terms/review?policy=terms").text
    assert "will change on" in page
    assert "<ins" in page
    assert member.visitor.post(member.visitor.form(page)).status_code == 303
    member.clock.advance(days=31)

    assert (member.visitor.get("/").status_code, member.state()) == (200, "current")


def test_what_is_announced_is_said_in_a_header_where_the_host_wishes_it(folder: Path, begin: Begin) -> None:
    """For programs that look ahead; gone once it is in force."""
    write(folder, "1", A)
    life = begin(update_header=True)
    life.visitor.accept("/")
    assert "terms-update" not in life.ask().headers
    write(folder, "2", B, announce=life.day(0), effective=life.day(30), enforce=life.day(60))
    life.publish()
    said = life.ask().headers["terms-update"]
    assert said.startswith('policy="terms", version="2", effective=@')
    life.clock.advance(days=31)
    assert "terms-update" not in life.ask().headers


# --- grace --------------------------------------------------------------------------------------------------------


@pytest.fixture(name="grace")
def _grace(member: Life) -> Life:
    """In force since today, enforced in thirty days."""
    write(member.folder, "2", B, enforce=member.day(30))
    member.publish()
    return member


def test_in_grace_only_pages_are_interrupted(grace: Life) -> None:
    """Programs and forms go through; a page leads to the review, which offers to wait."""
    assert (grace.ask().status_code, grace.state()) == (200, "grace")
    assert grace.client.post("/letters", data={"x": "1"}, headers=HTML).status_code == 200
    stopped = grace.visitor.get("/news?page=2")
    assert stopped.status_code == 303
    page = grace.visitor.get(stopped.headers["location"]).text
    assert "Not now" in page
    assert "You can go on without deciding until" in page


def test_not_now_is_remembered_for_a_while_and_records_nothing(grace: Life) -> None:
    """Then the page comes once more; nothing was decided, so nothing stands in the ledger."""
    before = grace.client.portal.call(grace.terms.head)  # type: ignore[union-attr]
    page = grace.visitor.get(grace.visitor.get("/news?page=2").headers["location"]).text
    answer = grace.visitor.post(grace.visitor.form(page, do="later"))

    assert (answer.status_code, answer.headers["location"]) == (303, "/news?page=2")
    assert [grace.visitor.get(path).status_code for path in ("/news?page=2", "/", "/sport")] == [200, 200, 200]
    grace.clock.advance(hours=23)
    assert grace.visitor.get("/").status_code == 200
    grace.clock.advance(hours=2)
    assert grace.visitor.get("/").status_code == 303
    assert grace.client.portal.call(grace.terms.head) == before  # type: ignore[union-attr]


def test_grace_ends_on_its_day_and_not_now_with_it(grace: Life) -> None:
    """Whoever put it off an hour before is stopped like everybody else."""
    grace.clock.advance(days=30, hours=-1)
    page = grace.visitor.get(grace.visitor.get("/").headers["location"]).text
    grace.visitor.post(grace.visitor.form(page, do="later"))
    assert grace.visitor.get("/").status_code == 200
    grace.clock.advance(hours=1)
    stopped = grace.visitor.get("/")
    assert stopped.status_code == 303
    assert "Not now" not in grace.visitor.get(stopped.headers["location"]).text
    assert grace.ask().status_code == 403


def test_not_now_does_not_hold_once_something_is_required(grace: Life) -> None:
    """A form kept from the days of grace opens nothing later."""
    page = grace.visitor.get(grace.visitor.get("/").headers["location"]).text
    grace.clock.advance(days=30)
    grace.visitor.post(grace.visitor.form(page, do="later"))

    assert grace.visitor.get("/").status_code == 303


def test_a_first_timer_has_grace_too_where_the_first_version_grants_it(folder: Path, begin: Begin) -> None:
    """Not now makes a visitor known without a decision, and they can still accept later."""
    write(folder, "1", A, enforce="2026-02-01")
    life = begin()
    page = life.visitor.get(life.visitor.get("/").headers["location"]).text
    life.visitor.post(life.visitor.form(page, do="later"))
    assert life.visitor.get("/").status_code == 200
    life.clock.advance(days=2)
    assert life.visitor.accept("/").status_code == 303
    life.clock.advance(days=60)
    assert life.visitor.get("/").status_code == 200


# --- declined -----------------------------------------------------------------------------------------------------


def test_declining_is_recorded_leads_away_and_can_be_taken_back(folder: Path, begin: Begin) -> None:
    """To the host's own page where there is one; what must stay open stays open."""
    write(folder, "1", A)
    life = begin(declined_url="https://example.org/goodbye", open_paths=("/account/delete",))
    page = life.visitor.get(life.visitor.get("/").headers["location"])
    assert "https://example.org" in page.headers["content-security-policy"]
    answer = life.visitor.post(life.visitor.form(page.text, do="decline"))
    assert (answer.status_code, answer.headers["location"]) == (303, "https://example.org/goodbye")
    assert (life.state(), life.ask().status_code) == ("declined", 403)
    assert life.visitor.get("/account/delete").status_code == 200
    assert "/account/delete" in life.visitor.get("/terms/declined").text

    again = life.visitor.get(life.visitor.get("/").headers["location"]).text
    assert "You declined our Terms." in again
    assert life.visitor.post(life.visitor.form(again)).status_code == 303
    assert (life.visitor.get("/").status_code, life.state()) == (200, "current")


def test_declining_what_is_announced_leaves_the_present_terms_as_they_are(member: Life) -> None:
    """Until the day; then the gate closes, and the page knows what was decided."""
    write(member.folder, "2", B, announce=member.day(0), effective=member.day(30))
    member.publish()
    page = member.visitor.get("/terms/review?policy=terms").text
    member.clock.advance(seconds=1)
    member.visitor.post(member.visitor.form(page, do="decline"))
    assert member.visitor.get("/").status_code == 200
    member.clock.advance(days=31)
    assert (member.visitor.get("/").status_code, member.state()) == (303, "declined")


# --- expired ------------------------------------------------------------------------------------------------------


def test_an_acceptance_is_renewed_when_its_time_is_up(folder: Path, begin: Begin) -> None:
    """The same pass, the same version: after ninety days it must be confirmed once more, and then holds again."""
    write(folder, "1", A, settings="renew_after = 90\n")
    life = begin()
    life.visitor.accept("/")
    life.clock.advance(days=89)
    assert life.visitor.get("/").status_code == 200
    life.clock.advance(days=2)
    problem = life.ask().json()["policies"][0]
    assert (problem["state"], problem["required_version"], problem["accepted_version"]) == ("expired", "1", "1")
    page = life.visitor.get(life.visitor.get("/").headers["location"]).text
    assert "confirm it once more" in page
    assert "The text reads the same as the one you accepted." in page
    assert life.visitor.post(life.visitor.form(page)).status_code == 303
    life.clock.advance(days=89)
    assert life.visitor.get("/").status_code == 200


# --- retired ------------------------------------------------------------------------------------------------------


def test_a_retired_policy_asks_nobody_any_more(member: Life) -> None:
    """From its day on; its texts and receipts stay readable."""
    write(member.folder, "1", A, settings=f'retired = "{member.day(10)}"\n')
    member.publish()
    member.client.cookies.clear()
    assert member.visitor.get("/").status_code == 303
    member.clock.advance(days=10)
    assert member.visitor.get("/").status_code == 200
    assert member.visitor.get("/terms/terms/1").status_code == 200


# --- several ------------------------------------------------------------------------------------------------------

NOTICE = "# Privacy Notice\n\nWe keep your address for as long as you are a member.\n"
SELLING = "# Selling Terms\n\nWhoever sells here answers letters within three days.\n"


def test_several_policies_are_one_page_and_one_decision(folder: Path, begin: Begin) -> None:
    """Each with its own box; a forgotten one is asked for, and nothing is recorded by half."""
    write(folder, "1", A)
    write(folder, "1", NOTICE, slug="privacy", settings='kind = "notice"\n')
    life = begin()
    stopped = life.ask().json()
    assert sorted(one["policy"] for one in stopped["policies"]) == ["privacy", "terms"]
    page = life.visitor.get(life.visitor.get("/").headers["location"]).text
    form = life.visitor.form(page)
    assert sorted(form["assent"]) == ["privacy", "terms"]
    half = life.visitor.post({**form, "assent": ["terms"]})
    assert half.status_code == 422
    assert (life.state("terms"), life.state("privacy")) == ("required", "required")
    assert life.visitor.post(life.visitor.form(half.text)).status_code == 303
    assert (life.visitor.get("/").status_code, life.ask().status_code) == (200, 200)


def test_of_several_only_what_changed_is_asked_again(folder: Path, begin: Begin) -> None:
    """The other stays accepted, and is not on the page."""
    write(folder, "1", A)
    write(folder, "1", NOTICE, slug="privacy", settings='kind = "notice"\n')
    life = begin()
    life.visitor.accept("/")
    write(folder, "2", B)
    life.publish()
    assert [one["policy"] for one in life.ask().json()["policies"]] == ["terms"]
    page = life.visitor.get(life.visitor.get("/").headers["location"]).text
    assert "Privacy Notice, version" not in page
    life.visitor.post(life.visitor.form(page))
    assert life.visitor.get("/").status_code == 200


def test_a_consent_is_never_a_condition(folder: Path, begin: Begin) -> None:
    """The gate opens whether it is given, refused or left alone."""
    mail = "# News by Mail\n\nWe may write to you once a month.\n"
    write(folder, "1", mail, slug="news", settings='kind = "consent"\n')
    life = begin()

    assert life.visitor.get("/").status_code == 200


# --- audiences ----------------------------------------------------------------------------------------------------


def test_an_audience_by_path_binds_whole_segments_and_is_asked_about_there_alone(folder: Path, begin: Begin) -> None:
    """Who reads the news is not asked about selling; who enters the shop is."""
    write(folder, "1", A)
    write(folder, "1", SELLING, slug="selling", settings='[audience]\npaths = ["/shop"]\n')
    life = begin()
    page = life.visitor.get(life.visitor.get("/news").headers["location"]).text
    assert ("Be kind" in page, "answers letters" in page) == (True, False)
    life.visitor.post(life.visitor.form(page))
    assert [life.visitor.get(path).status_code for path in ("/news", "/shops", "/shopping/x")] == [200, 200, 200]

    for path in ("/shop", "/shop/", "/shop/window?x=1"):
        assert life.ask(path).status_code == 403, path
    stopped = life.visitor.get("/shop/window?x=1")
    page = life.visitor.get(stopped.headers["location"]).text
    assert ("Be kind" in page, "answers letters" in page) == (False, True)
    done = life.visitor.post(life.visitor.form(page))
    assert (done.status_code, done.headers["location"]) == (303, "/shop/window?x=1")
    assert life.visitor.get("/shop/window?x=1").status_code == 200


def test_a_form_that_meets_the_gate_asks_about_its_own_place(folder: Path, begin: Begin) -> None:
    """In place, and also when a box was forgotten."""
    write(folder, "1", A)
    write(folder, "1", SELLING, slug="selling", settings='[audience]\npaths = ["/shop"]\n')
    life = begin()
    stopped = life.client.post(
        "/news", data={"letter": "x"}, headers={**HTML, "sec-fetch-site": "same-origin", "origin": "http://testserver"}
    )
    assert (stopped.status_code, "answers letters" in stopped.text) == (403, False)
    form = life.visitor.form(stopped.text)
    form.pop("assent")
    again = life.visitor.post(form)
    assert (again.status_code, "answers letters" in again.text) == (422, False)


@pytest.mark.parametrize("detour", ["a forgotten box", "another view", "another language"])
def test_a_kept_form_survives_detours(member: Life, detour: str) -> None:
    """Nothing typed is lost by forgetting the box, or by reading the page in another way first."""
    write(member.folder, "2", B)
    member.publish()
    member.client.cookies.clear()
    stopped = member.client.post(
        "/news", data={"letter": "x"}, headers={**HTML, "sec-fetch-site": "same-origin", "origin": "http://testserver"}
    )
    form = member.visitor.form(stopped.text)
    carried = {"kept": form["kept"], "do": ""}
    sent = {"a forgotten box": {key: value for key, value in form.items() if key != "assent"},
            "another view": {**carried, "to_view": "full"},
            "another language": {**carried, "to_language": "de"}}[detour]  # fmt: skip
    again = member.visitor.post(sent)
    assert "kept" in member.visitor.form(again.text), again.text[:300]
    ready = member.visitor.post(member.visitor.form(again.text))
    assert (ready.status_code, 'value="x"' in ready.text, 'action="/news"' in ready.text) == (200, True, True)


def test_an_audience_by_kind_and_by_tag_binds_those_alone(folder: Path, begin: Begin) -> None:
    """Members' rules bind members, business terms bind businesses, and a visitor walks by."""
    write(folder, "1", A, settings='[audience]\nkinds = ["user"]\n')
    write(folder, "1", SELLING, slug="selling", settings='[audience]\ntags = ["business"]\n')
    who: dict[str, Subject | None] = {"asks": None}
    life = begin(subject=lambda _: who["asks"])
    assert life.ask().status_code == 200

    who["asks"] = Subject("1")
    assert [one["policy"] for one in life.ask().json()["policies"]] == ["terms"]
    who["asks"] = Subject("2", tags=frozenset({"business", "eu"}))
    assert sorted(one["policy"] for one in life.ask().json()["policies"]) == ["selling", "terms"]
    life.visitor.accept("/")
    assert life.ask().status_code == 200
    who["asks"] = Subject("2")
    assert life.ask().status_code == 200
    who["asks"] = Subject("3", tags=frozenset({"business"}))
    assert life.ask().status_code == 403


# --- there and back -----------------------------------------------------------------------------------------------


def test_there_and_back_again_asks_nobody_who_accepted_the_first(member: Life, begin: Begin) -> None:
    """A → B → A: the text in force is the one they accepted. Who came in between has something to decide."""
    assert member.client.portal is not None
    between = TestClient(member.client.app, follow_redirects=False)
    between.portal = member.client.portal
    write(member.folder, "2", B)
    member.publish()
    assert member.visitor.get("/").status_code == 303
    assert Visitor(between).accept("/").status_code == 303
    write(member.folder, "3", A)
    member.publish()

    assert (member.visitor.get("/").status_code, member.state()) == (200, "current")
    assert Visitor(between).get("/").status_code == 303


# --- nothing published --------------------------------------------------------------------------------------------


def test_without_any_policy_the_gate_is_open_and_says_so_once(
    begin: Begin, caplog: pytest.LogCaptureFixture
) -> None:  # fmt: skip
    """Open, because there is nothing to accept; said, because it may be a mistake."""
    with caplog.at_level(logging.WARNING, logger="consentgate"):
        life = begin()
        for _ in range(3):
            assert life.visitor.get("/").status_code == 200
            assert life.ask().status_code == 200
    said = [record.message for record in caplog.records if "gate is open" in record.message]
    assert len(said) == 1

    write(life.folder, "1", A)
    life.publish()
    assert life.visitor.get("/").status_code == 303


# --- the record cannot be reached ---------------------------------------------------------------------------------


def break_store(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on nothing can be read and nothing written."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise StoreUnavailableError("the disk is gone")

    monkeypatch.setattr(life.terms.engine.database, "read", refuse)
    monkeypatch.setattr(life.terms.engine.writer, "submit", refuse)


def ann(scope: Any) -> str | None:
    """Signed in where the header says so."""
    return "ann" if b"x-ann" in dict(scope["headers"]) else None


@pytest.mark.parametrize("headers", [HTML, JSON], ids=["page", "program"])
def test_when_the_record_cannot_be_reached_a_closed_gate_says_when_to_try_again(
    folder: Path, begin: Begin, monkeypatch: pytest.MonkeyPatch, headers: dict[str, str]
) -> None:
    """503 with Retry-After, in the form the request can use; never 200, never 500."""
    write(folder, "1", A)
    life = begin(subject=ann)
    assert life.visitor.get("/").status_code == 303
    break_store(life, monkeypatch)
    answer = life.client.get("/", headers={**headers, "x-ann": "1"})

    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert answer.headers["cache-control"] == "no-store"
    kind = answer.headers["content-type"]
    assert kind.startswith("text/html" if headers is HTML else "application/problem+json")


def test_with_fail_open_the_request_goes_through_and_the_host_is_told(
    folder: Path, begin: Begin, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """And the log has the reason."""
    write(folder, "1", A)
    life = begin(subject=ann, fail="open")
    life.visitor.get("/")
    break_store(life, monkeypatch)
    answer = life.client.get("/", headers={**HTML, "x-ann": "1"})

    assert (answer.status_code, answer.text) == (200, "inside / failed=True")
    assert any(record.levelno == logging.ERROR for record in caplog.records)


@pytest.mark.parametrize(("fail", "status"), [("closed", 503), ("open", 200)])
def test_a_database_that_hangs_is_as_good_as_none(
    folder: Path, begin: Begin, monkeypatch: pytest.MonkeyPatch, fail: Any, status: int
) -> None:
    """Who must be asked about waits a bounded time and gets the answer of an outage; a good pass waits for nothing."""
    write(folder, "1", A)
    life = begin(subject=ann, fail=fail)
    life.visitor.accept("/")
    hangs = threading.Event()
    monkeypatch.setattr("consentgate.app.PATIENCE", 0.05)
    monkeypatch.setattr(life.terms.engine.database, "read", lambda _: hangs.wait(30))
    try:
        asked = life.client.get("/", headers={**JSON, "x-ann": "1"})
        assert life.visitor.get("/").status_code == 200
        life.terms.engine.generation.bump()  # a publication of which nothing but the number is seen
        published = life.visitor.get("/")
    finally:
        hangs.set()

    assert asked.status_code == status
    assert published.status_code == status
    if fail == "closed":
        assert int(asked.headers["retry-after"]) > 0
        assert int(published.headers["retry-after"]) > 0


def test_a_good_pass_passes_while_the_record_cannot_be_reached(
    folder: Path, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It carries its own proof."""
    write(folder, "1", A)
    life = begin()
    life.visitor.accept("/")
    token = life.client.cookies[PLAIN_NAME]
    break_store(life, monkeypatch)

    assert [life.visitor.get("/").status_code for _ in range(3)] == [200, 200, 200]
    life.client.cookies.clear()
    first_sight = life.client.get("/", headers={**HTML, "cookie": f"other=1; {PLAIN_NAME}={token}"})
    assert first_sight.status_code == 200


def test_our_own_pages_say_that_nothing_can_be_recorded(
    folder: Path, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stopped visitor is not sent round in circles: the review page answers 503 with Retry-After."""
    write(folder, "1", A)
    life = begin()
    stopped = life.visitor.get("/")
    page = life.visitor.get(stopped.headers["location"]).text
    break_store(life, monkeypatch)
    for answer in (
        life.visitor.get("/terms/review"),
        life.visitor.post(life.visitor.form(page)),
    ):
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
    assert life.visitor.get("/").status_code == 303


def test_when_the_record_comes_back_so_does_the_gate(
    folder: Path, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing wrong is remembered from the time between."""
    write(folder, "1", A)
    life = begin(subject=ann)
    life.visitor.get("/")
    with monkeypatch.context() as broken:
        break_store(life, broken)
        assert life.client.get("/", headers={**JSON, "x-ann": "1"}).status_code == 503

    assert life.client.get("/", headers={**JSON, "x-ann": "1"}).status_code == 403
    assert issubclass(StoreUnavailableError, StoreError)


def test_a_host_whose_own_callable_breaks_is_not_passed_by(folder: Path, begin: Begin) -> None:
    """Who is asking cannot be told, so nobody is let in."""
    write(folder, "1", A)

    def broken(_: Any) -> Any:
        raise KeyError("session")

    life = begin(subject=broken)
    assert life.ask().status_code == 503
    assert life.visitor.get("/terms").status_code == 200


# --- withdrawn ----------------------------------------------------------------------------------------------------


def test_what_is_withdrawn_opens_nothing_any_more_on_any_device(folder: Path, begin: Begin) -> None:
    """Not even by a good pass that another browser still has; and after a new acceptance everything is as before."""
    write(folder, "1", A)
    life = begin(subject=ann)
    as_ann = {**HTML, "x-ann": "1"}
    assert life.client.portal is not None
    life.client.portal.call(life.terms.record, Subject("ann"), "terms")
    assert life.client.get("/", headers=as_ann).status_code == 200
    assert PLAIN_NAME in life.client.cookies
    assert life.client.get("/", headers=as_ann).status_code == 200

    life.clock.advance(seconds=1)
    life.client.portal.call(life.terms.record, Subject("ann"), "terms", None, Act.WITHDRAW)
    assert life.client.get("/", headers=as_ann).status_code == 303
    assert life.client.get("/", headers={**JSON, "x-ann": "1"}).status_code == 403
    life.clock.advance(seconds=1)
    life.client.portal.call(life.terms.record, Subject("ann"), "terms")
    assert life.client.get("/", headers=as_ann).status_code == 200
