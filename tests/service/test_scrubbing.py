"""Laws of what an erasure leaves on the disk of a PostgreSQL server: nothing, or what is said, with what ends it.

The server's write-ahead log keeps copies until its files are used again; every answer says so, and here it is left out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from consentgate.errors import StoreUnavailableError
from consentgate.service.erase import scrub_state
from consentgate.service.schema import rewrite
from consentgate.service.settings import Settings
from consentgate.service.terms import Terms
from consentgate.store import scrubbing
from consentgate.terms.subject import Subject
from consentgate.testing import FrozenClock, run
from tests.postgres import Server
from tests.service.conftest import ALICE, BOB, Desk, draft, settings_for

FORGOTTEN = [Subject(f"marker-{number}-of-somebody-who-wants-to-be-forgotten") for number in range(6)]
STAY = [Subject(f"marker-of-number-{number}-who-stays") for number in range(60)]


@pytest.fixture(name="server", params=[15, 18])
def _server(request: pytest.FixtureRequest, postgres: Callable[[int], Server]) -> Server:
    return postgres(request.param)


@pytest.fixture(name="settings")
def _settings(server: Server, tmp_path: Path) -> Settings:
    return settings_for(server.emptied(), state=tmp_path / "state")


@pytest.fixture(name="desk")
def _desk(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setattr("consentgate.service.upkeep._PAUSES", (0.0, 0.05))
    terms = Terms(settings, clock=(clock := FrozenClock()))
    run(terms.start())
    yield Desk(terms, clock)
    run(terms.stop())


def furnish(desk: Desk) -> None:
    """Many decide at the same time, some of whom will want to be forgotten."""

    async def all_at_once() -> None:
        people = [*STAY[:30], *FORGOTTEN, *STAY[30:], *FORGOTTEN]
        await asyncio.gather(*(desk.terms.record(one, "terms") for one in people))

    desk.publish(draft("1"))
    run(all_at_once())


def on_disk(server: Server, what: bytes) -> int:
    """How often these bytes stand in the data files, free space and planner's statistics included."""
    server.execute("CHECKPOINT")
    files = [path for path in (server.data / "base").rglob("*") if path.is_file()]
    return sum(path.read_bytes().count(what) for path in files)


def test_what_is_erased_is_gone_from_the_files_of_the_server(server: Server, desk: Desk, settings: Settings) -> None:
    """Bug: an update leaves the row of before, and a vacuum that removes it may leave its bytes in the page, and the
    keyed tag in an index. So the table is written anew."""
    furnish(desk)
    with psycopg.connect(settings.database) as connection:
        connection.execute("ANALYZE consentgate_opening (openings)")
    tags = [desk.terms.engine.tag(one) for one in FORGOTTEN]
    # Each decided twice; a batch that looked again left what it had written, too.
    assert all(on_disk(server, one.id.encode()) >= 2 for one in FORGOTTEN)
    assert all(on_disk(server, tag) > 2 for tag in tags)

    done = run(desk.terms.erase(FORGOTTEN, basis="asked for"))
    assert (done.gone, [one.where for one in done.left]) == (True, ["log", "copies"])
    assert [on_disk(server, one.id.encode()) for one in FORGOTTEN] == [0] * len(FORGOTTEN)
    assert [on_disk(server, tag) for tag in tags] == [0] * len(tags)
    assert on_disk(server, STAY[0].id.encode()) == 1
    assert desk.terms.engine.database.read(scrub_state) == ""
    assert run(desk.terms.verify()).problems == []


def test_a_large_table_is_left_to_a_quiet_hour_and_that_is_said(
    server: Server, desk: Desk, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not written anew while people decide; the answer and the doctor name the command that does it."""
    monkeypatch.setattr(scrubbing, "SMALL", 0)
    furnish(desk)
    done = run(desk.terms.erase(FORGOTTEN, basis="asked for"))

    assert (done.gone, [one.where for one in done.left]) == (False, ["pages", "log", "copies"])
    assert "`consentgate db rewrite`" in done.left[0].until
    assert desk.terms.alarms() == ()
    assert any("consentgate db rewrite" in one.hint for one in run(desk.terms.doctor()))

    did = rewrite(settings, 5.0)
    assert (did.gone, [one.where for one in did.left]) == (True, ["log", "copies"])
    assert [on_disk(server, one.id.encode()) for one in FORGOTTEN] == [0] * len(FORGOTTEN)
    assert not any("consentgate db rewrite" in one.hint for one in run(desk.terms.doctor()))


def test_whoever_uses_the_table_is_not_pushed_aside_and_nobody_waits_long(
    desk: Desk, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backup that holds the table: an alarm says what is left; the command gives up in time; later it is done."""
    monkeypatch.setattr(scrubbing, "WAIT", 0.1)
    furnish(desk)
    with psycopg.connect(settings.database) as backup:
        backup.execute("LOCK TABLE consentgate_opening IN ACCESS SHARE MODE")
        done = run(desk.terms.erase(ALICE, basis="asked for"))
        assert done.entries == 0
        done = run(desk.terms.erase(FORGOTTEN[0], basis="asked for"))
        assert (done.gone, [one.where for one in done.left]) == (False, ["pages", "log", "copies"])
        assert "scrub" in {alarm.kind for alarm in desk.terms.alarms()}
        with pytest.raises(StoreUnavailableError, match="held"):
            rewrite(settings, 0.1)
        assert desk.terms.engine.database.read(scrub_state) == "due"
        run(desk.terms.record(BOB, "terms"))

    assert run(desk.terms.erase(FORGOTTEN[1], basis="asked for")).gone
    assert desk.terms.alarms() == ()


def test_a_server_that_refuses_takes_back_no_erasure(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the table cannot be written anew at all, the erasure stands, and what may be left is said."""
    monkeypatch.setattr(scrubbing, "rewrite", lambda connection: connection.exec_driver_sql("CLUSTER nothing USING it"))
    furnish(desk)
    done = run(desk.terms.erase(FORGOTTEN[0], basis="asked for"))

    assert (done.entries, done.gone, done.left[0].where) == (2, False, "pages")
    assert run(desk.terms.accepted(FORGOTTEN[0])).serials == frozenset()


def test_whoever_erases_meanwhile_is_not_forgotten(desk: Desk) -> None:
    """The note that something is to be done is taken back by whoever has done it, not by whoever began before."""
    from consentgate.service.erase import begin_scrub, end_scrub, scrub_due

    database = desk.terms.engine.database
    database.write(lambda connection: begin_scrub(connection, "first"))
    database.write(scrub_due)
    database.write(lambda connection: end_scrub(connection, "first", ""))
    assert database.read(scrub_state) == "due"
    database.write(lambda connection: begin_scrub(connection, "second"))
    assert database.read(scrub_state) == "due"
    database.write(lambda connection: end_scrub(connection, "second", "rewrite"))
    assert database.read(scrub_state) == "rewrite"


def test_an_erasure_is_done_although_nothing_can_be_noted_after_it(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that goes away after the commit takes back no erasure: it is answered, and the files stay due."""
    furnish(desk)

    def away(*_: object, **__: object) -> None:
        raise StoreUnavailableError("the database is away")

    monkeypatch.setattr("consentgate.service.erase.begin_scrub", away)
    monkeypatch.setattr("consentgate.store.database.Database.scrub", away)
    done = run(desk.terms.erase(FORGOTTEN[0], basis="asked for"))

    assert (done.entries, done.gone, done.left[0].where) == (2, False, "rows")
    assert desk.terms.engine.database.read(scrub_state) == "due"
    assert "scrub" in {alarm.kind for alarm in desk.terms.alarms()}
