"""What the tests of the host's comforts share: two policies, a clock that stands still, and a site of choice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from consentgate import ConsentGate
from consentgate.terms.instants import to_datetime
from consentgate.testing import FrozenClock, memory_terms
from tests.frameworks.browser import NAVIGATION, fields_of

RULES = "# Rules of the Library\n\nWhoever borrows a book brings it back within {time}.\n"
DPA = "# Data Processing Agreement\n\nWe process what you upload as you tell us to, version {label}.\n"
ON_DEMAND = '[audience]\ntags = ["on-demand"]\n'
"""Nobody has this tag: the gate never asks, only routes do."""

Site = Callable[..., TestClient]


def write(folder: Path, slug: str, label: str, text: str, settings: str = "", **dates: str) -> None:
    """A version of a policy as a file."""
    place = folder / slug
    place.mkdir(parents=True, exist_ok=True)
    (place / "policy.toml").write_text(f'title = "{text.split(chr(10))[0][2:]}"\n{settings}')
    fields = {"version": f'"{label}"', "impact": "material", **dates}
    front = "".join(f"{key}: {value}\n" for key, value in fields.items())
    (place / f"{label}.en.md").write_text(f"---\n{front}---\n{text}")


def day(clock: FrozenClock, days: int) -> str:
    """A date so many days from where the clock stands."""
    return f"{to_datetime(clock()) + timedelta(days=days):%Y-%m-%d}"


@pytest.fixture(name="policies")
def _policies(tmp_path: Path) -> Path:
    """Rules that bind everybody, and an agreement that only routes demand."""
    folder = tmp_path / "policies"
    write(folder, "rules", "1", RULES.format(time="a month"))
    write(folder, "dpa", "1", DPA.format(label="1"), ON_DEMAND)
    return folder


@pytest.fixture(name="open_site")
def _open_site(policies: Path, consentgate_clock: FrozenClock) -> Iterator[Site]:
    """Put the gate around an application and give a browser that navigates."""
    with ExitStack() as stack:

        def open_site(app: Any, *, lifespan: bool = True, **options: Any) -> TestClient:
            settings = {key: options.pop(key) for key in ("exempt", "anonymous") if key in options}
            terms = memory_terms(policies, clock=consentgate_clock, **settings)
            client = TestClient(ConsentGate(app, terms=terms, **options), follow_redirects=False, headers=NAVIGATION)
            client.terms = terms  # type: ignore[attr-defined]
            return stack.enter_context(client) if lifespan else client

        yield open_site


def accept(client: TestClient, address: str) -> Any:
    """Read a review page, tick everything, accept."""
    page = client.get(address)
    assert page.status_code == 200, page.text[:300]
    return client.post("/terms/review", data={**fields_of(page.text), "do": "accept"})
