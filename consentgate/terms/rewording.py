"""Word by word: what changed between two texts that are versions of one another.

Room: terms (pure). Called by the redline; the only importer of diff-match-patch in the whole package.
diff-match-patch's own time limit is switched off (a limit in seconds gives other marks on a busy machine, and the
marks are evidence); it is asked only for small stretches, and what it may do in all is counted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any, NamedTuple

from consentgate.terms.align import Pair, Work, anchors
from consentgate.terms.words import is_dense, is_word

SMALL = 10_000
"""A stretch of so many cells (old tokens times new tokens) is compared exactly."""


_EQUAL, _CHANGED = True, False
_MANY = 50
_FEW = 8
_ROUNDS = 4


class Edit(NamedTuple):
    """Tokens ``old_from:old_to`` became ``new_from:new_to``; equal where `equal` is set."""

    equal: bool
    old_from: int
    old_to: int
    new_from: int
    new_to: int


def reword(old: Sequence[str], new: Sequence[str], work: Work) -> tuple[list[Edit], bool]:
    """Compare two runs of tokens.

    Args:
        old, new: what tokens are compared by, from `words.tokens`.
        work: what may still be computed.

    Returns:
        the edits in order, equal and changed by turns, made readable; and whether a stretch was too large to be
        compared and is shown as replaced as a whole.
    """
    pairs, gaps = anchors(old, new, work)
    coarse = False
    for gap in gaps:
        cells = (gap[1] - gap[0]) * (gap[3] - gap[2])
        if cells == 1 or not set(old[gap[0] : gap[1]]).intersection(new[gap[2] : gap[3]]):
            continue
        if cells <= SMALL and work.spend(4 * cells):
            pairs += _exact(old, new, gap)
        else:
            coarse = True
    pairs.sort()
    return _readable(_edits(pairs, len(old), len(new)), old, new), coarse


@lru_cache(maxsize=1)
def _engine() -> Any:
    from diff_match_patch import diff_match_patch

    engine = diff_match_patch()
    engine.Diff_Timeout = 0
    return engine


def _exact(old: Sequence[str], new: Sequence[str], gap: tuple[int, int, int, int]) -> list[Pair]:
    """The shortest edit of one small stretch: each distinct token becomes one character."""
    letters: dict[str, str] = {}
    one, other = (
        # Private-use characters: diff-match-patch sees characters only, and none of these means anything to it.
        "".join(letters.setdefault(token, chr(0xF0000 + len(letters))) for token in part)
        for part in (old[gap[0] : gap[1]], new[gap[2] : gap[3]])
    )
    at_old, at_new = gap[0], gap[2]
    pairs = []
    for operation, part in _engine().diff_main(one, other, checklines=False):
        if operation == 0:
            pairs += [(at_old + step, at_new + step) for step in range(len(part))]
        if operation <= 0:
            at_old += len(part)
        if operation >= 0:
            at_new += len(part)
    return pairs


_edit: Callable[[tuple[bool, int, int, int, int]], Edit] = partial(tuple.__new__, Edit)
"""`Edit`, without the detour through its Python: there are many."""


def _edits(pairs: Sequence[Pair], old_length: int, new_length: int) -> list[Edit]:
    edits: list[Edit] = []
    equal_old = equal_new = at_old = at_new = 0
    for one, other in [*pairs, (old_length, new_length)]:
        if one != at_old or other != at_new:
            if at_old > equal_old:
                edits.append(_edit((_EQUAL, equal_old, at_old, equal_new, at_new)))
            edits.append(_edit((_CHANGED, at_old, one, at_new, other)))
            equal_old, equal_new = one, other
        at_old, at_new = one + 1, other + 1
    if old_length > equal_old:
        edits.append(_edit((_EQUAL, equal_old, old_length, equal_new, new_length)))
    return edits


def _readable(edits: list[Edit], old: Sequence[str], new: Sequence[str]) -> list[Edit]:
    """Take short equal stretches between two edits into one edit: confetti is correct and cannot be read."""
    for _ in range(_ROUNDS):
        if len(edits) < 3:
            break
        last = edits[0]
        merged: list[Edit] = [last]
        stop = len(edits) - 1
        for number in range(1, len(edits)):
            edit = edits[number]
            if last[0] or (edit[0] and (number == stop or not _trifling(last, edit, edits[number + 1], old, new))):
                last = edit
                merged.append(edit)
            else:
                merged[-1] = last = _edit((_CHANGED, last[1], edit[2], last[3], edit[4]))
        if len(merged) == len(edits):
            break
        edits = merged
    return edits


def _trifling(before: Edit, equal: Edit, after: Edit, old: Sequence[str], new: Sequence[str]) -> bool:
    """Whether what stands between two edits is better read as part of one: a sign, a lone word, a few short ones."""
    if equal[4] - equal[3] > _FEW:
        return False
    kept = new[equal.new_from : equal.new_to]
    words = sum(map(is_word, kept))
    size = sum(map(len, kept))
    if words and is_dense("".join(kept)):
        words = (size + 1) // 2  # two characters are about a word
    if not words:
        return True
    if _one_sided(before, after):
        return False
    around = min(_size(before, old, new), _size(after, old, new))
    return size <= 2 * around if words == 1 else words <= 3 and 2 * size <= around


def _one_sided(before: Edit, after: Edit) -> bool:
    """Whether both only add words, or both only remove some: what stands between them never went away."""
    old = before.old_to - before.old_from + after.old_to - after.old_from
    new = before.new_to - before.new_from + after.new_to - after.new_from
    return not old or not new


def _size(edit: Edit, old: Sequence[str], new: Sequence[str]) -> int:
    """Characters of the larger side of an edit; a long one is long enough, and need not be counted."""
    if max(edit.old_to - edit.old_from, edit.new_to - edit.new_from) > _MANY:
        return 8 * _MANY
    return max(
        sum(map(len, old[edit.old_from : edit.old_to])),
        sum(map(len, new[edit.new_from : edit.new_to])),
    )


def segments(edits: Sequence[Edit], stops: Sequence[int], *, new: bool) -> list[list[Edit]]:
    """Part the edits where one side begins another block.

    Args:
        edits: in order.
        stops: the tokens at which blocks begin, the first one left out.
        new: whether `stops` count new tokens; else old ones.
    """
    parts: list[list[Edit]] = [[]]
    waiting = list(stops)
    for edit in edits:
        while waiting:
            start, stop = (edit.new_from, edit.new_to) if new else (edit.old_from, edit.old_to)
            if stop <= waiting[0]:
                break
            at = waiting.pop(0)
            if start < at:
                head, edit = _parted(edit, at - start, new=new)
                parts[-1].append(head)
            parts.append([])
        parts[-1].append(edit)
    parts += [[] for _ in waiting]
    return parts


def _parted(edit: Edit, length: int, *, new: bool) -> tuple[Edit, Edit]:
    """An edit in two, the first with `length` tokens of one side; where it is a change, with all of the other side."""
    old_at, new_at = edit.old_from + length, edit.new_from + length
    if not edit.equal:
        old_at, new_at = (edit.old_to, new_at) if new else (old_at, edit.new_to)
    return edit._replace(old_to=old_at, new_to=new_at), edit._replace(old_from=old_at, new_from=new_at)
