"""What a view of the redline says before it says how: the interface's words, what is folded, the list of changes.

Room: terms (pure). Called by `views` and `views_text`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from consentgate.terms.redline_changes import Change, Summary
from consentgate.terms.redline_form import Redline
from consentgate.terms.redline_items import ADDED, CHANGED, MOVED, REMOVED, SAME, Item

View = Literal["inline", "side-by-side", "changes", "full"]


def _unchanged(count: int) -> str:
    return "1 unchanged paragraph" if count == 1 else f"{count} unchanged paragraphs"


def _summary(counts: Summary) -> str:
    """``6 changes in 3 sections, 84 words added, 12 removed``, with moves, numbers and links where there are any."""

    def some(number: int, what: str, after: str = "") -> str:
        return f"{number} {what}{'' if number == 1 else 's'}{after}"

    parts = [some(counts.changes, "change") + " in " + some(counts.sections, "section")] if counts.changes else []
    if counts.words_added:
        parts.append(some(counts.words_added, "word", " added"))
    if counts.words_removed:
        parts.append(
            f"{counts.words_removed} removed" if counts.words_added else some(counts.words_removed, "word", " removed")
        )
    for number, what, after in (
        (counts.moved, "passage", " moved"), (counts.renumbered, "passage", " renumbered"),
        (counts.links, "link", " changed"),
    ):  # fmt: skip
        if number:
            parts.append(some(number, what, after))
    return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class Labels:
    """The interface's words, in the reader's language; English by default.

    Args:
        inserted, deleted: said before a passage to those who cannot see the marking.
        end: said after it.
        before, after: the two columns of the side-by-side view.
        moved_here, moved_away: with ``{section}``.
        renumbered: said before an old number that another one follows.
        links: heading of the list of changed link targets.
        link_changed, link_added, link_removed: with ``{text}``, ``{old}``, ``{new}``.
        beginning: stands for the section before the first heading.
        nothing: when no reader would see a difference.
        kinds: names of the kinds of change, by kind.
        degraded: said where the comparison is coarser than usual (in mail and in a terminal; a page says it itself).
        unchanged: a line for n unchanged paragraphs.
        summary: the line above a whole redline (in mail and in a terminal; a page says it itself).
    """

    inserted: str = "inserted"
    deleted: str = "deleted"
    end: str = "end"
    before: str = "Before"
    after: str = "After"
    moved_here: str = "Moved here from “{section}”"
    moved_away: str = "Moved to “{section}”"
    renumbered: str = "renumbered from"
    links: str = "Changed link targets"
    link_changed: str = "“{text}” now leads to {new} instead of {old}"
    link_added: str = "“{text}” now leads to {new}"
    link_removed: str = "“{text}” no longer leads to {old}"
    beginning: str = "Beginning of the text"
    nothing: str = "No readable change"
    kinds: tuple[tuple[str, str], ...] = (
        ("inserted", "Added"), ("deleted", "Removed"), ("replaced", "Changed"), ("moved", "Moved"),
    )  # fmt: skip
    degraded: str = "The texts are very long or have little in common: some passages are shown as replaced as a whole."
    unchanged: Callable[[int], str] = _unchanged
    summary: Callable[[Summary], str] = _summary


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of items that is shown, or folded away because nothing in it changed."""

    start: int
    stop: int
    folded: bool


@dataclass(frozen=True, slots=True)
class ChangeLine:
    """One line of the list of changes.

    Args:
        number: of the change.
        anchor: id of its place in the HTML views.
        kind: ``inserted``, ``deleted``, ``replaced``, ``moved``.
        section: title, or empty before the first heading.
        removed, added: the first words of what went and what came; empty where nothing did.
        words_added, words_removed: counts.
    """

    number: int
    anchor: str
    kind: str
    section: str
    removed: str
    added: str
    words_added: int
    words_removed: int


def anchor(number: int) -> str:
    """The id of a change in the HTML views."""
    return f"change-{number}"


def spans(redline: Redline, context: int) -> list[Span]:
    """Which items to show: the changed ones, `context` items around each, and the headings they stand under."""
    items = redline.items
    shown = [False] * len(items)
    quiet = redline.changes != ()  # a renumbering is shown by itself only where nothing else changed
    for index, item in enumerate(items):
        if (item.op != SAME and not (item.op == CHANGED and not item.reworded)) or (item.renumbered and not quiet):
            for near in range(max(0, index - context), min(len(items), index + context + 1)):
                shown[near] = True
    for index, item in enumerate(items):
        if item.joined and shown[index] != shown[index - 1]:
            shown[index] = shown[index - 1] = True
    for section in redline.sections:
        if section.level and any(shown[section.start : section.stop]):
            shown[section.start] = True
    result: list[Span] = []
    for index, show in enumerate(shown):
        if result and result[-1].folded is not show:
            result[-1] = Span(result[-1].start, index + 1, not show)
        else:
            result.append(Span(index, index + 1, not show))
    # Folding a single paragraph saves nothing and costs the reader a click.
    lone = [Span(s.start, s.stop, folded=s.folded and s.stop - s.start > 1) for s in result]
    return _joined(lone)


def _joined(parts: list[Span]) -> list[Span]:
    result: list[Span] = []
    for part in parts:
        if result and result[-1].folded == part.folded:
            result[-1] = Span(result[-1].start, part.stop, part.folded)
        else:
            result.append(part)
    return result


def other_place(redline: Redline, change: Change, *, moved: bool) -> str:
    """Title of the section that a moved stretch came from or went to; empty for the beginning of the text.

    Args:
        redline: which it belongs to.
        change: the move.
        moved: whether it is asked at the new place, for the old one; else at the old place, for the new one.
    """
    first = redline.items[change.items[0]]
    place = first.source if moved else change.items[0]
    before = [section for section in redline.sections if section.title and section.start <= place]
    if first.kind == "h":
        # A whole section moved: it stands in the one above it, and naming it by itself would say nothing.
        others = [section for section in before if section.start not in change.items]
        before = [section for section in others if section.level < first.level] or others
    return before[-1].title if before else ""


def to_list_of_changes(redline: Redline, *, excerpt: int = 120) -> list[ChangeLine]:
    """One line for each change, with the first words of what went and what came."""
    lines = []
    for change in redline.changes:
        items = [redline.items[index] for index in change.items]
        lines.append(
            ChangeLine(
                number=change.number,
                anchor=anchor(change.number),
                kind=change.kind,
                section=redline.sections[change.section].title,
                removed=_excerpt(items, REMOVED, excerpt),
                added=_excerpt(items, ADDED, excerpt)
                or (_moved_words(items, excerpt) if change.kind == "moved" else ""),
                words_added=change.words_added,
                words_removed=change.words_removed,
            )
        )
    return lines


def _excerpt(items: list[Item], op: str, length: int) -> str:
    parts: list[str] = []
    for item in items:
        run = ""
        for number, cell in enumerate(item.cells):
            run += " | " if number and run else ""  # cells of a row are no sentence
            for piece in cell.pieces:
                if piece.op == op:
                    run += piece.text
                elif run:
                    parts.append(run.strip(" |\n"))
                    run = ""
        parts.append(run.strip(" |\n"))
        parts = list(filter(None, parts))
        if sum(map(len, parts)) > length:
            break
    return _cut(" … ".join(parts), length)


def _moved_words(items: list[Item], length: int) -> str:
    return _cut(" ".join(item.text() for item in items if item.op == MOVED), length)


def _cut(text: str, length: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"
