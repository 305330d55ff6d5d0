"""A whole site for the tests of the pages: a toy application behind the real gate, on a SQLite file of its own."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from consentgate.app import ConsentGate
from consentgate.service.settings import Settings
from consentgate.service.terms import Terms
from consentgate.terms.instants import SECOND, Instant
from consentgate.terms.subject import Subject, SubjectKind
from tests.web import samples

SECRET = b"tests-only-0123456789abcdefghijklmnop"

BROWSER = {
    "accept": "text/html,application/xhtml+xml",
    "sec-fetch-mode": "navigate",
    "sec-fetch-dest": "document",
    "sec-fetch-site": "same-origin",
}

FRONT = "---\nversion: '{label}'\nimpact: {impact}\nannounce: {announce}\neffective: {effective}\n{more}---\n"


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self, now: Instant) -> None:
        self.now = now

    def __call__(self) -> Instant:
        return self.now

    def forward(self, *, hours: float) -> None:
        """Move it."""
        self.now += int(hours * 3600 * SECOND)


class Site:
    """The gated application, its terms, and browsers to visit it with."""

    def __init__(self, folder: Path, *, admin: Any = None, **settings: Any) -> None:
        self.folder = folder / "policies"
        self.clock = Clock(samples.NOW)
        chosen = {"site_name": "The Daily Kettle", "test": True} | settings
        self.terms = Terms(
            Settings(database=f"sqlite:///{folder}/terms.db", secrets=(SECRET,), **chosen), clock=self.clock
        )
        self.app = ConsentGate(_application(), terms=self.terms, subject=_who, admin=admin)
        self._first: TestClient | None = None

    def __enter__(self) -> Self:
        self._first = self.browser()
        self._first.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        assert self._first is not None
        self._first.__exit__(*exc)

    def browser(self, user: str = "", language: str = "en") -> TestClient:
        """A browser with a cookie jar of its own."""
        headers = BROWSER | {"accept-language": language} | ({"x-user": user} if user else {})
        return TestClient(self.app, base_url="https://kettle.example", headers=headers, follow_redirects=False)

    def run(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        """Call one of the coroutines of the terms."""
        assert self._first is not None
        assert self._first.portal is not None
        return self._first.portal.call(functools.partial(function, *args, **kwargs))

    def write(self, slug: str, label: str, text: str, *, language: str = "en", **front: str) -> None:
        """Put a text into the policies folder."""
        place = self.folder / slug
        place.mkdir(parents=True, exist_ok=True)
        settings = place / "policy.toml"
        if not settings.exists():
            settings.write_text(f'title = "{front.pop("title", slug)}"\nkind = "{front.pop("kind", "contract")}"\n')
        for key in ("kind", "title"):
            front.pop(key, None)
        effective = front.pop("effective", "2026-01-22")
        impact = front.pop("impact", "material")
        announce = front.get("announce", min(effective, "2026-01-22"))
        more = "".join(f"{key}: {value}\n" for key, value in front.items() if key != "announce")
        head = FRONT.format(label=label, impact=impact, announce=announce, effective=effective, more=more)
        (place / f"{label}.{language}.md").write_text(head + text)

    def publish(self) -> None:
        """Publish the folder."""
        self.run(self.terms.publish, self.folder)

    def publish_old(self) -> None:
        """Publish the first version of the terms of use."""
        self.write("terms-of-use", "2024-06-24", samples.OLD, effective="2024-06-24", title="Terms of Use")
        self.publish()

    def publish_new(self) -> None:
        """Publish the second version of the terms of use."""
        summary = repr(samples.SUMMARY.splitlines()[0])
        self.write("terms-of-use", "2026-01-22", samples.NEW, summary=summary)
        self.publish()

    def accept(self, user: str, slug: str = "terms-of-use", label: str | None = None) -> None:
        """Record an acceptance that was made elsewhere."""
        self.run(self.terms.record, Subject(user, SubjectKind.USER), slug, label)


def _who(scope: Any) -> str | None:
    for name, value in scope["headers"]:
        if name == b"x-user":
            return str(value.decode())
    return None


def _application() -> Starlette:
    async def article(request: Request) -> Response:
        return PlainTextResponse(f"article {request.url.path}?{request.url.query}")

    async def comment(request: Request) -> Response:
        form = await request.form()
        return JSONResponse([[name, value] for name, value in form.multi_items()])

    return Starlette(
        routes=[Route("/comment", comment, methods=["POST"]), Route("/{path:path}", article, methods=["GET", "POST"])]
    )


@pytest.fixture(name="site")
def _site(tmp_path: Path) -> Iterator[Site]:
    with Site(tmp_path) as site:
        yield site


@pytest.fixture(name="make_site")
def _make_site(tmp_path: Path) -> Iterator[Any]:
    """Sites with settings of their own; closed at the end."""
    made: list[Site] = []

    def make(**settings: Any) -> Site:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        site = Site(folder, **settings)
        site.__enter__()
        made.append(site)
        return site

    yield make
    for site in made:
        site.__exit__(None, None, None)
