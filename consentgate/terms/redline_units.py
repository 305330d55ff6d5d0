"""Which block of the old text is which of the new one.

Room: terms (pure). Called by the redline. Blocks that say the same are found by `align.anchors`; here, within one
stretch that is still open, blocks that are versions of one another are paired, paragraphs that were split or joined are
recognised, and what stands at another place is found to have moved.
"""

from __future__ import annotations

from collections.abc import Sequence

from consentgate.terms.align import Gap, Pair, Work, pair_in_order, shared_words
from consentgate.terms.blocks import Block
from consentgate.terms.redline_pieces import Phrase
from consentgate.terms.words import is_dense

Match = tuple[int, int, int, int]
"""Old from, old to, new from, new to: one block for one, one for several or several for one."""

ROWS = frozenset(("row", "head"))
_CELLS = 100_000
_ALIKE = 0.45
_MOVED_ALIKE = 0.6
_MOVED_CHARACTERS = 20
_MOVED_WORDS = 8
_CONTAINED = 0.8
_PART_WORDS = 5
_LONG = 20
_BETWEEN = 3
_ALIKE_ALONE = 0.25


class Unit:
    """A block made ready for comparison."""

    __slots__ = ("_words", "block", "cells", "key", "row")

    def __init__(self, block: Block) -> None:
        self.block = block
        self.row = block.kind in ROWS
        self._words: frozenset[str] | None = None
        if self.row:
            self.cells = [Phrase(cell) for cell in block.cells]
            self.key = "\x1e" + "\x1f".join([cell.key for cell in self.cells])
        else:
            self.cells = [Phrase(block.cells[0], label=None, heading=block.kind == "h")]
            self.key = self.cells[0].key

    def words(self) -> frozenset[str]:
        """What it is recognised by when its words changed: its words, or its characters where no blanks part them."""
        if self._words is None:
            self._words = frozenset(self.key if is_dense(self.key) else self.key.replace("\x1f", " ").split())
        return self._words


def similar(olds: Sequence[Unit], news: Sequence[Unit], gap: Gap, work: Work) -> list[Match] | None:
    """Match the blocks of one open stretch that are versions of one another, in order; ``None`` if it is too large."""
    cells = (gap[1] - gap[0]) * (gap[3] - gap[2])
    if cells > _CELLS or not work.spend(cells):
        return None
    ones, others = olds[gap[0] : gap[1]], news[gap[2] : gap[3]]
    scores = shared_words([unit.words() for unit in ones], [unit.words() for unit in others])
    # Two blocks that stand alone between the same neighbours need less in common ("Last updated: …").
    enough = _ALIKE if cells > 1 else _ALIKE_ALONE
    sizes = [len(other.words()) for other in others]
    for one, line in zip(ones, scores, strict=True):
        size = len(one.words())
        for column, other in enumerate(others):
            alike = 2 * line[column] >= enough * (size + sizes[column])
            if one.row or other.row:
                alike = one.row and other.row and (alike or one.cells[0].key == other.cells[0].key != "")
            line[column] = line[column] + 1 if alike else 0
    pairs = [(gap[0] + row, gap[2] + column) for row, column in pair_in_order(scores)]
    return _regrouped(olds, news, gap, pairs)


def _regrouped(olds: Sequence[Unit], news: Sequence[Unit], gap: Gap, pairs: list[Pair]) -> list[Match]:
    """The pairs, with what is one paragraph on one side and several on the other taken together."""
    if len(pairs) == gap[1] - gap[0] == gap[3] - gap[2]:
        return [(one, one + 1, other, other + 1) for one, other in pairs]
    split = _parts(olds, news, pairs, gap, set())
    old_used = {one for one, _, _ in split}
    within = [(other, one) for one, first, last in split for other in range(first, last)]
    turned = sorted([*within, *((other, one) for one, other in pairs if one not in old_used)])
    joined = _parts(news, olds, turned, (gap[2], gap[3], gap[0], gap[1]), {other for other, _ in within})
    matches = [(one, one + 1, first, last) for one, first, last in split]
    matches += [(first, last, other, other + 1) for other, first, last in joined]
    old_used.update(one for _, first, last in joined for one in range(first, last))
    return sorted(matches + [(one, one + 1, other, other + 1) for one, other in pairs if one not in old_used])


def _parts(
    wholes: Sequence[Unit], parts: Sequence[Unit], pairs: Sequence[Pair], gap: Gap, used: set[int]
) -> list[tuple[int, int, int]]:
    """Blocks of one side that are several on the other: the whole, and from where to where its parts stand.

    Args:
        wholes, parts: the blocks of either side.
        pairs: which are paired already, in order of the wholes and of the parts.
        gap: the stretch of wholes and of parts to look at.
        used: wholes to leave alone.
    """
    found = []
    low = gap[2]
    partner = dict(pairs)
    taken = set(partner.values())
    ahead = sorted(partner)
    for whole in range(gap[0], gap[1]):
        own = partner.get(whole)
        first, last = (low, low) if own is None else (own, own + 1)
        if whole not in used and not wholes[whole].row and len(wholes[whole].key) >= 2 * _LONG:
            high = next((partner[one] for one in ahead if one > whole), gap[3])
            if own is None:
                first, last = _longest(wholes[whole], parts, low, high, taken)
            else:
                first = _reach(wholes[whole], parts, own, range(own - 1, low - 1, -1), taken)
                last = _reach(wholes[whole], parts, own, range(own + 1, high), taken) + 1
        if last - first > 1:
            found.append((whole, first, last))
        low = max(low, last)
    return found


def _reach(whole: Unit, parts: Sequence[Unit], own: int, places: range, taken: set[int]) -> int:
    """How far from its partner the parts of a block reach; a few new blocks may have come between them."""
    reached = own
    for place in places:
        if place in taken or abs(place - reached) > _BETWEEN or parts[place].row:
            break
        if _is_part(parts[place], whole):
            reached = place
    return reached


def _longest(whole: Unit, parts: Sequence[Unit], low: int, high: int, taken: set[int]) -> tuple[int, int]:
    """The first run of parts that makes up at least half of a block without a partner."""
    first = low
    while first < high:
        last = first
        size = 0
        while last < high and last not in taken and _is_part(parts[last], whole):
            size += len(parts[last].key)
            last += 1
        if last - first > 1 and 2 * size >= len(whole.key):
            return first, last
        first = last + 1
    return low, low


def _is_part(part: Unit, whole: Unit) -> bool:
    if part.row or len(part.key) >= len(whole.key):
        return False
    if part.key in whole.key:
        return len(part.key) >= _LONG or whole.key.startswith(part.key) or whole.key.endswith(part.key)
    words = part.words()
    return len(words) >= _PART_WORDS and len(words & whole.words()) >= _CONTAINED * len(words)


def moves(olds: Sequence[Unit], news: Sequence[Unit], matches: Sequence[Match], work: Work) -> dict[int, int]:
    """Old index to new index of blocks that stand at another place, the same or reworded."""
    kept_old = {index for match in matches for index in range(match[0], match[1])}
    kept_new = {index for match in matches for index in range(match[2], match[3])}
    free_old = [index for index in range(len(olds)) if index not in kept_old]
    free_new = [index for index in range(len(news)) if index not in kept_new]
    places: dict[str, list[int]] = {}
    for index in free_new:
        places.setdefault(news[index].key, []).append(index)
    found: dict[int, int] = {}
    for index in free_old:
        key = olds[index].key
        if len(key) >= _MOVED_CHARACTERS and places.get(key):
            found[index] = places[key].pop(0)
    _reworded_moves(olds, news, (free_old, free_new), found, work)
    _short_neighbours(olds, news, kept_old, kept_new, found)
    return found


def _reworded_moves(
    olds: Sequence[Unit], news: Sequence[Unit], free: tuple[list[int], list[int]], found: dict[int, int], work: Work
) -> None:
    taken = set(found.values())
    ones = [at for at in free[0] if at not in found and not olds[at].row and len(olds[at].words()) >= _MOVED_WORDS]
    others = [at for at in free[1] if at not in taken and not news[at].row and len(news[at].words()) >= _MOVED_WORDS]
    cells = len(ones) * len(others)
    if not cells or cells > _CELLS or not work.spend(cells):
        return
    shared = shared_words([olds[at].words() for at in ones], [news[at].words() for at in others])
    candidates = []
    for one, line in zip(ones, shared, strict=True):
        for other, count in zip(others, line, strict=True):
            # In thousandths: the order must not hang on how a machine rounds.
            alike = 2000 * count // (len(olds[one].words()) + len(news[other].words()))
            if alike >= 1000 * _MOVED_ALIKE:
                candidates.append((-alike, one, other))
    for _, one, other in sorted(candidates):
        if one not in found and other not in taken:
            found[one] = other
            taken.add(other)


def _short_neighbours(
    olds: Sequence[Unit], news: Sequence[Unit], kept_old: set[int], kept_new: set[int], found: dict[int, int]
) -> None:
    """Short neighbours (a heading, "None.") of what moved went with it."""
    taken = set(found.values()) | kept_new
    for step in (1, -1):
        for one, other in sorted(found.items(), reverse=step < 0):
            one, other = one + step, other + step
            while 0 <= one < len(olds) and 0 <= other < len(news) and olds[one].key == news[other].key:
                if one in kept_old or one in found or other in taken:
                    break
                found[one] = other
                taken.add(other)
                one, other = one + step, other + step
