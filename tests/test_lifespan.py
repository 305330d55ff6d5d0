"""Laws of start-up and shutdown: ours around the application's own, whatever it makes of the lifespan protocol."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from litestar import Litestar
from quart import Quart
from starlette.applications import Starlette

from consentgate import ConfigurationError, ConsentGate, Terms
from consentgate.testing import memory_terms


class Journal:
    """What happened, in order, and whether the ledger was open each time."""

    def __init__(self) -> None:
        self.terms: Terms = memory_terms()
        self.lines: list[tuple[str, bool]] = []

    def note(self, what: str) -> None:
        """Write a line."""
        self.lines.append((what, self.terms.started))

    @asynccontextmanager
    async def around(self, _: Any) -> AsyncIterator[None]:
        """A lifespan as Starlette, FastAPI and Litestar take it."""
        self.note("up")
        yield
        self.note("down")

    async def failing(self, *_: Any) -> None:
        """A start-up that fails."""
        self.note("up")
        raise RuntimeError("the application's own database is gone")


def quart_app(journal: Journal) -> Any:
    """Quart has functions before and after serving."""
    app = Quart("quart_app")
    app.before_serving(lambda: journal.note("up"))
    app.after_serving(lambda: journal.note("down"))
    return app


LIVELY = {
    "starlette": lambda journal: Starlette(lifespan=journal.around),
    "fastapi": lambda journal: FastAPI(lifespan=journal.around),
    "litestar": lambda journal: Litestar(lifespan=[journal.around]),
    "litestar hooks": lambda journal: Litestar(
        on_startup=[lambda: journal.note("up")], on_shutdown=[lambda: journal.note("down")]
    ),
    "quart": quart_app,
}


async def raising(scope: Any, receive: Any, send: Any) -> None:
    """As Django does."""
    raise ValueError("Django can only handle ASGI/HTTP connections, not lifespan.")


async def returning(scope: Any, receive: Any, send: Any) -> None:
    """As many a bare application does."""


async def raising_later(scope: Any, receive: Any, send: Any) -> None:
    """One that listens first."""
    await receive()
    raise KeyError("path")


def failing_starlette(journal: Journal) -> Any:
    """Starlette with a lifespan that raises."""

    @asynccontextmanager
    async def around(_: Any) -> AsyncIterator[None]:
        await journal.failing()
        yield

    return Starlette(lifespan=around)


def failing_quart(journal: Journal) -> Any:
    """Quart with a start-up that raises."""
    app = Quart("failing_quart")
    app.before_serving(journal.failing)
    return app


FAILING = {
    "starlette": failing_starlette,
    "litestar": lambda journal: Litestar(on_startup=[journal.failing]),
    "quart": failing_quart,
}


async def live(app: Any, *, state: dict[str, Any] | None = None) -> list[str]:
    """Play the server: start, stop; returns what the application answered."""
    scope: dict[str, Any] = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}}
    if state is not None:
        scope["state"] = state
    answers: list[str] = []
    inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    inbox.put_nowait({"type": "lifespan.startup"})

    async def send(message: Any) -> None:
        answers.append(message["type"])
        if message["type"] == "lifespan.startup.complete":
            inbox.put_nowait({"type": "lifespan.shutdown"})

    await asyncio.wait_for(app(scope, inbox.get, send), 60)
    return answers


@pytest.mark.parametrize("framework", sorted(LIVELY))
def test_the_ledger_is_open_for_as_long_as_the_application_lives(framework: str) -> None:
    """It opens before the application's own start-up, and closes after its own shutdown."""
    journal = Journal()
    gated = ConsentGate(LIVELY[framework](journal), terms=journal.terms)

    assert asyncio.run(live(gated, state={})) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert journal.lines == [("up", True), ("down", True)]
    assert not journal.terms.started


@pytest.mark.parametrize("app", [raising, returning, raising_later])
def test_an_application_without_lifespan_is_served_all_the_same(app: Any) -> None:
    """The server hears one clear story: ours."""
    terms = memory_terms()

    assert asyncio.run(live(ConsentGate(app, terms=terms))) == [
        "lifespan.startup.complete", "lifespan.shutdown.complete",
    ]  # fmt: skip
    assert not terms.started


@pytest.mark.parametrize("framework", sorted(FAILING))
def test_an_application_that_cannot_start_is_not_served(framework: str) -> None:
    """Its failure reaches the server, and our ledger is closed again."""
    journal = Journal()
    gated = ConsentGate(FAILING[framework](journal), terms=journal.terms)

    assert asyncio.run(live(gated, state={})) == ["lifespan.startup.failed"]
    assert journal.lines == [("up", True)]
    assert not journal.terms.started


def test_when_we_cannot_start_the_application_is_not_started_either(tmp_path: Path) -> None:
    """The server hears why, with the hint; the error itself goes on to test clients."""
    journal = Journal()
    gated = ConsentGate(
        Starlette(lifespan=journal.around), terms=memory_terms(ledger_key=str(tmp_path / "nowhere.key"))
    )
    heard: list[Any] = []

    async def start() -> None:
        async def receive() -> dict[str, Any]:
            return {"type": "lifespan.startup"}

        async def send(message: Any) -> None:
            heard.append(message)

        await gated({"type": "lifespan", "state": {}}, receive, send)

    with pytest.raises(ConfigurationError):
        asyncio.run(start())
    [message] = heard
    assert message["type"] == "lifespan.startup.failed"
    assert message["message"].startswith("consentgate could not start: ")
    assert journal.lines == []


def test_what_the_application_puts_into_the_state_is_still_its_own() -> None:
    """We add one name to it, and take none away."""

    @asynccontextmanager
    async def around(_: Any) -> AsyncIterator[dict[str, str]]:
        yield {"pool": "of the application"}

    state: dict[str, Any] = {}
    asyncio.run(live(ConsentGate(Starlette(lifespan=around), terms=memory_terms()), state=state))

    assert state["pool"] == "of the application"
    assert [name for name in state if name.startswith("consentgate")] == ["consentgate.reception"]
