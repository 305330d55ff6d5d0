"""Laws of rewinds, alarms, diagnoses and new epochs: an old backup never goes unnoticed, and never becomes a fork."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from consentgate.errors import ConfigurationError, InputError, RewindError, StoreUnavailableError
from consentgate.evidence import receipt
from consentgate.evidence.entry import EpochEntry, decode
from consentgate.evidence.ledger_file import verify_ledger
from consentgate.evidence.note import Verifier
from consentgate.service.audit import audit
from consentgate.service.doctor import Diagnosis, examine
from consentgate.service.epoch import NewEpoch
from consentgate.service.terms import Terms
from consentgate.store import entries as shelf
from consentgate.terms.instants import SECOND
from consentgate.testing import FrozenClock, run
from tests.service.conftest import ALICE, BOB, VISITOR, Desk, draft, settings_for
from tests.service.test_erase import back_up, restore

Opener = Callable[..., Desk]


def diagnoses(desk: Desk) -> dict[str, list[str]]:
    """What the doctor says, by level."""
    found: dict[str, list[str]] = {}
    for one in run(desk.terms.doctor()):
        found.setdefault(one.level, []).append(one.what)
        assert one.hint or one.level in ("ok", "note")
    return found


def closed(folder: Path, **options: Any) -> Desk:
    """A handle that is not started."""
    clock = FrozenClock()
    return Desk(Terms(settings_for(f"sqlite:///{folder}/terms.db", **options), clock=clock), clock)


def rewind(open_desk: Opener, folder: Path) -> tuple[Desk, bytes]:
    """A ledger of which a backup was restored: the desk that saw more, closed, and a receipt from the lost span."""
    desk = open_desk()
    desk.publish(draft("1"))
    desk.accept(ALICE)
    copy = back_up(folder)
    desk.accept(BOB)
    desk.accept(VISITOR)
    lost = run(desk.terms.receipt(str(run(desk.terms.decisions(BOB))[0].id)))
    run(desk.terms.stop())
    restore(folder, copy)
    return desk, lost


# --- rewinds ------------------------------------------------------------------------------------------------------


def test_an_old_backup_is_not_started_and_the_doctor_says_why(open_desk: Opener, tmp_path: Path) -> None:
    """The anchor file remembers how far the ledger had come."""
    rewind(open_desk, tmp_path)
    with pytest.raises(RewindError, match="remembers 4"):
        open_desk()

    errors = diagnoses(closed(tmp_path))["error"]
    assert errors == ["the database has 2 entries; the anchor file remembers 4: an old backup was restored"]


def test_a_running_process_notices_that_the_database_went_back(open_desk: Opener, tmp_path: Path) -> None:
    """Nothing is written, and an alarm stays."""
    desk = open_desk()
    desk.publish(draft("1"))
    copy = back_up(tmp_path)
    desk.accept(ALICE)
    restore(tmp_path, copy)
    with pytest.raises(RewindError):
        run(desk.terms.record(BOB, "terms"))

    assert [alarm.kind for alarm in desk.terms.alarms()] == ["rewind"]
    assert any("this process has seen 2" in what for what in diagnoses(desk)["error"])


def test_a_pass_that_knows_more_rings_an_alarm(open_desk: Opener, tmp_path: Path) -> None:
    """Where the anchor file was restored, too: passes are memory outside. What is known to be lost is no news."""
    desk, _ = rewind(open_desk, tmp_path)
    (tmp_path / "terms.db.anchor").unlink()
    again = open_desk()
    run(again.terms.heard(2))
    assert again.terms.alarms() == ()
    run(again.terms.heard(4))
    run(again.terms.heard(4))

    (alarm,) = again.terms.alarms()
    assert (alarm.kind, alarm.times) == ("pass-ahead", 2)
    assert "had 4 entries; it has 2" in alarm.what
    assert desk.terms.started is False


def test_what_the_gate_hears_in_passing_is_compared_in_the_background_once(open_desk: Opener, tmp_path: Path) -> None:
    """Without a wait: the watching thread asks the database once for each larger size, and rings if that knows less."""
    rewind(open_desk, tmp_path)
    (tmp_path / "terms.db.anchor").unlink()
    terms = unwatched(open_desk)
    for size in (1, 2, 4, 3, 4):
        terms.hear(size)
    assert terms.alarms() == ()
    for _ in range(3):
        terms._watched()
    (alarm,) = terms.alarms()
    assert (alarm.kind, alarm.times) == ("pass-ahead", 1)

    terms.hear(5)
    terms._watched()
    (alarm,) = terms.alarms()
    assert alarm.times == 2
    assert "had 5 entries" in alarm.what


def test_a_worker_that_is_behind_the_others_rings_no_alarm(open_desk: Opener) -> None:
    """The pass knows what another worker wrote a moment ago, and so does the database."""
    one, other = open_desk(), open_desk()
    one.publish(draft("1"))
    one.accept(ALICE)
    other.terms.hear(2)
    other.terms._watched()

    assert other.terms.alarms() == ()


def test_while_the_database_cannot_be_asked_nothing_is_rung_and_nothing_forgotten(
    open_desk: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is compared as soon as it can be."""
    rewind(open_desk, tmp_path)
    (tmp_path / "terms.db.anchor").unlink()
    terms = unwatched(open_desk)
    terms.hear(4)
    with monkeypatch.context() as broken:
        broken.setattr(terms.engine.database, "read", _unavailable)
        terms._watched()
        assert terms.alarms() == ()
    terms._watched()

    assert [alarm.kind for alarm in terms.alarms()] == ["pass-ahead"]


def unwatched(open_desk: Opener) -> Terms:
    """A handle whose watching thread has ended, so that the test can take its place."""
    terms = open_desk().terms
    assert terms._watch is not None
    terms._watch.stop()
    return terms


def _unavailable(work: object) -> None:
    raise StoreUnavailableError("gone")


def test_what_another_process_wrote_is_no_rewind(open_desk: Opener) -> None:
    """A pass sealed by another worker is ahead of what this one has seen, and the database agrees."""
    one, other = open_desk(), open_desk()
    one.publish(draft("1"))
    one.accept(ALICE)
    run(other.terms.heard(2))

    assert other.terms.alarms() == ()


def test_a_clock_that_is_behind_rings_an_alarm(desk: Desk) -> None:
    """Entries go on in order; somebody should look."""
    desk.publish(draft("1"))
    desk.clock.instant -= 3_600 * SECOND
    run(desk.terms.record(ALICE, "terms", "1"))

    (alarm,) = desk.terms.alarms()
    assert (alarm.kind, "3,600 seconds behind" in alarm.what) == ("clock", True)


# --- a new epoch --------------------------------------------------------------------------------------------------


def epoch(folder: Path, origin: str | None = None, **options: Any) -> NewEpoch:
    """Begin a new epoch with a handle that would not start."""
    return run(closed(folder, **options).terms.new_epoch(origin, by="operator"))


def test_after_a_restore_the_ledger_goes_on_under_a_new_name(open_desk: Opener, tmp_path: Path) -> None:
    """With a new key and an entry that says what was before; everything verifies, old and new."""
    desk, lost = rewind(open_desk, tmp_path)
    old_key = desk.terms.settings  # the settings name the old origin, and go on working
    done = epoch(tmp_path)

    assert (done.origin, done.before, done.size, done.known, done.lost) == (
        "localhost/tests/2", "localhost/tests", 2, 4, 2,
    )  # fmt: skip
    assert old_key.origin == "localhost/tests"
    again = open_desk()
    again.accept(BOB)
    assert run(again.terms.ledger_state()).origin == "localhost/tests/2"
    row = again.terms.engine.database.read(lambda connection: shelf.entry_at(connection, 2))
    assert row is not None
    entry = decode(row.leaf)
    assert isinstance(entry, EpochEntry)
    assert (entry.origin, entry.size, entry.known_size) == ("localhost/tests", 2, 4)
    assert run(again.terms.verify()).problems == []
    assert audit(again.terms.settings).problems == []
    ledger = verify_ledger(io.BytesIO(again.export()), [Verifier.parse(done.key)])
    assert ledger.summary is not None
    assert ledger.summary.epochs == (entry,)
    old = receipt.verify(lost)
    assert old.checkpoint.checkpoint.origin == "localhost/tests"
    new = receipt.verify(run(again.terms.receipt(str(run(again.terms.decisions(ALICE))[0].id))))
    assert new.checkpoint.checkpoint.origin == "localhost/tests/2"


def test_the_files_of_the_old_name_are_kept(open_desk: Opener, tmp_path: Path) -> None:
    """Key and anchor lie beside the new ones: the anchor is evidence of how far the old name had come."""
    rewind(open_desk, tmp_path)
    anchor, key = (tmp_path / "terms.db.anchor").read_bytes(), (tmp_path / "terms.db.key").read_bytes()
    epoch(tmp_path)

    assert (tmp_path / "terms.db.anchor.1").read_bytes() == anchor
    assert (tmp_path / "terms.db.key.1").read_bytes() == key
    assert (tmp_path / "terms.db.key").read_bytes() != key
    assert (tmp_path / "terms.db.anchor").read_bytes().startswith(b"localhost/tests/2\n3\n")
    assert not (tmp_path / "terms.db.key.next").exists()


def test_passes_of_the_lost_span_are_no_news_after_a_new_epoch(open_desk: Opener, tmp_path: Path) -> None:
    """What the anchor file remembered is accounted for; what is beyond still rings."""
    rewind(open_desk, tmp_path)
    epoch(tmp_path)
    again = open_desk()
    run(again.terms.heard(4))
    assert again.terms.alarms() == ()
    run(again.terms.heard(5))

    assert [alarm.kind for alarm in again.terms.alarms()] == ["pass-ahead"]


def test_epochs_follow_one_another(open_desk: Opener, tmp_path: Path) -> None:
    """The third is called /3; each checkpoint that was kept is checked under the name of its time."""
    rewind(open_desk, tmp_path)
    epoch(tmp_path)
    desk = open_desk()
    copy = back_up(tmp_path)
    desk.accept(BOB)
    run(desk.terms.stop())
    restore(tmp_path, copy)

    assert epoch(tmp_path).origin == "localhost/tests/3"
    report = run(open_desk().terms.verify())
    assert (report.origin, report.problems) == ("localhost/tests/3", [])


def test_a_worker_that_slept_through_the_change_writes_nothing(open_desk: Opener, tmp_path: Path) -> None:
    """It has the old key: it sees a head that is not of its name, and stops."""
    desk = open_desk()
    desk.publish(draft("1"))
    run(closed(tmp_path).terms.new_epoch(by="operator", force=True))
    with pytest.raises(RewindError):
        run(desk.terms.record(ALICE, "terms"))

    assert run(open_desk().terms.verify()).problems == []


def test_a_crash_between_the_record_and_the_key_is_made_good(
    open_desk: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new key lies beside the old one, and the next start puts it in its place."""
    rewind(open_desk, tmp_path)

    def crash(*_: object) -> bool:
        raise OSError("power is gone")

    with monkeypatch.context() as patch:
        patch.setattr("consentgate.service.epoch.take_next", crash)
        with pytest.raises(OSError, match="power"):
            epoch(tmp_path)

    again = open_desk()
    again.accept(BOB)
    assert run(again.terms.verify()).problems == []
    assert not (tmp_path / "terms.db.key.next").exists()


def test_a_lost_database_begins_again_from_key_and_anchor(open_desk: Opener, tmp_path: Path) -> None:
    """Nothing was left to restore: the new ledger's first entry says what there was."""
    desk = open_desk()
    desk.publish(draft("1"))
    run(desk.terms.stop())
    for path in tmp_path.glob("terms.db*"):
        if path.suffix not in (".key", ".anchor"):
            path.unlink()

    done = epoch(tmp_path)
    assert (done.size, done.known) == (0, 1)
    again = open_desk()
    again.publish(draft("1"))
    assert run(again.terms.verify()).problems == []


def test_what_was_erased_since_the_backup_is_erased_again(open_desk: Opener, tmp_path: Path) -> None:
    """By the new epoch itself."""
    desk = open_desk()
    desk.publish(draft("1"))
    desk.accept(ALICE)
    copy = back_up(tmp_path)
    run(desk.terms.erase(ALICE, basis="ticket 1"))
    run(desk.terms.stop())
    restore(tmp_path, copy)
    epoch(tmp_path)

    again = open_desk()
    assert run(again.terms.decisions(ALICE)) == ()
    assert run(again.terms.verify()).problems == []


def test_an_epoch_is_not_begun_for_nothing(open_desk: Opener, tmp_path: Path) -> None:
    """Where nothing is lost, the name is taken or none, the key is in no file, or rows were damaged."""
    desk = open_desk()
    desk.publish(draft("1"))
    with pytest.raises(ConfigurationError, match="nothing seems to be lost"):
        run(closed(tmp_path).terms.new_epoch(by="operator"))
    for name in ("localhost/tests", "https://example.com", "a b"):
        with pytest.raises(InputError):
            run(closed(tmp_path).terms.new_epoch(name, by="operator", force=True))
    key = (tmp_path / "terms.db.key").read_text().strip()
    with pytest.raises(ConfigurationError, match="holds the key itself"):
        run(closed(tmp_path, ledger_key=key).terms.new_epoch(by="operator", force=True))
    with pytest.raises(ConfigurationError, match="memory"):
        run(Terms(settings_for("sqlite://")).new_epoch(by="operator", force=True))
    with pytest.raises(ConfigurationError, match="no ledger here"):
        run(Terms(settings_for(f"sqlite:///{tmp_path}/other.db")).new_epoch(by="operator", force=True))
    desk.terms.engine.database.write(
        lambda connection: connection.exec_driver_sql("UPDATE consentgate_entry SET leaf_hash = zeroblob(32)")
    )
    with pytest.raises(RewindError):
        run(closed(tmp_path).terms.new_epoch(by="operator", force=True))
    assert not (tmp_path / "terms.db.key.1").exists()


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE consentgate_meta SET value = '[]' WHERE key = 'epochs'",
        "UPDATE consentgate_meta SET value = replace(value, '\"size\": 2', '\"size\": 1') WHERE key = 'epochs'",
        "UPDATE consentgate_meta SET value = replace(value, 'localhost', 'lacalhost') WHERE key = 'epochs'",
    ],
)
def test_past_names_that_were_changed_are_found(open_desk: Opener, tmp_path: Path, sql: str) -> None:
    """What the database says of its past must be what its entries say."""
    rewind(open_desk, tmp_path)
    epoch(tmp_path)
    desk = open_desk()
    desk.terms.engine.database.write(lambda connection: connection.exec_driver_sql(sql))

    assert audit(desk.terms.settings).problems != []


# --- the doctor ---------------------------------------------------------------------------------------------------


def test_a_sound_ledger_gives_no_warning(open_desk: Opener) -> None:
    """And what is fine is said."""
    desk = open_desk()
    desk.publish(draft("1"))
    found = diagnoses(desk)

    assert found.keys() <= {"ok", "note"}
    assert "the head of localhost/tests is signed by its key: 1 entry" in found["ok"]
    assert "the anchor file agrees, up to entry 1" in found["ok"]


BROKEN: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "no anchor": (lambda path: path.with_name("terms.db.anchor").unlink(), "warning", "no anchor file"),
    "a damaged anchor": (
        lambda path: path.with_name("terms.db.anchor").write_bytes(b"x\n"), "warning", "anchor file cannot be used",
    ),
    "no key": (lambda path: path.with_name("terms.db.key").unlink(), "error", "there is no signing key"),
    "a damaged key": (lambda path: path.with_name("terms.db.key").write_text("key"), "error", "is not a ledger key"),
    "a key for everybody": (lambda path: path.with_name("terms.db.key").chmod(0o644), "warning", "may read the"),
    "a database for everybody": (lambda path: path.chmod(0o644), "warning", "everybody on this machine may read"),
    "no database": (lambda path: path.unlink(), "warning", "there is no database"),
    "another file": (lambda path: path.write_bytes(b"not a database" * 100), "error", "cannot be opened"),
    "no folder": (lambda path: shutil.rmtree(path.parent), "error", "does not exist"),
}  # fmt: skip


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN.keys())
def test_whatever_is_broken_is_said_with_what_to_do(open_desk: Opener, tmp_path: Path, broken: Any) -> None:
    """Each as one sentence and a hint, and nothing is changed by looking."""
    folder = tmp_path / "data"
    folder.mkdir()
    desk = Desk(Terms(settings_for(f"sqlite:///{folder}/terms.db"), clock=FrozenClock()), FrozenClock())
    run(desk.terms.start())
    desk.publish(draft("1"))
    run(desk.terms.stop())
    break_it, level, said = broken
    break_it(folder / "terms.db")
    found = [one for one in run(desk.terms.doctor()) if one.level == level]

    assert [one for one in found if said in one.what and one.hint]


def test_the_key_of_another_ledger_is_named(open_desk: Opener, tmp_path: Path) -> None:
    """Two databases whose key files were swapped."""
    desk = open_desk()
    desk.publish(draft("1"))
    from consentgate.evidence.note import Signer

    (tmp_path / "terms.db.key").write_text(Signer("example.com/other", bytes(range(32))).secret() + "\n")

    assert "the signing key is that of example.com/other, the ledger is localhost/tests" in diagnoses(desk)["error"]


def test_a_last_entry_from_the_future_and_lost_erasures_are_errors(open_desk: Opener, tmp_path: Path) -> None:
    """The clock was set back; a backup brought back what was erased."""
    desk = open_desk()
    desk.publish(draft("1"))
    desk.accept(ALICE)
    copy = back_up(tmp_path)
    run(desk.terms.erase(ALICE, basis="ticket 1"))
    run(desk.terms.stop())
    restore(tmp_path, copy)
    (tmp_path / "terms.db.anchor").unlink()
    other = closed(tmp_path)
    other.clock.advance(days=-1)
    errors = diagnoses(other)["error"]

    assert any("the last entry is of 2026-01-01T00:00:00" in what for what in errors)
    assert "1 erasures are not in this database: a backup brought back what was erased" in errors


@pytest.mark.parametrize(
    ("version", "level"), [((3, 31, 0), "error"), ((3, 40, 1), "note"), ((3, 51, 2), "note"), ((3, 51, 3), "ok")]
)
def test_the_version_of_sqlite_is_judged(version: tuple[int, ...], level: str) -> None:
    """Too old, with the log's known fault, without it."""
    found = examine(settings_for("sqlite://"), now=0, version=version)

    assert [(one.level, one.what.startswith(f"SQLite {'.'.join(map(str, version))}")) for one in found] == [
        (level, True)
    ]


def test_sqlite_is_not_judged_where_the_record_lies_in_postgresql(tmp_path: Path) -> None:
    """Bug: whoever ran on PostgreSQL was told of a fault in SQLite's log."""
    url = "postgresql://nobody@127.0.0.1:1/terms?connect_timeout=1"
    found = examine(settings_for(url, state=tmp_path), now=0, version=(3, 40, 1))

    assert [one.what for one in found if "SQLite" in one.what] == []


def test_a_hold_is_noted(open_desk: Opener) -> None:
    """So that nobody wonders why a purge left something."""
    desk = open_desk()
    desk.publish(draft("1"))
    desk.accept(ALICE)
    run(desk.terms.erase(ALICE, mode="hold", basis="case 12"))

    assert "1 subjects are under a legal hold" in diagnoses(desk)["note"]


def test_the_worst_stands_first() -> None:
    """Errors, then warnings, notes, and what is fine."""
    found = examine(settings_for("sqlite:////nowhere/at/all.db"), now=0)
    order = [("error", "warning", "note", "ok").index(one.level) for one in found]

    assert order == sorted(order)
    assert found[0] == Diagnosis(
        "error", "the folder /nowhere/at does not exist", "make it, or set database= to another"
    )
