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
from dataclasses import dataclass, field, replace

from consentgate.terms.align import Gap, Pair, Work, anchors, likeness, pair_in_order, word_bits
from consentgate.terms.blocks import Block, read_blocks
from consentgate.terms.blocks import Cell as Runs
from consentgate.terms.canonical import text_digest
from consentgate.terms.numbering import label_length
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
    LinkChange,
    Piece,
    Redline,
    Section,
    Summary,
    from_bytes,
    rebuild,
    to_bytes,
)
from consentgate.terms.redline_pieces import compare_cells, whole
from consentgate.terms.words import count_words, seen, tokens

WORK = 4_000_000
"""Elementary steps one comparison may take in all."""

_PAIRING_CELLS = 40_000
_ALIKE = 0.45
_MOVED_ALIKE = 0.6
_MOVED_CHARACTERS = 20


@dataclass(slots=True)
class _Unit:
    """A block made ready for comparison."""

    block: Block
    texts: list[str]
    label: int
    key: str
    words: list[str] = field(default_factory=list)


def compare(old: str, new: str) -> Redline:
    """Compare two texts as a reader sees them.

    Args:
        old, new: Markdown in canonical form, without front matter.

    Returns:
        the redline; the same for the same two texts, always.
    """
    work = Work(WORK)
    olds, news = ([_unit(block) for block in read_blocks(text)] for text in (old, new))
    pairs, gaps = anchors([unit.key for unit in olds], [unit.key for unit in news], work)
    for gap in gaps:
        pairs += _similar(olds, news, gap, work)
    pairs.sort()
    moves = _moves(olds, news, pairs)
    items, links, coarse = _items(olds, news, pairs, moves, work)
    return Redline(text_digest(old), text_digest(new), tuple(items), tuple(links), "words" if coarse else None)


def visible(text: str) -> str:
    """What a reader sees of a Markdown text, one line a block: what `rebuild` must give back."""
    lines = []
    for block in read_blocks(text):
        words = " | ".join(seen("".join(run.text for run in cell)) for cell in block.cells)
        lines.append(f"{block.marker} {words}\n" if block.marker else words + "\n")
    return "".join(lines)


def _unit(block: Block) -> _Unit:
    texts = ["".join(run.text for run in cell) for cell in block.cells]
    label = label_length(texts[0], heading=block.kind == "h") if len(texts) == 1 else 0
    key = seen(texts[0][label:]) if len(texts) == 1 else "\x1e" + "\x1f".join(map(seen, texts))
    return _Unit(block, texts, label, key)


def _words(unit: _Unit) -> list[str]:
    if not unit.words:
        unit.words = tokens(unit.key.replace("\x1e", " ").replace("\x1f", " "))[0]
    return unit.words


def _similar(olds: list[_Unit], news: list[_Unit], gap: Gap, work: Work) -> list[Pair]:
    """Pair the blocks of one open stretch that are versions of one another, in order."""
    cells = (gap[1] - gap[0]) * (gap[3] - gap[2])
    if cells > _PAIRING_CELLS or not work.spend(cells):
        return []
    ones, others = olds[gap[0] : gap[1]], news[gap[2] : gap[3]]
    bits = word_bits([_words(unit) for unit in [*ones, *others]])
    scores = [
        [_score(one, other, bits[row], bits[len(ones) + column]) for column, other in enumerate(others)]
        for row, one in enumerate(ones)
    ]
    return [(gap[0] + row, gap[2] + column) for row, column in pair_in_order(scores)]


def _score(one: _Unit, other: _Unit, bits: int, other_bits: int) -> int:
    """How much two blocks share; 0 where they are no versions of one another."""
    rows = one.block.kind in ("row", "head")
    if rows != (other.block.kind in ("row", "head")):
        return 0
    same_first = rows and seen(one.texts[0]) == seen(other.texts[0]) != ""
    if likeness(bits, other_bits) < _ALIKE and not same_first:
        return 0
    return (bits & other_bits).bit_count() + 1


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


def _items(
    olds: list[_Unit], news: list[_Unit], pairs: list[Pair], moves: dict[int, int], work: Work
) -> tuple[list[Item], list[LinkChange], bool]:
    items: list[Item] = []
    links: list[LinkChange] = []
    coarse = False
    left_at: dict[int, int] = {}
    moved_from = {other: one for one, other in moves.items()}
    waiting: list[tuple[int, int, int]] = []

    def put(one: _Unit, other: _Unit, op: str) -> None:
        nonlocal coarse
        item, rough = _paired(one, other, op, work)
        coarse = coarse or rough
        links.extend(_links(len(items), one.block, other.block))
        items.append(item)

    at_old = at_new = 0
    for one, other in [*pairs, (len(olds), len(news))]:
        for index in range(at_old, one):
            left_at[index] = len(items)
            items.append(_single(olds[index], LEFT if index in moves else DELETED))
        for index in range(at_new, other):
            if index in moved_from:
                waiting.append((len(items), moved_from[index], index))
                put(olds[moved_from[index]], news[index], MOVED)
            else:
                items.append(_single(news[index], INSERTED))
        if one < len(olds) and other < len(news):
            put(olds[one], news[other], SAME)
        at_old, at_new = one + 1, other + 1
    for place, one, _ in waiting:
        items[place] = replace(items[place], source=left_at[one])
    return items, links, coarse


def _single(unit: _Unit, op: str) -> Item:
    block = unit.block
    fate = {INSERTED: ADDED, DELETED: REMOVED, LEFT: EQUAL}[op]
    cells = tuple(Cell(fate, whole(cell, fate)) for cell in block.cells)
    old_number, new_number = ("", block.marker) if op == INSERTED else (block.marker, "")
    return Item(op, block.kind, block.level, block.path, block.lead, old_number, new_number, cells)


def _paired(one: _Unit, other: _Unit, op: str, work: Work) -> tuple[Item, bool]:
    block = other.block
    if one.texts == other.texts:
        cells: tuple[Cell, ...] = tuple(Cell(EQUAL, whole(cell, EQUAL)) for cell in block.cells)
        coarse = False
    else:
        labels = (one.label, other.label)
        cells, coarse = compare_cells(one.block.cells, block.cells, labels, work)
    item = Item(op, block.kind, block.level, block.path, block.lead, one.block.marker, block.marker, cells)
    if op == SAME and item.reworded:
        item = Item(CHANGED, block.kind, block.level, block.path, block.lead, one.block.marker, block.marker, cells)
    return item, coarse


def _links(index: int, one: Block, other: Block) -> list[LinkChange]:
    """Links whose words stand on both sides and whose targets differ."""
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
