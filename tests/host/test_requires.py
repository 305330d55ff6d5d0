"""Laws of a policy that single routes demand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fastapi import Depends, FastAPI, WebSocket
from litestar import Litestar
from litestar import Request as LitestarRequest
from litestar import Response as LitestarResponse
from litestar import post as litestar_post
from quart import Quart
from quart import Response as QuartResponse
from quart import request as quart_request
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient, WebSocketDenialResponse

from consentgate import ConfigurationError, Subject, requires
from consentgate.host.requires import TermsRequiredError
from consentgate.testing import FrozenClock, run
from tests.frameworks.browser import fields_of
from tests.host.conftest import DPA, ON_DEMAND, Site, accept, day, write

JSON = {"accept": "application/json", "sec-fetch-mode": "cors"}


def fastapi_site() -> FastAPI:
    """One open route, and three that demand the agreement."""
    app = FastAPI()

    @app.get("/")
    async def front() -> str:
        return "front"

    @app.get("/upload", dependencies=[Depends(requires("dpa"))])
    async def show() -> str:
        return "upload here"

    @app.post("/upload", dependencies=[Depends(requires("dpa"))])
    async def upload() -> str:
        return "uploaded"

    @app.websocket("/live", dependencies=[Depends(requires("dpa"))])
    async def live(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text("tick")
        await socket.close()

    return app


class Drawer(HTTPEndpoint):
    """An endpoint class with one guarded method."""

    @requires("dpa").before
    async def get(self, request: Request) -> PlainTextResponse:
        return PlainTextResponse("drawer")


def starlette_site() -> Starlette:
    """The same in Starlette: a coroutine, a plain function, a method, a WebSocket, and a call inside a route."""

    @requires("dpa").before
    async def upload(request: Request) -> PlainTextResponse:
        return PlainTextResponse("uploaded")

    @requires("dpa").before
    def show(request: Request) -> PlainTextResponse:
        return PlainTextResponse("upload here")

    async def inside(request: Request) -> PlainTextResponse:
        if request.query_params.get("how") == "upload":
            await requires("dpa")(request)
        return PlainTextResponse("inside")

    async def front(request: Request) -> PlainTextResponse:
        return PlainTextResponse("front")

    @requires("dpa").before
    async def live(socket: Any) -> None:
        await socket.accept()
        await socket.send_text("tick")
        await socket.close()

    return Starlette(
        routes=[
            Route("/", front),
            Route("/upload", show),
            Route("/upload", upload, methods=["POST"]),
            Route("/inside", inside),
            Route("/drawer", Drawer),
            WebSocketRoute("/live", live),
        ],
        exception_handlers={403: lambda request, error: PlainTextResponse("the host's own 403", 403)},
    )


SITES = {"fastapi": fastapi_site, "starlette": starlette_site}


@pytest.fixture(name="client", params=sorted(SITES))
def _client(request: pytest.FixtureRequest, open_site: Site) -> TestClient:
    client = open_site(SITES[request.param]())
    accept(client, client.get("/").headers["location"])
    return client


def test_the_gate_does_not_ask_for_what_only_routes_demand(client: TestClient) -> None:
    """Whoever accepted the rules has the site; the agreement was not even on the page."""
    assert client.get("/").status_code == 200
    assert "All is settled" in client.get("/terms/review").text
    status = client.get("/terms/status").json()
    assert "dpa" not in str(status["policies"])


def test_a_page_leads_to_the_one_policy_and_back(client: TestClient) -> None:
    """303 to the review page about this policy alone; after acceptance the route opens."""
    stopped = client.get("/upload?to=shelf")
    assert stopped.status_code == 303
    address = stopped.headers["location"]
    page = client.get(address).text
    assert ("Data Processing Agreement" in page, "Rules of the Library" in page) == (True, False)
    done = accept(client, address)
    assert (done.status_code, done.headers["location"]) == (303, "/upload?to=shelf")
    assert client.get("/upload?to=shelf").status_code == 200
    assert client.get("/").status_code == 200


def test_a_program_gets_the_gates_own_problem_document(client: TestClient) -> None:
    """403, the same members, and an address that asks about this policy."""
    answer = client.get("/upload", headers=JSON)
    document = answer.json()
    [said] = document["policies"]

    assert (answer.status_code, answer.headers["content-type"]) == (403, "application/problem+json")
    assert answer.headers["cache-control"] == "no-store"
    assert document["title"] == "Terms acceptance required"
    assert (said["policy"], said["required_version"], said["accepted_version"]) == ("dpa", "1", None)
    assert document["accept_url"] == said["accept_url"] == "http://testserver/terms/review?policy=dpa"
    accept(client, document["accept_url"])
    assert client.get("/upload", headers=JSON).status_code == 200


def test_a_form_is_answered_with_the_page_and_the_truth(client: TestClient) -> None:
    """The route has not taken it, and nobody kept it: the page says so, and asks about this policy alone."""
    stopped = client.post("/upload", data={"x": "1"}, headers={"sec-fetch-site": "same-origin"})
    assert (stopped.status_code, "has not arrived" in stopped.text) == (403, True)
    done = client.post("/terms/review", data={**fields_of(stopped.text), "do": "accept"})
    assert done.status_code == 303
    assert client.post("/upload", data={"x": "1"}).status_code == 200


def test_htmx_is_led_to_the_page_as_a_whole(client: TestClient) -> None:
    """With the page the visitor is on to come back to."""
    answer = client.get("/upload", headers={**JSON, "hx-request": "true", "hx-current-url": "http://testserver/?a=1"})

    assert answer.status_code == 403
    assert answer.headers["hx-redirect"].endswith("&policy=dpa")
    assert accept(client, answer.headers["hx-redirect"]).headers["location"] == "/?a=1"


def test_a_websocket_is_denied_before_it_opens(client: TestClient) -> None:
    """With the problem document; and let in after acceptance."""
    with pytest.raises(WebSocketDenialResponse) as caught, client.websocket_connect("/live"):
        pass
    assert (caught.value.status_code, caught.value.json()["policies"][0]["policy"]) == (403, "dpa")
    accept(client, "/terms/review?policy=dpa")
    with client.websocket_connect("/live") as socket:
        assert socket.receive_text() == "tick"


def test_a_method_of_a_class_and_a_call_inside_a_route_demand_it_too(open_site: Site) -> None:
    """Where only some of a route's requests need it."""
    client = open_site(starlette_site())
    accept(client, client.get("/").headers["location"])
    assert (client.get("/inside").status_code, client.get("/inside?how=upload").status_code) == (200, 303)
    assert client.get("/drawer").status_code == 303
    accept(client, client.get("/drawer").headers["location"])
    assert (client.get("/inside?how=upload").text, client.get("/drawer").text) == ("inside", "drawer")


def test_it_demands_what_is_enforced_now(
    open_site: Site, policies: Path, consentgate_clock: FrozenClock
) -> None:  # fmt: skip
    """A later version asks again on its day, with what changed; before that the earlier acceptance counts."""
    client = open_site(fastapi_site())
    accept(client, client.get("/").headers["location"])
    accept(client, client.get("/upload").headers["location"])
    write(policies, "dpa", "2", DPA.format(label="2"), ON_DEMAND, effective=day(consentgate_clock, 10))
    assert client.portal is not None
    client.portal.call(client.terms.publish, policies)  # type: ignore[attr-defined]
    assert client.get("/upload").status_code == 200
    consentgate_clock.advance(days=11)
    answer = client.get("/upload", headers=JSON)
    assert (answer.status_code, answer.json()["policies"][0]["accepted_version"]) == (403, "1")
    assert "<ins" in client.get(client.get("/upload").headers["location"]).text


def test_a_token_is_asked_for_in_the_ledger(open_site: Site) -> None:
    """Programs have no pass; what was accepted elsewhere opens the route."""

    def who(scope: Any) -> Subject | None:
        return Subject("42") if b"authorization" in dict(scope["headers"]) else None

    client = open_site(fastapi_site(), subject=who)
    token = {**JSON, "authorization": "Bearer 42"}
    terms = client.terms  # type: ignore[attr-defined]
    run(terms.record(Subject("42"), "rules"))
    assert client.get("/upload", headers=token).json()["policies"][0]["policy"] == "dpa"
    run(terms.record(Subject("42"), "dpa"))
    assert client.get("/upload", headers=token).json() == "upload here"


@pytest.mark.parametrize("site", sorted(SITES))
def test_it_works_on_exempt_routes_and_without_lifespan(open_site: Site, site: str) -> None:
    """The application's own state carries the way to the ledger, and the first demand opens it."""
    client = open_site(SITES[site](), lifespan=False, exempt=("/upload",))

    assert client.get("/upload").status_code == 303
    assert client.get("/").status_code == 303


def test_a_policy_nobody_published_keeps_the_route_closed(open_site: Site) -> None:
    """A slip of the pen must not open a door; consent is no condition of entry."""
    app = FastAPI()
    app.get("/a", dependencies=[Depends(requires("dpaa"))])(lambda: "in")
    client = open_site(app, exempt=("/a",))
    with pytest.raises(ConfigurationError, match="no such policy"):
        client.get("/a")
    with pytest.raises(ConfigurationError, match="no policy slug"):
        requires("DPA v1")


def test_without_a_gate_the_route_stays_closed() -> None:
    """An application that somebody forgot to wrap demands all the same."""
    with TestClient(fastapi_site()) as client, pytest.raises(ConfigurationError, match="no gate"):
        client.get("/upload")


def test_the_error_says_the_same_as_the_answer(open_site: Site) -> None:
    """For hosts that answer it themselves."""
    caught: list[TermsRequiredError] = []
    app = FastAPI()

    @app.exception_handler(TermsRequiredError)
    async def own(request: Request, error: TermsRequiredError) -> PlainTextResponse:
        caught.append(error)
        raise HTTPException(451)

    app.get("/upload", dependencies=[Depends(requires("dpa"))])(lambda: "in")
    client = open_site(app, exempt=("/upload",))

    assert client.get("/upload", headers=JSON).status_code == 451
    assert caught[0].problem()["policies"][0]["policy"] == "dpa"
    assert str(caught[0]) == "dpa must be accepted first"


# --- other frameworks: a few lines of the host's own ------------------------------------------------------------------


async def quart_demand() -> QuartResponse | None:
    """What docs/howto/frameworks.md shows for Quart."""
    stop = await requires("dpa").stopped(quart_request.scope)
    if stop is None:
        return None
    answer = await stop.render()
    return QuartResponse(answer.body, answer.status, answer.headers)


async def litestar_demand(request: LitestarRequest[Any, Any, Any]) -> LitestarResponse[bytes] | None:
    """What docs/howto/frameworks.md shows for Litestar."""
    stop = await requires("dpa").stopped(request.scope)
    if stop is None:
        return None
    answer = await stop.render()
    headers = dict(answer.headers)
    kind = headers.pop("content-type", "text/plain")
    return LitestarResponse(answer.body, status_code=answer.status, headers=headers, media_type=kind)


def quart_site() -> Any:
    """One guarded route."""
    app = Quart("quart_site")
    app.before_request(quart_demand)

    @app.get("/upload")
    async def upload() -> str:
        return "uploaded"

    return app


def litestar_site() -> Any:
    """One guarded route."""

    @litestar_post("/upload", before_request=litestar_demand, status_code=200)
    async def send() -> str:
        return "uploaded"

    from litestar import get

    @get("/upload", before_request=litestar_demand)
    async def upload() -> str:
        return "uploaded"

    return Litestar([upload, send])


@pytest.mark.parametrize("site", [quart_site, litestar_site], ids=["quart", "litestar"])
def test_any_framework_with_a_scope_can_ask(open_site: Site, site: Any) -> None:
    """303 for pages, the problem document for programs, and open after acceptance."""
    client = open_site(site(), exempt=("/upload",))
    answer = client.get("/upload", headers=JSON)
    assert (answer.status_code, answer.headers["content-type"]) == (403, "application/problem+json")
    assert answer.json()["policies"][0]["policy"] == "dpa"
    stopped = client.get("/upload")
    assert stopped.status_code == 303
    assert accept(client, stopped.headers["location"]).headers["location"] == "/upload"
    assert client.get("/upload").text == "uploaded"
