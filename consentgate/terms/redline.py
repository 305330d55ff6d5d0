"""The redline: what changed between two texts, as a reader sees it.

Room: terms (pure). Called by the service at publish time and by anyone who wants to compute it again. Of this package
it may import `terms` and `errors` only.

The way: both texts are read into blocks (`blocks`); blocks that say the same are found whatever number stands before
them (`align`); of the rest, similar ones are paired in order; what is left on either side and says the same was moved;
inside a pair, words are compared (`rewording`). Everything is bounded by counted work, never by time: equal texts give
equal bytes on every machine.
"""

from __future__ import annotations

from dataclasses import replace

from consentgate.terms.align import Work, anchors
from consentgate.terms.blocks import Block, References, read_blocks, read_piece
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
from consentgate.terms.redline_links import changed_links
from consentgate.terms.redline_pieces import compare_cells, compare_joined, whole
from consentgate.terms.redline_units import Match, Unit, moves, similar
from consentgate.terms.words import count_words, seen

WORK = 4_000_000
"""Elementary steps one comparison may take in all."""


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


class _Draft:
    """A redline in the making: stretches that differ and stretches that are kept, in order."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self.olds: list[Unit] = []
        self.news: list[Unit] = []
        self.matches: list[Match] = []
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
            [Unit(block) for piece in pieces for block in read_piece(piece, own)]
            for pieces, own in zip((old, new), definitions, strict=True)
        )
        pairs, gaps = anchors([unit.key for unit in olds], [unit.key for unit in news], self.work)
        matches = [(one, one + 1, other, other + 1) for one, other in pairs]
        for gap in gaps:
            matches += similar(olds, news, gap, self.work)
        before, after = len(self.olds), len(self.news)
        self.matches += [(a + before, b + before, c + after, d + after) for a, b, c, d in sorted(matches)]
        self.olds += olds
        self.news += news

    def finish(self, old: str, new: str, definitions: References) -> Redline:
        """Find what moved, and write everything down in reading order."""
        self._write(moves(self.olds, self.news, self.matches, self.work))
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

    def _write(self, moved_to: dict[int, int]) -> None:
        moved_from = {other: one for one, other in moved_to.items()}
        left_at: dict[int, int] = {}
        moved_at: dict[int, int] = {}
        at_old = at_new = 0
        for match, source in self._stops():
            for index in range(at_old, match[0]):
                left_at[index] = len(self.parts)
                self.parts.append(_single(self.olds[index], LEFT if index in moved_to else DELETED))
            for index in range(at_new, match[2]):
                if index in moved_from:
                    moved_at[len(self.parts)] = moved_from[index]
                    self._pair(self.olds[moved_from[index]], self.news[index], MOVED)
                else:
                    self.parts.append(_single(self.news[index], INSERTED))
            at_old, at_new = match[1], match[3]
            if source is not None:
                self.parts.append(source)
            elif match[1] - match[0] == match[3] - match[2] == 1:
                self._pair(self.olds[match[0]], self.news[match[2]], SAME)
            elif match[1] > match[0]:
                self._group(self.olds[match[0] : match[1]], self.news[match[2] : match[3]])
        for place, one in moved_at.items():
            part = self.parts[place]
            if isinstance(part, Item):
                self.parts[place] = replace(part, source=left_at[one])

    def _stops(self) -> list[tuple[Match, Kept | None]]:
        """What stands on both sides, in order; a kept stretch before the match that begins where it does."""
        kept = [((one, one, other, other), Kept(source)) for one, other, source in self.kept]
        stops: list[tuple[Match, Kept | None]] = [*kept, *((match, None) for match in self.matches)]
        stops.sort(key=lambda stop: (stop[0], stop[1] is None))
        end = (len(self.olds), len(self.news))
        return [*stops, ((end[0], end[0], end[1], end[1]), None)]

    def _pair(self, one: Unit, other: Unit, op: str) -> None:
        cells, coarse = compare_cells(one.cells, other.cells, self.work)
        self._item(other.block, one.block.marker, other.block.marker, cells, op)
        self.coarse = self.coarse or coarse
        if one.block.cells != other.block.cells:
            self.links += changed_links(len(self.parts) - 1, one.block.cells, other.block.cells)

    def _group(self, ones: list[Unit], others: list[Unit]) -> None:
        """One block that became several, or several that became one."""
        split = len(ones) == 1
        parts, coarse = compare_joined([one.cells[0] for one in ones], [other.cells[0] for other in others], self.work)
        self.coarse = self.coarse or coarse
        self.links += changed_links(
            len(self.parts), [one.block.cells[0] for one in ones], [other.block.cells[0] for other in others]
        )
        for place, pieces in enumerate(parts):
            one, other = (ones[0], others[place]) if split else (ones[place], others[0])
            old_number = one.block.marker if place == 0 or not split else ""
            new_number = other.block.marker if place == 0 or split else ""
            joined = "" if place == 0 else "old" if split else "new"
            self._item(other.block, old_number, new_number, (Cell(EQUAL, pieces),), SAME, joined)

    def _item(
        self, block: Block, old_number: str, new_number: str, cells: tuple[Cell, ...], op: str, joined: str = ""
    ) -> None:
        lead = block.lead and joined != "new"
        item = Item(op, block.kind, block.level, block.path, lead, old_number, new_number, cells, joined=joined)
        self.parts.append(replace(item, op=CHANGED) if op == SAME and item.reworded else item)


def _single(unit: Unit, op: str) -> Item:
    block = unit.block
    fate = {INSERTED: ADDED, DELETED: REMOVED, LEFT: EQUAL}[op]
    cells = tuple(Cell(fate, whole(cell, fate)) for cell in block.cells)
    old_number, new_number = ("", block.marker) if op == INSERTED else (block.marker, "")
    return Item(op, block.kind, block.level, block.path, block.lead, old_number, new_number, cells)


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
