"""What the walks share: a bare site behind the gate, and a browser-like client."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket

from consentgate.app import ConsentGate
from consentgate.testing import SECRET

FIRST = "# Terms\n\nBe kind to one another.\n\nPay what you owe on time.\n"
SECOND = "# Terms\n\nBe kind to one another, also in letters.\n\nPay what you owe on time.\n"
HTML = {"accept": "text/html,application/xhtml+xml", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}


async def _article(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"article {request.path_params['name']}?{request.url.query}")


async def _data(_: Request) -> JSONResponse:
    return JSONResponse({"ok": True})


async def _form(request: Request) -> PlainTextResponse:
    return PlainTextResponse("posted " + (await request.body()).decode())


async def _ticker(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text("tick")
    await socket.close()


def bare_site() -> Starlette:
    """An application that knows nothing of the gate."""
    return Starlette(
        routes=[
            Route("/articles/{name}", _article),
            Route("/api/data", _data),
            Route("/form", _form, methods=["POST"]),
            Route("/health", _data),
            WebSocketRoute("/live", _ticker),
        ]
    )


def write_policy(folder: Path, label: str, text: str, **fields: str) -> None:
    """Write one version of the terms as a file."""
    place = folder / "terms-of-use"
    place.mkdir(parents=True, exist_ok=True)
    (place / "policy.toml").write_text('title = "Terms of Use"\n')
    given = {"version": label, "impact": "material", **fields}
    front = "".join(f"{key}: {value}\n" for key, value in given.items())
    (place / f"{label}.en.md").write_text(f"---\n{front}---\n{text}")


@dataclass
class Visitor:
    """Somebody with a browser."""

    client: TestClient

    def get(self, path: str, **headers: str) -> Any:
        """Navigate, without following redirects."""
        return self.client.get(path, headers={**HTML, **headers})

    def form(self, page: str, do: str = "accept") -> dict[str, Any]:
        """The fields of the review form, ticked."""
        fields: dict[str, Any] = {}
        for tag in re.findall(r"<input[^>]*>", page):
            name, value = (re.search(rf'{key}="([^"]*)"', tag) for key in ("name", "value"))
            if name is None:
                continue
            if 'type="checkbox"' in tag:
                assert "checked" not in tag, "no box may be ticked when the page opens"
                fields.setdefault(name[1], []).append(html.unescape(value[1]) if value else "on")
            elif 'type="hidden"' in tag:
                fields[name[1]] = html.unescape(value[1]) if value else ""
        return {**fields, "do": do}

    def post(self, fields: dict[str, Any], **headers: str) -> Any:
        """Send the review form."""
        return self.client.post(
            "/terms/review",
            data=fields,
            headers={**HTML, "origin": "http://testserver", "sec-fetch-site": "same-origin", **headers},
        )

    def accept(self, path: str = "/articles/one?page=2&q=a%20b") -> Any:
        """Meet the gate, read, tick, accept; returns the answer to the form."""
        stopped = self.get(path)
        assert stopped.status_code == 303, stopped.text
        page = self.get(stopped.headers["location"])
        assert page.status_code == 200
        return self.post(self.form(page.text))


@pytest.fixture(name="policies")
def _policies(tmp_path: Path) -> Path:
    folder = tmp_path / "policies"
    write_policy(folder, "1", FIRST)
    return folder


ON_POSTGRES = {"test_a_visitor_accepts": 15, "test_terms_are_published": 18}
"""Walks that are gone on both databases."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Go some walks on PostgreSQL, too."""
    version = ON_POSTGRES.get(metafunc.module.__name__.rpartition(".")[2])
    if version and "app" in metafunc.fixturenames:
        metafunc.parametrize("app", [None, version], indirect=True, ids=["sqlite", f"postgres{version}"])


@pytest.fixture(name="app")
def _app(request: pytest.FixtureRequest, tmp_path: Path, policies: Path) -> Any:
    version = getattr(request, "param", None)
    return ConsentGate(
        bare_site(),
        policies=policies,
        database=request.getfixturevalue("postgres")(version).emptied()
        if version
        else f"sqlite:///{tmp_path}/terms.db",
        state=tmp_path,
        secret=SECRET,
        exempt=["/health"],
        site_name="The Test",
    )


@pytest.fixture(name="visitor")
def _visitor(app: Any) -> Iterator[Visitor]:
    with TestClient(app, follow_redirects=False) as client:
        yield Visitor(client)
