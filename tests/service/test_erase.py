"""Laws of erasing: what is erased is gone and on record, what is held stays, and nothing else changes."""

from __future__ import annotations

import io
import json
import re
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from consentgate.errors import HeldError, InputError, NotFoundError
from consentgate.evidence import receipt
from consentgate.evidence.entry import EraseEntry, decode, encode
from consentgate.evidence.ledger_file import verify_ledger
from consentgate.evidence.tiles import MAX_ENTRY_BYTES
from consentgate.service.erase import REFS_AN_ENTRY, Erased
from consentgate.service.facts import Facts
from consentgate.service.upkeep import Upkeep
from consentgate.store import entries as shelf
from consentgate.store.scrubbing import Scrubbed
from consentgate.store.subjects import openings_by_refs
from consentgate.terms.policy import Act
from consentgate.terms.subject import Subject
from consentgate.testing import run
from tests.service.conftest import ALICE, BOB, TEXT, VISITOR, Desk, draft
from tests.service.fill import load_filler

CAROL = Subject("carol")


def erase(desk: Desk, subject: Any, **options: Any) -> Erased:
    """Erase."""
    return run(desk.terms.erase(subject, **{"basis": "asked for by the subject", **options}))


def furnish(desk: Desk) -> None:
    """Alice and a visitor accepted; Bob signed in on the visitor's device, and accepted the next version himself."""
    desk.publish(draft("1"))
    desk.accept(ALICE)
    desk.accept(VISITOR)
    run(desk.terms.link(VISITOR.id, BOB))
    desk.publish(draft("2", TEXT + "And smile.\n"))
    desk.accept(BOB)


def opened(desk: Desk, ids: Iterable[Any]) -> list[set[str]]:
    """The fields that are open, of each of these entries."""
    refs = [one.bytes for one in ids]
    rows = desk.terms.engine.database.read(lambda connection: openings_by_refs(connection, refs))
    return [set(json.loads(rows[ref].openings)) if ref in rows else set() for ref in refs]


def mine(desk: Desk, subject: Subject) -> list[Any]:
    """Ids of the decisions that count for a subject."""
    return [entry.id for entry in run(desk.terms.decisions(subject))]


def erasures(desk: Desk) -> list[EraseEntry]:
    """Every erase entry of the ledger, once each has its place."""
    assert run(desk.terms.settled())
    rows = desk.terms.engine.database.read(lambda connection: list(shelf.entries(connection, 0, 1_000_000)))
    return [entry for entry in (decode(row.leaf) for row in rows) if isinstance(entry, EraseEntry)]


def root_at(desk: Desk, checkpoint: str) -> bytes:
    """The root that the tree of today has at the size of an older checkpoint."""
    ledger, size = desk.terms.engine.ledger, int(checkpoint.splitlines()[1])
    return desk.terms.engine.database.read(lambda connection: ledger._load(connection, size)).root


def problems(desk: Desk) -> list[str]:
    """What verification finds, in the database and in its export."""
    report = run(desk.terms.verify())
    ledger = verify_ledger(io.BytesIO(desk.export()))
    assert ledger.summary is not None
    return [*report.problems, *(f"{gap.id}: {gap.fields}" for gap in ledger.summary.gaps)]


# --- what goes, and what stays ------------------------------------------------------------------------------------


def test_what_is_erased_is_gone_and_the_record_says_so(desk: Desk) -> None:
    """Openings of the subject, of their device, and of the link between; what they accepted counts no more."""
    furnish(desk)
    ids = [*mine(desk, BOB)]
    done = erase(desk, BOB, basis="ticket 4711", by="dpo")

    assert opened(desk, ids) == [set(), set()]
    assert (desk.state(BOB), desk.state(VISITOR), desk.state(ALICE)) == ("required", "required", "required")
    assert mine(desk, BOB) == mine(desk, VISITOR) == []
    assert done.entries == 3
    assert done.gone
    (record,) = erasures(desk)
    assert record == done.records[0]
    assert (record.mode, record.fields, record.basis) == ("shred", None, "ticket 4711")
    assert set(ids) < set(record.refs)
    assert problems(desk) == []
    assert run(desk.terms.verify()).erased == 3


def test_nobody_else_notices(desk: Desk) -> None:
    """Alice's decision, her receipt from before, a new one, and the root of all entries before stay as they were."""
    furnish(desk)
    alice = str(mine(desk, ALICE)[0])
    before, checkpoint = run(desk.terms.receipt(alice)), run(desk.terms.checkpoint())
    erase(desk, BOB)

    key = desk.terms.engine.ledger.signer.verifier
    assert receipt.verify(before, verifiers=[key]).openings["subject"].value == "alice"
    assert receipt.verify(run(desk.terms.receipt(alice)), verifiers=[key]).unopened == ()
    assert root_at(desk, checkpoint) == desk.terms.engine.ledger.open(checkpoint.encode()).checkpoint.root


def test_the_receipt_of_the_erased_proves_what_was_decided_and_no_longer_by_whom(desk: Desk) -> None:
    """Old receipts, which are the subject's own, still open everything."""
    furnish(desk)
    one = str(mine(desk, BOB)[0])
    old = run(desk.terms.receipt(one))
    erase(desk, BOB)
    new = receipt.verify(run(desk.terms.receipt(one)))

    assert (new.openings, new.unopened) == ({}, ("subject", "subject_kind"))
    assert receipt.verify(old).openings["subject"].value == "bob"


def test_a_pseudonym_goes_on_counting(desk: Desk) -> None:
    """Who it was is gone; what they accepted still counts when they come back."""
    furnish(desk)
    ids = mine(desk, BOB)
    done = erase(desk, BOB, mode="pseudonymise")

    assert opened(desk, ids) == [{"subject_kind"}, {"subject_kind"}]
    assert desk.state(BOB) == "current"
    assert done.records[0].fields == ("subject", "visitor")
    assert problems(desk) == []


def test_a_single_field_goes_alone(desk: Desk) -> None:
    """The fields that are named, wherever they are; the others can still be opened, and all is accounted for."""
    desk.publish(draft("1"))
    token = desk.seal(ALICE)
    facts = Facts(session="s-1", method="checkbox-button")
    decided = run(desk.terms.decide(token, {"terms": Act.ACCEPT}, subject=ALICE, facts=facts))
    done = erase(desk, ALICE, fields=["session", "ip"])

    assert opened(desk, [decided.decisions[0].id]) == [{"subject", "subject_kind"}]
    assert (done.records[0].mode, done.records[0].fields) == ("pseudonymise", ("session",))
    assert desk.state(ALICE) == "current"
    assert problems(desk) == []
    assert erase(desk, ALICE, fields=["session"]) == Erased()
    assert erase(desk, ALICE).entries == 1
    assert problems(desk) == []


def test_a_device_can_be_erased_without_its_user(desk: Desk) -> None:
    """The link goes with it: it names the device. What the user decided as such stays."""
    furnish(desk)
    erase(desk, VISITOR)

    assert (desk.state(BOB), len(mine(desk, BOB))) == ("current", 1)
    assert problems(desk) == []


def test_nothing_is_entered_where_there_is_nothing_to_erase(desk: Desk) -> None:
    """For somebody unknown, and for the second time."""
    furnish(desk)
    erase(desk, BOB)

    assert erase(desk, BOB) == erase(desk, CAROL) == Erased()
    assert len(erasures(desk)) == 1


def test_many_ids_fill_several_entries(desk: Desk) -> None:
    """Each fits into the 65,535 bytes an entry may have, with the longest basis."""
    filler = load_filler()
    run(filler.publish(desk.terms))
    run(filler.fill(desk.terms, [ALICE] * (REFS_AN_ENTRY + 5)))
    done = erase(desk, ALICE, basis="𝄞" * 2_000)

    assert [len(record.refs) for record in done.records] == [REFS_AN_ENTRY, 5]
    assert all(len(encode(record)) <= MAX_ENTRY_BYTES for record in done.records)
    assert len({ref for record in done.records for ref in record.refs}) == done.entries == REFS_AN_ENTRY + 5
    assert problems(desk) == []


@pytest.mark.parametrize(
    "options",
    [
        {"basis": ""},
        {"basis": "two\nlines"},
        {"basis": "x" * 2_001},
        {"mode": "burn"},
        {"mode": "shred", "fields": ["ip"]},
        {"mode": "hold", "fields": ["ip"]},
        {"fields": ["adress"]},
    ],
    ids=str,
)
def test_an_order_that_makes_no_sense_is_refused(desk: Desk, options: dict[str, Any]) -> None:
    """And nothing is erased."""
    furnish(desk)
    with pytest.raises(InputError):
        erase(desk, BOB, **options)
    assert erasures(desk) == []
    assert len(mine(desk, BOB)) == 2


# --- holds --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("held", "wanted"),
    [(BOB, BOB), (BOB, VISITOR), (VISITOR, BOB)],
    ids=["user", "device of a user", "user of a device"],
)
def test_what_is_held_is_not_erased(desk: Desk, held: Subject, wanted: Subject) -> None:
    """Neither the subject, nor the device of the one or the user of the other, nor a field, nor among others."""
    furnish(desk)
    done = erase(desk, held, mode="hold", basis="case 12/2026")
    ids = mine(desk, BOB)

    assert (done.records[0].mode, done.gone) == ("hold", True)
    for options in ({}, {"mode": "pseudonymise"}, {"fields": ["subject"]}):
        with pytest.raises(HeldError):
            erase(desk, wanted, **options)
    with pytest.raises(HeldError, match="1 of 2 subjects"):
        erase(desk, [ALICE, wanted])
    run(desk.terms.erase_field("subject", older_than_days=-0, basis="routine"))
    assert all("subject" in names for names in opened(desk, ids))
    assert len(mine(desk, ALICE)) == 1
    assert problems(desk) == []


def test_a_hold_is_listed_until_it_is_released(desk: Desk) -> None:
    """With whom, since when and why; afterwards erasing goes through, and takes the hold's own openings with it."""
    furnish(desk)
    with pytest.raises(NotFoundError):
        run(desk.terms.release_hold(BOB, basis="over"))
    done = erase(desk, BOB, mode="hold", basis="case 12/2026")
    (hold,) = run(desk.terms.holds())
    assert (hold.subject, hold.at, hold.basis) == (BOB, done.records[0].at, "case 12/2026")

    done = run(desk.terms.release_hold(BOB, basis="settled"))
    assert done.records[0].mode == "release"
    assert run(desk.terms.holds()) == ()
    assert erase(desk, BOB).entries == 5
    assert problems(desk) == []

    erase(desk, ALICE, mode="hold")
    run(desk.terms.release_hold(ALICE, basis="settled"))
    erase(desk, ALICE, mode="hold")
    with pytest.raises(HeldError):
        erase(desk, ALICE)


# --- fields that grow old -----------------------------------------------------------------------------------------


def test_a_field_is_erased_when_it_is_old(desk: Desk) -> None:
    """Older ones than asked for, once; younger ones and other fields stay; decisions count as before."""
    desk.publish(draft("1"))
    facts = Facts(session="s-1", method="checkbox-button")
    ids = []
    for subject in (ALICE, BOB):
        token = desk.seal(subject)
        ids.append(run(desk.terms.decide(token, {"terms": Act.ACCEPT}, subject=subject, facts=facts)).decisions[0].id)
        desk.clock.advance(days=20)
    done = run(desk.terms.erase_field("session", older_than_days=30, basis="sessions after 30 days"))

    assert opened(desk, ids) == [{"subject", "subject_kind"}, {"subject", "subject_kind", "session"}]
    assert (done.entries, done.records[0].fields) == (1, ("session",))
    assert run(desk.terms.erase_field("session", older_than_days=30, basis="again")) == Erased()
    assert desk.state(ALICE) == "current"
    assert problems(desk) == []
    with pytest.raises(InputError):
        run(desk.terms.erase_field("sesion", older_than_days=30, basis="a slip"))


# --- nothing is left ----------------------------------------------------------------------------------------------


def secrets_of(desk: Desk, subjects: Iterable[Subject]) -> set[bytes]:
    """Salts and subject ids of these subjects, as they stand in the database."""
    found = set()
    for subject in subjects:
        tag = desk.terms.engine.tag(subject)
        with sqlite3.connect(str(desk.terms.settings.database).removeprefix("sqlite:///")) as connection:
            for (text,) in connection.execute("SELECT openings FROM consentgate_opening WHERE subject_tag = ?", (tag,)):
                found |= {item[0].encode() for item in json.loads(text).values()}
        connection.close()
        found.add(subject.id.encode())
    return found


def left_in(folder: Path, secrets: set[bytes]) -> set[bytes]:
    """Which of these stand anywhere in the files of a folder: between quotation marks, and some of them anywhere."""
    data = [path.read_bytes() for path in folder.iterdir()]
    quoted = secrets & {part for file in data for part in file.split(b'"')}
    return quoted | {one for one in sorted(secrets)[:50] if any(one in file for file in data)}


def erase_some(desk: Desk, folder: Path, *, among: int, gone: int) -> None:
    """Erase every n-th of many subjects, and look for what is left of them."""
    filler = load_filler()
    run(filler.publish(desk.terms))
    subjects = [Subject(f"person-{number:06}@example.org") for number in range(among)]
    run(filler.fill(desk.terms, subjects))
    erased, spared = subjects[:: among // gone], subjects[1 :: among // gone][:20]
    secrets, kept = secrets_of(desk, erased), secrets_of(desk, spared)
    checkpoint = run(desk.terms.checkpoint())
    receipts = [run(desk.terms.receipt(str(mine(desk, subject)[0]))) for subject in spared]
    assert len(secrets) == 3 * gone
    assert left_in(folder, set(list(secrets)[:5])) != set()

    done = erase(desk, erased)

    assert (done.entries, done.gone) == (gone, True)
    assert left_in(folder, secrets) == set()
    assert left_in(folder, kept) == kept
    ledger = desk.terms.engine.ledger
    assert root_at(desk, checkpoint) == ledger.open(checkpoint.encode()).checkpoint.root
    for old, subject in zip(receipts, spared, strict=True):
        new = run(desk.terms.receipt(str(mine(desk, subject)[0])))
        for data in (old, new):
            assert receipt.verify(data, verifiers=[ledger.signer.verifier]).openings["subject"].value == subject.id
    assert run(desk.terms.verify()).problems == []


def test_no_salt_and_no_value_of_the_erased_is_left_in_any_file(open_desk: Callable[..., Desk], tmp_path: Path) -> None:
    """100 of 4,000 subjects: root, receipts and rows of the others stay; database, log and the rest hold nothing."""
    erase_some(open_desk(), tmp_path, among=4_000, gone=100)


@pytest.mark.soak
def test_a_thousand_of_a_hundred_thousand_leave_nothing(open_desk: Callable[..., Desk], tmp_path: Path) -> None:
    """The same at the size that was promised."""
    erase_some(open_desk(), tmp_path, among=100_000, gone=1_000)


def test_a_long_reader_delays_the_scrubbing_and_it_is_said(
    open_desk: Callable[..., Desk], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not gone, an alarm, and the next start finishes what is left."""
    monkeypatch.setattr("consentgate.service.upkeep._PAUSES", (0.0,))
    monkeypatch.setattr("consentgate.store.sqlite._BUSY", 50)
    desk = open_desk()
    furnish(desk)
    secrets = secrets_of(desk, [ALICE])
    reading, done = threading.Event(), threading.Event()

    def read(connection: Any) -> None:
        list(shelf.entries(connection, 0, 10))
        reading.set()
        done.wait(20)

    thread = threading.Thread(target=lambda: desk.terms.engine.database.read(read))
    thread.start()
    reading.wait(20)
    erased = erase(desk, ALICE)
    alarms = desk.terms.alarms()
    done.set()
    thread.join()

    assert not erased.gone
    assert [one.where for one in erased.left] == ["log", "copies"]
    assert [alarm.kind for alarm in alarms] == ["scrub"]
    again = open_desk()
    assert left_in(tmp_path, secrets) == set()
    assert again.terms.alarms() == ()


def test_a_crash_before_the_scrubbing_is_made_good_at_the_next_start(
    open_desk: Callable[..., Desk], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever starts next empties the log."""
    desk = open_desk()
    furnish(desk)
    secrets = secrets_of(desk, [ALICE])

    async def crash(_self: Upkeep) -> Scrubbed:
        return Scrubbed(gone=False)

    with monkeypatch.context() as patch:
        patch.setattr(Upkeep, "_scrub", crash)
        erase(desk, ALICE)
    assert left_in(tmp_path, secrets) != set()
    open_desk()

    assert left_in(tmp_path, secrets) == set()


# --- after a restore ----------------------------------------------------------------------------------------------


def back_up(folder: Path) -> dict[str, bytes]:
    """A copy of the database as a backup has it."""
    with sqlite3.connect(folder / "terms.db") as source, sqlite3.connect(folder / "backup") as target:
        source.backup(target)
    source.close()
    target.close()
    return {"terms.db": (folder / "backup").read_bytes()}


def restore(folder: Path, copy: dict[str, bytes]) -> None:
    """Put the copy in the place of the database, without its log."""
    for name in ("terms.db", "terms.db-wal", "terms.db-shm", "backup"):
        (folder / name).unlink(missing_ok=True)
    for name, data in copy.items():
        (folder / name).write_bytes(data)


def test_what_a_backup_brought_back_is_erased_again(open_desk: Callable[..., Desk], tmp_path: Path) -> None:
    """From the memory beside the database, and entered anew; holds that were lost come back, too."""
    desk = open_desk()
    furnish(desk)
    copy = back_up(tmp_path)
    erase(desk, BOB, basis="ticket 1")
    erase(desk, ALICE, mode="hold", basis="case 2")
    secrets = secrets_of(desk, [BOB])
    run(desk.terms.stop())
    restore(tmp_path, copy)
    (tmp_path / "terms.db.anchor").unlink()

    again = open_desk()
    assert len(mine(again, BOB)) == 2
    assert [alarm.kind for alarm in again.terms.alarms()] == ["erasures"]
    done = run(again.terms.reapply_erasures())

    assert mine(again, BOB) == []
    assert left_in(tmp_path, secrets) == set()
    assert [(record.mode, record.basis) for record in done.records] == [
        ("shred", "again after a restore: ticket 1"),
        ("hold", "again after a restore: case 2"),
    ]
    assert again.terms.alarms() == ()
    with pytest.raises(HeldError):
        erase(again, ALICE)
    assert problems(again) == []
    assert run(again.terms.reapply_erasures()).entries == 0
    assert len(erasures(again)) == 2


def test_rows_that_came_back_alone_are_found_and_erased_again(open_desk: Callable[..., Desk], tmp_path: Path) -> None:
    """Where the ledger knows of the erasure and the openings are there all the same: verification says so."""
    desk = open_desk()
    furnish(desk)
    ids = [*mine(desk, ALICE), *mine(desk, BOB)]
    shutil.copy(tmp_path / "terms.db", tmp_path / "other")
    with sqlite3.connect(tmp_path / "terms.db") as connection:
        rows = connection.execute("SELECT * FROM consentgate_opening").fetchall()
    connection.close()
    erase(desk, ALICE, fields=["subject"])
    erase(desk, BOB)
    with sqlite3.connect(tmp_path / "terms.db") as connection:
        connection.executemany(f"REPLACE INTO consentgate_opening VALUES ({','.join('?' * 10)})", rows)
    connection.close()
    found = run(desk.terms.verify()).problems
    assert len(found) == 4
    assert all("was erased, and it is there" in problem for problem in found)

    done = run(desk.terms.reapply_erasures())
    assert (done.entries, done.records) == (4, ())
    assert opened(desk, ids) == [{"subject_kind"}, set(), set()]
    assert problems(desk) == []


def test_the_memory_beside_the_database_names_nobody(open_desk: Callable[..., Desk], tmp_path: Path) -> None:
    """Ids of entries and reasons; readable by its owner alone; a line that was cut off by a crash does no harm."""
    desk = open_desk()
    furnish(desk)
    erase(desk, ALICE)
    erase(desk, BOB, mode="hold")
    path = tmp_path / "terms.db.erasures"
    data = path.read_bytes()

    assert [entry.mode for entry in desk.terms.engine.erasures.read()] == ["shred", "hold"]
    # As whole words: digests in base64 may hold three letters of a name by chance.
    names = (ALICE.id, BOB.id, VISITOR.id, ALICE.key, BOB.key, desk.terms.engine.tag(BOB).hex())
    assert not any(re.search(rf"\b{re.escape(one)}\b", data.decode()) for one in names)
    assert path.stat().st_mode & 0o077 == 0
    path.write_bytes(data + data[:100])
    assert len(desk.terms.engine.erasures.read()) == 2
