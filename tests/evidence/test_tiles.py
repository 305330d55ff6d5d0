"""Tiles: what the frontier hands out is what the specification says, whatever the batches were."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentgate.errors import VerificationError
from consentgate.evidence.checkpoint import open_checkpoint
from consentgate.evidence.note import Verifier
from consentgate.evidence.tiles import (
    Frontier,
    TileName,
    format_entry_bundle,
    parse_entry_bundle,
    parse_tile_path,
    tile_path,
)
from consentgate.evidence.tlog import EMPTY_ROOT, MAX_SIZE, RightEdge, leaf_hash, root

HASHES = [sha256(b"%d" % number).digest() for number in range(66_000)]

# The keys and leaves of tessera's test log.
TESSERA_KEY = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"
TESSERA_LEAVES = [
    b"one", b"two", b"three", b"four", b"five", b"six", b"seven", b"eit", b"nain", b"ten", b"ileven", b"twelf",
    b"threeten", b"fourten", b"fivten",
]  # fmt: skip


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 511, 512, 65_535, 65_536, 65_537, 66_000])
def test_a_frontier_can_be_rebuilt_from_the_rows_it_handed_out(grown, size):
    """Loading from leaf hashes and full tiles gives the very same frontier, with one call of the reader."""
    tree = grown(HASHES[:size])
    loaded = Frontier.load(size, tree.read)

    assert tree.frontier.append([]) == (loaded.append([])[0], [])
    assert root(HASHES[:size]) == loaded.root
    assert len(tree.calls) == (1 if size else 0)


@given(st.lists(st.integers(0, 700), max_size=6))
def test_tiles_do_not_depend_on_how_leaves_were_batched(batches):
    """One batch or many, the same tiles come out in the same order."""
    total = sum(batches)
    whole, tiles = Frontier().append(HASHES[:total])
    frontier, pieces, at = Frontier(), [], 0
    for width in batches:
        frontier, new = frontier.append(HASHES[at : at + width])
        pieces += new
        at += width

    assert tiles == pieces
    assert (total, whole.root) == (frontier.size, frontier.root)


def test_tiles_are_those_of_the_specification():
    """A tile has 256 hashes of its level, and its root is the hash of the level above."""
    _, tiles = Frontier().append(HASHES)
    found = {(tile.level, tile.index): tile for tile in tiles}

    assert {(0, index) for index in range(257)} | {(1, 0)} == set(found)
    for index in (0, 1, 255, 256):
        leaves = HASHES[256 * index : 256 * index + 256]
        assert b"".join(leaves) == found[0, index].hashes
        assert root(leaves) == found[0, index].root
    assert b"".join(found[0, index].root for index in range(256)) == found[1, 0].hashes
    assert root(HASHES[:65_536]) == found[1, 0].root


def test_a_frontier_is_not_changed_by_appending():
    """A transaction that fails after appending has lost nothing."""
    frontier, _ = Frontier().append(HASHES[:300])
    before = Frontier(frontier.size, frontier.peaks, frontier.partial)
    frontier.append(HASHES[300:700])

    assert before == frontier


def test_a_frontier_and_a_right_edge_agree():
    """Both ways to grow a tree give the same root at every size."""
    frontier, edge = Frontier(), RightEdge()
    assert frontier.root == EMPTY_ROOT
    for leaf in HASHES[:600]:
        frontier, _ = frontier.append([leaf])
        edge.append(leaf)

        assert edge.root() == frontier.root


def test_a_lost_row_is_noticed_when_loading(grown):
    """Missing hashes are refused, and foreign ones lead to another root."""
    tree = grown(HASHES[:300])
    with pytest.raises(VerificationError, match="not all there"):
        Frontier.load(300, lambda ranges: [data[:-32] for data in tree.read(ranges)])

    foreign = Frontier.load(300, lambda ranges: [data[32:] + data[:32] for data in tree.read(ranges)])
    assert tree.frontier.root != foreign.root


@pytest.mark.parametrize("leaf", [b"", b"\0" * 31, b"\0" * 33])
def test_only_hashes_can_be_appended(leaf):
    """Something that has not 32 bytes is a programming error."""
    with pytest.raises(ValueError):
        Frontier().append([leaf])
    with pytest.raises(ValueError):
        Frontier.load(MAX_SIZE + 1, lambda _: [])


@pytest.mark.parametrize(
    ("level", "index", "width", "path"),
    [
        (0, 0, 256, "tile/0/000"),
        (0, 1_234_067, 256, "tile/0/x001/x234/067"),
        (1, 999, 1, "tile/1/999.p/1"),
        (63, 1_000, 255, "tile/63/x001/000.p/255"),
        (None, 5, 256, "tile/entries/005"),
        (None, 123_456_789, 17, "tile/entries/x123/x456/789.p/17"),
    ],
)
def test_paths_are_written_as_the_specification_writes_them(level, index, width, path):
    """Known paths, both ways."""
    assert path == tile_path(level, index, width)
    assert TileName(level, index, width) == parse_tile_path(path)


@given(st.none() | st.integers(0, 63), st.integers(0, 10**18 - 1), st.integers(1, 256))
def test_every_tile_has_one_path(level, index, width):
    """Reading a path gives back what it was written from."""
    assert TileName(level, index, width) == parse_tile_path(tile_path(level, index, width))


@pytest.mark.parametrize(
    "path",
    [
        "", "tile/0", "tile/0/00", "tile/0/0000", "tile/0/x000/001", "tile/0/001/x001", "tile/00/000", "tile/64/000",
        "tile/0/000.p/0", "tile/0/000.p/256", "tile/0/000.p/01", "tile/0/000.p", "tile/0/000/", "/tile/0/000",
        "tile/-1/000", "tile/entry/000", "tile/0/000\n", "tile/0/٠٠٠", "tile/٠/000", "tile/0/../000",
        "tile/0/" + "x001/" * 6 + "001",
    ],
)  # fmt: skip
def test_other_spellings_of_a_path_are_refused(path):
    """Zeros in front, missing digits, foreign digits, empty or full widths: none is a path."""
    with pytest.raises(VerificationError):
        parse_tile_path(path)


@given(st.text(max_size=30) | st.from_regex(r"tile/[0-9a-z]{1,7}/[x0-9/]{0,12}(\.p/[0-9]{0,4})?", fullmatch=True))
def test_reading_any_path_gives_a_tile_or_a_verification_error(path):
    """Whatever is asked for over HTTP, the parser names a tile whose path it is, or refuses."""
    try:
        name = parse_tile_path(path)
    except VerificationError:
        return
    assert path == tile_path(name.level, name.index, name.width)


@pytest.mark.parametrize(("level", "index", "width"), [(64, 0, 1), (-1, 0, 1), (0, -1, 1), (0, 0, 0), (0, 0, 257)])
def test_impossible_tiles_have_no_path(level, index, width):
    """There is no path for what cannot be."""
    with pytest.raises(ValueError):
        tile_path(level, index, width)


def test_a_tree_has_exactly_the_tiles_of_the_specification():
    """The example of the specification: a tree of 70,000 leaves."""
    size = 70_000

    assert TileName(0, 272).exists_in(size)
    assert TileName(0, 273, 112).exists_in(size)
    assert not TileName(0, 273, 113).exists_in(size)
    assert TileName(1, 0).exists_in(size)
    assert TileName(1, 1, 17).exists_in(size)
    assert not TileName(1, 1, 18).exists_in(size)
    assert TileName(2, 0, 1).exists_in(size)
    assert not TileName(3, 0, 1).exists_in(size)
    assert TileName(None, 273, 112).exists_in(size)
    assert (lambda item: (item.level, item.start, item.stop))(TileName(2, 0, 1).hashes()) == (2, 0, 1)


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=20))
def test_entry_bundles_give_back_their_entries(entries):
    """Reading a bundle gives the entries it was written from."""
    assert entries == parse_entry_bundle(format_entry_bundle(entries))


@given(st.binary(max_size=60))
def test_reading_any_bundle_gives_entries_or_a_verification_error(data):
    """Any bytes are the bundle of what is read from them, or are refused."""
    try:
        entries = parse_entry_bundle(data)
    except VerificationError:
        return
    assert data == format_entry_bundle(entries)


def test_bundles_have_limits():
    """No entry above 65,535 bytes, no bundle above 256 entries, none without any."""
    assert parse_entry_bundle(format_entry_bundle([b"x" * 65_535])) == [b"x" * 65_535]
    assert len(parse_entry_bundle(format_entry_bundle([b""] * 256))) == 256
    with pytest.raises(ValueError):
        format_entry_bundle([b"x" * 65_536])
    for data in (b"", format_entry_bundle([b""] * 257), b"\0", b"\0\2x"):
        with pytest.raises(VerificationError):
            parse_entry_bundle(data)


def test_a_foreign_log_is_rebuilt_byte_for_byte(vectors):
    """Tessera's test log: 16 checkpoints open, and its tiles and entry bundles are those we make."""
    log = vectors / "tessera-log"
    verifier = Verifier.parse(TESSERA_KEY)
    hashes = [leaf_hash(leaf) for leaf in TESSERA_LEAVES]
    checkpoints = 0
    for size in range(16):
        checkpoint = open_checkpoint((log / f"checkpoint.{size}").read_bytes(), [verifier]).checkpoint
        checkpoints += 1
        assert ("example.com/log/testdata", size) == (checkpoint.origin, checkpoint.size)
        assert root(hashes[:size]) == checkpoint.root
        if size:
            name = tile_path(0, 0, size)
            assert (log / name).read_bytes() == b"".join(hashes[:size])
            bundle = (log / tile_path(None, 0, size)).read_bytes()
            assert bundle == format_entry_bundle(TESSERA_LEAVES[:size])
            assert TESSERA_LEAVES[:size] == parse_entry_bundle(bundle)
    assert checkpoints == 16
