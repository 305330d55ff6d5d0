"""A real browser, a real server, and the toy site of the page tests behind it."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from tests.web import samples
from tests.web.conftest import Site

OUTPUT = Path(__file__).resolve().parent.parent / "output"

FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """An application on a port of its own; yields its address. Plain http: browsers take localhost for trustworthy."""
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="on"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [place]}, daemon=True)
        thread.start()
        while not server.started:
            if not thread.is_alive():
                raise RuntimeError("the server did not start")
            time.sleep(0.01)
        yield f"http://localhost:{place.getsockname()[1]}"
        server.should_exit = True
        thread.join(timeout=20)


class LiveSite(Site):
    """The toy site on a port of its own."""

    address = ""

    def __enter__(self) -> Self:
        self._serving = serving(self.app)
        self.address = self._serving.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._serving.__exit__(None, None, None)

    def run(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        """Call one of the coroutines of the terms, in a thread: Playwright keeps a loop of its own running in ours."""
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(lambda: asyncio.run(function(*args, **kwargs))).result()


@pytest.fixture(name="live", scope="module")
def _live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveSite]:
    """Terms of use in two versions and two languages, a privacy notice and a newsletter; Ann accepted the old terms."""
    with LiveSite(tmp_path_factory.mktemp("live"), open_paths=("/sign-out", "/support")) as site:
        site.write("terms-of-use", "2024-06-24", samples.OLD, effective="2024-06-24", title="Terms of Use")
        site.write("terms-of-use", "2024-06-24", samples.ARABIC_OLD, effective="2024-06-24", language="ar")
        site.publish()
        site.accept("ann")
        site.accept("bea")
        site.accept("cem")
        site.write("terms-of-use", "2026-01-22", samples.NEW, summary=repr(samples.SUMMARY.splitlines()[0]))
        site.write("terms-of-use", "2026-01-22", samples.ARABIC_NEW, language="ar")
        site.publish()
        yield site


# Not for the session: while Playwright runs, its loop counts as running, and no other test could have one of its own.
@pytest.fixture(name="browser", scope="module")
def _browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture(name="visit")
def _visit(browser: Browser, live: LiveSite) -> Iterator[Any]:
    """Open a page as somebody: ``visit("/path", user="ann", width=320, …)``; any script error fails the test."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def visit(
        path: str = "/news/7?page=2", *, user: str = "", width: int = 1280, height: int = 900, **options: Any
    ) -> Page:
        headers = {"x-user": user} if user else {}
        context = browser.new_context(
            viewport={"width": width, "height": height}, extra_http_headers=headers, base_url=live.address, **options
        )
        context.set_default_timeout(15_000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text) if _is_complaint(message) else None)
        page.goto(path)
        return page

    yield visit
    for context in contexts:
        context.close()
    assert complaints == []


def _is_complaint(message: ConsoleMessage) -> bool:
    """An error of a script or of the content security policy; an answer such as 404 or 422 is none."""
    return message.type == "error" and not message.text.startswith("Failed to load resource")


def violations(page: Page, options: str = "{}") -> list[str]:
    """What axe finds, each in one line; its script must have been evaluated in the page."""
    found = page.evaluate(f"axe.run(document, {options}).then((found) => found.violations)")
    return [f"{one['id']}: {one['help']} {[node['html'][:160] for node in one['nodes']]}" for one in found]


def tab_to(page: Page, selector: str, limit: int = 60) -> None:
    """Press Tab until an element has the focus."""
    for _ in range(limit):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    pytest.fail(f"{selector} cannot be reached by keyboard")


@pytest.fixture(name="keep")
def _keep() -> Any:
    """Keep a picture of a page for people to look at; ``tests/output`` is not in the repository."""
    OUTPUT.mkdir(exist_ok=True)

    def keep(page: Page, name: str, *, full: bool = False) -> None:
        page.screenshot(path=OUTPUT / f"{name}.png", full_page=full)

    return keep
