"""The least that could be marked: a longest common subsequence over words, and what a reader would see of it.

The bit-parallel algorithm of Hyyrö (2004) on Python's integers; its rows are kept, to walk the edits back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from consentgate.terms.redline import Kept, Redline
from consentgate.terms.words import is_dense, is_word, tokens

END = "\n"
"""Between two blocks; marked or not, it is nothing a reader sees."""

Marked = tuple[str, str]
"""``=``, ``-`` or ``+``, and a token."""


def minimal(old: Sequence[str], new: Sequence[str]) -> list[Marked]:
    """A shortest edit of two runs of tokens; equal beginnings and ends are left out."""
    start = 0
    while start < min(len(old), len(new)) and old[start] == new[start]:
        start += 1
    stop = 0
    while stop < min(len(old), len(new)) - start and old[-1 - stop] == new[-1 - stop]:
        stop += 1
    one, other = old[start : len(old) - stop], new[start : len(new) - stop]
    return _walk_back(one, other, _rows(one, other))


def _rows(one: Sequence[str], other: Sequence[str]) -> list[int]:
    places: dict[str, int] = {}
    for place, token in enumerate(one):
        places[token] = places.get(token, 0) | 1 << place
    mask = row = (1 << len(one)) - 1
    rows = []
    for token in other:
        matches = row & places.get(token, 0)
        row = ((row + matches) | (row - matches)) & mask
        rows.append(row)
    return rows


def _walk_back(one: Sequence[str], other: Sequence[str], rows: Sequence[int]) -> list[Marked]:
    edits: list[Marked] = []
    column, row = len(one), len(other)
    while row and column:
        if rows[row - 1] >> (column - 1) & 1:
            column -= 1
            edits.append(("-", one[column]))
        elif row > 1 and not rows[row - 2] >> (column - 1) & 1:
            row -= 1
            edits.append(("+", other[row]))
        else:
            row, column = row - 1, column - 1
            edits.append(("=", one[column]))
    edits += [("-", one[place]) for place in range(column - 1, -1, -1)]
    edits += [("+", other[place]) for place in range(row - 1, -1, -1)]
    return edits[::-1]


def words_of(text: str) -> list[str]:
    """The tokens of a visible text, with `END` after each block."""
    found: list[str] = []
    for line in text.split("\n"):
        if line:
            found += [*tokens(line)[0], END]
    return found


def marked_characters(edits: Iterable[Marked]) -> int:
    """Characters that are marked."""
    return sum(len(token) for fate, token in edits if fate != "=" and token != END)


def islands(edits: Sequence[Marked]) -> int:
    """Lone words or signs left equal between two edits of one block."""
    count = 0
    run: list[str] | None = None
    for fate, token in edits:
        if fate == "=":
            if run is not None:
                run.append(token)
            continue
        if run and END not in run and sum(map(is_word, run)) <= 1:
            count += 1
        run = []
    return count


def seen_of(redline: Redline) -> tuple[int, int, int]:
    """Of a redline: marked characters, islands, edits that begin inside a word.

    Numbers of clauses that changed count as marked; what moved does not.
    """
    marked = lone = inside = 0
    for part in redline.parts:
        if isinstance(part, Kept) or part.op == "left":
            continue
        for cell in part.cells:
            texts = {"old": "", "new": ""}
            before = ""
            edits: list[Marked] = []
            for piece in cell.pieces:
                sides = ("old",) if piece.op in "-<" else ("new",) if piece.op in "+>" else ("old", "new")
                if piece.op != "=":
                    marked += len(piece.text)
                    inside += piece.op != before and _cuts(texts[sides[0]], piece.text)
                for side in sides:
                    texts[side] += piece.text
                edits += [(piece.op, token) for token in tokens(piece.text)[0]]
                before = piece.op
            lone += islands(edits)
    return marked, lone, inside


def _cuts(before: str, after: str) -> bool:
    pair = before[-1:] + after[:1]
    return len(pair) == 2 and pair.isalnum() and not is_dense(pair)
