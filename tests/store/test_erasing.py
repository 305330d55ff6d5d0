"""What erasure, holds and retention look up; and that what is erased is nowhere in the file."""

from __future__ import annotations

import random
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from consentgate.store import entries, erasing, meta, subjects
from consentgate.store.database import Database
from consentgate.store.entries import EntryRow
from consentgate.store.subjects import OpeningRow

ANNA, BERT, VISITOR = b"anna's tag 12345", b"bert's tag 12345", b"visitor tag 1234"


def _keep(database: Database, *rows: OpeningRow) -> None:
    database.write(lambda connection: subjects.insert_openings(connection, rows))


@pytest.fixture(name="make")
def _make(fake: ModuleType) -> Any:
    """Openings with refs that count up."""
    number = iter(range(1, 10_000))
    return lambda **changes: fake.opening(next(number).to_bytes(16, "big"), **{"subject_tag": ANNA, **changes})


def _hold(make: Any, act: str, at: int, **changes: Any) -> OpeningRow:
    row: OpeningRow = make(act=act, at=at, serial=None, policy=None, **changes)
    return row


@pytest.mark.parametrize(
    ("acts", "held"),
    [
        (["hold"], True),
        (["hold", "release"], False),
        (["release", "hold"], True),
        (["hold", "release", "hold"], True),
        ([], False),
    ],
)
def test_the_latest_of_hold_and_release_counts(database: Database, make: Any, acts: list[str], held: bool) -> None:
    """By their place in the ledger, whatever the clock said; other people and other rows have no say."""
    rows = [_hold(make, act, 9 - place) for place, act in enumerate(acts)]
    rows += [make(), _hold(make, "release", 9, subject_tag=BERT)]
    _keep(database, *rows)
    leaves = [EntryRow(place, row.ref, bytes(32), b"{}") for place, row in enumerate(rows)]
    database.write(lambda connection: entries.insert_entries(connection, leaves))

    assert database.read(erasing.held_tags) == ({ANNA} if held else set())


def test_links_are_found_from_both_ends(database: Database, make: Any) -> None:
    """The visitors of a user, and the link of a visitor; a link that was erased is none."""
    link = make(linked_tag=VISITOR, policy=None, serial=None, act="link")
    _keep(database, link, make())

    assert database.read(lambda connection: erasing.visitors_of(connection, ANNA)) == [VISITOR]
    assert database.read(lambda connection: erasing.links_of(connection, VISITOR)) == [link]
    database.write(lambda connection: subjects.delete_openings(connection, [link.ref]))

    assert database.read(lambda connection: erasing.visitors_of(connection, ANNA)) == []
    assert database.read(lambda connection: erasing.links_of(connection, VISITOR)) == []


def test_a_field_is_found_by_name_and_never_by_value(database: Database, make: Any) -> None:
    """Only openings that have it and are old enough, page by page."""
    rows = [make(at=at, openings='{"ip":["s","v"]}') for at in (1, 2, 3, 9)]
    _keep(
        database, *rows, make(at=1, openings='{"user_agent":["s","\\"ip\\":["]}'), make(at=1, openings='{"IP_":["ip"]}')
    )

    def page(after: bytes, limit: int = 10) -> list[OpeningRow]:
        return database.read(lambda connection: erasing.with_field(connection, "ip", 5, after, limit))

    assert page(b"") == rows[:3]
    assert page(rows[0].ref, 1) == [rows[1]]


def test_candidates_of_a_purge_come_page_by_page(database: Database, make: Any) -> None:
    """Old decisions of one kind about one version, oldest first, each once; erased ones do not come again."""
    rows = [make(at=at) for at in (30, 10, 20, 20, 40)]
    _keep(database, *rows, make(at=5, serial=2), make(at=5, act="decline"))
    database.write(lambda connection: subjects.delete_openings(connection, [rows[1].ref]))

    seen, after = [], (0, b"")
    while page := database.read(
        lambda connection: erasing.decided_before(connection, 1, "accept", 40, after, 1)  # noqa: B023
    ):
        seen += page
        after = (page[-1].at, page[-1].ref)

    assert [row.ref for row in seen] == [rows[2].ref, rows[3].ref, rows[0].ref]
    assert {row.subject_tag for row in seen} == {ANNA}


def test_who_was_revoked_is_forgotten_in_the_end(database: Database) -> None:
    """Newer notes stand over older ones; other values of the database are left alone."""
    database.write(lambda connection: erasing.revoke(connection, [b"a", b"b"], 10))
    database.write(lambda connection: erasing.revoke(connection, [b"b"], 20))
    database.write(lambda connection: erasing.forget_revoked(connection, 15))

    assert database.read(erasing.revoked) == {b"b": 20}
    assert database.read(meta.generation) == 0


def test_an_erased_row_is_read_as_none(database: Database, make: Any, fake: ModuleType) -> None:
    """By whatever way one asks; a row whose fields were blanked one by one is still there."""
    shredded, blanked = make(), make()
    admin = make(subject_tag=None, subject_kind=None, policy=None, serial=None, act=None)
    _keep(database, shredded, blanked, admin)
    database.write(lambda connection: subjects.delete_openings(connection, [shredded.ref, admin.ref]))
    database.write(lambda connection: subjects.replace_openings(connection, blanked.ref, "{}"))

    refs = [shredded.ref, blanked.ref, admin.ref]
    found = database.read(lambda connection: subjects.openings_by_refs(connection, refs))
    assert found == {blanked.ref: blanked._replace(openings="{}")}
    assert database.read(subjects.count_by_serial) == {(1, "accept"): 1}
    assert database.write(lambda connection: subjects.delete_openings(connection, refs)) == 1


def test_nothing_erased_is_left_in_the_file(tmp_path: Path, make: Any) -> None:
    """Rounds of erasing and writing, rows of all lengths, fields and whole rows: no byte of a salt stays behind."""
    dice = random.Random(7)
    path = tmp_path / "shelves.db"
    database = Database.open(f"sqlite:///{path}")
    salts: dict[bytes, str] = {}

    def fresh(count: int) -> None:
        rows = []
        for _ in range(count):
            salt = dice.randbytes(dice.choice([16, 40, 300, 3_000])).hex()
            row = make(
                subject_tag=dice.randbytes(16), serial=dice.choice([1, 2, 5, 127, 128, 300]),
                openings=f'{{"subject":["{salt}","x"]}}',
            )  # fmt: skip
            salts[row.ref] = salt
            rows.append(row)
        _keep(database, *rows)

    fresh(2_000)
    erased: list[str] = []
    for turn in range(6):
        gone = dice.sample(sorted(salts), 150)
        whole, parts = gone[:100], gone[100:]
        database.write(lambda connection, whole=whole: subjects.delete_openings(connection, whole))
        for ref in parts:
            database.write(lambda connection, ref=ref: subjects.replace_openings(connection, ref, "{}"))
        erased += [salts.pop(ref) for ref in gone]
        fresh(60 + turn)
    assert database.scrub().gone
    files = [file.read_bytes() for file in tmp_path.iterdir()]
    database.close()

    chunks = {salt[at : at + 16].encode() for salt in erased for at in range(0, len(salt) - 15, 16)}
    left = {data[at : at + 16] for data in files for at in range(len(data))} & chunks
    assert len(chunks) > 900
    assert not left
    assert next(iter(salts.values()))[:16].encode() in b"".join(files)
