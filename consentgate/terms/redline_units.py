"""Which block of the old text is which of the new one.

Room: terms (pure). Called by the redline. Blocks that say the same are found by `align.anchors`; here, within one
stretch that is still open, blocks that are versions of one another are paired, paragraphs that were split or joined are
recognised, and what stands at another place is found to have moved.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

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

    __slots__ = ("_least", "_words", "block", "cells", "key", "row")

    def __init__(self, block: Block) -> None:
        self.block = block
        self.row = block.kind in ROWS
        self._words: frozenset[str] | None = None
        self._least = inf
        if self.row:
            self.cells = [Phrase(cell) for cell in block.cells]
            self.key = "\x1e" + "\x1f".join([cell.key for cell in self.cells])
        else:
            self.cells = [Phrase(block.cells[0], label=None, heading=block.kind == "h")]
            self.key = self.cells[0].key

    def words(self) -> frozenset[str]:
        """What it is recognised by when its words changed: its words, or its characters where no blanks part them."""
        words = self._words
        if words is None:
            key, dense = self.key, is_dense(self.key)
            words = self._words = frozenset(key if dense else (key.replace("\x1f", " ") if self.row else key).split())
            if not self.row:
                self._least = 0 if dense or len(words) < _PART_WORDS else _CONTAINED * len(words)
        return words

    def least(self) -> float:
        """How many words a whole must share with it to have it as a part; 0 where its letters must be looked at."""
        self.words()
        return self._least


def similar(olds: Sequence[Unit], news: Sequence[Unit], gap: Gap, work: Work) -> list[Match] | None:
    """Match the blocks of one open stretch that are versions of one another, in order; ``None`` if it is too large."""
    cells = (gap[1] - gap[0]) * (gap[3] - gap[2])
    if cells > _CELLS or not work.spend(cells):
        return None
    ones, others = olds[gap[0] : gap[1]], news[gap[2] : gap[3]]
    if cells == 1:
        count = len(ones[0].words() & others[0].words())
        return [gap] if _scores(ones, others, [[count]])[0][0] else []
    shared = shared_words([unit.words() for unit in ones], [unit.words() for unit in others])
    pairs = pair_in_order(_scores(ones, others, shared))
    matches = [(row, row + 1, column, column + 1) for row, column in pairs]
    if not len(pairs) == len(ones) == len(others):
        matches = _regrouped(ones, others, pairs, shared)
    return [(a + gap[0], b + gap[0], c + gap[2], d + gap[2]) for a, b, c, d in matches]


def _scores(ones: Sequence[Unit], others: Sequence[Unit], shared: list[list[int]]) -> list[list[int]]:
    """How much each block has of each other one; 0 where they are no versions of one another."""
    # Two blocks that stand alone between the same neighbours need less in common ("Last updated: …").
    enough = _ALIKE if len(ones) * len(others) > 1 else _ALIKE_ALONE
    sizes = [len(other.words()) for other in others]
    least, rows = min(sizes), any(other.row for other in others)
    nothing = [0] * len(others)
    scores = []
    for one, counts in zip(ones, shared, strict=True):
        size, row = len(one.words()), one.row
        if not row and not rows:
            if 2 * max(counts) < enough * (size + least):
                scores.append(nothing)
            else:
                scores.append(
                    [
                        count + 1 if 2 * count >= enough * (size + other_size) else 0
                        for count, other_size in zip(counts, sizes, strict=True)
                    ]
                )
            continue
        line = []
        for count, other, other_size in zip(counts, others, sizes, strict=True):
            alike = 2 * count >= enough * (size + other_size)
            if row or other.row:
                alike = row and other.row and (alike or one.cells[0].key == other.cells[0].key != "")
            line.append(count + 1 if alike else 0)
        scores.append(line)
    return scores


def _regrouped(ones: Sequence[Unit], others: Sequence[Unit], pairs: list[Pair], shared: list[list[int]]) -> list[Match]:
    """The pairs, with what is one paragraph on one side and several on the other taken together."""
    split = _Parts(ones, others, pairs, shared).find(set())
    old_used = {one for one, _, _ in split}
    within = [(other, one) for one, first, last in split for other in range(first, last)]
    turned = sorted([*within, *((other, one) for one, other in pairs if one not in old_used)])
    columns = [list(column) for column in zip(*shared, strict=True)]
    joined = _Parts(others, ones, turned, columns).find({other for other, _ in within})
    matches = [(one, one + 1, first, last) for one, first, last in split]
    matches += [(first, last, other, other + 1) for other, first, last in joined]
    old_used.update(one for _, first, last in joined for one in range(first, last))
    return sorted(matches + [(one, one + 1, other, other + 1) for one, other in pairs if one not in old_used])


class _Parts:
    """Looks for blocks of one side that are several on the other.

    Args:
        wholes, parts: the blocks of either side.
        pairs: which are paired already, in order of the wholes and of the parts.
        shared: how many words each whole has in common with each part.
    """

    def __init__(
        self, wholes: Sequence[Unit], parts: Sequence[Unit], pairs: Sequence[Pair], shared: list[list[int]]
    ) -> None:
        self.wholes = wholes
        self.parts = parts
        self.partner = dict(pairs)
        self.taken = set(self.partner.values())
        self.shared = shared
        self.least = [part.least() for part in parts]

    def find(self, used: set[int]) -> list[tuple[int, int, int]]:
        """The wholes, and from where to where their parts stand; those in `used` are left alone."""
        found = []
        low, high = 0, len(self.parts)
        highs = []
        for whole in range(len(self.wholes) - 1, -1, -1):
            highs.append(high)
            high = self.partner.get(whole, high)
        for whole, unit in enumerate(self.wholes):
            own = self.partner.get(whole)
            first, last = (low, low) if own is None else (own, own + 1)
            if whole not in used and not unit.row and len(unit.key) >= 2 * _LONG:
                high = highs[len(self.wholes) - 1 - whole]
                if own is None:
                    first, last = self._longest(whole, low, high)
                else:
                    first = self._reach(whole, own, range(own - 1, low - 1, -1))
                    last = self._reach(whole, own, range(own + 1, high)) + 1
            if last - first > 1:
                found.append((whole, first, last))
            low = max(low, last)
        return found

    def _reach(self, whole: int, own: int, places: range) -> int:
        """How far from its partner the parts of a block reach; a few new blocks may have come between them."""
        reached = own
        for place in places:
            if place in self.taken or abs(place - reached) > _BETWEEN or self.parts[place].row:
                break
            if self._is_part(place, whole):
                reached = place
        return reached

    def _longest(self, whole: int, low: int, high: int) -> tuple[int, int]:
        """The first run of parts that makes up at least half of a block without a partner."""
        shared, least, taken = self.shared[whole], self.least, self.taken
        possible = [place for place in range(low, high) if shared[place] >= least[place] and place not in taken]
        at = 0
        while at < len(possible) - 1:
            first = last = possible[at]
            size = 0
            while at < len(possible) and possible[at] == last and self._is_part(last, whole):
                size += len(self.parts[last].key)
                at, last = at + 1, last + 1
            if last - first > 1 and 2 * size >= len(self.wholes[whole].key):
                return first, last
            at += last == first
        return low, low

    def _is_part(self, place: int, whole: int) -> bool:
        least = self.least[place]
        if self.shared[whole][place] < least:
            return False
        key, all_of_it = self.parts[place].key, self.wholes[whole].key
        if len(key) >= len(all_of_it):
            return False
        if least > 0:
            return True
        return all_of_it.startswith(key) or all_of_it.endswith(key) or (len(key) >= _LONG and key in all_of_it)


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
