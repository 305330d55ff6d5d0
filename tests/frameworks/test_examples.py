"""The examples as files: each can be started as it says, and the documentation names each."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.frameworks.browser import Browser
from tests.frameworks.servers import EXAMPLES, FRAMEWORKS, ROOT, example

PAGE = ROOT / "docs" / "howto" / "frameworks.md"


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_an_example_says_how_it_is_started_and_shows_what_it_is_for(framework: str) -> None:
    """One command, the one line, who is asking, an exempt path, the banner; nothing is started by importing it."""
    source = (EXAMPLES / f"{framework}_app.py").read_text(encoding="utf-8")
    tree = ast.parse(source)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    [gate] = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "ConsentGate"]

    assert f"python examples/{framework}_app.py" in (ast.get_docstring(tree) or "")
    assert {"policies", "database", "secret", "subject", "exempt"} <= {word.arg for word in gate.keywords}
    assert "consentgate_banner" in source
    assert isinstance(tree.body[-1], ast.If)


def test_the_page_about_frameworks_names_every_example() -> None:
    """And no other."""
    named = re.findall(r"`python examples/(\w+)_app\.py`", PAGE.read_text(encoding="utf-8"))

    assert named == list(FRAMEWORKS)
    assert sorted(path.name for path in EXAMPLES.glob("*_app.py")) == sorted(f"{one}_app.py" for one in FRAMEWORKS)


def test_the_fastapi_example_demands_its_agreement_on_one_route_only(policies: Path, tmp_path: Path) -> None:
    """Published by the application's own lifespan, demanded by a dependency, over a real socket."""
    robot = {"accept": "application/json", "authorization": "Bearer robot"}
    with example("fastapi", tmp_path, policies) as address, Browser(address) as browser:
        assert browser.client.get("/api/headlines", headers=robot).status_code == 403
        browser.accept("/articles/one")
        assert browser.get("/articles/one").status_code == 200
        stopped = browser.client.post("/api/uploads", headers={"accept": "application/json"})
        assert (stopped.status_code, stopped.headers["content-type"]) == (403, "application/problem+json")
        [said] = stopped.json()["policies"]
        assert said["policy"] == "data-processing"
        done = browser.accept_page(browser.get(said["accept_url"]).text)
        assert done.status_code == 303
        sent = browser.client.post("/api/uploads", headers={"accept": "application/json"})
        assert (sent.status_code, sent.json()) == (200, "uploaded")
