"""What a redline says in all: numbered changes, sections, counts. All of it follows from the items.

Room: terms (pure). Called by `redline_form`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from consentgate.terms.redline_items import ADDED, CHANGED, DELETED, INSERTED, LEFT, MOVED, REMOVED, SAME, Cell, Item
from consentgate.terms.words import count_words


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


def find_sections(items: Sequence[Item], changes: Sequence[Change]) -> Iterator[Section]:
    """Every section, changed or not."""
    starts = section_starts(items)
    numbers: list[list[int]] = [[] for _ in starts]
    for change in changes:
        numbers[change.section].append(change.number)
    for index, start in enumerate(starts):
        stop = starts[index + 1] if index + 1 < len(starts) else len(items)
        item = items[start] if start < len(items) else None
        headed = item is not None and item.kind == "h"
        title = item.text() or item.text(new=False) if item is not None and headed else ""
        level = item.level if item is not None and headed else 0
        yield Section(title, level, start, stop, tuple(numbers[index]))


def section_starts(items: Sequence[Item]) -> list[int]:
    """Where the sections begin."""
    starts = [index for index, item in enumerate(items) if item.kind == "h" and item.op != LEFT]
    return starts if starts and starts[0] == 0 else [0, *starts]


def find_changes(items: Sequence[Item]) -> Iterator[Change]:
    """The numbered changes, in reading order."""
    starts = section_starts(items)
    runs: list[list[int]] = []
    section_of: dict[int, int] = {}
    section = block = 0
    for index, item in enumerate(items):
        while section + 1 < len(starts) and starts[section + 1] <= index:
            section += 1
        section_of[index] = section
        block = block if item.joined else index
        if item.op in (SAME, LEFT) or (item.op == CHANGED and not item.reworded):
            continue
        # Parts of what is one block on the other side are one change, whatever stands between them.
        last = runs[-1][-1] if runs else -1
        if runs and (last >= block or (last == index - 1 and _joins(items[last], item))):
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


def _kind(items: Sequence[Item], run: list[int]) -> str:
    ops = {items[index].op for index in run}
    if MOVED in ops:
        return "moved"
    if CHANGED in ops:
        fates = {piece.op for index in run for piece in items[index].pieces} & {ADDED, REMOVED}
        return {ADDED: "inserted", REMOVED: "deleted"}.get("".join(fates), "replaced")
    return "replaced" if len(ops) == 2 else "inserted" if INSERTED in ops else "deleted"


def _count(items: Sequence[Item], run: list[int]) -> tuple[int, int]:
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
