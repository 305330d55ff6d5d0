"""The Harbour Courier behind its gate, as `main` starts it, and the controls of the demonstration."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient, WebSocketDenialResponse

from examples.news_site import demo, main
from tests.examples.reading import Reading

BROWSER = {"accept": "text/html", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}

OPENING_DAY = 1_795_467_600_000_000_000
"""Nanoseconds: the evening of 23 November 2026. The version of February 2027 is announced, and not yet in force."""


@pytest.fixture(name="opening_day")
def _opening_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """The calendar of the sample policies is read on the day they were written for, whenever the tests are run."""
    began = time.monotonic_ns()
    monkeypatch.setattr(time, "time_ns", lambda: OPENING_DAY + time.monotonic_ns() - began)


@pytest.fixture(name="courier")
def _courier(tmp_path: Path, opening_day: None) -> Iterator[TestClient]:
    """The demonstration as `main` starts it, and a browser in front of it."""
    with TestClient(main.create_app(tmp_path / "data"), headers=BROWSER) as browser:
        yield browser


def become(browser: TestClient, name: str) -> str:
    """Walk in as somebody; returns the title of the page one lands on."""
    return title(browser.post("/demo/walk-in", data={"as": name}).text)


def title(page: str) -> str:
    """The title of a page."""
    found = re.search(r"<title>(.*?)</title>", page, re.S)
    return found[1].strip() if found else ""


def test_each_part_meets_the_gate_as_it_should(courier: TestClient) -> None:
    """A first-timer sees the terms, who accepted earlier ones sees what changed, who is up to date walks in."""
    met = {name: become(courier, name) for name in ("visitor", demo.EARLIER, demo.CURRENT)}
    assert met == {
        "visitor": "Our terms · The Harbour Courier",
        demo.EARLIER: "Updates to our Terms of Use · The Harbour Courier",
        demo.CURRENT: "Front page · The Harbour Courier",
    }


def test_the_update_is_shown_against_the_version_accepted_last(courier: TestClient) -> None:
    """Wendell sees the sentence he agreed to beside the one he is asked about."""
    become(courier, demo.EARLIER)
    page = Reading(courier.get("/").text)
    assert page.all("ins")
    assert page.all("del")
    assert "2024-09-02" in page.words


def test_a_material_version_stops_everybody_and_an_editorial_one_nobody(courier: TestClient) -> None:
    """Published from the controls; it counts at the very next request."""
    become(courier, demo.CURRENT)
    assert "nobody is asked again" in courier.post("/demo/publish", data={"what": "editorial"}).text
    assert title(courier.get("/").text).startswith("Front page")
    assert "everybody is asked again" in courier.post("/demo/publish", data={"what": "material"}).text
    assert title(courier.get("/").text).startswith("Updates to our Terms of Use")


def test_the_table_and_the_buttons_say_how_it_stands(courier: TestClient) -> None:
    """Who is to decide, and why something cannot be published, changes with what is published and accepted."""
    before = Reading(courier.get("/demo").text).words
    courier.post("/demo/publish", data={"what": "material"})
    after = Reading(courier.get("/demo").text).words
    assert [before.count("must decide"), after.count("must decide")] == [1, 2]
    assert [before.count("walks through"), after.count("walks through")] == [1, 0]
    assert [before.count("Not now"), after.count("Not now")] == [0, 2]


def test_what_february_brings_is_not_taken_back(courier: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the scheduled version is in force, older drafts are not published in its place."""
    monkeypatch.setattr(time, "time_ns", lambda: OPENING_DAY + 100 * 86_400 * 10**9)
    answers = [courier.post("/demo/publish", data={"what": what}) for what in ("material", "editorial")]
    assert [answer.status_code for answer in answers] == [409, 409]
    assert all("the version of 2027-02-01, which is in force, has it in it" in answer.text for answer in answers)


def test_a_draft_is_published_once_and_never_taken_back_by_an_older_one(courier: TestClient) -> None:
    """The editorial fix is part of the material version: after that there is nothing left to publish."""
    assert courier.post("/demo/publish", data={"what": "material"}).status_code == 200
    again = [courier.post("/demo/publish", data={"what": what}).status_code for what in ("material", "editorial")]
    assert again == [409, 409]


def test_the_way_out_stays_open_to_whoever_accepted_nothing(courier: TestClient) -> None:
    """Sign-out, deletion, contact, corrections, and what pages are drawn with."""
    paths = ("/sign-out", "/account/delete", "/contact", "/corrections", "/sign-in", "/demo", "/static/style.css",
             "/favicon.ico")  # fmt: skip
    assert {path: courier.get(path, follow_redirects=False).status_code for path in paths} == dict.fromkeys(paths, 200)
    assert courier.get("/account", follow_redirects=False).status_code == 303


def test_programs_are_told_in_their_own_way(courier: TestClient) -> None:
    """A problem document for JSON, a denial before the WebSocket opens."""
    answer = courier.get("/api/headlines", headers={"accept": "application/json", "sec-fetch-mode": "cors"})
    assert (answer.status_code, answer.headers["content-type"]) == (403, "application/problem+json")
    with pytest.raises(WebSocketDenialResponse) as denied, courier.websocket_connect("/live"):
        pass
    assert denied.value.status_code == 403


def test_a_change_that_is_announced_stands_above_every_page(courier: TestClient) -> None:
    """Those who may read are told of the version to come, with a link to what it will change."""
    become(courier, demo.CURRENT)
    page = Reading(courier.get("/").text)
    link = next(link["href"] for link in page.all("a") if "/changes?" in link.get("href", ""))
    assert "Our terms change on 1 February 2027" in " ".join(page.words.split())
    assert courier.get(link).status_code == 200


def test_the_stage_is_set_back_to_the_beginning(courier: TestClient) -> None:
    """A new ledger: what was published is forgotten, and both readers stand as at first."""
    courier.post("/demo/publish", data={"what": "material"})
    page = courier.post("/demo/set-back").text
    assert page.count("must decide") == 1
    assert become(courier, demo.CURRENT).startswith("Front page")
    assert become(courier, demo.EARLIER).startswith("Updates to our Terms of Use")


def test_a_restart_finds_everything_as_it_was(tmp_path: Path, opening_day: None) -> None:
    """Nothing is recorded or published twice, and a pass from before is good."""
    with TestClient(main.create_app(tmp_path), headers=BROWSER) as browser:
        browser.post("/demo/publish", data={"what": "material"})
        before = Reading(browser.get("/demo").text).words
    with TestClient(main.create_app(tmp_path), headers=BROWSER) as browser:
        after = Reading(browser.get("/demo").text).words
    assert before.partition("How everybody stands")[2].partition("For programs")[0] in after


def test_only_the_own_machine_is_shown_the_token(tmp_path: Path, opening_day: None) -> None:
    """Whoever comes from elsewhere, or under another name, reads where to find it."""
    app = main.create_app(tmp_path)
    with TestClient(app, base_url="http://127.0.0.1:8000", client=("127.0.0.1", 5)) as near:
        assert app.site.state.token in near.get("/demo").text
        rebound = near.get("/demo", headers={"host": "evil.example"}).text
    with TestClient(app, base_url="http://127.0.0.1:8000", client=("203.0.113.9", 5)) as far:
        assert app.site.state.token not in far.get("/demo").text + rebound


def test_a_port_that_is_taken_is_told_before_anything_is_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One sentence, with what to do, and the record of the demonstration that has the port stays."""
    (tmp_path / "record").touch()
    with main.listen("127.0.0.1", 0) as taken:
        port = str(taken.getsockname()[1])
        monkeypatch.setattr(sys, "argv", ["demo", "--port", port, "--data", str(tmp_path), "--fresh"])
        with pytest.raises(SystemExit, match=f"port {port}: Address already in use. Try another one"):
            main.main()
    assert (tmp_path / "record").exists()


def test_the_secret_is_made_once_and_readable_by_its_owner_alone(tmp_path: Path) -> None:
    """The second start seals with the key of the first."""
    file = main.kept_secret(tmp_path / "new" / "consentgate.secret")
    key = file.read_text()
    assert main.kept_secret(file).read_text() == key
    assert file.stat().st_mode & 0o777 == 0o600
