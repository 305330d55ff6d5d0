"""`consentgate demo`: the example where the repository is, and a sentence where it is not."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from consentgate.cli import demo
from tests.cli.conftest import Command


def test_without_the_repository_it_says_where_to_get_it(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """The examples are no part of the package."""
    monkeypatch.setattr(demo, "find_spec", lambda name: object() if name == "uvicorn" else None)

    done = command("demo")

    assert done.code == 2
    assert "clone the repository" in done.err


def test_without_a_server_it_says_what_to_install(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """uvicorn is an extra."""
    monkeypatch.setattr(demo, "find_spec", lambda _: None)

    assert "pip install 'consentgate[server]'" in command("demo").err


def test_what_is_said_is_handed_on_and_nothing_else(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Options that are left out are left to HOST, PORT and the example's own defaults."""
    seen: list[list[str]] = []
    monkeypatch.setattr(demo, "find_spec", lambda _: object())
    monkeypatch.setattr(sys, "argv", ["consentgate"])
    monkeypatch.setattr(importlib, "import_module", lambda _: SimpleNamespace(main=lambda: seen.append(sys.argv[1:])))

    assert command("demo").code == 0
    assert command("demo", "--port", "8123", "--host", "::1", "--fresh", "--data", "here").code == 0

    assert seen == [[], ["--host", "::1", "--port", "8123", "--data", "here", "--fresh"]]


def test_the_example_takes_these_options(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Each option of the command is one of the example's own."""
    main = pytest.importorskip("examples.news_site.main").main
    monkeypatch.setattr(sys, "argv", ["demo", "--help"])

    with pytest.raises(SystemExit):
        main()

    words = capsys.readouterr().out
    assert all(option in words for option in ("--host", "--port", "--data", "--fresh"))
    assert not Path("demo-data").exists()
