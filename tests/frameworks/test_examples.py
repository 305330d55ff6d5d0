"""The examples as files: each can be started as it says, and the documentation names each."""

from __future__ import annotations

import ast
import re

import pytest

from tests.frameworks.servers import EXAMPLES, FRAMEWORKS, ROOT

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
