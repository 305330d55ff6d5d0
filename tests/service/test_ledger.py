"""Laws of the ledger: one history under one name, noticed when it is not."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from pathlib import Path

import pytest

from consentgate.errors import ConfigurationError, RewindError
from consentgate.evidence.checkpoint import open_checkpoint
from consentgate.service.terms import Terms
from consentgate.testing import FrozenClock, run
from tests.service.conftest import ALICE, BOB, TEXT, Desk, draft, settings_for


def copy(source: Path, target: Path) -> None:
    """Copy a database as a careless backup does: the file and its log."""
    target.mkdir(exist_ok=True)
    for path in source.iterdir():
        if path.name.startswith("terms.db") and path.suffix not in (".lock", ".generation"):
            shutil.copy(path, target / path.name)


def test_every_batch_ends_in_a_checkpoint_signed_by_the_ledgers_key(desk: Desk) -> None:
    """Origin, size, root."""
    desk.publish(draft("1"))
    desk.accept(ALICE)
    note = run(desk.terms.checkpoint()).encode()
    signed = open_checkpoint(note, desk.terms.engine.ledger.verifiers, origin="localhost/tests")

    assert signed.checkpoint.size == 2


def test_time_in_the_ledger_never_goes_back(desk: Desk) -> None:
    """A clock that is set back an hour is clamped."""
    desk.publish(draft("1", announce="2025-01-01", effective="2025-01-01"))
    first = desk.accept(ALICE).decisions[0]
    desk.clock.advance(hours=-1)
    token = desk.seal(BOB)

    assert desk.decide(token, BOB).decisions[0].at >= first.at


def test_a_restart_goes_on_where_the_ledger_stood(open_desk: object) -> None:
    """Also over the border of a tile."""
    desk = open_desk()  # type: ignore[operator]
    desk.publish(draft("1"))
    for number in range(260):
        run(desk.terms.record(ALICE if number % 2 else BOB, "terms"))
    run(desk.terms.stop())
    again = open_desk()  # type: ignore[operator]
    again.accept(ALICE) if again.state(ALICE) != "current" else run(again.terms.record(ALICE, "terms"))
    report = run(again.terms.verify())

    assert (report.size, report.problems) == (262, [])


def test_two_processes_share_one_file_and_one_history(open_desk: object) -> None:
    """Each hashes what the other wrote, and holds it against the signed root."""
    one, other = open_desk(), open_desk()  # type: ignore[operator]
    one.publish(draft("1"))
    for desk in (one, other, one, other):
        run(desk.terms.record(ALICE, "terms", "1")) if desk is one else run(desk.terms.reload()) and run(
            desk.terms.record(BOB, "terms", "1")
        )

    assert (run(one.terms.verify()).problems, run(one.terms.head())) == ([], run(other.terms.head()))


def test_an_older_database_is_refused_by_what_the_anchor_file_remembers(open_desk: object, tmp_path: Path) -> None:
    """A restored backup must be declared, never continued in silence."""
    desk = open_desk()  # type: ignore[operator]
    desk.publish(draft("1"))
    run(desk.terms.stop())
    copy(tmp_path, tmp_path / "backup")
    later = open_desk()  # type: ignore[operator]
    later.accept(ALICE)
    run(later.terms.stop())
    for name in ("terms.db", "terms.db-wal", "terms.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    shutil.copy(tmp_path / "backup" / "terms.db", tmp_path / "terms.db")

    with pytest.raises(RewindError, match="the anchor file remembers 2"):
        open_desk()  # type: ignore[operator]


def test_who_stood_still_signs_no_second_history_in_an_older_database(open_desk: object, tmp_path: Path) -> None:
    """It never saw what is missing now; the anchor file of this host has."""
    one, idle = open_desk(), open_desk()  # type: ignore[operator]
    one.publish(draft("1"))
    run(idle.terms.reload())
    run(idle.terms.record(ALICE, "terms", "1"))
    with sqlite3.connect(tmp_path / "terms.db") as here, sqlite3.connect(tmp_path / "backup.db") as backup:
        here.backup(backup)
    backup.close()
    run(one.terms.record(BOB, "terms", "1"))
    here.execute("ATTACH ? AS backup", (str(tmp_path / "backup.db"),))
    for table in ("consentgate_entry", "consentgate_opening", "consentgate_head"):
        here.execute(f"DELETE FROM {table}")
        here.execute(f"INSERT INTO {table} SELECT * FROM backup.{table}")
    here.commit()
    here.close()
    idle.clock.advance(seconds=1)

    with pytest.raises(RewindError, match="the anchor file remembers 3"):
        run(idle.terms.record(BOB, "terms", "1"))
    assert [alarm.kind for alarm in idle.terms.alarms()] == ["rewind"]


def test_a_history_that_was_rewritten_while_we_ran_is_refused(open_desk: object) -> None:
    """The next write re-hashes what is new and finds a root nobody signed."""
    one, other = open_desk(), open_desk()  # type: ignore[operator]
    one.publish(draft("1"))
    run(other.terms.reload())
    one.accept(ALICE)

    def tamper(connection: object) -> None:
        connection.exec_driver_sql("UPDATE consentgate_entry SET leaf_hash = zeroblob(32) WHERE idx = 1")  # type: ignore[attr-defined]

    one.terms.engine.database.write(tamper)
    with pytest.raises(RewindError, match="do not give the root"):
        run(other.terms.record(BOB, "terms", "1"))


def test_a_ledger_keeps_its_name_and_its_key(tmp_path: Path) -> None:
    """Another key or another name is another ledger."""
    database = f"sqlite:///{tmp_path}/terms.db"

    async def life(**options: object) -> None:
        settings = settings_for(database)
        from dataclasses import replace

        async with Terms(replace(settings, **options), clock=FrozenClock()):
            pass

    run(life())
    with pytest.raises(ConfigurationError, match="this ledger is called localhost/tests"):
        run(life(origin="localhost/other"))
    (tmp_path / "terms.db.key").rename(tmp_path / "moved.key")
    with pytest.raises(ConfigurationError, match=r"signing key .* is missing"):
        run(life())
    run(life(ledger_key=str(tmp_path / "moved.key")))


def test_the_signing_key_is_readable_by_its_owner_only(open_desk: object, tmp_path: Path) -> None:
    """Whoever has it can sign in this ledger's name."""
    open_desk()  # type: ignore[operator]

    assert (tmp_path / "terms.db.key").stat().st_mode & 0o777 == 0o600


def test_a_batch_of_many_costs_few_statements(desk: Desk) -> None:
    """Group commit: entries, openings, head."""
    desk.publish(draft("1", TEXT))
    statements = desk.statements(lambda: run(desk.terms.record(ALICE, "terms")))

    assert sum("consentgate_head" in one for one in statements if one.startswith("UPDATE")) == 1


def test_no_two_entries_have_one_instant(desk: Desk) -> None:
    """Bug: an acceptance and a withdrawal in one batch had one instant, and chance said which came last."""
    desk.publish(draft("1"))

    async def many() -> None:
        await asyncio.gather(*(desk.terms.record(ALICE, "terms") for _ in range(20)))

    run(many())
    instants = [row["at"] for row in desk.decided()]
    assert instants == sorted(set(instants))
