"""What a redline is made of: pieces of text with a fate, in cells, in items.

Room: terms (pure values). Written by `redline`, shown by `views`, kept by `redline_form`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from consentgate.terms.blocks import Block
from consentgate.terms.words import seen

SAME, CHANGED, INSERTED, DELETED, MOVED, LEFT = "same", "changed", "inserted", "deleted", "moved", "left"
EQUAL, ADDED, REMOVED, OLD_NUMBER, NEW_NUMBER = "=", "+", "-", "<", ">"

IN_OLD = {SAME, CHANGED, DELETED, LEFT}
IN_NEW = {SAME, CHANGED, INSERTED, MOVED}
OPS = IN_OLD | IN_NEW
OLD_PIECES = {EQUAL, REMOVED, OLD_NUMBER}
NEW_PIECES = {EQUAL, ADDED, NEW_NUMBER}
PIECE_OPS = OLD_PIECES | NEW_PIECES
CELL_OPS = {EQUAL, ADDED, REMOVED}
KINDS = {"p", "h", "code", "row", "head"}


class Piece(NamedTuple):
    """A few words with one fate and one formatting.

    Args:
        op: ``=`` in both, ``+`` added, ``-`` removed, ``<`` the clause's old number, ``>`` its new one.
        text: as displayed.
        marks: letters of ``b`` bold, ``i`` italic, ``c`` code, ``s`` struck.
        href: link target, or empty.
    """

    op: str
    text: str
    marks: str = ""
    href: str = ""


class Cell(NamedTuple):
    """A cell of a table row (``=``, ``+`` or ``-`` as a whole); any other block has exactly one."""

    op: str
    pieces: tuple[Piece, ...]

    def text(self, ops: frozenset[str] | set[str]) -> str:
        """The displayed text of the pieces with these fates."""
        return "".join(piece.text for piece in self.pieces if piece.op in ops)


class Item(NamedTuple):
    """One block of the comparison, in reading order.

    Args:
        op: ``same``, ``changed``, ``inserted``, ``deleted``, ``moved`` (at its new place) or ``left`` (at the old one).
        kind, level, path, lead: as in `blocks.Block`.
        old_number, new_number: the number a numbered list shows before it, or empty.
        cells: its words.
        source: for ``moved``, the index of the ``left`` item it came from (in the list it stands in); otherwise -1.
        joined: ``old`` or ``new`` where on that side it belongs to the block of the item before it.
    """

    op: str
    kind: str
    level: int
    path: str
    lead: bool
    old_number: str
    new_number: str
    cells: tuple[Cell, ...]
    source: int = -1
    joined: str = ""

    @property
    def pieces(self) -> Iterator[Piece]:
        """The pieces of all cells."""
        return (piece for cell in self.cells for piece in cell.pieces)

    @property
    def renumbered(self) -> bool:
        """Whether the clause is the same but stands under another number."""
        if self.op not in (SAME, CHANGED, MOVED):
            return False
        if self.old_number and self.new_number and self.old_number != self.new_number:
            return True
        return any(piece.op in (OLD_NUMBER, NEW_NUMBER) for piece in self.pieces)

    @property
    def reworded(self) -> bool:
        """Whether words inside it were added or removed."""
        return any(cell.op != EQUAL for cell in self.cells) or not all(
            piece.op in (EQUAL, OLD_NUMBER, NEW_NUMBER) for piece in self.pieces
        )

    def text(self, *, new: bool = True) -> str:
        """Its words on one side, without the list's number."""
        ops, gone = (NEW_PIECES, REMOVED) if new else (OLD_PIECES, ADDED)
        return " | ".join(seen(cell.text(ops)) for cell in self.cells if cell.op != gone)


@dataclass(frozen=True, slots=True)
class Kept:
    """A stretch that is the same letter for letter on both sides: kept as Markdown, read only when it is shown."""

    source: str


class LinkChange(NamedTuple):
    """A link whose words stayed and whose target did not.

    Args:
        item: index of the item it stands in (in `Redline.parts` or `Redline.items`, as the list it came from).
        text: the words of the link.
        old, new: targets; empty where there was or is no link.
    """

    item: int
    text: str
    old: str
    new: str


def same_item(block: Block) -> Item:
    """A block that stands on both sides alike."""
    cells = tuple(Cell(EQUAL, tuple(Piece(EQUAL, *run) for run in cell)) for cell in block.cells)
    return Item(SAME, block.kind, block.level, block.path, block.lead, block.marker, block.marker, cells)
