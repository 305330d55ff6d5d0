"""The redline: what changed between two texts, as a reader sees it.

Room: terms (pure). Called by the service at publish time and by anyone who wants to compute it again. Of this package
it may import `terms` and `errors` only.

The way: both texts are read into blocks (`blocks`); blocks that say the same are found whatever number stands before
them (`align`); of the rest, similar ones are paired in order; what is left on either side and says the same was moved;
inside a pair, words are compared (`rewording`). Everything is bounded by counted work, never by time: equal texts give
equal bytes on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from consentgate.terms.align import Pair, Work, anchors
from consentgate.terms.blocks import (
    MAX_SIGNS,
    Block,
    Known,
    References,
    count_signs,
    cut_plain,
    read_blocks,
    read_piece,
    read_plain,
)
from consentgate.terms.canonical import text_digest
from consentgate.terms.chunks import cut, references
from consentgate.terms.redline_changes import Change, Section, Summary
from consentgate.terms.redline_form import BLOCKS, PLAIN, WORDS, Redline, from_bytes, rebuild, to_bytes
from consentgate.terms.redline_items import (
    ADDED,
    CHANGED,
    DELETED,
    EQUAL,
    INSERTED,
    LEFT,
    MOVED,
    REMOVED,
    SAME,
    Cell,
    Item,
    Kept,
    LinkChange,
    Piece,
)
from consentgate.terms.redline_links import changed_links
from consentgate.terms.redline_pieces import Cell as PlainCell
from consentgate.terms.redline_pieces import compare_cells, compare_joined, whole
from consentgate.terms.redline_units import Match, Unit, moves, similar
from consentgate.terms.redline_writing import ALGORITHM, with_source, write_item, write_redline, write_text
from consentgate.terms.words import count_words, seen

WORK = 400_000
"""Elementary steps one comparison may take in all; the longest policies we know take 20,000."""

_ABSURD = 8


def compare(old: str, new: str) -> Redline:
    """Compare two texts as a reader sees them.

    Args:
        old, new: Markdown in canonical form, without front matter.

    Returns:
        the redline; the same for the same two texts, always.
    """
    work = Work(WORK)
    plan = _plan(old, new, work)
    draft = _Draft(work, plan)
    olds, news = plan.olds, plan.news
    at_old = at_new = 0
    for one, other in [*plan.pairs, (len(olds), len(news))]:
        if at_old < one or at_new < other:
            draft.differ(olds[at_old:one], news[at_new:other])
        if one < len(olds) and other < len(news):
            draft.keep(olds[one])
        at_old, at_new = one + 1, other + 1
    return draft.finish(old, new)


class _Plan(NamedTuple):
    """Both texts in pieces, the pieces that are the same, and how the others are to be read."""

    olds: list[str]
    news: list[str]
    pairs: list[Pair]
    plain: bool
    definitions: tuple[References, References]


def _plan(old: str, new: str, work: Work) -> _Plan:
    if _too_many_signs([old, new], _ABSURD * MAX_SIGNS):
        return _plain_plan(old, new, work)
    olds, news = cut(old), cut(new)
    pairs, _ = anchors(olds, news, work)
    kept = [{pair[side] for pair in pairs} for side in (0, 1)]
    differing = [piece for side, pieces in enumerate((olds, news))
                 for place, piece in enumerate(pieces) if place not in kept[side]]  # fmt: skip
    if _too_many_signs(differing, MAX_SIGNS):
        return _plain_plan(old, new, work)
    definitions = references(olds, old), references(news, new)
    if definitions[0] == definitions[1]:
        return _Plan(olds, news, pairs, plain=False, definitions=definitions)
    if _too_many_signs([old, new], MAX_SIGNS):
        return _plain_plan(old, new, work)
    # A link defined elsewhere may read otherwise although its own lines are the same: read everything.
    return _Plan(olds, news, [], plain=False, definitions=definitions)


def _too_many_signs(texts: list[str], most: int) -> bool:
    """Whether reading these would cost too much; texts with fewer characters than that need no counting."""
    return sum(map(len, texts)) > most and count_signs("".join(texts)) > most


def _plain_plan(old: str, new: str, work: Work) -> _Plan:
    olds, news = cut_plain(old), cut_plain(new)
    return _Plan(olds, news, anchors(olds, news, work)[0], plain=True, definitions=({}, {}))


def visible(text: str, *, plain: bool = False) -> str:
    """What a reader sees of a Markdown text, one line a block: what `rebuild` must give back.

    Args:
        text: Markdown in canonical form.
        plain: whether to read it as plain paragraphs, as a redline does that is degraded to ``plain``.
    """
    lines = []
    blocks = [block for piece in cut_plain(text) for block in read_plain(piece)] if plain else read_blocks(text)
    for block in blocks:
        words = " | ".join(seen("".join(run.text for run in cell)) for cell in block.cells)
        lines.append(f"{block.marker} {words}\n" if block.marker else words + "\n")
    return "".join(lines)


class _Known(NamedTuple):
    """What was read already: pieces, their blocks, and by their identity the blocks made ready for comparison."""

    pieces: dict[str, list[Unit]]
    read: Known
    units: dict[int, Unit]


class _Draft:
    """A redline in the making: stretches that differ and stretches that are kept, in order."""

    def __init__(self, work: Work, plan: _Plan) -> None:
        self.work = work
        self.plain = plan.plain
        self.definitions = plan.definitions
        # What stands on both sides, at another place, is read once, if links are defined alike.
        mine = _Known({}, Known({}, {}), {})
        other = mine if plan.definitions[0] == plan.definitions[1] else _Known({}, Known({}, {}), {})
        self.known = (mine, other)
        self.olds: list[Unit] = []
        self.news: list[Unit] = []
        self.matches: list[Match] = []
        self.kept: list[tuple[int, int, list[str]]] = []
        self.parts: list[str] = []
        self.links: list[LinkChange] = []
        self.coarse: set[str] = {PLAIN} if plan.plain else set()

    def keep(self, source: str) -> None:
        """A stretch that is the same on both sides."""
        place = (len(self.olds), len(self.news))
        if self.kept and self.kept[-1][:2] == place:
            self.kept[-1][2].append(source)
        else:
            self.kept.append((*place, [source]))

    def _read(self, pieces: list[str], side: int) -> list[Unit]:
        known = self.known[side]
        found: list[Unit] = []
        for piece in pieces:
            if piece not in known.pieces:
                blocks = read_plain(piece) if self.plain else read_piece(piece, self.definitions[side], known.read)
                known.pieces[piece] = [
                    known.units.get(id(block)) or known.units.setdefault(id(block), Unit(block)) for block in blocks
                ]
            found += known.pieces[piece]
        return found

    def differ(self, old: list[str], new: list[str]) -> None:
        """A stretch that is not: read it, and pair its blocks."""
        olds, news = self._read(old, 0), self._read(new, 1)
        pairs, gaps = anchors([unit.key for unit in olds], [unit.key for unit in news], self.work)
        matches = [(one, one + 1, other, other + 1) for one, other in pairs]
        for gap in gaps:
            found = similar(olds, news, gap, self.work)
            if found is None:
                self.coarse.add(BLOCKS)
            else:
                matches += found
        before, after = len(self.olds), len(self.news)
        self.matches += [(a + before, b + before, c + after, d + after) for a, b, c, d in sorted(matches)]
        self.olds += olds
        self.news += news

    def finish(self, old: str, new: str) -> Redline:
        """Find what moved, and write everything down in reading order."""
        self._write(moves(self.olds, self.news, self.matches, self.work))
        needed = [
            (label, target["href"], target["title"])
            for label, target in sorted(self.definitions[1].items())
            if self.kept
        ]
        return Redline(
            write_redline(
                digests=(text_digest(old), text_digest(new)),
                parts=self.parts,
                links=self.links,
                references=needed,
                degraded="+".join(sorted(self.coarse)) or None,
            )
        )

    def _write(self, moved_to: dict[int, int]) -> None:
        moved_from = {other: one for one, other in moved_to.items()}
        left_at: dict[int, int] = {}
        moved_at: dict[int, int] = {}
        at_old = at_new = 0
        for match, source in self._stops():
            for index in range(at_old, match[0]):
                left_at[index] = len(self.parts)
                self._single(self.olds[index].block, LEFT if index in moved_to else DELETED)
            for index in range(at_new, match[2]):
                if index in moved_from:
                    moved_at[len(self.parts)] = moved_from[index]
                    self._pair(self.olds[moved_from[index]], self.news[index], MOVED)
                else:
                    self._single(self.news[index].block, INSERTED)
            at_old, at_new = match[1], match[3]
            if source is not None:
                self.parts.append(write_text(source))
            elif match[1] - match[0] == match[3] - match[2] == 1:
                self._pair(self.olds[match[0]], self.news[match[2]], SAME)
            elif match[1] > match[0]:
                self._group(self.olds[match[0] : match[1]], self.news[match[2] : match[3]])
        for place, one in moved_at.items():
            self.parts[place] = with_source(self.parts[place], left_at[one])

    def _stops(self) -> list[tuple[Match, str | None]]:
        """What stands on both sides, in order; a kept stretch before the match that begins where it does."""
        kept = [((one, one, other, other), "".join(sources)) for one, other, sources in self.kept]
        stops: list[tuple[Match, str | None]] = [*kept, *((match, None) for match in self.matches)]
        stops.sort(key=lambda stop: (stop[0], stop[1] is None))
        end = (len(self.olds), len(self.news))
        return [*stops, ((end[0], end[0], end[1], end[1]), None)]

    def _pair(self, one: Unit, other: Unit, op: str) -> None:
        cells, coarse = compare_cells(one.cells, other.cells, self.work)
        if coarse:
            self.coarse.add(WORDS)
        self._item(other.block, one.block.marker, other.block.marker, cells, op)
        if one.block.cells != other.block.cells:
            self.links += changed_links(len(self.parts) - 1, one.block.cells, other.block.cells)

    def _group(self, ones: list[Unit], others: list[Unit]) -> None:
        """One block that became several, or several that became one."""
        split = len(ones) == 1
        parts, coarse = compare_joined([one.cells[0] for one in ones], [other.cells[0] for other in others], self.work)
        if coarse:
            self.coarse.add(WORDS)
        self.links += changed_links(
            len(self.parts), [one.block.cells[0] for one in ones], [other.block.cells[0] for other in others]
        )
        for place, pieces in enumerate(parts):
            one, other = (ones[0], others[place]) if split else (ones[place], others[0])
            old_number = one.block.marker if place == 0 or not split else ""
            new_number = other.block.marker if place == 0 or split else ""
            joined = "" if place == 0 else "old" if split else "new"
            self._item(other.block, old_number, new_number, [(EQUAL, pieces)], SAME, joined)

    def _item(
        self, block: Block, old_number: str, new_number: str, cells: Sequence[PlainCell], op: str, joined: str = ""
    ) -> None:
        kind, level, path, lead, _, _ = block
        if op == SAME and _reworded(cells):
            op = CHANGED
        lead = lead and joined != "new"
        self.parts.append(write_item(op, kind, level, path, lead, old_number, new_number, cells, -1, joined))

    def _single(self, block: Block, op: str) -> None:
        kind, level, path, lead, marker, runs = block
        fate = _FATE[op]
        cells = [(fate, whole(cell, fate)) for cell in runs]
        old_number, new_number = ("", marker) if op == INSERTED else (marker, "")
        self.parts.append(write_item(op, kind, level, path, lead, old_number, new_number, cells, -1, ""))


_FATE = {INSERTED: ADDED, DELETED: REMOVED, LEFT: EQUAL}


def _reworded(cells: Sequence[PlainCell]) -> bool:
    """As `Item.reworded`, before there is an item."""
    for op, pieces in cells:
        if op != EQUAL:
            return True
        for piece in pieces:
            if piece[0] == ADDED or piece[0] == REMOVED:
                return True
    return False


__all__ = [
    "ALGORITHM",
    "Cell",
    "Change",
    "Item",
    "Kept",
    "LinkChange",
    "Piece",
    "Redline",
    "Section",
    "Summary",
    "compare",
    "count_words",
    "from_bytes",
    "rebuild",
    "to_bytes",
    "visible",
]
