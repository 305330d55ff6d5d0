"""What a redline is: its values, its canonical bytes, and the two texts it can be turned back into.

Room: terms (pure). `redline.compare` makes these; `views` shows them; the ledger keeps their digest; an auditor reads
them back with `from_bytes`. Only what cannot be derived is written down: sections, changes and counts follow from the
items, so that no record can contradict itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby
from typing import Any, NamedTuple

from consentgate.errors import CanonicalError
from consentgate.terms.blocks import Block, References, cut_plain, read_piece, read_plain
from consentgate.terms.canonical import canonical_json, digest, parse_canonical_json
from consentgate.terms.chunks import cut
from consentgate.terms.words import count_words, seen

ALGORITHM = "consentgate-redline/1"
"""Name of the rules by which the marks are made; another rule gets another number."""

SAME, CHANGED, INSERTED, DELETED, MOVED, LEFT = "same", "changed", "inserted", "deleted", "moved", "left"
EQUAL, ADDED, REMOVED, OLD_NUMBER, NEW_NUMBER = "=", "+", "-", "<", ">"

BLOCKS, PLAIN, WORDS = "blocks", "plain", "words"

_IN_OLD = {SAME, CHANGED, DELETED, LEFT}
_IN_NEW = {SAME, CHANGED, INSERTED, MOVED}
_OPS = _IN_OLD | _IN_NEW
_OLD_PIECES = {EQUAL, REMOVED, OLD_NUMBER}
_NEW_PIECES = {EQUAL, ADDED, NEW_NUMBER}


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


@dataclass(frozen=True, slots=True)
class Item:
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
        ops, gone = (_NEW_PIECES, REMOVED) if new else (_OLD_PIECES, ADDED)
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


@dataclass(frozen=True, slots=True)
class Change:
    """One numbered change.

    Args:
        number: from 1, in reading order.
        kind: ``inserted``, ``deleted``, ``replaced`` or ``moved``.
        items: indices of the items it covers; for a move first those at the new place, then those at the old.
        section: index of the section it stands in.
        words_added, words_removed: counted in words a reader sees.
    """

    number: int
    kind: str
    items: tuple[int, ...]
    section: int
    words_added: int
    words_removed: int


@dataclass(frozen=True, slots=True)
class Section:
    """The items from one heading to the next.

    Args:
        title: the heading's words (in the new text, else in the old); empty before the first heading.
        level: of the heading; 0 before the first one.
        start, stop: range of item indices.
        changes: numbers of the changes in it.
    """

    title: str
    level: int
    start: int
    stop: int
    changes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """Counts: changes, sections that have any, words, moved and renumbered blocks, link targets."""

    changes: int
    sections: int
    words_added: int
    words_removed: int
    moved: int
    renumbered: int
    links: int


@dataclass(frozen=True)
class Redline:
    """The marked comparison of two texts.

    Args:
        old_digest, new_digest: of the two canonical texts.
        parts: both texts in reading order: items where they differ, kept stretches where they do not.
        link_parts: changed link targets, with indices into `parts`.
        references: link definitions that kept stretches need: label, target, title.
        degraded: ``None``, or what was done more coarsely than usual because there was too much to do, joined by
            ``+``: ``plain`` (Markdown was not read), ``blocks`` (in some stretch no paragraph was paired with the one
            it came from), ``words`` (some passage is shown as replaced as a whole).
        algorithm: `ALGORITHM`.
    """

    old_digest: str
    new_digest: str
    parts: tuple[Item | Kept, ...]
    link_parts: tuple[LinkChange, ...] = ()
    references: tuple[tuple[str, str, str], ...] = ()
    degraded: str | None = None
    algorithm: str = ALGORITHM

    @cached_property
    def _places(self) -> tuple[tuple[Item, ...], list[int]]:
        """Every item, and for each part the index of its first item."""
        definitions: References = {label: {"href": href, "title": title} for label, href, title in self.references}
        items: list[Item] = []
        places = []
        for part in self.parts:
            places.append(len(items))
            if isinstance(part, Kept):
                items += map(same_item, self._blocks(part.source, definitions))
            else:
                items.append(part)
        for place, item in enumerate(items):
            if item.source >= 0:
                items[place] = replace(item, source=places[item.source])
        return tuple(items), places

    def _blocks(self, source: str, definitions: References) -> Iterator[Block]:
        if PLAIN in self.degradations:
            return (block for piece in cut_plain(source) for block in read_plain(piece))
        return (block for piece in cut(source) for block in read_piece(piece, definitions))

    @property
    def degradations(self) -> tuple[str, ...]:
        """The parts of `degraded`."""
        return tuple(self.degraded.split("+")) if self.degraded else ()

    @property
    def items(self) -> tuple[Item, ...]:
        """Every block of both texts, in reading order."""
        return self._places[0]

    @cached_property
    def links(self) -> tuple[LinkChange, ...]:
        """Changed link targets, with indices into `items`."""
        return tuple(link._replace(item=self._places[1][link.item]) for link in self.link_parts)

    @cached_property
    def changes(self) -> tuple[Change, ...]:
        """The numbered changes, in reading order."""
        return tuple(_changes(self.items, _section_starts(self.items)))

    @cached_property
    def sections(self) -> tuple[Section, ...]:
        """Every section, changed or not."""
        starts = _section_starts(self.items)
        numbers: list[list[int]] = [[] for _ in starts]
        for change in self.changes:
            numbers[change.section].append(change.number)
        sections = []
        for index, start in enumerate(starts):
            stop = starts[index + 1] if index + 1 < len(starts) else len(self.items)
            item = self.items[start] if start < len(self.items) else None
            headed = item is not None and item.kind == "h"
            title = item.text() or item.text(new=False) if item is not None and headed else ""
            level = item.level if item is not None and headed else 0
            sections.append(Section(title, level, start, stop, tuple(numbers[index])))
        return tuple(sections)

    @cached_property
    def change_of(self) -> dict[int, int]:
        """Number of the change that an item belongs to, by the item's index."""
        return {index: change.number for change in self.changes for index in change.items}

    @cached_property
    def summary(self) -> Summary:
        """The counts."""
        return Summary(
            changes=len(self.changes),
            sections=sum(1 for section in self.sections if section.changes),
            words_added=sum(change.words_added for change in self.changes),
            words_removed=sum(change.words_removed for change in self.changes),
            moved=sum(1 for item in self.items if item.op == MOVED),
            renumbered=sum(1 for item in self.items if item.renumbered),
            links=len(self.links),
        )

    @property
    def empty(self) -> bool:
        """Whether a reader would see no difference at all: no word, no number, no link target."""
        return not (self.changes or self.links or self.summary.renumbered)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the canonical bytes: what stands in the record."""
        return digest(to_bytes(self))


def same_item(block: Block) -> Item:
    """A block that stands on both sides alike."""
    cells = tuple(Cell(EQUAL, tuple(Piece(EQUAL, *run) for run in cell)) for cell in block.cells)
    return Item(SAME, block.kind, block.level, block.path, block.lead, block.marker, block.marker, cells)


def _section_starts(items: tuple[Item, ...]) -> list[int]:
    starts = [index for index, item in enumerate(items) if item.kind == "h" and item.op != LEFT]
    return starts if starts and starts[0] == 0 else [0, *starts]


def _changes(items: tuple[Item, ...], starts: list[int]) -> Iterator[Change]:
    runs: list[list[int]] = []
    section_of: dict[int, int] = {}
    section = 0
    for index, item in enumerate(items):
        while section + 1 < len(starts) and starts[section + 1] <= index:
            section += 1
        section_of[index] = section
        if item.op in (SAME, LEFT) or (item.op == CHANGED and not item.reworded):
            continue
        if runs and runs[-1][-1] == index - 1 and _joins(items[index - 1], item):
            runs[-1].append(index)
        else:
            runs.append([index])
    for number, run in enumerate(runs, 1):
        added, removed = _count(items, run)
        left = [items[index].source for index in run if items[index].op == MOVED]
        yield Change(number, _kind(items, run), (*run, *left), section_of[run[0]], added, removed)


def _joins(before: Item, item: Item) -> bool:
    """Whether two neighbouring items are one change: a run, a removal and what replaces it."""
    if item.op == MOVED:
        return before.op == MOVED and item.source == before.source + 1
    if item.op not in (INSERTED, DELETED) or item.kind == "h":
        return before.kind == "h" and before.op == item.op
    return before.op == item.op or (before.op, item.op) == (DELETED, INSERTED)


def _kind(items: tuple[Item, ...], run: list[int]) -> str:
    ops = {items[index].op for index in run}
    if MOVED in ops:
        return "moved"
    if CHANGED in ops:
        fates = {piece.op for index in run for piece in items[index].pieces} & {ADDED, REMOVED}
        return {ADDED: "inserted", REMOVED: "deleted"}.get("".join(fates), "replaced")
    return "replaced" if len(ops) == 2 else "inserted" if INSERTED in ops else "deleted"


def _count(items: tuple[Item, ...], run: list[int]) -> tuple[int, int]:
    counts = []
    for op in (ADDED, REMOVED):
        texts = (text for index in run for cell in items[index].cells for text in _runs(cell, op))
        counts.append(sum(map(count_words, texts)))
    return counts[0], counts[1]


def _runs(cell: Cell, op: str) -> Iterator[str]:
    """The stretches of a cell with one fate; a word may be in two formats, and is one word."""
    for fate, pieces in groupby(cell.pieces, key=lambda piece: piece.op):
        if fate == op:
            yield "".join(piece.text for piece in pieces)


def rebuild(redline: Redline) -> tuple[str, str]:
    """Both visible texts, rebuilt from nothing but the redline.

    Returns:
        what `redline.visible` says of the old and of the new text.
    """
    old = [item for item in redline.items if item.op in _IN_OLD]
    new = [item for item in redline.items if item.op in _IN_NEW]
    return _side(old, new=False), _side(new, new=True)


def _side(items: list[Item], *, new: bool) -> str:
    ops, side = (_NEW_PIECES, "new") if new else (_OLD_PIECES, "old")
    lines: list[str] = []
    rest = ""
    for item in reversed(items):
        if item.joined == side:
            rest = item.cells[0].text(ops) + rest
            continue
        number = item.new_number if new else item.old_number
        text = seen(item.cells[0].text(ops) + rest) if rest else item.text(new=new)
        lines.append(f"{number} {text}\n" if number else text + "\n")
        rest = ""
    return "".join(reversed(lines))


def to_bytes(redline: Redline) -> bytes:
    """The redline as canonical JSON (RFC 8785, restricted)."""
    record: dict[str, Any] = {
        "algorithm": redline.algorithm,
        "old": redline.old_digest,
        "new": redline.new_digest,
        "degraded": redline.degraded,
        "parts": [part.source if isinstance(part, Kept) else _write_item(part) for part in redline.parts],
        "links": [list(link) for link in redline.link_parts],
        "references": [list(reference) for reference in redline.references],
    }
    return canonical_json(record)


def _write_item(item: Item) -> dict[str, Any]:
    record: dict[str, Any] = {"op": item.op, "kind": item.kind}
    cells = []
    for cell in item.cells:
        pieces = [[p.op, p.text, p.marks, p.href] if p.href else [p.op, p.text, p.marks] if p.marks else [p.op, p.text]
                  for p in cell.pieces]  # fmt: skip
        cells.append([cell.op, pieces])
    record["cells"] = cells
    for name in ("level", "path", "lead", "old_number", "new_number", "joined"):
        if value := getattr(item, name):
            record[name] = value
    if item.source >= 0:
        record["source"] = item.source
    return record


def from_bytes(data: bytes) -> Redline:
    """Read what `to_bytes` wrote.

    Raises:
        CanonicalError: for bytes that `to_bytes` would not have written.
    """
    record = parse_canonical_json(data)
    try:
        redline = Redline(
            old_digest=record["old"],
            new_digest=record["new"],
            parts=tuple(Kept(part) if isinstance(part, str) else _read_item(part) for part in record["parts"]),
            link_parts=tuple(LinkChange(*link) for link in record["links"]),
            references=tuple((label, href, title) for label, href, title in record["references"]),
            degraded=record["degraded"],
            algorithm=record["algorithm"],
        )
        again = to_bytes(redline)
    except CanonicalError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CanonicalError(f"not a redline: {str(error)[:80]}") from error
    if again != data:
        raise CanonicalError("JSON, but not a redline as we write it")
    return redline


def _read_item(record: dict[str, Any]) -> Item:
    if record["op"] not in _OPS:
        raise ValueError(f"unknown fate {record['op']!r:.20}")
    return Item(
        op=record["op"],
        kind=record["kind"],
        level=record.get("level", 0),
        path=record.get("path", ""),
        lead=record.get("lead", False),
        old_number=record.get("old_number", ""),
        new_number=record.get("new_number", ""),
        cells=tuple(Cell(op, tuple(Piece(*piece) for piece in pieces)) for op, pieces in record["cells"]),
        source=record.get("source", -1),
        joined=record.get("joined", ""),
    )
