"""The ledger's rows, on every database."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consentgate.errors import StoreError
from consentgate.store import entries, subjects
from consentgate.store.database import Database
from consentgate.store.entries import EntryRow, ExportRow, Filter, HeadRow, TileRow

shared_database = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)


def _row(idx: int) -> EntryRow:
    return EntryRow(idx, idx.to_bytes(16, "big"), bytes([idx % 256]) * 32, f"leaf {idx}".encode())


def _fill(database: Database, number: int) -> list[EntryRow]:
    rows = [_row(idx) for idx in range(number)]
    database.write(lambda connection: entries.insert_entries(connection, rows))
    return rows


@pytest.mark.parametrize("number", [0, 1, 3, 4, 15, 63, 64, 65, 150])
def test_what_is_inserted_is_read_again(database: Database, number: int) -> None:
    """Any number of entries comes back byte for byte and in order."""
    rows = _fill(database, number)

    assert rows == database.read(lambda connection: list(entries.entries(connection, 0, 10_000)))
    assert number == database.read(entries.count)


def test_a_range_is_half_open(database: Database) -> None:
    """Ranges of entries and of leaf hashes start at the first and stop before the last, and end where the log ends."""
    rows = _fill(database, 10)

    assert rows[3:7] == database.read(lambda connection: list(entries.entries(connection, 3, 7)))
    assert [row.leaf_hash for row in rows[3:7]] == database.read(
        lambda connection: entries.leaf_hashes(connection, 3, 7)
    )
    assert [row.leaf_hash for row in rows[8:]] == database.read(
        lambda connection: entries.leaf_hashes(connection, 8, 99)
    )
    assert database.read(lambda connection: entries.leaf_hashes(connection, 7, 7)) == []


def test_an_entry_is_found_by_ref_and_by_place(database: Database) -> None:
    """A ref and a place each name one entry, or none."""
    rows = _fill(database, 5)

    assert rows[3] == database.read(lambda connection: entries.entry_by_ref(connection, rows[3].ref))
    assert rows[3] == database.read(lambda connection: entries.entry_at(connection, 3))
    assert database.read(lambda connection: entries.entry_by_ref(connection, b"nobody's" * 2)) is None
    assert database.read(lambda connection: entries.entry_at(connection, 5)) is None
    assert {rows[1].ref: rows[1]} == database.read(
        lambda connection: entries.entries_by_refs(connection, [rows[1].ref, b"nobody's" * 2])
    )


@pytest.fixture(name="filled", scope="module")
def _filled() -> Any:
    database = Database.open("sqlite://")
    _fill(database, 1_200)
    yield database
    database.close()


@given(places=st.lists(st.integers(0, 2_400), max_size=700))
@shared_database
def test_known_refs_are_those_that_are_recorded(filled: Database, places: list[int]) -> None:
    """Of any list of refs, repeated ones too, exactly the recorded ones are known, with their places."""
    refs = [place.to_bytes(16, "big") for place in places]

    expected = {place.to_bytes(16, "big"): place for place in places if place < 1_200}
    assert expected == filled.read(lambda connection: entries.refs_known(connection, refs))


@pytest.mark.parametrize("number", [0, 1, 2, 8, 9, 64, 65, 500, 501, 1_200])
def test_refs_are_known_at_every_length_of_the_list(filled: Database, number: int) -> None:
    """Lists just below and above the lengths that are prepared lose nothing."""
    refs = [place.to_bytes(16, "big") for place in range(number)]

    assert number == len(filled.read(lambda connection: entries.refs_known(connection, refs)))


@pytest.mark.parametrize("clash", [EntryRow(2, b"another ref 1234", b"h", b"l"), EntryRow(9, _row(2).ref, b"h", b"l")])
def test_a_place_or_a_ref_is_given_once(database: Database, clash: EntryRow) -> None:
    """A second entry at a place, or for a ref, is refused, and nothing of its transaction stays."""
    rows = _fill(database, 5)
    with pytest.raises(StoreError, match=r"(?i)unique"):
        database.write(lambda connection: entries.insert_entries(connection, [_row(7), clash]))

    assert rows == database.read(lambda connection: list(entries.entries(connection, 0, 100)))


def test_tiles_come_back_by_level_and_number(database: Database) -> None:
    """Roots come in order within a level; the hashes of a tile that is not full are not there."""
    tiles = [
        TileRow(level, idx, bytes([level, idx]) * 16, bytes([idx]) * 8_192) for level in (0, 1) for idx in range(4)
    ]
    database.write(lambda connection: entries.insert_tiles(connection, tiles))

    assert [tile.root for tile in tiles[1:3]] == database.read(
        lambda connection: entries.tile_roots(connection, 0, 1, 3)
    )
    assert [tile.root for tile in tiles[4:]] == database.read(
        lambda connection: entries.tile_roots(connection, 1, 0, 99)
    )
    assert tiles[5].hashes == database.read(lambda connection: entries.tile_hashes(connection, 1, 1))
    assert database.read(lambda connection: entries.tile_hashes(connection, 1, 4)) is None


def test_the_head_moves_by_compare_and_swap(database: Database) -> None:
    """Whoever names the size that the head has may move it."""
    assert database.read(entries.head) is None
    for expected, head in ((None, HeadRow(3, 10, "three")), (3, HeadRow(7, 20, "seven"))):
        database.write(lambda connection, h=head, e=expected: entries.set_head(connection, h, expected=e))

        assert head == database.read(entries.head)


@pytest.mark.parametrize("expected", [None, 0, 2, 4])
def test_a_head_that_was_moved_is_not_moved_again(database: Database, expected: int | None) -> None:
    """A second first head, and a head that is not where the mover believes it is, are refused without a trace."""
    database.write(lambda connection: entries.set_head(connection, HeadRow(3, 10, "three"), expected=None))

    def move(connection: Any) -> None:
        entries.insert_entries(connection, [_row(3)])
        entries.set_head(connection, HeadRow(4, 11, "four"), expected=expected)

    with pytest.raises(StoreError, match="moved by somebody else"):
        database.write(move)

    assert HeadRow(3, 10, "three") == database.read(entries.head)
    assert database.read(entries.count) == 0


def test_checkpoints_are_kept_once_and_listed_by_size(database: Database) -> None:
    """The first note of a size stays; the list starts after the size the caller has."""

    def keep(connection: Any) -> None:
        for size, note in ((512, "b"), (256, "a"), (512, "another"), (768, "c")):
            entries.insert_checkpoint(connection, size, note)

    database.write(keep)

    assert database.read(entries.checkpoints) == [(256, "a"), (512, "b"), (768, "c")]
    assert database.read(lambda connection: entries.checkpoints(connection, 256, limit=1)) == [(512, "b")]


def _fill_decisions(database: Database, fake: ModuleType) -> list[ExportRow]:
    """Ten entries; number 4 was erased."""
    rows = _fill(database, 10)
    openings = [
        fake.opening(
            row.ref,
            subject_tag=b"even" if row.idx % 2 == 0 else b"odd",
            policy=("terms", "privacy", "cookies")[row.idx % 3],
            serial=row.idx // 3 + 1,
            act="accept" if row.idx < 8 else "decline",
            at=row.idx * 100,
        )
        for row in rows
        if row.idx != 4
    ]
    database.write(lambda connection: subjects.insert_openings(connection, openings))
    by_ref = {row.ref: row for row in openings}
    return [ExportRow(row.idx, row.ref, row.leaf, by_ref.get(row.ref)) for row in rows]


def test_an_export_has_every_entry_and_the_openings_that_are_left(database: Database, fake: ModuleType) -> None:
    """Every entry comes once, in order; where the opening was erased there is none."""
    expected = _fill_decisions(database, fake)

    assert expected == list(database.stream(entries.stream_entries))
    assert expected[4].opening is None


@pytest.mark.parametrize("page", [1, 3, 10, 11])
def test_an_export_read_in_pages_is_the_same(database: Database, fake: ModuleType, page: int) -> None:
    """Continuing after the last place one has gives what one long stream gives."""
    expected = _fill_decisions(database, fake)
    found: list[ExportRow] = []

    def read() -> list[ExportRow]:
        after = found[-1].idx if found else -1
        return database.read(lambda own: list(entries.stream_entries(own, after=after, stop=9, limit=page)))

    while rows := read():
        found += rows

    assert expected[:9] == found


@pytest.mark.parametrize(
    ("where", "places"),
    [
        (Filter(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
        (Filter(subject_tag=b"odd"), [1, 3, 5, 7, 9]),
        (Filter(policies=("terms",)), [0, 3, 6, 9]),
        (Filter(policies=("terms", "privacy")), [0, 1, 3, 6, 7, 9]),
        (Filter(serials=(1, 4)), [0, 1, 2, 9]),
        (Filter(acts=("decline",)), [8, 9]),
        (Filter(since=300, until=700), [3, 5, 6]),
        (Filter(since=0), [0, 1, 2, 3, 5, 6, 7, 8, 9]),
        (Filter(subject_tag=b"even", policies=("terms",), until=600), [0]),
        (Filter(subject_tag=b"nobody"), []),
    ],
)
def test_a_filtered_export_has_what_matches_every_part(
    database: Database, fake: ModuleType, where: Filter, places: list[int]
) -> None:
    """Each part of a filter narrows the export; an entry whose opening was erased matches none."""
    _fill_decisions(database, fake)

    found = list(database.stream(lambda connection: entries.stream_entries(connection, where=where)))
    assert places == [row.idx for row in found]


def test_an_abandoned_export_leaves_nothing_open(database: Database, fake: ModuleType) -> None:
    """Closing a half-read stream gives back its connection: the database can be written, closed and removed."""
    _fill_decisions(database, fake)
    stream = database.stream(entries.stream_entries)
    next(stream)
    stream.close()  # type: ignore[attr-defined]

    database.write(lambda connection: entries.insert_entries(connection, [_row(10)]))
    assert database.read(entries.count) == 11


def test_a_long_export_is_read_page_by_page(file: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more than a page of rows is in memory at a time."""
    _fill(file, 50)
    monkeypatch.setattr(entries, "PAGE", 7)
    held: list[int] = []

    def work(connection: Any) -> Any:
        rows = entries.stream_entries(connection)
        for row in rows:
            held.append(row.idx)
            yield row

    stream = file.stream(work)
    for _ in range(10):
        next(stream)
    assert list(range(10)) == held
    assert list(range(10, 50)) == [row.idx for row in stream]
