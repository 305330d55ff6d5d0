"""Who is asking, over a real application: sessions, new devices, tokens, services, administrators in disguise."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from consentgate import ConsentGate, Subject, SubjectKind, passage_of
from consentgate.gate.cookies import PLAIN_NAME
from consentgate.testing import SECRET, accept_everything, run
from tests.frameworks.browser import NAVIGATION, fields_of

JSON = {"accept": "application/json", "sec-fetch-mode": "cors"}
RULES = "# Rules of the Library\n\nWhoever borrows a book brings it back within a month.\n"
LATER = "# Rules of the Library\n\nWhoever borrows a book brings it back within a week.\n"
ROBOT = Subject("robot", SubjectKind.SERVICE)


async def _page(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"page for {request.session.get('user', 'a visitor')}")


async def _api(request: Request) -> JSONResponse:
    subject = passage_of(request.scope).subject
    return JSONResponse({"subject": subject.key if subject else None})


async def _sign_in(request: Request) -> PlainTextResponse:
    request.session.clear()
    request.session.update(request.query_params)
    return PlainTextResponse("welcome")


async def _sign_out(request: Request) -> PlainTextResponse:
    request.session.clear()
    return PlainTextResponse("goodbye")


def who(scope: Any) -> Subject | None:
    """By bearer token, or by session; support may look through a reader's eyes."""
    kind, _, token = dict(scope["headers"]).get(b"authorization", b"").decode().partition(" ")
    if kind == "Bearer":
        return {"robot": ROBOT, "42": Subject("42")}.get(token)
    session = scope["session"]
    if "user" not in session:
        return None
    return Subject(session["user"], impersonated_by=session.get("support"))


def write(folder: Path, label: str, text: str, slug: str = "rules", audience: str = "", dates: str = "") -> None:
    """A version of a policy as a file."""
    place = folder / slug
    place.mkdir(parents=True, exist_ok=True)
    (place / "policy.toml").write_text(f'title = "Rules of the Library"\n{audience}')
    (place / f"{label}.en.md").write_text(f'---\nversion: "{label}"\nimpact: material\n{dates}---\n{text}')


class Statements:
    """What SQLite itself saw, on every connection, while it was being watched."""

    def __init__(self) -> None:
        self.seen: list[str] | None = None

    def note(self, statement: str) -> None:
        """Called by SQLite for each statement."""
        if self.seen is not None:
            self.seen.append(statement)

    @contextmanager
    def watched(self) -> Iterator[list[str]]:
        """The statements of a block, without transaction marks and the poll for publications of other hosts."""
        self.seen = []
        kept: list[str] = []
        try:
            yield kept
        finally:
            seen, self.seen = self.seen, None
            kept += [one for one in seen if one not in ("BEGIN", "COMMIT", "ROLLBACK") and "generation" not in one]


@pytest.fixture(name="statements")
def _statements(monkeypatch: pytest.MonkeyPatch) -> Statements:
    statements, connect = Statements(), sqlite3.dbapi2.connect

    def tracing(*args: Any, **kwargs: Any) -> sqlite3.Connection:
        connection = connect(*args, **kwargs)
        connection.set_trace_callback(statements.note)
        return connection

    monkeypatch.setattr(sqlite3, "connect", tracing)
    monkeypatch.setattr(sqlite3.dbapi2, "connect", tracing)
    return statements


@pytest.fixture(name="policies")
def _policies(tmp_path: Path) -> Path:
    write(tmp_path / "policies", "1", RULES)
    return tmp_path / "policies"


@pytest.fixture(name="gated")
def _gated(statements: Statements, policies: Path, tmp_path: Path) -> Any:
    routes = [
        Route("/", _page), Route("/api", _api), Route("/sign-in", _sign_in), Route("/sign-out", _sign_out),
    ]  # fmt: skip
    return ConsentGate(
        Starlette(routes=routes), policies=policies, database=f"sqlite:///{tmp_path}/terms.db", secret=SECRET,
        subject=who, exempt=["/sign-in", "/sign-out"],
    )  # fmt: skip


@pytest.fixture(name="client")
def _client(gated: Any) -> Iterator[TestClient]:
    site = SessionMiddleware(gated, secret_key=SECRET)
    with TestClient(site, follow_redirects=False, headers=NAVIGATION) as client:
        yield client


def device(client: TestClient) -> TestClient:
    """Another browser on the same site."""
    other = TestClient(client.app, follow_redirects=False, headers=NAVIGATION)
    other.portal = client.portal  # one site, one event loop
    return other


def accept(client: TestClient) -> Any:
    """Meet the gate and accept."""
    stopped = client.get("/")
    assert stopped.status_code == 303
    page = client.get(stopped.headers["location"])
    return client.post("/terms/review", data={**fields_of(page.text), "do": "accept"})


def call(client: TestClient, function: Any, *args: Any) -> Any:
    """Run a coroutine of the handle in the site's own loop."""
    assert client.portal is not None
    return client.portal.call(function, *args)


# --- sign in, sign out -----------------------------------------------------------------------------------------------


def test_what_was_accepted_before_sign_in_is_not_asked_again(client: TestClient, gated: Any) -> None:
    """One entry links the device to its user; the cookie is theirs from then on."""
    accept(client)
    before = client.cookies[PLAIN_NAME]
    client.get("/sign-in?user=ann")
    answer = client.get("/")

    assert (answer.status_code, answer.text) == (200, "page for ann")
    assert client.cookies[PLAIN_NAME] != before
    assert answer.headers["cache-control"] == "private"
    assert "set-cookie" not in client.get("/").headers
    version = call(client, gated.terms.accepted_version, Subject("ann"), "rules")
    assert version.label == "1"
    assert call(client, gated.terms.head).size == 3  # publication, decision, link


def test_the_first_page_after_sign_in_may_be_one_of_ours(client: TestClient, gated: Any) -> None:
    """Whoever signs in while reading the review page has nothing left to decide."""
    accept(client)
    client.get("/sign-in?user=ann")
    page = client.get("/terms/review")

    assert "There is nothing that needs your decision" in page.text
    assert call(client, gated.terms.accepted_version, Subject("ann"), "rules").label == "1"


def test_on_a_shared_browser_the_next_one_inherits_nothing(client: TestClient, gated: Any) -> None:
    """Neither the visitor after sign-out nor the next user, whatever cookies were left behind."""
    accept(client)
    as_visitor = client.cookies[PLAIN_NAME]
    client.get("/sign-in?user=ann")
    assert client.get("/").status_code == 200
    client.get("/sign-out")
    assert client.get("/").status_code == 303

    client.get("/sign-in?user=bob")
    assert client.get("/").status_code == 303
    client.cookies.set(PLAIN_NAME, as_visitor, domain="testserver.local", path="/")
    assert client.get("/").status_code == 303, "bob came in on what the device had accepted for ann"
    assert call(client, gated.terms.accepted_version, Subject("bob"), "rules") is None


def test_a_pass_of_somebody_else_is_no_pass(client: TestClient) -> None:
    """A copied cookie opens nothing for another user, nor for a visitor."""
    client.get("/sign-in?user=ann")
    accept(client)
    copied = client.cookies[PLAIN_NAME]
    thief = device(client)
    thief.cookies.set(PLAIN_NAME, copied)
    assert thief.get("/").status_code == 303
    thief.get("/sign-in?user=bob")
    assert thief.get("/").status_code == 303


def test_an_offer_made_for_a_visitor_is_not_taken_from_a_user(client: TestClient, gated: Any) -> None:
    """Who signs in between reading and pressing is shown the page again; nothing is recorded."""
    page = client.get(client.get("/").headers["location"]).text
    client.get("/sign-in?user=ann")
    answer = client.post("/terms/review", data={**fields_of(page), "do": "accept"})

    assert answer.status_code == 409
    assert call(client, gated.terms.accepted_version, Subject("ann"), "rules") is None
    done = client.post("/terms/review", data={**fields_of(answer.text), "do": "accept"})
    assert done.status_code == 303
    assert call(client, gated.terms.accepted_version, Subject("ann"), "rules").label == "1"


# --- without a pass --------------------------------------------------------------------------------------------------


def test_a_new_device_costs_one_indexed_query_and_then_none(
    client: TestClient, gated: Any, statements: Statements
) -> None:
    """Counted by SQLite: the acceptances of one subject, found by index; beside it only the head of the ledger."""
    client.get("/sign-in?user=ann")
    accept(client)
    other = device(client)
    other.get("/sign-in?user=ann")
    with statements.watched() as first:
        assert other.get("/").status_code == 200
    with statements.watched() as second:
        assert other.get("/").status_code == 200
        assert other.get("/").status_code == 200

    [query] = [one for one in first if "opening" in one]
    assert len(first) <= 2, first
    assert second == []
    assert PLAIN_NAME in other.cookies
    plan = run_plan(gated, query)
    assert "SCAN" not in plan.replace("SCAN link", ""), plan
    assert "USING INDEX" in plan or "USING COVERING INDEX" in plan, plan


def run_plan(gated: Any, query: str) -> str:
    """How SQLite would answer a query."""
    path = gated.terms.settings.database.removeprefix("sqlite:///")
    with sqlite3.connect(path) as connection:
        rows = connection.execute(f"EXPLAIN QUERY PLAN {query}").fetchall()
    connection.close()
    return "\n".join(row[3] for row in rows)


def test_a_bearer_token_costs_one_query_and_gets_no_cookie(
    client: TestClient, gated: Any, statements: Statements
) -> None:
    """Programs keep no cookies: a bounded memory answers, until something is published."""
    token = {**JSON, "authorization": "Bearer 42"}
    run(accept_everything(gated.terms, "user:42"))
    with statements.watched() as first:
        assert client.get("/api", headers=token).json() == {"subject": "user:42"}
    with statements.watched() as later:
        for _ in range(5):
            answer = client.get("/api", headers=token)
            assert (answer.status_code, answer.json()) == (200, {"subject": "user:42"})

    assert len([one for one in first if "opening" in one]) == 1
    assert later == []
    assert "set-cookie" not in answer.headers


def test_a_publication_ends_what_was_remembered_of_tokens(client: TestClient, gated: Any, policies: Path) -> None:
    """Whoever had accepted is asked again with the next request, and the token works again after acceptance."""
    token = {**JSON, "authorization": "Bearer 42"}
    run(accept_everything(gated.terms, "user:42"))
    assert client.get("/api", headers=token).status_code == 200
    write(policies, "2", LATER)
    call(client, gated.terms.publish, policies)
    stopped = client.get("/api", headers=token)
    assert (stopped.status_code, stopped.json()["policies"][0]["accepted_version"]) == (403, "1")
    run(accept_everything(gated.terms, "user:42"))
    assert client.get("/api", headers=token).status_code == 200


def test_a_token_nobody_knows_is_nobody(client: TestClient) -> None:
    """And meets the gate like any stranger."""
    assert client.get("/api", headers={**JSON, "authorization": "Bearer guess"}).status_code == 403


def test_services_are_asked_what_binds_services(client: TestClient, gated: Any, policies: Path) -> None:
    """An audience by kind: the rules for robots bind no reader, and what binds readers alone binds no robot."""
    only = '[audience]\nkinds = ["service"]\n'
    write(policies, "1", RULES.replace("Library", "Robots"), slug="robots", audience=only)
    call(client, gated.terms.publish, policies)
    robot = {**JSON, "authorization": "Bearer robot"}
    asked = [one["policy"] for one in client.get("/api", headers=robot).json()["policies"]]
    assert sorted(asked) == ["robots", "rules"]
    run(accept_everything(gated.terms, ROBOT))
    assert client.get("/api", headers=robot).json() == {"subject": "service:robot"}
    assert accept(client).status_code == 303
    assert client.get("/").status_code == 200


# --- in disguise -----------------------------------------------------------------------------------------------------


def test_an_administrator_in_disguise_sees_what_the_user_sees_and_cannot_decide(client: TestClient, gated: Any) -> None:
    """Stopped like the user; the page says that only the user can decide; a forged form records nothing."""
    client.get("/sign-in?user=ann&support=root")
    page = client.get(client.get("/").headers["location"])
    assert "Only that person can decide." in page.text
    for do in ("accept", "decline"):
        fields = {**fields_of(page.text), "assent": "rules", "do": do}
        answer = client.post("/terms/review", data=fields)
        assert answer.status_code == 422, do
        assert PLAIN_NAME not in client.cookies
    assert call(client, gated.terms.head).size == 1
    assert client.get("/").status_code == 303


def test_an_administrator_in_disguise_passes_where_the_user_would_and_gets_no_pass(
    client: TestClient, gated: Any
) -> None:
    """A pass in the administrator's browser would outlive the disguise."""
    run(accept_everything(gated.terms, "user:ann"))
    client.get("/sign-in?user=ann&support=root")

    assert client.get("/").status_code == 200
    assert PLAIN_NAME not in client.cookies


def test_what_the_administrators_device_accepted_is_never_the_users(client: TestClient, gated: Any) -> None:
    """No link is made while somebody looks through another's eyes."""
    accept(client)
    client.get("/sign-in?user=ann&support=root")

    assert client.get("/").status_code == 303
    assert call(client, gated.terms.accepted_version, Subject("ann"), "rules") is None


def test_in_grace_an_administrator_in_disguise_is_not_held_up(client: TestClient, gated: Any, policies: Path) -> None:
    """They can neither decide nor put it off for the user, so the page that asks would be a wall without a door."""
    run(accept_everything(gated.terms, "user:ann"))
    write(policies, "2", LATER, dates="enforce: 2999-01-01\n")
    call(client, gated.terms.publish, policies)
    client.get("/sign-in?user=ann")
    page = client.get(client.get("/").headers["location"])
    client.get("/sign-in?user=ann&support=root")

    assert client.get("/").status_code == 200
    client.cookies.delete(PLAIN_NAME)
    later = client.post("/terms/review", data={**fields_of(page.text), "do": "later"})
    assert later.status_code == 303
    assert PLAIN_NAME not in client.cookies
