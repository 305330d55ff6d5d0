"""Moving house: the ledger in its new place is the same ledger, and nobody opens a half of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text

from consentgate.errors import ConfigurationError, StoreError, VerificationError
from consentgate.service.audit import audit
from consentgate.service.moving import Moved, copy
from consentgate.service.settings import Settings
from consentgate.service.terms import Terms
from consentgate.store import moving
from consentgate.store.database import Database
from consentgate.store.tables import METADATA
from consentgate.terms.subject import Subject
from consentgate.testing import SECRET, run
from tests.service.fill import load_filler

PEOPLE = [Subject(f"person-{number}") for number in range(300)]


def quiet(*_: object) -> None:
    """Show no progress."""


@pytest.fixture(name="source")
def _source(tmp_path: Path) -> Settings:
    """A ledger of 301 entries: one full tile, one publication, and one person who was erased."""
    settings = Settings(f"sqlite:///{tmp_path / 'source.db'}", (SECRET.encode(),))

    async def fill() -> None:
        async with Terms(settings) as terms:
            filler = load_filler()
            await filler.publish(terms)
            await filler.fill(terms, PEOPLE)
            await terms.erase(PEOPLE[7], basis="request")

    run(fill())
    return settings


@pytest.fixture(name="target", params=["sqlite", 15, 18])
def _target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database: a file, or a PostgreSQL server's."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'target.db'}"
    else:
        yield request.getfixturevalue("postgres")(request.param).fresh()


def everything(url: str) -> dict[str, list[Any]]:
    """Every row of every table."""
    database = Database.bare(url)
    try:
        return {
            table.name: database.read(lambda c, table=table: sorted(map(tuple, c.execute(select(table)))))  # type: ignore[misc]
            for table in METADATA.sorted_tables
        }
    finally:
        database.close()


def test_every_row_arrives_and_the_ledger_verifies_there(source: Settings, target: str) -> None:
    """Table by table the rows are the same, the root is the same, and an audit of the new place finds it sound."""
    moved = copy(source, target, quiet)

    assert everything(target) == everything(source.database)
    report = audit(replace(source, database=target))
    assert report.sound
    assert (report.size, report.checkpoint) == (moved.size, moved.checkpoint)
    assert moved.size == 302


def test_the_application_goes_on_in_the_new_place(source: Settings, target: str, tmp_path: Path) -> None:
    """With the key where it was, the next decision is the next entry of the same ledger."""
    moved = copy(source, target, quiet)
    settings = replace(source, database=target, ledger_key=str(tmp_path / "source.db.key"), state=tmp_path / "state")

    async def go_on() -> int:
        async with Terms(settings) as terms:
            (policy,) = terms.calendar.policies
            await terms.record(Subject("newcomer"), policy.slug)
            return (await terms.verify()).size

    assert run(go_on()) == moved.size + 1


def test_it_comes_back_again(source: Settings, target: str, tmp_path: Path) -> None:
    """What went to the other database can be copied back into a file, byte for byte."""
    copy(source, target, quiet)
    back = f"sqlite:///{tmp_path / 'back.db'}"

    copy(replace(source, database=target), back, quiet)

    assert everything(back) == everything(source.database)


def test_an_interrupted_copy_cannot_be_opened_and_goes_on(
    source: Settings, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it stops, nothing opens the half; run again, it writes only what is missing."""
    whole = sum(map(len, everything(source.database).values()))
    copied = 0
    with monkeypatch.context() as patch:

        def interrupted(what: str, done: int, total: int | None) -> None:
            if done > 200:
                raise KeyboardInterrupt

        patch.setitem(moving._PAGES, METADATA.tables["consentgate_entry"], 50)
        with pytest.raises(KeyboardInterrupt):
            copy(source, target, interrupted)
    copied = sum(map(len, everything(target).values()))
    assert 100 < copied < whole

    with pytest.raises(ConfigurationError, match="not copied to the end") as refused:
        Database.open(target)
    assert "goes on" in refused.value.hint
    moved = copy(source, target, quiet)

    assert everything(target) == everything(source.database)
    assert moved.written < whole - 100


def test_a_second_run_copies_only_what_came_since(source: Settings, target: str) -> None:
    """Decisions and erasures made after the first run arrive; nothing else is written."""
    copy(source, target, quiet)

    async def go_on() -> None:
        async with Terms(source) as terms:
            (policy,) = terms.calendar.policies
            await terms.record(Subject("newcomer"), policy.slug)
            await terms.erase(PEOPLE[9], basis="request")

    run(go_on())
    moved = copy(source, target, quiet)

    assert everything(target) == everything(source.database)
    assert moved.written < 20


def test_a_target_that_is_in_use_already_is_refused(source: Settings, target: str, tmp_path: Path) -> None:
    """What was recorded in the new place is never overwritten by the old one."""
    copy(source, target, quiet)
    settings = replace(source, database=target, ledger_key=str(tmp_path / "source.db.key"), state=tmp_path / "state")

    async def use() -> None:
        async with Terms(settings) as terms:
            (policy,) = terms.calendar.policies
            await terms.record(Subject("newcomer"), policy.slug)

    run(use())
    before = everything(target)

    with pytest.raises(ConfigurationError, match="303 entries, the source 302"):
        copy(source, target, quiet)
    assert everything(target) == before


def test_another_ledger_is_never_overwritten(source: Settings, target: str, tmp_path: Path) -> None:
    """A target that holds another ledger is refused, untouched."""

    async def begin() -> None:
        async with Terms(
            Settings(target, (SECRET.encode(),), ledger_key=_key("elsewhere.example/ledger"), state=tmp_path / "state")
        ):
            pass

    run(begin())
    before = everything(target)

    with pytest.raises(ConfigurationError, match="another ledger"):
        copy(source, target, quiet)
    assert everything(target) == before


def _key(origin: str) -> str:
    from consentgate.evidence.note import Signer

    return Signer(origin, bytes(range(32))).secret()


def test_a_row_that_was_changed_in_the_target_is_not_overwritten(source: Settings, target: str) -> None:
    """Ledger rows are only added: one that says something else is told, and the target stays closed."""
    copy(source, target, quiet)
    other = Database.bare(target)
    with other.transaction() as connection:
        connection.execute(text("UPDATE consentgate_checkpoint SET note = 'x'"))
    other.close()

    with pytest.raises(StoreError, match="consentgate_checkpoint that are not the source's"):
        copy(source, target, quiet)
    with pytest.raises(ConfigurationError, match="not copied to the end"):
        Database.open(target)


def test_a_source_that_does_not_verify_is_not_opened_elsewhere(source: Settings, tmp_path: Path) -> None:
    """A leaf that was changed in the source is found in the copy, which stays closed."""
    with sqlite3.connect(tmp_path / "source.db") as connection:
        connection.execute("UPDATE consentgate_entry SET leaf = CAST(leaf || x'20' AS BLOB) WHERE idx = 5")
    connection.close()
    target = f"sqlite:///{tmp_path / 'target.db'}"

    with pytest.raises(VerificationError, match="does not verify"):
        copy(source, target, quiet)
    with pytest.raises(ConfigurationError, match="not copied to the end"):
        Database.open(target)


def test_a_source_that_keeps_growing_is_told(source: Settings, tmp_path: Path) -> None:
    """While the application writes, the copy catches up a few times and then says that it must be stopped."""
    target = f"sqlite:///{tmp_path / 'target.db'}"

    def grow(what: str, done: int, total: int | None) -> None:
        with sqlite3.connect(tmp_path / "source.db") as connection:
            connection.execute(
                "UPDATE consentgate_meta SET value = CAST(value AS INTEGER) + 1 WHERE key = 'generation'"
            )
        connection.close()

    with pytest.raises(StoreError, match="keeps growing") as told:
        copy(source, target, grow)
    assert "stop the application" in told.value.hint
    copied: Moved = copy(source, target, quiet)
    assert copied.size == 302


def test_what_is_in_memory_is_bounded(source: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No page holds more rows than its table's bound."""
    sizes: list[int] = []
    page: Callable[..., list[Any]] = moving._page

    def counted(*words: Any, **options: Any) -> list[Any]:
        rows = page(*words, **options)
        sizes.append(len(rows))
        return rows

    monkeypatch.setattr(moving, "_page", counted)
    monkeypatch.setattr(moving, "_PAGES", {})

    copy(source, f"sqlite:///{tmp_path / 'target.db'}", quiet)

    assert max(sizes) == moving._PAGE
    assert len(sizes) > 2 * 300 / moving._PAGE


@pytest.mark.parametrize("version", [15, 18])
def test_the_server_knows_how_large_what_it_got_is(
    source: Settings, postgres: Callable[[int], Any], version: int
) -> None:
    """Without statistics it would read whole tables for each page, in the verification to begin with."""
    url = postgres(version).fresh()

    copy(source, url, quiet)

    other = Database.open(url)
    statement = text("SELECT reltuples FROM pg_class WHERE oid = 'consentgate_entry'::regclass")
    assert other.read(lambda connection: connection.scalar(statement)) == 302
    other.close()


def test_an_empty_table_is_filled_without_comparing(
    source: Settings, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows are compared where the target has some, and only there: a first copy compares its single values alone."""
    compared: list[str] = []
    same: Callable[..., int] = moving._same
    monkeypatch.setattr(moving, "_same", lambda *words: compared.append(words[1].name) or same(*words))

    copy(source, target, quiet)

    assert set(compared) <= {"consentgate_meta"}


def test_source_and_target_must_differ(source: Settings) -> None:
    """A database is not copied into itself."""
    with pytest.raises(ConfigurationError, match="the same database"):
        copy(source, source.database, quiet)


def test_a_source_with_decisions_that_wait_for_their_places_is_refused(
    source: Settings, tmp_path: Path, postgres: Callable[[int], Any]
) -> None:
    """They stand in no ledger yet, and where they would be copied to nobody might give them a place."""
    server = postgres(15).fresh()
    copy(source, server, quiet)

    async def decide() -> None:
        async with Terms(replace(source, database=server, ledger_key="none", state=tmp_path)) as terms:
            await terms.record(Subject("newcomer"), "terms")

    run(decide())

    with pytest.raises(StoreError, match="1 decisions of the source still wait"):
        copy(replace(source, database=server), f"sqlite:///{tmp_path / 'back.db'}", quiet)
