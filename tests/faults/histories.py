"""What `test_histories` works with: the model, processes killed in memory, databases of which there are copies.

A process that is killed here is a `Terms` of which nothing reaches the database any more: each step of each of its
transactions raises, so what it had begun is rolled back, as the database does when a connection breaks.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import psycopg

from consentgate.service.settings import Settings
from consentgate.service.terms import Terms
from consentgate.store.tables import METADATA
from consentgate.terms.policy import Act
from consentgate.terms.subject import Subject
from consentgate.testing import SECRET, FrozenClock, run

STEPS = ("begin", "before-entries", "before-head", "before-commit", "after-commit")


PEOPLE = [Subject(name) for name in ("ada", "ben", "cleo")]


@dataclass
class Told:
    """A decision somebody was told is on record.

    Args:
        ref: of the entry.
        act, label: what was decided, about which version of which policy.
        erased: whether they were erased since.
    """

    ref: bytes
    policy: str
    act: str
    label: str
    erased: bool = False


@dataclass
class Page:
    """A review page that was sent to somebody.

    Args:
        token: the sealed offer in it.
        label: the version it shows.
        ref: of the decision it led to, once that is known.
        void: whether it can lead to none any more: its person was erased, or something newer was published.
    """

    subject: Subject
    token: str
    label: str
    act: Act
    ref: bytes | None = None
    void: bool = False


@dataclass
class Model:
    """What is true, as far as anybody was told."""

    labels: list[str] = field(default_factory=list)
    decided: dict[Subject, list[Told]] = field(default_factory=lambda: {one: [] for one in PEOPLE})
    roots: dict[int, str] = field(default_factory=dict)
    """Every root that was ever signed, by size."""

    def on_record(self, subject: Subject) -> list[Told]:
        """What a person finds among their decisions, the newest first."""
        return [one for one in reversed(self.decided[subject]) if not one.erased]


class KilledError(Exception):
    """The process ended here."""


@dataclass
class Fate:
    """When a process ends.

    Args:
        at: the step it does not survive, or none.
        dead: whether it came.
    """

    at: str | None = None
    dead: bool = False

    def __call__(self, step: str) -> None:
        if self.dead or step == self.at:
            self.dead = True
            raise KilledError(step)


class Process:
    """One that has the ledger open."""

    def __init__(self, settings: Settings, clock: FrozenClock) -> None:
        self.fate = Fate()
        self.terms = Terms(settings, clock=clock)
        self.terms.on_step = self.fate
        run(self.terms.start())

    def stop(self) -> None:
        """End as one should."""
        run(self.terms.stop())

    def kill(self) -> None:
        """End without a word to anybody."""
        self.fate.dead = True
        if self.terms.started and (sequencer := self.terms.engine.sequencer) is not None:
            sequencer.close(timeout=0.0)  # it may try, and gets nowhere
        run(self.terms.stop())


Copy = tuple[int, Any]
"""How many entries a copy of a database has, and where or what it is."""


class Place(Protocol):
    """A database of which copies are made and put back. Nobody writes meanwhile."""

    settings: Settings
    live: bool
    """Whether a copy is put back under processes that run."""

    def copy(self) -> Copy:
        """Copy it as it is."""

    def put_back(self, copy: Copy) -> None:
        """Make it what it was."""

    @property
    def size(self) -> int:
        """Entries, as the head says."""


@dataclass
class InFile:
    """A ledger in a file.

    Args:
        folder: of the file and its copies.
    """

    folder: Path
    settings: Settings = field(init=False)
    live: bool = False
    _copies: int = 0

    def __post_init__(self) -> None:
        self.path = self.folder / "terms.db"
        self.settings = Settings(f"sqlite:///{self.path}", (SECRET.encode(),), origin="localhost/tests")

    def copy(self) -> Copy:
        """By SQLite's own back-up."""
        self._copies += 1
        path = self.folder / f"copy-{self._copies}.db"
        with sqlite3.connect(self.path) as here, sqlite3.connect(path) as there:
            here.backup(there)
        here.close()
        there.close()
        return self.size, path

    def put_back(self, copy: Copy) -> None:
        """Over the file; its log goes."""
        for rest in ("-wal", "-shm"):
            Path(f"{self.path}{rest}").unlink(missing_ok=True)
        self.path.write_bytes(copy[1].read_bytes())

    @property
    def size(self) -> int:
        """Entries."""
        connection = sqlite3.connect(self.path)
        row = connection.execute("SELECT size FROM consentgate_head").fetchone()
        connection.close()
        return row[0] if row else 0


@dataclass
class OnServer:
    """A ledger on PostgreSQL.

    Args:
        url: of the database, with our tables.
        folder: for what is not in it.
    """

    url: str
    folder: Path
    settings: Settings = field(init=False)
    live: bool = True

    def __post_init__(self) -> None:
        self.settings = Settings(self.url, (SECRET.encode(),), origin="localhost/tests", state=self.folder)

    def copy(self) -> Copy:
        """All rows, in one picture."""
        with psycopg.connect(self.url) as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            rows = {
                table.name: connection.execute(f"SELECT * FROM {table.name}").fetchall()  # type: ignore[arg-type]
                for table in METADATA.sorted_tables
            }
        return self.size, rows

    def put_back(self, copy: Copy) -> None:
        """In one transaction, under the eyes of those who run."""
        with psycopg.connect(self.url) as connection:
            for table in reversed(METADATA.sorted_tables):
                connection.execute(f"DELETE FROM {table.name}")  # type: ignore[arg-type]
            for table in METADATA.sorted_tables:
                marks = ", ".join(["%s"] * len(table.columns))
                connection.cursor().executemany(
                    f"INSERT INTO {table.name} OVERRIDING SYSTEM VALUE VALUES ({marks})",  # type: ignore[arg-type]
                    copy[1][table.name],
                )

    @property
    def size(self) -> int:
        """Entries."""
        with psycopg.connect(self.url) as connection:
            row = connection.execute("SELECT size FROM consentgate_head").fetchone()
        return row[0] if row else 0
