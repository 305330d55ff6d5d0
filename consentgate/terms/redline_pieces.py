"""The words inside a pair of blocks: from two formatted texts to pieces with a fate.

Room: terms (pure). Called by the redline. Pieces are cut from the texts by offset, so nothing is ever lost or doubled,
and each keeps the formatting it had.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate, pairwise

from consentgate.terms.align import Work, anchors
from consentgate.terms.inline import Cell as Runs
from consentgate.terms.inline import Run
from consentgate.terms.numbering import label_length
from consentgate.terms.redline_items import ADDED, EQUAL, NEW_NUMBER, OLD_NUMBER, REMOVED
from consentgate.terms.rewording import Edit, reword, segments
from consentgate.terms.words import has_unseen, seen, tokens

Piece = tuple[str, str, str, str]
Cell = tuple[str, Sequence[Piece]]
"""As in `redline_items`, but plain tuples: there are many, and they are only written down."""


class Phrase:
    """The words of one cell, ready to be compared.

    Args:
        runs: formatted.
        label: how many characters at their start are the number of the clause; ``None`` to look for one.
        heading: whether they are a heading.
    """

    __slots__ = ("_key", "_keys", "_places", "label", "runs", "text")

    def __init__(self, runs: Runs, *, label: int | None = 0, heading: bool = False) -> None:
        self.runs = runs
        self.text = runs[0].text if len(runs) == 1 else "".join([run.text for run in runs])
        self.label = label_length(self.text, heading=heading) if label is None else label
        self._key: str | None = None
        self._keys: list[str] | None = None
        self._places: list[int] = []

    @property
    def key(self) -> str:
        """What a reader sees after the number."""
        if self._key is None:
            self._key = seen(self.text[self.label :])
        return self._key

    def tokens(self) -> tuple[list[str], list[int]]:
        """What the tokens after the number are compared by, and where in `text` each begins, and the last ends."""
        if self._keys is None:
            self._keys, self._places = tokens(self.text[self.label :], self.label)
        return self._keys, self._places


def whole(runs: Runs, fate: str) -> list[Piece]:
    """All words of a cell, with one fate."""
    return [(fate, text, marks, href) for text, marks, href in runs]


def compare_cells(olds: Sequence[Phrase], news: Sequence[Phrase], work: Work) -> tuple[list[Cell], bool]:
    """Compare two blocks cell by cell.

    Args:
        olds, news: their cells.
        work: what may still be computed.

    Returns:
        the cells with their pieces, and whether a stretch was too large to be compared word by word.
    """
    if len(olds) == len(news) == 1:
        pieces, coarse = _compare(olds[0], news[0], work)
        return [(EQUAL, pieces)], coarse
    cells: list[Cell] = []
    coarse = False
    for one, other in _columns(olds, news):
        if one is None and other is not None:
            cells.append((ADDED, whole(other.runs, ADDED)))
        elif other is None and one is not None:
            cells.append((REMOVED, whole(one.runs, REMOVED)))
        elif one is not None and other is not None:
            pieces, rough = _compare(one, other, work)
            coarse = coarse or rough
            cells.append((EQUAL, pieces))
    return cells, coarse


def compare_joined(olds: Sequence[Phrase], news: Sequence[Phrase], work: Work) -> tuple[list[list[Piece]], bool]:
    """Compare one block with several that are the same words, parted otherwise.

    Args:
        olds, news: one cell on one side, several on the other.
        work: what may still be computed.

    Returns:
        the pieces that belong to each cell of the side that has several, and whether a stretch was too large.
    """
    one, other = _joined(olds), _joined(news)
    several = news if len(news) > 1 else olds
    starts = _found_in(one if len(news) > 1 else other, several)
    places = list(accumulate([len(phrase.text) + 1 for phrase in several[:-1]], initial=-1))[1:]
    if starts is not None:  # parted otherwise and not reworded, as most are
        own = [several[0].label, *places, sum([len(phrase.text) + 1 for phrase in several]) - 1]
        old_at, new_at = (starts, own) if len(news) > 1 else (own, starts)
        stops = list(range(1, len(several)))
        edits, coarse = [Edit(equal=True, old_from=0, old_to=len(several), new_from=0, new_to=len(several))], False
    else:
        (old_keys, old_at), (new_keys, new_at) = one.tokens(), other.tokens()
        at = new_at if len(news) > 1 else old_at
        stops = [bisect_left(at, place) for place in places]
        edits, coarse = reword(old_keys, new_keys, work)
    parts = []
    for number, segment in enumerate(segments(edits, stops, new=len(news) > 1)):
        cut = _Cutter(one, other)
        if number == 0:
            cut.number(one.label, other.label)
        for edit in segment:
            cut.follow(edit, old_at, new_at)
        parts.append(cut.pieces())
    return parts, coarse


def _joined(phrases: Sequence[Phrase]) -> Phrase:
    runs: list[Run] = []
    for phrase in phrases:
        runs += [Run(" "), *phrase.runs] if runs else phrase.runs
    return Phrase(tuple(runs), label=phrases[0].label)


def _found_in(whole: Phrase, parts: Sequence[Phrase]) -> list[int] | None:
    """Where each of several phrases begins in one, with the blank before it, and where the last of them ends.

    Returns:
        ``None`` unless the one is made of nothing but them, and of blanks between them.
    """
    text, at = whole.text, whole.label
    if has_unseen(text):
        return None
    starts = [at]
    for number, part in enumerate(parts):
        words = part.text if number else part.text[part.label :]
        if number:
            starts.append(at)
            while text[at : at + 1] in (" ", "\n"):
                at += 1
            if at == starts[-1]:
                return None
        if not words or words[-1].isspace() or not text.startswith(words, at):
            return None
        at += len(words)
    return [*starts, at] if at == len(text) else None


def _columns(olds: Sequence[Phrase], news: Sequence[Phrase]) -> list[tuple[Phrase | None, Phrase | None]]:
    """Which cell became which: by position, or around the cells that say the same where their number changed."""
    if len(olds) == len(news):
        return list(zip(olds, news, strict=True))
    pairs, _ = anchors([cell.key for cell in olds], [cell.key for cell in news], Work(10_000))
    columns: list[tuple[Phrase | None, Phrase | None]] = []
    for before, after in pairwise([(-1, -1), *pairs, (len(olds), len(news))]):
        rest_old, rest_new = olds[before[0] + 1 : after[0]], news[before[1] + 1 : after[1]]
        shared = min(len(rest_old), len(rest_new))
        columns += zip(rest_old[:shared], rest_new[:shared], strict=True)
        columns += [(cell, None) for cell in rest_old[shared:]]
        columns += [(None, cell) for cell in rest_new[shared:]]
        if after[0] < len(olds):
            columns.append((olds[after[0]], news[after[1]]))
    return columns


def _compare(one: Phrase, other: Phrase, work: Work) -> tuple[list[Piece], bool]:
    if one.text == other.text:
        return whole(other.runs, EQUAL), False
    cut = _Cutter(one, other)
    cut.number(one.label, other.label)
    if one.key == other.key:
        cut.equal(other.label, len(other.text))
        return cut.pieces(), False
    start, rest = _alike(one.text[one.label :], other.text[other.label :])
    old_from, old_to = one.label + start, len(one.text) - rest
    new_from, new_to = other.label + start, len(other.text) - rest
    cut.equal(other.label, new_from)
    old_keys, old_at = tokens(one.text[old_from:old_to], old_from)
    new_keys, new_at = tokens(other.text[new_from:new_to], new_from)
    edits, coarse = reword(old_keys, new_keys, work)
    for edit in edits:
        cut.follow(edit, old_at, new_at)
    if rest:
        cut.equal_after_edit(old_to, new_to, len(other.text))
    return cut.pieces(), coarse


def _alike(old: str, new: str) -> tuple[int, int]:
    """How many characters are the same at the start and at the end, counted to a blank: no word is cut.

    These words need no closer look, and most paragraphs that changed are made of them.
    """
    start = max(0, old.rfind(" ", 0, _shared(old, new)))
    old, new = old[start:], new[start:]
    blank = old.find(" ", len(old) - _shared(old[::-1], new[::-1]))
    return start, len(old) - blank if blank >= 0 else 0


def _shared(one: str, other: str) -> int:
    """How many characters two texts share at their start."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


class _Cutter:
    """Cuts pieces out of two texts, moving the blank between an edit and what follows to where it reads best."""

    def __init__(self, one: Phrase, other: Phrase) -> None:
        self.runs = (one.runs, other.runs)
        self.old = one.text
        self.new = other.text
        self.spans: list[tuple[str, int, int]] = []

    def number(self, old_label: int, new_label: int) -> None:
        """The number the clause begins with, on either side."""
        if not old_label and not new_label:
            return
        if seen(self.old[:old_label]) == seen(self.new[:new_label]):
            self.equal(0, new_label)
            return
        self._span(OLD_NUMBER, 0, old_label)
        self._span(NEW_NUMBER, 0, new_label)

    def equal(self, start: int, stop: int) -> None:
        """Words that stand in both; shown as in the new text."""
        self._span(EQUAL, start, stop)

    def follow(self, edit: Edit, old_at: Sequence[int], new_at: Sequence[int]) -> None:
        """An edit of tokens, given the offset at which each token begins."""
        equal, old_from, old_to, new_from, new_to = edit
        if equal:
            self.equal_after_edit(old_at[old_from], new_at[new_from], new_at[new_to])
        else:
            self.edit(old_at[old_from], old_at[old_to], new_at[new_from], new_at[new_to])

    def edit(self, old_start: int, old_stop: int, new_start: int, new_stop: int) -> None:
        """Words removed and words put in their place."""
        spans = self.spans
        replaced = old_start < old_stop and new_start < new_stop
        if replaced and self.old[old_start].isspace() and self.new[new_start].isspace():  # of two blanks, one stays
            spans.append((EQUAL, new_start, new_start + 1))
            old_start, new_start = old_start + 1, new_start + 1
        if old_start < old_stop:
            spans.append((REMOVED, old_start, old_stop))
        if new_start < new_stop:
            spans.append((ADDED, new_start, new_stop))

    def equal_after_edit(self, old_start: int, start: int, stop: int) -> None:
        """Equal words; the blank before them may belong to one side only, or read better before the edit."""
        before, after = self._blank(self.old, old_start), self._blank(self.new, start)
        last = self.spans[-1] if self.spans else None
        if before and not after:
            self._span(REMOVED, old_start, old_start + 1)
        elif after and not before:
            self._span(ADDED, start, start + 1)
            start += 1
        elif before and after and last and last[0] in (REMOVED, ADDED):
            alone = len(self.spans) < 2 or self.spans[-2][0] not in (REMOVED, ADDED)
            text = self.old if last[0] == REMOVED else self.new
            if alone and len(self.spans) > 1 and self._blank(text, last[1]):
                # "word[ more] then" reads better as "word [more ]then".
                first = start if last[0] == REMOVED else last[1]
                self.spans[-1:] = [(EQUAL, first, first + 1), (last[0], last[1] + 1, last[2] + 1)]
                start += 1
        self.equal(start, stop)

    @staticmethod
    def _blank(text: str, place: int) -> bool:
        return place < len(text) and text[place].isspace()

    def _span(self, fate: str, start: int, stop: int) -> None:
        if start < stop:
            self.spans.append((fate, start, stop))

    def pieces(self) -> list[Piece]:
        """The spans with their formatting, neighbours of one kind joined."""
        if len(self.runs[0]) == len(self.runs[1]) == 1:
            return self._uniform(self.runs[0][0], self.runs[1][0])
        pieces: list[Piece] = []
        places = [(0, 0), (0, 0)]  # on either side: the run we are in, and the offset at which it begins
        for fate, start, stop in self.spans:
            side = 0 if fate in (REMOVED, OLD_NUMBER) else 1
            runs, (number, begins) = self.runs[side], places[side]
            while start < stop:
                run = runs[number]
                ends = begins + len(run.text)
                if start < ends:
                    self._add(pieces, fate, run, run.text[start - begins : stop - begins])
                    start = min(stop, ends)
                if start >= ends:
                    number, begins = number + 1, ends
            places[side] = (number, begins)
        return pieces

    def _uniform(self, one: Run, other: Run) -> list[Piece]:
        """The same where either side has one formatting throughout, as most have."""
        pieces: list[Piece] = []
        last = ""
        for fate, start, stop in self.spans:
            text, marks, href = one if fate in (REMOVED, OLD_NUMBER) else other
            if fate == last:  # of one side, so of one formatting
                pieces[-1] = (fate, pieces[-1][1] + text[start:stop], marks, href)
            else:
                pieces.append((fate, text[start:stop], marks, href))
            last = fate
        return pieces

    @staticmethod
    def _add(pieces: list[Piece], fate: str, run: Run, text: str) -> None:
        last = pieces[-1] if pieces else None
        if last and (last[0], last[2], last[3]) == (fate, run.marks, run.href):
            pieces[-1] = (fate, last[1] + text, run.marks, run.href)
        else:
            pieces.append((fate, text, run.marks, run.href))
