"""Which item of an old sequence is which item of a new one.

Room: terms (pure). Called by the redline, for blocks and for words alike. Everything here is bounded by counted work,
never by time, so that the same two texts give the same answer on every machine.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

_BITS = 4_000
"""Most different words that are made bits of an integer: their table takes a megabyte."""

Pair = tuple[int, int]
Gap = tuple[int, int, int, int]
"""Old from, old to, new from, new to: a stretch in which nothing certain was found."""


@dataclass(slots=True)
class Work:
    """How much may still be computed; counted in elementary steps, the same on every machine."""

    left: int

    def spend(self, steps: int) -> bool:
        """Take `steps` from what is left, or refuse and take nothing."""
        if steps > self.left:
            return False
        self.left -= steps
        return True


def anchors(old: Sequence[Hashable], new: Sequence[Hashable], work: Work) -> tuple[list[Pair], list[Gap]]:
    """Find the items that certainly correspond, in order.

    Equal beginnings and ends; then items that stand once on either side; else those that stand equally often, the k-th
    with the k-th; of these the longest run that keeps its order; then the same again between them.

    Returns:
        pairs in order, and the stretches between them that are still open (both sides non-empty).
    """
    pairs: list[Pair] = []
    gaps: list[Gap] = []
    todo = [(0, len(old), 0, len(new))]
    while todo:
        old_from, old_to, new_from, new_to = todo.pop()
        while old_from < old_to and new_from < new_to and old[old_from] == new[new_from]:
            pairs.append((old_from, new_from))
            old_from, new_from = old_from + 1, new_from + 1
        while old_from < old_to and new_from < new_to and old[old_to - 1] == new[new_to - 1]:
            old_to, new_to = old_to - 1, new_to - 1
            pairs.append((old_to, new_to))
        if old_from == old_to or new_from == new_to:
            continue
        gap = (old_from, old_to, new_from, new_to)
        size = old_to - old_from + new_to - new_from
        chain = _chain(old, new, gap) if size > 2 and work.spend(size) else []
        if not chain:
            gaps.append(gap)
            continue
        pairs += chain
        before = (old_from - 1, new_from - 1)
        for after in [*chain, (old_to, new_to)]:
            if after[0] - before[0] > 1 and after[1] - before[1] > 1:
                todo.append((before[0] + 1, after[0], before[1] + 1, after[1]))
            before = after
    pairs.sort()
    gaps.sort()
    return pairs, gaps


def _chain(old: Sequence[Hashable], new: Sequence[Hashable], gap: Gap) -> list[Pair]:
    ones, others = old[gap[0] : gap[1]], new[gap[2] : gap[3]]
    old_span, new_span = range(gap[0], gap[1]), range(gap[2], gap[3])
    old_last, new_last = dict(zip(ones, old_span, strict=True)), dict(zip(others, new_span, strict=True))
    shared = old_last.keys() & new_last.keys()
    if not shared:
        return []
    once = shared
    if len(old_last) < len(ones):
        once = once.difference([item for item, at in zip(ones, old_span, strict=True) if old_last[item] != at])
    if len(new_last) < len(others):
        once = once.difference([item for item, at in zip(others, new_span, strict=True) if new_last[item] != at])
    if once:
        return longest_increasing([(at, new_last[one]) for one, at in zip(ones, old_span, strict=True) if one in once])
    return longest_increasing(sorted(_equally_often(old, new, gap, shared)))


def _equally_often(
    old: Sequence[Hashable], new: Sequence[Hashable], gap: Gap, shared: AbstractSet[Hashable]
) -> list[Pair]:
    ones: dict[Hashable, list[int]] = {item: [] for item in shared}
    others: dict[Hashable, list[int]] = {item: [] for item in shared}
    for items, places, start, stop in ((old, ones, gap[0], gap[1]), (new, others, gap[2], gap[3])):
        for place in range(start, stop):
            if items[place] in places:
                places[items[place]].append(place)
    return [
        pair
        for item in shared
        if len(ones[item]) == len(others[item])
        for pair in zip(ones[item], others[item], strict=True)
    ]


def longest_increasing(pairs: Sequence[Pair]) -> list[Pair]:
    """The longest run of pairs, given in order of their first, whose seconds grow too."""
    seconds = [second for _, second in pairs]
    if seconds == sorted(set(seconds)):
        return list(pairs)
    tails: list[int] = []
    last: list[int] = []
    previous: list[int] = []
    for number, (_, second) in enumerate(pairs):
        place = bisect_left(tails, second)
        previous.append(last[place - 1] if place else -1)
        if place == len(tails):
            tails.append(second)
            last.append(number)
        else:
            tails[place] = second
            last[place] = number
    run = []
    at = last[-1] if last else -1
    while at >= 0:
        run.append(pairs[at])
        at = previous[at]
    run.reverse()
    return run


def shared_words(ones: Sequence[frozenset[str]], others: Sequence[frozenset[str]]) -> list[list[int]]:
    """How many words each of `ones` has in common with each of `others`."""
    if len(ones) == 1 or len(others) == 1:
        return [[len(one & other) for other in others] for one in ones]
    # With many to compare, the words of each are the bits of an integer: what two share is one operation. Words that
    # stand on one side only are shared by none.
    common = frozenset().union(*ones) & frozenset().union(*others)
    places = {word: place for place, word in enumerate(common)}
    if len(places) <= _BITS:
        bit = {word: 1 << place for word, place in places.items()}.__getitem__
    else:

        def bit(word: str) -> int:
            return 1 << places[word]

    rows, columns = ([sum(map(bit, words & common)) for words in side] for side in (ones, others))
    return [[(row & column).bit_count() for column in columns] for row in rows]


def pair_in_order(scores: Sequence[Sequence[int]]) -> list[Pair]:
    """Pair rows with columns, in order, so that the sum of the scores is largest; a score of 0 is never paired."""
    rows, columns = len(scores), len(scores[0])
    best = [[0] * (columns + 1)] * (rows + 1)
    for row in range(rows - 1, -1, -1):
        below, line = best[row + 1], scores[row]
        if not any(line):
            best[row] = below
            continue
        best[row] = here = below[:]
        for column in range(columns - 1, -1, -1):
            if line[column]:
                take, place = below[column + 1] + line[column], column
                while place >= 0 and here[place] < take:  # sums never grow from left to right
                    here[place] = take
                    place -= 1
    pairs = []
    row = column = 0
    while row < rows and column < columns:
        score = scores[row][column]
        if score and best[row][column] == best[row + 1][column + 1] + score:
            pairs.append((row, column))
            row, column = row + 1, column + 1
        elif best[row][column] == best[row + 1][column]:
            row += 1
        else:
            column += 1
    return pairs
