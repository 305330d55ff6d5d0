"""Laws of verifying: whatever row is edited, deleted or swapped, the verification finds it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from consentgate.service.ledger import Ledger
from consentgate.service.verify import Report
from consentgate.terms.policy import Act
from consentgate.terms.subject import Subject
from consentgate.testing import run
from tests.service.conftest import ALICE, BOB, TEXT, VISITOR, Desk, draft

TAMPERING = {
    "an entry's bytes": (
        "UPDATE consentgate_entry SET leaf = CAST(replace(leaf, 'accept', 'refuse') AS BLOB) WHERE idx = 2"
    ),
    "an entry's hash": "UPDATE consentgate_entry SET leaf_hash = zeroblob(32) WHERE idx = 2",
    "an entry's key": "UPDATE consentgate_entry SET ref = zeroblob(16) WHERE idx = 2",
    "an entry deleted": "DELETE FROM consentgate_entry WHERE idx = 2",
    "the last entry deleted": "DELETE FROM consentgate_entry WHERE idx = (SELECT max(idx) FROM consentgate_entry)",
    "an entry appended": (
        "INSERT INTO consentgate_entry SELECT idx + 1000, zeroblob(16), leaf_hash, leaf "
        "FROM consentgate_entry WHERE idx = 1"
    ),
    "entries swapped": (
        "UPDATE consentgate_entry SET idx = -1 WHERE idx = 2; UPDATE consentgate_entry SET idx = 2 WHERE idx = 3; "
        "UPDATE consentgate_entry SET idx = 3 WHERE idx = -1"
    ),
    "the head's size": "UPDATE consentgate_head SET size = size - 1",
    "the head's note": "UPDATE consentgate_head SET note = replace(note, 'localhost', 'lacalhost')",
    "the head deleted": "DELETE FROM consentgate_head",
    "a kept checkpoint": "UPDATE consentgate_checkpoint SET note = replace(note, 'localhost', 'lacalhost')",
    "a tile": "UPDATE consentgate_tile SET hashes = zeroblob(8192)",
    "a tile's root": "UPDATE consentgate_tile SET root = zeroblob(32)",
    "a tile deleted": "DELETE FROM consentgate_tile",
    "an opening deleted": "DELETE FROM consentgate_opening WHERE act = 'accept'",
    "an opened value": "UPDATE consentgate_opening SET openings = replace(openings, 'alice', 'alicf')",
    "a look-up: the act": "UPDATE consentgate_opening SET act = 'decline' WHERE act = 'accept'",
    "a look-up: the version": "UPDATE consentgate_opening SET serial = 7 WHERE act = 'accept'",
    "a look-up: the time": "UPDATE consentgate_opening SET at = at + 1 WHERE act = 'accept'",
    "a look-up: the subject": "UPDATE consentgate_opening SET subject_tag = zeroblob(16) WHERE act = 'accept'",
    "an opening for nothing": (
        "INSERT INTO consentgate_opening (ref, at, openings) VALUES (x'00112233445566778899aabbccddeeff', 1, '{}')"
    ),
    "a text": "UPDATE consentgate_blob SET data = CAST('You owe us.' AS BLOB) WHERE media LIKE 'text/markdown%'",
    "a page": "UPDATE consentgate_blob SET data = CAST('<html>other' AS BLOB) WHERE media LIKE 'text/html%'",
    "a text deleted": "PRAGMA foreign_keys=OFF; DELETE FROM consentgate_blob WHERE media LIKE 'text/html%'",
    "a version's date": "UPDATE consentgate_version SET enforced = enforced + 1",
    "a version's impact": "UPDATE consentgate_version SET impact = 'editorial'",
    "a version's text": (
        "UPDATE consentgate_translation SET digest = "
        "(SELECT digest FROM consentgate_blob WHERE media LIKE 'text/html%')"
    ),
    "a link": "UPDATE consentgate_opening SET linked_tag = zeroblob(16) WHERE act = 'link'",
}


def furnish(desk: Desk) -> None:
    """A ledger with everything in it, larger than one tile."""
    desk.publish(draft("1"))
    desk.accept(VISITOR)
    desk.accept(ALICE)
    desk.decide(desk.seal(BOB), BOB, Act.DECLINE)
    run(desk.terms.link(VISITOR.id, BOB))
    desk.publish(draft("2", TEXT + "And smile.\n"))
    run(desk.terms.new_token("auditor", "test"))
    for _ in range(255):
        run(desk.terms.record(ALICE, "terms"))


@pytest.fixture(name="furnished", scope="module")
def _furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from consentgate.service.terms import Terms
    from consentgate.testing import FrozenClock
    from tests.service.conftest import settings_for

    folder = tmp_path_factory.mktemp("furnished")
    terms = Terms(settings_for(f"sqlite:///{folder}/terms.db"), clock=FrozenClock())
    run(terms.start())
    furnish(Desk(terms, FrozenClock()))
    run(terms.stop())
    return folder


@pytest.fixture(name="tampered")
def _tampered(furnished: Path, tmp_path: Path) -> Callable[[str], Report]:
    """Verifies a copy of the furnished ledger after some SQL was run on it behind our back."""
    import shutil
    import sqlite3

    from consentgate.service.audit import audit

    def verify(sql: str) -> Report:
        for path in furnished.iterdir():
            shutil.copy(path, tmp_path / path.name)
        connection = sqlite3.connect(tmp_path / "terms.db")
        before = connection.total_changes
        connection.executescript(sql)
        assert not sql or connection.total_changes > before, "the tampering touched nothing"
        connection.commit()
        connection.close()
        from tests.service.conftest import settings_for

        return audit(settings_for(f"sqlite:///{tmp_path}/terms.db"))

    return verify


def test_an_untouched_ledger_verifies(tampered: Callable[[str], Report]) -> None:
    """And counts what is in it."""
    report = tampered("")

    assert (report.problems, report.publications, report.decisions, report.erased) == ([], 2, 258, 0)


@pytest.mark.parametrize("sql", TAMPERING.values(), ids=TAMPERING.keys())
def test_whatever_was_changed_behind_our_back_is_found(tampered: Callable[[str], Report], sql: str) -> None:
    """Each kind of row, edited, deleted, swapped or slipped in."""
    assert tampered(sql).problems


def test_progress_is_told_and_ends_at_the_whole(desk: Desk) -> None:
    """Long work shows how far it is."""
    desk.publish(draft("1"))
    desk.accept(ALICE)
    told: list[tuple[int, int]] = []
    run(desk.terms.verify(lambda done, all_: told.append((done, all_))))

    assert told[-1] == (2, 2)


def test_what_others_write_meanwhile_is_no_problem(open_desk: Callable[..., Desk]) -> None:
    """A decision, a publication and an erasure between the pages are gone through, too."""
    desk, other = open_desk(), open_desk()
    furnish(desk)
    acts: list[Callable[[], object]] = [
        lambda: other.accept(Subject("late")),
        lambda: other.publish(draft("3", TEXT + "Or do not.\n")),
        lambda: run(other.terms.erase(BOB, basis="asked")),
    ]

    def progress(_done: int, _all: int) -> None:
        if acts:
            acts.pop(0)()

    report = run(desk.terms.verify(progress))

    assert (report.problems, acts) == ([], [])
    assert report.size == run(other.terms.ledger_state()).size


def test_a_start_while_others_write_is_no_rewind(
    open_desk: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The anchor file may know an entry more than was there a moment ago."""
    desk = open_desk()
    desk.publish(draft("1"))
    remembered = Ledger._remembered

    def late(self: Ledger) -> object:
        monkeypatch.undo()
        desk.accept(ALICE)
        return remembered(self)

    monkeypatch.setattr(Ledger, "_remembered", late)
    other = open_desk()

    assert other.state(ALICE) == "current"
