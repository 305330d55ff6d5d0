"""What the tests of the service share: drafts made by hand, and a handle in memory or on a file."""

from __future__ import annotations

import contextlib
import csv
import gc
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from consentgate.service.facts import Facts
from consentgate.service.offer import control_bytes
from consentgate.service.publish import Publication
from consentgate.service.settings import Settings
from consentgate.service.terms import Terms
from consentgate.terms.draft import Draft, draft_from_fields
from consentgate.terms.policy import Act, Audience, Kind, Policy
from consentgate.terms.subject import Subject, SubjectKind
from consentgate.testing import SECRET, FrozenClock, run

VISITOR = Subject("0123456789abcdef" * 2, SubjectKind.VISITOR)
ALICE = Subject("alice")
BOB = Subject("bob")

TERMS = Policy("terms", (("en", "Terms"), ("fr", "Conditions")))
NOTICE = Policy("privacy", (("en", "Privacy"),), Kind.NOTICE)
NEWS = Policy("newsletter", (("en", "Newsletter"),), Kind.CONSENT)
MEMBERS = Policy("members", (("en", "Members"),), audience=Audience(frozenset({SubjectKind.USER})))

TEXT = "# Terms\n\nBe kind to one another.\n\nPay what you owe on time.\n"


def draft(label: str, text: str = TEXT, *, policy: str = "terms", language: str = "en", **fields: str) -> Draft:
    """A draft; material unless said otherwise."""
    given = {"policy": policy, "version": label, "language": language, "impact": "material", **fields}
    return draft_from_fields({key: value for key, value in given.items() if value}, text, file=f"{label}.{language}.md")


@dataclass
class Desk:
    """A started handle, with the verbs tests use, each run to its end."""

    terms: Terms
    clock: FrozenClock

    def publish(self, *drafts: Draft, policies: tuple[Policy, ...] = (TERMS,), **options: Any) -> Publication:
        """Publish drafts of the sample policies."""
        return run(self.terms.publish(drafts, policies=policies, **options))

    def offer(self, subject: Subject, *, languages: tuple[str, ...] = ("en",), **options: Any) -> Any:
        """Make an offer."""
        return run(self.terms.offer(subject, languages=languages, **options))

    def seal(self, subject: Subject, page: bytes = b"<html>", **options: Any) -> str:
        """Make an offer, and seal it as the review page does."""
        made = self.offer(subject, **options)
        controls = {
            item.policy.slug: control_bytes("I accept.", "box", "Accept", item.policy.kind.decisions[0])
            for item in made.items
        }
        return run(self.terms.seal_offer(made, page=page, controls=controls))

    def decide(self, token: str, subject: Subject | None = None, act: Act = Act.ACCEPT, policy: str = "terms") -> Any:
        """Decide about one policy of a sealed offer."""
        return run(self.terms.decide(token, {policy: act}, subject=subject, facts=Facts(method="checkbox-button")))

    def accept(self, subject: Subject) -> Any:
        """Go through the review page and accept."""
        return self.decide(self.seal(subject), None if subject.kind is SubjectKind.VISITOR else subject)

    def state(self, subject: Subject, policy: str = "terms") -> str | None:
        """The state of a policy for a subject."""
        found = run(self.terms.state(subject, policy))
        return None if found is None else found.value

    def export(self, form: str = "ndjson", **options: Any) -> bytes:
        """The whole export."""

        async def collect() -> bytes:
            return b"".join([chunk async for chunk in self.terms.export(form, **options)])  # type: ignore[arg-type]

        return run(collect())

    def decided(self) -> list[dict[str, str]]:
        """Every decision on record, from the CSV."""
        lines = [line for line in self.export("csv").decode().splitlines() if not line.startswith("#")]
        return [row for row in csv.DictReader(lines) if row["type"] == "decision"]

    def statements(self, work: Callable[[], object]) -> list[str]:
        """SQL statements that some work sends to the database in memory, seen by SQLite itself."""
        seen: list[str] = []
        if self.terms._watch is not None:
            self.terms._watch.stop()  # it asks twice a second, and would now and then be counted, too
        connections = []
        for connection in [one for one in gc.get_objects() if isinstance(one, sqlite3.Connection)]:
            with contextlib.suppress(sqlite3.ProgrammingError):  # closed, and not yet collected: of an earlier test
                connection.total_changes  # noqa: B018
                connections.append(connection)
        for connection in connections:
            connection.set_trace_callback(seen.append)
        try:
            work()
        finally:
            for connection in connections:
                connection.set_trace_callback(None)
        assert seen, "the database was not watched"
        return seen


def settings_for(database: str, **options: Any) -> Settings:
    """Settings for tests."""
    return Settings(database=database, secrets=(SECRET.encode(),), origin="localhost/tests", **options)


ON_POSTGRES = {
    "test_administration",
    "test_again",
    "test_decide",
    "test_drafts",
    "test_editing",
    "test_erase",
    "test_export",
    "test_link",
    "test_publish",
    "test_retain",
    "test_tokens",
    "test_verify",
}
"""Files whose laws hold on both databases: each test with a desk of its own runs on both."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what holds on both databases on both."""
    name = metafunc.module.__name__.rpartition(".")[2]
    if "desk" in metafunc.fixturenames and name in ON_POSTGRES:
        alone = metafunc.definition.get_closest_marker("sqlite")
        kinds = ["sqlite"] if alone else ["sqlite", "postgres18" if name == "test_decide" else "postgres15"]
        metafunc.parametrize("desk", kinds, indirect=True)


@pytest.fixture(name="desk")
def _desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    kind: str = getattr(request, "param", "sqlite")
    clock = FrozenClock()
    database, options = "sqlite://", dict[str, Any]()
    if kind.startswith("postgres"):
        database = request.getfixturevalue("postgres")(int(kind.removeprefix("postgres"))).emptied()
        options = {"state": tmp_path / "state"}
    terms = Terms(settings_for(database, **options), clock=clock)
    run(terms.start())
    yield Desk(terms, clock)
    run(terms.stop())


@pytest.fixture(name="open_desk")
def _open_desk(tmp_path: Path) -> Iterator[Callable[..., Desk]]:
    """Opens a desk on a file, as often as wanted: each is like another process."""
    opened: list[Terms] = []
    clock = FrozenClock()

    def open_one(**options: Any) -> Desk:
        terms = Terms(settings_for(f"sqlite:///{tmp_path}/terms.db", **options), clock=clock)
        run(terms.start())
        opened.append(terms)
        return Desk(terms, clock)

    yield open_one
    for terms in opened:
        run(terms.stop())
