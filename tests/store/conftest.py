"""What the tests of the store share.

Fixtures:
    url         where the conformance tests run: a file, memory, and two releases of PostgreSQL.
    database    an open database at `url`.
    file        an open database in a file, for what is true of files alone.
    fake        the module ``fake_ledger``.
    writer      a function: batch, options -> a `Writer` on `database` that is closed in the end.
    impatient   SQLite itself waits 50 ms for programs that know nothing of our lock, not 5 s.
    child       a function: starts ``children.py`` with these words, in a process of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from consentgate.store import sqlite
from consentgate.store.database import Database
from consentgate.store.writer import Writer

HERE = Path(__file__).parent


def _load(name: str) -> ModuleType:
    spec = spec_from_file_location(f"consentgate_tests_{name}", HERE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(name="fake", scope="session")
def _fake() -> ModuleType:
    return _load("fake_ledger")


@pytest.fixture(name="url", params=["file", "memory", "postgres15", "postgres18"])
def _url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    kind: str = request.param
    if kind.startswith("postgres"):
        url: str = request.getfixturevalue("postgres")(int(kind.removeprefix("postgres"))).fresh()
        return url
    return f"sqlite:///{tmp_path / 'shelves.db'}" if kind == "file" else "sqlite://"


@pytest.fixture(name="database")
def _database(url: str) -> Iterator[Database]:
    database = Database.open(url)
    yield database
    database.close()


@pytest.fixture(name="file")
def _file(tmp_path: Path) -> Iterator[Database]:
    database = Database.open(f"sqlite:///{tmp_path / 'shelves.db'}")
    yield database
    database.close()


@pytest.fixture(name="writer")
def _writer(database: Database) -> Iterator[Callable[..., Writer[Any]]]:
    made: list[Writer[Any]] = []

    def make(batch: Any, **options: Any) -> Writer[Any]:
        made.append(Writer(database, batch, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture(name="impatient")
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite itself waits 50 ms, not 5 s, for programs that know nothing of our lock."""
    pragmas = tuple("PRAGMA busy_timeout=50" if "busy_timeout" in pragma else pragma for pragma in sqlite._PRAGMAS)
    monkeypatch.setattr(sqlite, "_PRAGMAS", pragmas)
    monkeypatch.setattr(sqlite, "_BUSY", 50)


@pytest.fixture(name="child")
def _child() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent.parent), "PYTHONWARNINGS": "default"}

    def start(*words: object, prefix: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        command = [*prefix, sys.executable, str(HERE / "children.py"), *map(str, words)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
