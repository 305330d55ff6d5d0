"""What the tests of the command share: a folder to stand in, a project that is published, and ways to run it."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from consentgate.cli.main import app
from consentgate.service.settings import Settings
from consentgate.service.terms import Terms
from consentgate.terms.policy import Act
from consentgate.terms.subject import Subject
from consentgate.testing import SECRET, run

CONFIG = """\
database = "consentgate.db"
policies = "policies"
origin = "example.com/terms"
"""
FIRST = "# Terms\n\nBe kind to one another.\n\nPay what you owe on time.\n"
SECOND = "# Terms\n\nBe kind to one another, also in letters.\n\nPay what you owe on time.\n"


@dataclass(frozen=True)
class Done:
    """A command that was run."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed, as the one JSON document it must be."""
        return json.loads(self.out)


Command = Callable[..., Done]


@pytest.fixture(autouse=True)
def _clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test stands in an empty folder, in an environment that says nothing."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("CONSENTGATE_") or name in {"NO_COLOR", "FORCE_COLOR", "HOST", "PORT"}:
            monkeypatch.delenv(name)


@pytest.fixture(name="command")
def _command() -> Command:
    """Run a command in this process. Whatever happens, no exception may come out of it."""

    def invoke(*words: object) -> Done:
        result = CliRunner().invoke(app, [str(word) for word in words])
        assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
        assert "Traceback" not in result.output
        return Done(result.exit_code, result.stdout, result.stderr)

    return invoke


@pytest.fixture(name="process")
def _process() -> Command:
    """Run a command in a process of its own."""

    def start(*words: object) -> Done:
        line = [sys.executable, "-m", "consentgate.cli", *map(str, words)]
        done = subprocess.run(line, capture_output=True, text=True, check=False)
        return Done(done.returncode, done.stdout, done.stderr)

    return start


class Project:
    """A folder with a settings file and one policy."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.policy = root / "policies" / "terms"
        self.database = root / "consentgate.db"

    def write(self, name: str, body: str, front: str) -> Path:
        """Write a text of the policy."""
        path = self.policy / name
        path.write_text(f"---\n{front.strip()}\n---\n{body}", encoding="utf-8")
        return path

    def accept(self, *names: str) -> None:
        """Record that users accepted what is in force."""

        async def record() -> None:
            async with Terms(Settings(f"sqlite:///{self.database}", (SECRET.encode(),))) as terms:
                for name in names:
                    await terms.record(Subject(name), "terms", None)

        run(record())

    @property
    def entries(self) -> int:
        """How many entries the ledger has, read past the program."""
        with sqlite3.connect(self.database) as connection:
            found = connection.execute("SELECT count(*) FROM consentgate_entry").fetchone()[0]
        connection.close()
        return int(found)


@pytest.fixture(name="project")
def _project(tmp_path: Path) -> Project:
    """One policy, with a text that is not published yet."""
    project = Project(tmp_path)
    project.policy.mkdir(parents=True)
    (tmp_path / "consentgate.toml").write_text(CONFIG)
    (project.policy / "policy.toml").write_text('title = "Terms of Use"\n')
    project.write("1.0.en.md", FIRST, "impact: material\nannounce: 2026-01-01\neffective: 2026-01-01")
    return project


@pytest.fixture(name="published")
def _published(project: Project, command: Command) -> Project:
    """The same, published."""
    assert command("publish", "--by", "the tests").code == 0
    return project


@pytest.fixture(name="decided")
def _decided(published: Project) -> Project:
    """The same, with two versions; Ada accepted the first, Ben accepted both, Cy declined."""

    async def decide() -> None:
        async with Terms(Settings(f"sqlite:///{published.database}", (SECRET.encode(),))) as terms:
            await terms.record(Subject("ada"), "terms", "1.0")
            await terms.record(Subject("ben"), "terms", "1.0")
            published.write("2.0.en.md", SECOND, "impact: material")
            await terms.publish(published.policy.parent)
            await terms.record(Subject("ben"), "terms", "2.0")
            await terms.record(Subject("cy"), "terms", "2.0", Act.DECLINE)

    run(decide())
    return published
