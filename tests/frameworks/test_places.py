"""Where an application may stand: under a mount point, behind a proxy that takes a prefix off, behind TLS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocket
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from consentgate import ConsentGate, requires
from consentgate.testing import memory_terms
from tests.frameworks.browser import NAVIGATION, Browser, fields_of
from tests.frameworks.servers import StrippingProxy, served, state_of

ROOT = "/shop"


def port_of(address: str) -> int:
    """The port in an address."""
    return urlsplit(address).port or 80


@pytest.fixture(name="proxied", scope="module")
def _proxied(framework: str, policies: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a proxy that strips ``/shop``; uvicorn is told so with ``--root-path``."""
    folder = tmp_path_factory.mktemp(f"proxied-{framework}")
    with (
        served("uvicorn", framework, folder, policies, options=("--root-path", ROOT)) as address,
        StrippingProxy(port_of(address), ROOT) as front,
    ):
        yield front


def test_behind_a_stripping_proxy_every_address_has_the_prefix(proxied: str) -> None:
    """The way to the review page, its form, its links and style, the way back, the problem document."""
    with Browser(proxied, ROOT) as browser:
        stopped = browser.get(f"{ROOT}/articles/one?page=2&q=a%20b")
        assert stopped.status_code == 303
        assert stopped.headers["location"].startswith(f"{ROOT}/terms/review?next=")
        page = browser.get(stopped.headers["location"]).text
        for address in _own_addresses(page):
            assert address.startswith(f"{ROOT}/"), address
        done = browser.accept_page(page)
        assert (done.status_code, done.headers["location"]) == (303, f"{ROOT}/articles/one?page=2&q=a%20b")
        arrived = browser.get(done.headers["location"])
        assert (arrived.status_code, "page=2&amp;q=a%20b" in arrived.text) == (200, True)

    with Browser(proxied, ROOT) as other:
        problem = other.client.get(f"{ROOT}/api/headlines", headers={"accept": "application/json"})
        said = state_of(problem)
        assert urlsplit(said["accept_url"]).path == f"{ROOT}/terms/review"
        assert urlsplit(said["text_url"]).path == f"{ROOT}/terms/library-rules/1"
        assert other.get(f"{ROOT}/health").status_code == 200
        assert other.get(f"{ROOT}/terms").status_code == 200


def _own_addresses(page: str) -> list[str]:
    """Every address on a page that is not a fragment: links, forms, style sheets, scripts."""
    parts = [part.partition('"')[0] for name in ("href", "action", "src") for part in page.split(f' {name}="')[1:]]
    found = [part for part in parts if not part.startswith("#")]
    assert found
    return found


def test_behind_a_stripping_proxy_a_kept_form_goes_back_to_its_place(proxied: str) -> None:
    """The browser knows the place with the prefix."""
    token = "0123456789abcdefghijklmnopqrstuv"
    with Browser(proxied, ROOT) as browser:
        browser.client.cookies.set("csrftoken", token)
        stopped = browser.post(f"{ROOT}/letters", {"letter": "Dear editor", "csrfmiddlewaretoken": token})
        ready = browser.accept_page(stopped.text)
        assert f'action="{ROOT}/letters"' in ready.text
        assert "Dear editor" in browser.post(f"{ROOT}/letters", fields_of(ready.text)).text


def test_behind_a_stripping_proxy_a_websocket_is_denied_and_let_in(proxied: str, framework: str) -> None:
    """The handshake goes the same way."""
    address = proxied.replace("http", "ws", 1) + f"{ROOT}/live"
    with pytest.raises(InvalidStatus) as caught, connect(address):
        pass
    assert caught.value.response.status_code == 403
    if framework == "django":
        return
    with Browser(proxied, ROOT) as browser:
        browser.accept(f"{ROOT}/articles/one")
        cookie = "; ".join(f"{name}={value}" for name, value in browser.client.cookies.items())
        with connect(address, additional_headers={"cookie": cookie}) as socket:
            assert socket.recv(timeout=30) == "tick"


def test_behind_tls_the_pass_is_the_secure_one(policies: Path, tmp_path: Path) -> None:
    """The proxy speaks https to the visitor and says so; the cookie is bound to the host and to https."""
    with (
        served("uvicorn", "starlette", tmp_path, policies) as address,
        StrippingProxy(port_of(address), "", scheme="https") as front,
        Browser(front) as browser,
    ):
        https = front.replace("http://", "https://")
        page = browser.get(browser.get("/articles/one").headers["location"]).text
        done = browser.post("/terms/review", {**fields_of(page), "do": "accept"}, origin=https)
        [given] = [one for one in done.headers.get_list("set-cookie") if "consentgate=" in one]
        assert given.startswith("__Host-consentgate=")
        assert {"Secure", "HttpOnly", "Path=/"} <= set(given.split("; "))
        assert "Domain" not in given
        token = given.partition(";")[0]
        assert browser.get("/articles/one", cookie=token).status_code == 200
        assert browser.get("/articles/one", cookie=token.removeprefix("__Host-")).status_code == 303
        problem = browser.client.get("/api/headlines", headers={"accept": "application/json"})
        assert problem.json()["accept_url"] == f"{https}/terms/review"


# --- mounted inside a framework ---------------------------------------------------------------------------------------


async def _page(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"inside {request.url.path}?{request.url.query}")


async def _fastapi_tick(websocket: WebSocket) -> None:
    await _tick(websocket)


async def _tick(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text("tick")
    await socket.close()


@pytest.fixture(name="mounted")
def _mounted(policies: Path) -> Iterator[TestClient]:
    """A site of which only ``/shop`` is gated; Starlette hands no lifespan to what is mounted."""
    inner = Starlette(
        routes=[Route("/aisle/{name}", _page), Route("/till", requires("library-rules").before(_page)),
                Mount("/deep", routes=[Route("/till", requires("library-rules").before(_page))])]
    )  # fmt: skip
    gated: Any = ConsentGate(inner, terms=memory_terms(policies, exempt=("/till", "/deep")))
    outer = Starlette(routes=[Route("/", _page), Mount(ROOT, app=gated)])
    with TestClient(outer, follow_redirects=False, headers=NAVIGATION) as client:
        yield client
        assert client.portal is not None
        client.portal.call(gated.terms.stop)


def test_a_mounted_gate_guards_its_own_place_and_finds_its_own_pages(mounted: TestClient) -> None:
    """Outside nothing changes; inside the addresses have the mount point."""
    assert mounted.get("/").status_code == 200
    stopped = mounted.get(f"{ROOT}/aisle/3?x=1")
    assert stopped.status_code == 303
    assert stopped.headers["location"].startswith(f"{ROOT}/terms/review?next=")
    page = mounted.get(stopped.headers["location"])
    assert page.status_code == 200
    done = mounted.post(f"{ROOT}/terms/review", data={**fields_of(page.text), "do": "accept"})
    assert (done.status_code, done.headers["location"]) == (303, f"{ROOT}/aisle/3?x=1")
    assert mounted.get(f"{ROOT}/aisle/3?x=1").text == f"inside {ROOT}/aisle/3?x=1"


@pytest.mark.parametrize("place", ["/till", "/deep/till"])
def test_a_route_deep_inside_leads_to_the_pages_of_its_gate(mounted: TestClient, place: str) -> None:
    """Routers inside move the mount point on; our pages do not move with it."""
    assert mounted.get(f"{ROOT}/terms").status_code == 200
    stopped = mounted.get(f"{ROOT}{place}")

    assert stopped.status_code == 303
    assert stopped.headers["location"].startswith(f"{ROOT}/terms/review?next=")
    done = mounted.post(
        f"{ROOT}/terms/review",
        data={**fields_of(mounted.get(stopped.headers["location"]).text), "do": "accept"},
    )
    assert (done.status_code, done.headers["location"]) == (303, f"{ROOT}{place}")
    assert mounted.get(f"{ROOT}{place}").text == f"inside {ROOT}{place}?"


# --- in an application's own list of middleware -----------------------------------------------------------------------


def starlette_with(policies: Path) -> Starlette:
    """Starlette, with the gate in its own list."""
    gate = Middleware(ConsentGate, terms=memory_terms(policies))
    return Starlette(routes=[Route("/aisle/{name}", _page), WebSocketRoute("/live", _tick)], middleware=[gate])


def fastapi_with(policies: Path) -> FastAPI:
    """FastAPI, with the gate added to it."""
    app = FastAPI()
    app.add_middleware(ConsentGate, terms=memory_terms(policies))
    app.add_api_route("/aisle/{name}", lambda name: name)
    app.add_api_websocket_route("/live", _fastapi_tick)
    return app


@pytest.mark.parametrize("build", [starlette_with, fastapi_with])
def test_the_gate_also_stands_in_an_applications_own_list(build: Any, policies: Path) -> None:
    """It opens its ledger with the application's lifespan, and sees WebSockets and what no route matches."""
    with TestClient(build(policies), follow_redirects=False, headers=NAVIGATION) as client:
        assert client.get("/no/such/page").status_code == 303
        with pytest.raises(WebSocketDenialResponse), client.websocket_connect("/live"):
            pass
        page = client.get(client.get("/aisle/3?x=1").headers["location"])
        done = client.post("/terms/review", data={**fields_of(page.text), "do": "accept"})
        assert (done.status_code, done.headers["location"]) == (303, "/aisle/3?x=1")
        assert client.get("/aisle/3?x=1").status_code == 200
        with client.websocket_connect("/live") as socket:
            assert socket.receive_text() == "tick"
