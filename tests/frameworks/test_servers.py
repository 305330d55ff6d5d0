"""The same gate in other servers, and without the lifespan protocol: the first request opens the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from websockets.exceptions import InvalidHandshake, InvalidStatus
from websockets.sync.client import connect

from tests.frameworks.browser import Browser, fields_of
from tests.frameworks.servers import served, state_of


@dataclass(frozen=True)
class House:
    """A server, an example in it, and what the two can do.

    Args:
        server: its program.
        framework: of the example.
        lifespan: whether the server speaks it.
        denies: whether the server can answer a WebSocket handshake with a document (ASGI extension
            ``websocket.http.response``); without it the gate closes before accepting.
        tells: whether the banner finds its way into the application: by lifespan, or by the application's own state.
    """

    server: str
    framework: str
    lifespan: bool
    denies: bool
    tells: bool

    def __str__(self) -> str:
        return f"{self.server}-{self.framework}-{'lifespan' if self.lifespan else 'no-lifespan'}"


HOUSES = [
    House("uvicorn", "bare", lifespan=False, denies=True, tells=False),
    House("uvicorn", "starlette", lifespan=False, denies=True, tells=True),
    House("uvicorn", "django", lifespan=False, denies=True, tells=False),
    House("hypercorn", "bare", lifespan=True, denies=True, tells=True),
    House("hypercorn", "starlette", lifespan=True, denies=True, tells=True),
    House("granian", "bare", lifespan=True, denies=True, tells=True),
    House("granian", "starlette", lifespan=False, denies=True, tells=True),
    House("uvicorn", "undenying", lifespan=True, denies=False, tells=True),
]


@pytest.fixture(name="house", scope="module", params=HOUSES, ids=str)
def _house(request: pytest.FixtureRequest) -> House:
    assert isinstance(request.param, House)
    return request.param


@pytest.fixture(name="address", scope="module")
def _address(house: House, policies: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp(str(house))
    with served(house.server, house.framework, folder, policies, lifespan=house.lifespan) as address:
        yield address


def test_the_very_first_request_is_judged(address: str) -> None:
    """Nothing slips through while the ledger is still closed: this test is the first to speak to its server."""
    with Browser(address) as browser:
        assert browser.get("/articles/one?x=1").status_code == 303


def test_a_program_gets_the_problem_document(address: str) -> None:
    """With the address under which the server was asked."""
    with Browser(address) as browser:
        answer = browser.client.get("/api/headlines", headers={"accept": "application/json"})

    assert (answer.status_code, answer.headers["content-type"]) == (403, "application/problem+json")
    assert state_of(answer)["accept_url"] == f"{address}/terms/review"


def test_a_websocket_never_opens_for_who_has_not_accepted(address: str, house: House) -> None:
    """A denial response where the server can send one, else a refused handshake."""
    with pytest.raises(InvalidHandshake) as caught, connect(address.replace("http", "ws", 1) + "/live"):
        pass

    assert isinstance(caught.value, InvalidStatus)
    assert caught.value.response.status_code == 403
    told = caught.value.response.headers.get("content-type") == "application/problem+json"
    assert told is house.denies


def test_after_acceptance_pages_streams_forms_and_websockets_go_through(address: str, house: House) -> None:
    """One visit from the gate to everything behind it."""
    with Browser(address) as browser:
        done = browser.accept("/articles/one?page=2&q=a%20b")
        assert (done.status_code, done.headers["location"]) == (303, "/articles/one?page=2&q=a%20b")
        page = browser.get("/articles/one?page=2&q=a%20b")
        assert (page.status_code, "page=2&amp;q=a%20b" in page.text) == (200, True)
        assert ("new from" in page.text) is house.tells
        events = browser.client.get("/events", headers={"accept": "text/event-stream"})
        assert events.text == "data: 0\n\ndata: 1\n\ndata: 2\n\n"
        if house.framework != "django":
            cookie = "; ".join(f"{name}={value}" for name, value in browser.client.cookies.items())
            with connect(
                address.replace("http", "ws", 1) + "/live", additional_headers={"cookie": cookie}
            ) as socket:  # fmt: skip
                assert socket.recv(timeout=30) == "tick"


def test_a_kept_form_comes_back(address: str) -> None:
    """The body the gate has read is not missed by anybody."""
    with Browser(address) as browser:
        browser.client.cookies.set("csrftoken", "0123456789abcdefghijklmnopqrstuv")
        fields = {"letter": "Dear editor", "csrfmiddlewaretoken": "0123456789abcdefghijklmnopqrstuv"}
        ready = browser.accept_page(browser.post("/letters", fields).text)
        assert "Dear editor" in browser.post("/letters", fields_of(ready.text)).text


def test_what_is_exempt_and_ours_is_open(address: str) -> None:
    """Health, the list of texts, the style sheet."""
    with Browser(address) as browser:
        page = browser.get("/terms").text
        style = page.partition('rel="stylesheet" href="')[2].partition('"')[0]
        assert [browser.get(path).status_code for path in ("/health", "/terms/library-rules", style)] == [200] * 3
