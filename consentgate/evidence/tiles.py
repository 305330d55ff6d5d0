"""How the tree is kept: C2SP tiles of 256 hashes, their paths, and the frontier that grows it.

Room: evidence (pure). Called by the ledger service, which reads and writes the rows, and by the pages that serve
tiles. Imports no storage.

Only *full* tiles are ever stored, so every row is written once: the hashes of a partial tile are at level 0 the leaf
hashes of the newest entries, and above it the roots of full tiles one level below. Nothing is kept twice but the
roots. Source: https://c2sp.org/tlog-tiles
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from consentgate.errors import VerificationError
from consentgate.evidence.tlog import (
    HASH_SIZE,
    MAX_SIZE,
    TILE_HEIGHT,
    TILE_WIDTH,
    HashRange,
    Reader,
    fold_peaks,
    read_ranges,
    root,
    split_hashes,
)

MAX_ENTRY_BYTES = 65_535
"""Largest entry: entry bundles have a 16-bit length."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A full tile, ready to be stored.

    Args:
        level: from 0.
        index: of the tile within its level, from 0.
        root: hash over all 256, which is the tile's entry on the level above; 32 bytes.
        hashes: the 256 hashes, 8,192 bytes.
    """

    level: int
    index: int
    root: bytes
    hashes: bytes


@dataclass(frozen=True, slots=True)
class Frontier:
    """The right edge of the tree: all that is needed to grow it. Immutable, so a failed transaction costs nothing.

    Args:
        size: leaves so far.
        peaks: roots of the perfect subtrees, largest first; one for each 1 bit of ``size``.
        partial: for each level the hashes of the tile that is not full yet, concatenated.
    """

    size: int = 0
    peaks: tuple[bytes, ...] = ()
    partial: tuple[bytes, ...] = ()

    @property
    def root(self) -> bytes:
        """Root of the tree so far."""
        return fold_peaks(self.peaks)

    def append(self, leaf_hashes: Iterable[bytes]) -> tuple[Frontier, list[Tile]]:
        """Add leaves on the right.

        Args:
            leaf_hashes: of the new entries, in order.

        Returns:
            The frontier afterwards, and the tiles that became full, in the order in which they did.

        Raises:
            ValueError: something is not a hash of 32 bytes.
        """
        size, peaks, tiles = self.size, list(self.peaks), list[Tile]()
        partial = [bytearray(part) for part in self.partial] or [bytearray()]
        for leaf in leaf_hashes:
            if len(leaf) != HASH_SIZE:
                raise ValueError(f"a leaf hash has {HASH_SIZE} bytes, not {len(leaf)}")
            partial[0] += leaf
            node, number, height = leaf, size, 0
            # Each trailing 1 bit of the old size is a subtree that the new leaf completes to one twice as large.
            while number & 1:
                node = sha256(b"\x01" + peaks.pop() + node).digest()
                number >>= 1
                height += 1
                if height % TILE_HEIGHT == 0:  # the root of a tile: the tile is full
                    level = height // TILE_HEIGHT - 1
                    tiles.append(Tile(level, number, node, bytes(partial[level])))
                    partial[level].clear()
                    if level + 1 == len(partial):
                        partial.append(bytearray())
                    partial[level + 1] += node
            peaks.append(node)
            size += 1
        return Frontier(size, tuple(peaks), tuple(bytes(part) for part in partial)), tiles

    @classmethod
    def load(cls, size: int, read: Reader) -> Frontier:
        """Rebuild the frontier of a stored tree: at most 255 hashes a level, in one call of the reader.

        The caller compares `root` with the signed checkpoint: that is the check for lost or foreign rows.

        Raises:
            VerificationError: hashes are missing.
        """
        if not 0 <= size <= MAX_SIZE:
            raise ValueError(f"not a tree size: {size}")
        counts = [size]
        while counts[-1] >= TILE_WIDTH:
            counts.append(counts[-1] >> TILE_HEIGHT)
        ranges = [HashRange(level, count - count % TILE_WIDTH, count) for level, count in enumerate(counts)]
        found = dict(read_ranges([item for item in ranges if item.start < item.stop], read))
        partial = tuple(found.get(item, b"") for item in ranges)
        peaks = [peak for part in reversed(partial) for peak in _perfect_roots(split_hashes(part))]
        return cls(size, tuple(peaks), partial)


def _perfect_roots(hashes: Sequence[bytes]) -> list[bytes]:
    """Roots of the perfect subtrees over these hashes, largest first."""
    roots, at = [], 0
    while at < len(hashes):
        width = 1 << ((len(hashes) - at).bit_length() - 1)
        roots.append(root(hashes[at : at + width]))
        at += width
    return roots


def tile_reader(
    size: int,
    *,
    full_tile: Callable[[int, int], bytes],
    leaf_hashes: Callable[[int, int], bytes],
    tile_roots: Callable[[int, int, int], bytes],
) -> Reader:
    """Build a reader over the rows of a ledger.

    Args:
        size: of the ledger the rows belong to; decides which tiles are full and so stored.
        full_tile: ``(level, index)`` -> the 8,192 bytes of a stored tile.
        leaf_hashes: ``(start, stop)`` -> leaf hashes of these entries, concatenated.
        tile_roots: ``(level, start, stop)`` -> roots of these stored tiles, concatenated.
    """

    def read(ranges: Sequence[HashRange]) -> list[bytes]:
        answers = []
        for item in ranges:
            if item.is_stored(size):
                first = HASH_SIZE * (item.start % TILE_WIDTH)
                answer = full_tile(item.level, item.tile)[first : first + HASH_SIZE * (item.stop - item.start)]
            elif item.level == 0:
                answer = leaf_hashes(item.start, item.stop)
            else:
                answer = tile_roots(item.level - 1, item.start, item.stop)
            answers.append(answer)
        return answers

    return read


# --- Paths and bundles, as served over HTTP ----------------------------------------------------------------------

_PATH = re.compile(r"tile/(entries|0|[1-9][0-9]?)/((?:x[0-9]{3}/){0,5}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")
_MAX_LEVEL = 63


@dataclass(frozen=True, slots=True)
class TileName:
    """Which tile, or which entry bundle, a path names.

    Args:
        level: 0 to 63, or ``None`` for the entries themselves.
        index: of the tile within its level.
        width: 1 to 256; below 256 the tile is partial.
    """

    level: int | None
    index: int
    width: int = TILE_WIDTH

    def hashes(self) -> HashRange:
        """Hashes (or, for entries, entry indexes) in this tile."""
        start = self.index << TILE_HEIGHT
        return HashRange(self.level or 0, start, start + self.width)

    def exists_in(self, size: int) -> bool:
        """Whether a tree of this size has this tile in this width, or had it when it was smaller."""
        count = size >> (TILE_HEIGHT * (self.level or 0))
        return (self.index << TILE_HEIGHT) + self.width <= count


def tile_path(level: int | None, index: int, width: int = TILE_WIDTH) -> str:
    """Path of a tile below the ledger's address, such as ``tile/0/x001/x234/067.p/8``.

    Args:
        level: 0 to 63, or ``None`` for an entry bundle.
        index: of the tile.
        width: number of hashes (or entries); 256 for a full one.

    Raises:
        ValueError: there is no such tile.
    """
    if not 1 <= width <= TILE_WIDTH or not 0 <= index < 10**18 or not (level is None or 0 <= level <= _MAX_LEVEL):
        raise ValueError(f"no tile of level {level}, index {index}, width {width}")
    digits = str(index)
    digits = digits.zfill((len(digits) + 2) // 3 * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    path = "/".join([*("x" + group for group in groups[:-1]), groups[-1]])
    suffix = "" if width == TILE_WIDTH else f".p/{width}"
    return f"tile/{'entries' if level is None else level}/{path}{suffix}"


def parse_tile_path(path: str) -> TileName:
    """Read what `tile_path` wrote, and only that.

    Raises:
        VerificationError: any other spelling.
    """
    if match := _PATH.fullmatch(path):
        name, groups, partial = match.groups()
        level = None if name == "entries" else int(name)
        index, width = int(groups.replace("x", "").replace("/", "")), int(partial or TILE_WIDTH)
        if width <= TILE_WIDTH and (level or 0) <= _MAX_LEVEL and tile_path(level, index, width) == path:
            return TileName(level, index, width)
    raise VerificationError(f"not the path of a tile: {path[:80]!r}")


def format_entry_bundle(entries: Iterable[bytes]) -> bytes:
    """Entries as one byte string, each after its length as 16 bits, big-endian.

    Raises:
        ValueError: an entry is longer than 65,535 bytes.
    """
    parts = []
    for entry in entries:
        if len(entry) > MAX_ENTRY_BYTES:
            raise ValueError(f"an entry has at most {MAX_ENTRY_BYTES:,} bytes, not {len(entry):,}")
        parts += [len(entry).to_bytes(2, "big"), entry]
    return b"".join(parts)


def parse_entry_bundle(data: bytes) -> list[bytes]:
    """Read what `format_entry_bundle` wrote: 1 to 256 entries.

    Raises:
        VerificationError: cut off, empty, or more than 256 entries.
    """
    entries, at = list[bytes](), 0
    while at < len(data):
        stop = at + 2 + int.from_bytes(data[at : at + 2], "big")
        if at + 2 > len(data) or stop > len(data) or len(entries) == TILE_WIDTH:
            raise VerificationError("the entry bundle is cut off or too long", offset=at)
        entries.append(data[at + 2 : stop])
        at = stop
    if not entries:
        raise VerificationError("the entry bundle is empty")
    return entries
