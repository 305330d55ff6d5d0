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
from dataclasses import replace

from consentgate.terms.align import Gap, Pair, Work, anchors, pair_in_order, shared_words
from consentgate.terms.blocks import Block, References, read_blocks, read_piece
from consentgate.terms.blocks import Cell as Runs
from consentgate.terms.canonical import text_digest
from consentgate.terms.chunks import cut, references
from consentgate.terms.redline_form import (
    ADDED,
    ALGORITHM,
    CHANGED,
    DELETED,
    EQUAL,
    INSERTED,
    LEFT,
    MOVED,
    REMOVED,
    SAME,
    Cell,
    Change,
    Item,
    Kept,
    LinkChange,
    Piece,
    Redline,
    Section,
    Summary,
    from_bytes,
    rebuild,
    to_bytes,
)
from consentgate.terms.redline_pieces import Phrase, compare_cells, whole
from consentgate.terms.words import count_words, is_dense, seen

WORK = 4_000_000
"""Elementary steps one comparison may take in all."""

_PAIRING_CELLS = 40_000
_ALIKE = 0.45
ROWS = frozenset(("row", "head"))
_MOVED_CHARACTERS = 20


class _Unit:
    """A block made ready for comparison."""

    __slots__ = ("block", "cells", "key")

    def __init__(self, block: Block) -> None:
        self.block = block
        if block.kind in ROWS:
            self.cells = [Phrase(cell) for cell in block.cells]
            self.key = "\x1e" + "\x1f".join([cell.key for cell in self.cells])
        else:
            self.cells = [Phrase(block.cells[0], heading=block.kind == "h", numbered=True)]
            self.key = self.cells[0].key

    def words(self) -> frozenset[str]:
        """What it is recognised by when its words changed: its words, or its characters where no blanks part them."""
        return frozenset(self.key if is_dense(self.key) else self.key.replace("\x1f", " ").split())


def compare(old: str, new: str) -> Redline:
    """Compare two texts as a reader sees them.

    Args:
        old, new: Markdown in canonical form, without front matter.

    Returns:
        the redline; the same for the same two texts, always.
    """
    work = Work(WORK)
    draft = _Draft(work)
    olds, news = cut(old), cut(new)
    definitions = references(olds), references(news)
    if definitions[0] == definitions[1]:
        pairs, _ = anchors(olds, news, work)
    else:
        pairs = []  # a link defined elsewhere may read otherwise although its own lines are the same
    at_old = at_new = 0
    for one, other in [*pairs, (len(olds), len(news))]:
        draft.differ(olds[at_old:one], news[at_new:other], definitions)
        if one < len(olds) and other < len(news):
            draft.keep(olds[one])
        at_old, at_new = one + 1, other + 1
    return draft.finish(old, new, definitions[1])


def visible(text: str) -> str:
    """What a reader sees of a Markdown text, one line a block: what `rebuild` must give back."""
    lines = []
    for block in read_blocks(text):
        words = " | ".join(seen("".join(run.text for run in cell)) for cell in block.cells)
        lines.append(f"{block.marker} {words}\n" if block.marker else words + "\n")
    return "".join(lines)


def _similar(olds: list[_Unit], news: list[_Unit], gap: Gap, work: Work) -> list[Pair]:
    """Pair the blocks of one open stretch that are versions of one another, in order."""
    cells = (gap[1] - gap[0]) * (gap[3] - gap[2])
    if cells > _PAIRING_CELLS or not work.spend(cells):
        return []
    ones, others = olds[gap[0] : gap[1]], news[gap[2] : gap[3]]
    sets, other_sets = [unit.words() for unit in ones], [unit.words() for unit in others]
    scores = shared_words(sets, other_sets)
    for one, words, line in zip(ones, sets, scores, strict=True):
        row = one.block.kind in ROWS
        for column, other in enumerate(others):
            alike = 2 * line[column] >= _ALIKE * (len(words) + len(other_sets[column]))
            if row or other.block.kind in ROWS:
                alike = row and other.block.kind in ROWS and (alike or one.cells[0].key == other.cells[0].key != "")
            line[column] = line[column] + 1 if alike else 0
    return [(gap[0] + row, gap[2] + column) for row, column in pair_in_order(scores)]


def _moves(olds: list[_Unit], news: list[_Unit], pairs: list[Pair]) -> dict[int, int]:
    """Old index to new index of blocks that say the same at another place."""
    kept_old, kept_new = {one for one, _ in pairs}, {other for _, other in pairs}
    places: dict[str, list[int]] = {}
    for index, unit in enumerate(news):
        if index not in kept_new:
            places.setdefault(unit.key, []).append(index)
    moves: dict[int, int] = {}
    for index, unit in enumerate(olds):
        if index not in kept_old and len(unit.key) >= _MOVED_CHARACTERS and places.get(unit.key):
            moves[index] = places[unit.key].pop(0)
    taken = set(moves.values()) | kept_new
    # Short neighbours (a heading, "None.") of what moved went with it.
    for step in (1, -1):
        for one, other in sorted(moves.items(), reverse=step < 0):
            one, other = one + step, other + step
            while (
                0 <= one < len(olds) and 0 <= other < len(news) and one not in kept_old and one not in moves
                and other not in taken and olds[one].key == news[other].key
            ):  # fmt: skip
                moves[one] = other
                taken.add(other)
                one, other = one + step, other + step
    return moves


class _Draft:
    """A redline in the making: stretches that differ and stretches that are kept, in order."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self.olds: list[_Unit] = []
        self.news: list[_Unit] = []
        self.pairs: list[Pair] = []
        self.kept: list[tuple[int, int, str]] = []
        self.parts: list[Item | Kept] = []
        self.links: list[LinkChange] = []
        self.coarse = False

    def keep(self, source: str) -> None:
        """A stretch that is the same on both sides."""
        place = (len(self.olds), len(self.news))
        if self.kept and self.kept[-1][:2] == place:
            source = self.kept.pop()[2] + source
        self.kept.append((*place, source))

    def differ(self, old: list[str], new: list[str], definitions: tuple[References, References]) -> None:
        """A stretch that is not: read it, and pair its blocks."""
        olds, news = (
            [_Unit(block) for piece in pieces for block in read_piece(piece, own)]
            for pieces, own in zip((old, new), definitions, strict=True)
        )
        pairs, gaps = anchors([unit.key for unit in olds], [unit.key for unit in news], self.work)
        for gap in gaps:
            pairs += _similar(olds, news, gap, self.work)
        self.pairs += sorted((len(self.olds) + one, len(self.news) + other) for one, other in pairs)
        self.olds += olds
        self.news += news

    def finish(self, old: str, new: str, definitions: References) -> Redline:
        """Find what moved, and write everything down in reading order."""
        moves = _moves(self.olds, self.news, self.pairs)
        self._write(moves)
        needed = tuple(
            (label, target["href"], target["title"])
            for label, target in sorted(definitions.items())
            if any(isinstance(part, Kept) for part in self.parts)
        )
        return Redline(
            text_digest(old),
            text_digest(new),
            tuple(self.parts),
            tuple(self.links),
            needed,
            "words" if self.coarse else None,
        )

    def _write(self, moves: dict[int, int]) -> None:
        moved_from = {other: one for one, other in moves.items()}
        left_at: dict[int, int] = {}
        moved_at: dict[int, int] = {}
        at_old = at_new = 0
        kept = [(one, other, Kept(source)) for one, other, source in self.kept]
        stops: list[tuple[int, int, Kept | None]] = [(one, other, None) for one, other in self.pairs]
        # A kept stretch stands before the pair of units that has the same place.
        ordered = sorted([*stops, *kept], key=lambda stop: (stop[0], stop[1], stop[2] is None))
        for one, other, source in [*ordered, (len(self.olds), len(self.news), None)]:
            for index in range(at_old, one):
                left_at[index] = len(self.parts)
                self.parts.append(_single(self.olds[index], LEFT if index in moves else DELETED))
            for index in range(at_new, other):
                if index in moved_from:
                    moved_at[len(self.parts)] = moved_from[index]
                    self._pair(self.olds[moved_from[index]], self.news[index], MOVED)
                else:
                    self.parts.append(_single(self.news[index], INSERTED))
            at_old, at_new = one, other
            if source is not None:
                self.parts.append(source)
            elif one < len(self.olds) and other < len(self.news):
                self._pair(self.olds[one], self.news[other], SAME)
                at_old, at_new = one + 1, other + 1
        for place, one in moved_at.items():
            part = self.parts[place]
            if isinstance(part, Item):
                self.parts[place] = replace(part, source=left_at[one])

    def _pair(self, one: _Unit, other: _Unit, op: str) -> None:
        item, coarse = _paired(one, other, op, self.work)
        self.coarse = self.coarse or coarse
        self.links += _links(len(self.parts), one.block, other.block)
        self.parts.append(item)


def _single(unit: _Unit, op: str) -> Item:
    block = unit.block
    fate = {INSERTED: ADDED, DELETED: REMOVED, LEFT: EQUAL}[op]
    cells = tuple(Cell(fate, whole(cell, fate)) for cell in block.cells)
    old_number, new_number = ("", block.marker) if op == INSERTED else (block.marker, "")
    return Item(op, block.kind, block.level, block.path, block.lead, old_number, new_number, cells)


def _paired(one: _Unit, other: _Unit, op: str, work: Work) -> tuple[Item, bool]:
    block, old_number = other.block, one.block.marker
    cells, coarse = compare_cells(one.cells, other.cells, work)
    item = Item(op, block.kind, block.level, block.path, block.lead, old_number, block.marker, cells)
    return (replace(item, op=CHANGED) if op == SAME and item.reworded else item), coarse


def _links(index: int, one: Block, other: Block) -> list[LinkChange]:
    """Links whose words stand on both sides and whose targets differ."""
    if one.cells == other.cells:
        return []
    before, after = _targets(one.cells), _targets(other.cells)
    if before == after:
        return []
    changes = []
    for text, targets in after.items():
        for old, new in zip(before.get(text, ()), targets, strict=False):
            if old != new:
                changes.append(LinkChange(index, text, old, new))
    same_words = _plain(one) == _plain(other)
    for text in [*before, *(text for text in after if text not in before)] if same_words else ():
        olds, news = before.get(text, []), after.get(text, [])
        changes += [LinkChange(index, text, old, "") for old in olds[len(news) :]]
        changes += [LinkChange(index, text, "", new) for new in news[len(olds) :]]
    return changes


def _plain(block: Block) -> list[str]:
    return [seen("".join(run.text for run in cell)) for cell in block.cells]


def _targets(cells: Sequence[Runs]) -> dict[str, list[str]]:
    targets: dict[str, list[str]] = {}
    for cell in cells:
        text = href = ""
        for run in cell:
            if run.href == href:
                text += run.text
                continue
            if href:
                targets.setdefault(seen(text), []).append(href)
            text, href = run.text, run.href
        if href:
            targets.setdefault(seen(text), []).append(href)
    return targets


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
