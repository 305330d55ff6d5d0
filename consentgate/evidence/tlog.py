"""The Merkle tree of RFC 6962: hashes, inclusion proofs, consistency proofs.

Room: evidence (pure). Called by the ledger service to prove and by everybody to check. It imports no storage: the
functions that prove work out which hashes they need, ask for all of them in *one* call of a reader, and then
compute. A reader answers from C2SP tiles, see `consentgate.evidence.tiles`.

    MTH({})      = SHA-256()                                     RFC 6962 §2.1
    MTH({d})     = SHA-256(0x00 ‖ d)                             a leaf
    MTH(D[0:n])  = SHA-256(0x01 ‖ MTH(D[0:k]) ‖ MTH(D[k:n]))     k = the largest power of two below n

The different first bytes keep a leaf from being passed off as a node. Written after the model of Go's
``golang.org/x/mod/sumdb/tlog``; the proofs are the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TypeAlias

from consentgate.errors import VerificationError

HASH_SIZE = 32
"""Bytes in a hash."""

TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT
"""Hashes in a full tile (C2SP tlog-tiles)."""

MAX_SIZE = 2**63 - 1
"""Largest tree we speak of: sizes are signed 64-bit integers in databases and in Go."""

EMPTY_ROOT: bytes = sha256(b"").digest()
"""Root of the tree without leaves."""

Segment: TypeAlias = tuple[int, int]
"""Leaves ``[low, high)`` under one node of the tree."""


def leaf_hash(data: bytes) -> bytes:
    """Hash of a leaf, ``SHA-256(0x00 ‖ data)`` (RFC 6962 §2.1)."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of a node, ``SHA-256(0x01 ‖ left ‖ right)`` (RFC 6962 §2.1)."""
    return sha256(b"\x01" + left + right).digest()


def root(hashes: Sequence[bytes]) -> bytes:
    """Root of the tree over these leaf hashes, in memory, level by level.

    A node without a right sibling rises unchanged: that is the same tree as RFC 6962's recursive definition.
    """
    if not hashes:
        return EMPTY_ROOT
    row = list(hashes)
    while len(row) > 1:
        above = [sha256(b"\x01" + left + right).digest() for left, right in zip(row[::2], row[1::2], strict=False)]
        if len(row) & 1:
            above.append(row[-1])
        row = above
    return row[0]


class RightEdge:
    """A growing tree of which only the right edge is kept: at most 63 hashes, whatever its size.

    For streams: an auditor who re-computes the root of an export needs nothing else. (The ledger itself grows a
    `consentgate.evidence.tiles.Frontier`, which also hands out the tiles.)
    """

    __slots__ = ("_peaks", "size")

    def __init__(self) -> None:
        self.size = 0
        # Roots of the perfect subtrees the leaves fall into, largest first: one for each 1 bit of `size`.
        self._peaks: list[bytes] = []

    def append(self, leaf: bytes) -> None:
        """Add a leaf hash on the right."""
        peaks, number = self._peaks, self.size
        # Each trailing 1 bit of the old size is a perfect subtree which the new leaf completes to one twice as large.
        while number & 1:
            leaf = sha256(b"\x01" + peaks.pop() + leaf).digest()
            number >>= 1
        peaks.append(leaf)
        self.size += 1

    def extend(self, leaves: Sequence[bytes]) -> None:
        """Add leaf hashes on the right: as `append` one by one, whole tiles of 256 at a time where they begin one."""
        at = 0
        while at < len(leaves):
            if self.size % TILE_WIDTH or len(leaves) - at < TILE_WIDTH:
                self.append(leaves[at])
                at += 1
                continue
            node, number = root(leaves[at : at + TILE_WIDTH]), self.size >> TILE_HEIGHT
            while number & 1:
                node = sha256(b"\x01" + self._peaks.pop() + node).digest()
                number >>= 1
            self._peaks.append(node)
            self.size += TILE_WIDTH
            at += TILE_WIDTH

    def root(self) -> bytes:
        """Root of the tree so far."""
        return fold_peaks(self._peaks)


def fold_peaks(peaks: Sequence[bytes]) -> bytes:
    """Root of a tree from the roots of its perfect subtrees, largest first."""
    if not peaks:
        return EMPTY_ROOT
    result = peaks[-1]
    for peak in reversed(peaks[:-1]):
        result = sha256(b"\x01" + peak + result).digest()
    return result


# --- Reading -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HashRange:
    """Consecutive hashes within one tile: what a reader is asked for.

    Hash ``i`` of level ``L`` is ``MTH(D[i·256^L : (i+1)·256^L])``: at level 0 the leaf hash of entry ``i``, above it
    the root of the full tile ``i`` of the level below.

    Args:
        level: of the tile, from 0.
        start: position of the first hash, counted over the whole level.
        stop: position after the last; ``start`` and ``stop - 1`` lie in the same tile, so at most 256 hashes.
    """

    level: int
    start: int
    stop: int

    @property
    def tile(self) -> int:
        """Index of the tile these hashes lie in."""
        return self.start >> TILE_HEIGHT

    def is_stored(self, size: int) -> bool:
        """Whether the tile is full, and so stored, in a tree of this size."""
        return (self.tile + 1) << (TILE_HEIGHT * (self.level + 1)) <= size


Reader: TypeAlias = Callable[[Sequence[HashRange]], Sequence[bytes]]
"""Reads hashes: for each range, in order, its hashes as one byte string of ``32 · (stop - start)`` bytes."""


def root_at(size: int, read: Reader) -> bytes:
    """Root the tree had when it had this many leaves.

    Args:
        size: from 0 up to the present size.
        read: called once (not at all for the empty tree).

    Raises:
        VerificationError: the reader did not return what was asked for.
    """
    _require_size(size)
    return _hashes([(0, size)], read)[0] if size else EMPTY_ROOT


def prove_inclusion(size: int, index: int, read: Reader) -> list[bytes]:
    """Proof that the tree of this size has a certain leaf at this index (RFC 6962 §2.1.1, "audit path").

    Reads at most two tiles a level: the one above the leaf, and the ragged one on the right edge.

    Args:
        size: of the tree, at least 1.
        index: of the leaf, from 0.
        read: called once (not at all for a tree of one leaf).

    Returns:
        Hashes from the leaf's sibling up to the root's child; at most 63.

    Raises:
        ValueError: the index is not in the tree.
        VerificationError: the reader did not return what was asked for.
    """
    _require_size(size)
    if not 0 <= index < size:
        raise ValueError(f"no leaf {index} in a tree of {size}")
    return _hashes(_inclusion_segments(size, index), read)


def prove_consistency(old: int, new: int, read: Reader) -> list[bytes]:
    """Proof that the tree of size *new* begins with the very leaves of the tree of size *old* (RFC 6962 §2.1.2).

    Args:
        old: size of the earlier tree, at least 1: the empty tree is a prefix of everything and proves nothing.
        new: size of the later tree.
        read: called once (not at all where the sizes are equal).

    Raises:
        ValueError: not ``1 ≤ old ≤ new``.
        VerificationError: the reader did not return what was asked for.
    """
    _require_size(new)
    if not 1 <= old <= new:
        raise ValueError(f"no consistency proof from size {old} to {new}")
    return _hashes(_consistency_segments(old, new), read)


def _require_size(size: int) -> None:
    if not 0 <= size <= MAX_SIZE:
        raise ValueError(f"not a tree size: {size}")


def _split(low: int, high: int) -> int:
    """Where the segment divides: *low* plus the largest power of two below its length."""
    return low + (1 << ((high - low - 1).bit_length() - 1))


def _inclusion_segments(size: int, index: int) -> list[Segment]:
    """Walk down from the root to the leaf, noting the side not taken; then turn it leaf first."""
    low, high, path = 0, size, list[Segment]()
    while high - low > 1:
        middle = _split(low, high)
        if index < middle:
            path.append((middle, high))
            high = middle
        else:
            path.append((low, middle))
            low = middle
    return path[::-1]


def _consistency_segments(old: int, new: int) -> list[Segment]:
    """SUBPROOF of RFC 6962 §2.1.2 as a walk down to the node at which the old tree ends."""
    low, high, path = 0, new, list[Segment]()
    while high != old:
        middle = _split(low, high)
        if old <= middle:
            path.append((middle, high))
            high = middle
        else:
            path.append((low, middle))
            low = middle
    if low:  # else this node *is* the old tree, whose root the verifier knows
        path.append((low, high))
    return path[::-1]


def _perfect_parts(low: int, high: int) -> Iterator[Segment]:
    """Cut a segment into perfect subtrees, largest first; *low* is aligned to the largest of them."""
    while low < high:
        middle = low + (1 << ((high - low).bit_length() - 1))
        yield low, middle
        low = middle


def _tile_range(low: int, high: int) -> HashRange:
    """Where the tiles keep a perfect subtree: as 1, 2, 4 … 128 neighbours on the nearest level below it."""
    level, _ = divmod((high - low).bit_length() - 1, TILE_HEIGHT)
    shift = TILE_HEIGHT * level
    return HashRange(level, low >> shift, high >> shift)


def _hashes(segments: Sequence[Segment], read: Reader) -> list[bytes]:
    """Compute the hash of each segment, reading each tile that is needed once, all in one call."""
    parts = [[_tile_range(*part) for part in _perfect_parts(*segment)] for segment in segments]
    wanted: dict[tuple[int, int], HashRange] = {}
    for item in (item for row in parts for item in row):
        have = wanted.get((item.level, item.tile), item)
        wanted[item.level, item.tile] = HashRange(item.level, min(have.start, item.start), max(have.stop, item.stop))
    asked = [wanted[key] for key in sorted(wanted)]
    found = {(item.level, item.tile): (item.start, data) for item, data in read_ranges(asked, read)}

    def subtree(item: HashRange) -> bytes:
        start, data = found[item.level, item.tile]
        return root(split_hashes(data[HASH_SIZE * (item.start - start) : HASH_SIZE * (item.stop - start)]))

    return [fold_peaks([subtree(item) for item in row]) for row in parts]


def read_ranges(ranges: Sequence[HashRange], read: Reader) -> list[tuple[HashRange, bytes]]:
    """Call a reader once and check that it returned as many bytes as it was asked for.

    Raises:
        VerificationError: a hash is missing: rows of the ledger are lost.
    """
    if not ranges:
        return []
    answers = read(ranges)
    if len(answers) != len(ranges):
        raise VerificationError(f"asked for {len(ranges)} ranges of hashes, got {len(answers)}")
    for item, data in zip(ranges, answers, strict=True):
        if len(data) != HASH_SIZE * (item.stop - item.start):
            raise VerificationError(
                f"hashes {item.start} to {item.stop - 1} of tile level {item.level} are not all there: "
                f"{len(data)} bytes instead of {HASH_SIZE * (item.stop - item.start)}",
                level=item.level,
                start=item.start,
                stop=item.stop,
            )
    return list(zip(ranges, answers, strict=True))


def split_hashes(data: bytes) -> list[bytes]:
    """Cut concatenated hashes into single ones."""
    return [data[at : at + HASH_SIZE] for at in range(0, len(data), HASH_SIZE)]


# --- Checking ----------------------------------------------------------------------------------------------------


def check_inclusion(proof: Sequence[bytes], size: int, tree_root: bytes, index: int, leaf: bytes) -> None:
    """Check that the tree of this size and root has this leaf hash at this index (RFC 9162 §2.1.3.2).

    Args:
        proof: what `prove_inclusion` returned.
        size: of the tree.
        tree_root: 32 bytes, taken from a checkpoint whose signature was checked.
        index: of the leaf.
        leaf: its hash, see `leaf_hash`.

    Raises:
        VerificationError: it has not, or the proof has a hash too many or too few.
    """
    if inclusion_root(proof, size, index, leaf) != tree_root:
        raise VerificationError(f"entry {index} is not in the tree this proof was given for", index=index, size=size)


def inclusion_root(proof: Sequence[bytes], size: int, index: int, leaf: bytes) -> bytes:
    """Root of the tree in which this proof would be right. It proves nothing until compared with a signed root.

    Args:
        proof: as in `check_inclusion`, and so the other arguments.

    Raises:
        VerificationError: there is no such leaf in a tree of this size, or the proof has a hash too many or too few.
    """
    if not 0 <= index < size <= MAX_SIZE:
        raise VerificationError(f"entry {index} cannot be in a ledger of {size} entries", index=index, size=size)
    _require_hashes([*proof, leaf])
    # `here` and `last` are the index of our node and of the rightmost node on the level we stand on.
    here, last, result = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise VerificationError("the inclusion proof has more hashes than the tree has levels", index=index)
        if here & 1 or here == last:
            result = node_hash(sibling, result)
            # At the ragged right edge a node without sibling rises unchanged; climb to where it gets one.
            while not here & 1 and here:
                here, last = here >> 1, last >> 1
        else:
            result = node_hash(result, sibling)
        here, last = here >> 1, last >> 1
    if last != 0:
        raise VerificationError("the inclusion proof has fewer hashes than the tree has levels", index=index)
    return result


def check_consistency(proof: Sequence[bytes], old: int, old_root: bytes, new: int, new_root: bytes) -> None:
    """Check that the tree of size *new* begins with all leaves of the tree of size *old* (RFC 9162 §2.1.4.2).

    Args:
        proof: what `prove_consistency` returned.
        old: size of the earlier tree, at least 1.
        old_root: 32 bytes, from a checkpoint whose signature was checked.
        new: size of the later tree.
        new_root: 32 bytes, likewise.

    Raises:
        VerificationError: it does not: history was rewritten, or the proof is not for these trees.
    """
    if not 1 <= old <= new <= MAX_SIZE:
        raise VerificationError(f"no tree of {new} entries can be proven to extend one of {old}", old=old, new=new)
    _require_hashes([*proof, old_root, new_root])
    rewritten = f"the ledger of {new} entries does not extend the ledger of {old} entries this proof was given for"
    path = list(proof)
    if old == new:
        if path or old_root != new_root:
            raise VerificationError(rewritten, old=old, new=new)
        return
    if old & (old - 1) == 0:  # a perfect tree: its root is the first hash, and is not sent
        path.insert(0, old_root)
    if not path:
        raise VerificationError("the consistency proof is empty", old=old, new=new)
    here, last = old - 1, new - 1
    while here & 1:
        here, last = here >> 1, last >> 1
    before = after = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise VerificationError("the consistency proof has more hashes than the tree has levels", old=old, new=new)
        if here & 1 or here == last:
            before, after = node_hash(sibling, before), node_hash(sibling, after)
            while not here & 1 and here:
                here, last = here >> 1, last >> 1
        else:
            after = node_hash(after, sibling)
        here, last = here >> 1, last >> 1
    if last != 0 or before != old_root or after != new_root:
        raise VerificationError(rewritten, old=old, new=new)


def _require_hashes(hashes: Sequence[bytes]) -> None:
    for item in hashes:
        if len(item) != HASH_SIZE:
            raise VerificationError(f"a hash has {HASH_SIZE} bytes, not {len(item)}")
