"""The redline as people read it: inline, side by side, changes only, as a list, in mail and in a terminal.

Room: terms (pure). Called by the pages, the e-mail and the command line. Words of the interface
come in as `Labels`, so that they can be in the reader's language. Every letter of a text is escaped here; the only
tags are ours. Every insertion and deletion says so in words too (visually hidden), because colour is not for everybody
(WCAG 1.4.1), and ``<ins>`` and ``<del>`` are silent in most screen readers.
"""

from __future__ import annotations

from collections.abc import Iterable

from consentgate.terms.redline_form import Redline
from consentgate.terms.redline_items import (
    ADDED,
    CHANGED,
    DELETED,
    EQUAL,
    INSERTED,
    LEFT,
    MOVED,
    NEW_NUMBER,
    OLD_NUMBER,
    REMOVED,
    SAME,
    Cell,
    Item,
    Piece,
)
from consentgate.terms.views_html import Look, Writer, escape, pieces_html
from consentgate.terms.views_plan import ChangeLine, Labels, Span, View, anchor, other_place, spans, to_list_of_changes
from consentgate.terms.views_text import to_text


def to_html(redline: Redline, *, view: View = "inline", labels: Labels | None = None, context: int = 1) -> str:
    """The redline as safe HTML.

    Args:
        redline: what to show.
        view: ``inline`` (unchanged stretches folded), ``full`` (everything open), ``changes`` (unchanged stretches
            left out), ``side-by-side`` (two columns).
        labels: the interface's words.
        context: how many unchanged items to keep around a change.

    Returns:
        one ``<div class="cg-redline">``; each change has the id ``change-n``, classes begin with ``cg-``.
    """
    page = _Page(redline, labels or Labels(), Look.classes(), two=view == "side-by-side")
    body = page.body([Span(0, len(redline.items), folded=False)] if view == "full" else spans(redline, context),
                     keep=view != "changes")  # fmt: skip
    return f'<div class="cg-redline cg-{view}">{body}{page.links()}</div>'


def to_email_html(redline: Redline, *, labels: Labels | None = None, context: int = 1) -> str:
    """The summary line and the changes with their context, as HTML whose look travels with it.

    Mail programs drop style sheets, classes and ids: there are none.
    """
    page = _Page(redline, labels or Labels(), Look.mail(), two=False)
    body = page.body(spans(redline, context), keep=False)
    if redline.degraded:
        body = f"<p{page.look.of('note')}>{escape(page.labels.degraded)}</p>{body}"
    if not redline.empty:
        body = f"<p><strong>{escape(page.labels.summary(redline.summary))}</strong></p>{body}"
    return f"<div>{body}{page.links()}</div>"


class _Page:
    """Writes spans of items with one look."""

    def __init__(self, redline: Redline, labels: Labels, look: Look, *, two: bool) -> None:
        self.redline = redline
        self.labels = labels
        self.look = look
        self.two = two
        self.named: set[str] = set()

    def body(self, parts: list[Span], *, keep: bool) -> str:
        """All spans; folded ones as ``<details>``, or as a line where they are not kept."""
        if self.redline.empty:
            note = f"<p{self.look.of('note')}>{escape(self.labels.nothing)}</p>"
            return note + (self._fold(Span(0, len(self.redline.items), folded=True), keep) if keep else "")
        return "".join(self._fold(part, keep) if part.folded else self._items(part) for part in parts)

    def _fold(self, part: Span, keep: bool) -> str:
        line = escape(self.labels.unchanged(part.stop - part.start))
        if not keep:
            return f"<p{self.look.of('gap')}>{line}</p>"
        return f"<details{self.look.of('gap')}><summary>{line}</summary>{self._items(part)}</details>"

    def _items(self, part: Span) -> str:
        head = self._table_head(part.start)
        indices = ([head] if head is not None else []) + list(range(part.start, part.stop))
        if self.two:
            return self._columns(indices, part.start)
        writer = Writer(self.look)
        for group in self._groups(indices):
            self._side(writer, group, "both", part.start)
        return writer.done()

    def _groups(self, indices: list[int]) -> list[list[int]]:
        """Items that are one block on one side or the other, taken together."""
        groups: list[list[int]] = []
        for index in indices:
            if groups and self.redline.items[index].joined:
                groups[-1].append(index)
            else:
                groups.append([index])
        return groups

    def _columns(self, indices: list[int], start: int) -> str:
        rows = []
        for group in self._groups(indices):
            sides = []
            for side, name in (("old", self.labels.before), ("new", self.labels.after)):
                writer = Writer(self.look)
                self._side(writer, group, side, start)
                inner = writer.done()
                hidden = f"<span{self.look.of('vh')}>{escape(name)}: </span>" if inner else ""
                sides.append(f"<div{self.look.of(side)}>{hidden}{inner}</div>")
            same = all(self.redline.items[index].op == SAME for index in group)
            rows.append(f'<div class="cg-row{"" if same else " cg-differs"}">{"".join(sides)}</div>')
        return f'<div class="cg-columns">{"".join(rows)}</div>'

    def _side(self, writer: Writer, group: list[int], side: str, start: int) -> None:
        """The blocks that a group of items is on one side (on ``both``: as in the new text)."""
        absent = {"old": (INSERTED, MOVED), "new": (DELETED, LEFT)}.get(side, ())
        blocks: list[list[int]] = []
        for index in group:
            item = self.redline.items[index]
            if item.op in absent:
                continue
            if blocks and item.joined == ("old" if side == "old" else "new"):
                blocks[-1].append(index)
            else:
                blocks.append([index])
        for block in blocks:
            gone = self.redline.items[block[0]].op in (DELETED, LEFT)
            self._block(writer, block, side, mark=block[0] >= start and (side != "old" or gone))

    def _table_head(self, start: int) -> int | None:
        """The heading row of the table that a span begins in the middle of."""
        items = self.redline.items
        at = start
        if at < len(items) and items[at].kind == "row":
            while at > 0 and items[at].kind == "row":
                at -= 1
            if items[at].kind == "head" and at < start:
                return at
        return None

    def _block(self, writer: Writer, indices: list[int], side: str, *, mark: bool) -> None:
        item = self.redline.items[indices[0]]
        if len(indices) > 1:
            parts = [self.redline.items[index] for index in indices]
            pieces = tuple(piece for part in parts for piece in part.pieces)
            op = CHANGED if any(part.reworded for part in parts) else SAME
            item = item._replace(op=op, cells=(Cell(EQUAL, pieces),))
        number = next((found for index in indices if (found := self.redline.change_of.get(index))), None)
        gone = {"old": ADDED, "new": REMOVED}.get(side)
        cells = [cell for cell in item.cells if cell.op != gone]
        inner = [pieces_html(self._pieces(cell.pieces, side), self.look, self.labels) for cell in cells]
        name = self._name(item, number) if number is not None and mark else ""
        note = self._note(item, number) if mark else ""
        writer.block(item, inner, [cell.op for cell in cells], name=name, note=note, value=self._value(item, side))

    def _name(self, item: Item, number: int) -> str:
        """The id of the first block of a change, and of the place it moved away from."""
        name = anchor(number) + ("-from" if item.op == LEFT else "")
        if name in self.named:
            return ""
        self.named.add(name)
        return name

    @staticmethod
    def _pieces(pieces: Iterable[Piece], side: str) -> list[Piece]:
        gone = {"old": (ADDED, NEW_NUMBER), "new": (REMOVED, OLD_NUMBER)}.get(side, ())
        return [piece for piece in pieces if piece.op not in gone]

    def _value(self, item: Item, side: str) -> str:
        if side == "old" or item.op in (DELETED, LEFT):
            return item.old_number
        return item.new_number

    def _note(self, item: Item, number: int | None) -> str:
        notes = []
        if item.op in (MOVED, LEFT) and number is not None:
            change = self.redline.changes[number - 1]
            moved = item.op == MOVED
            label = self.labels.moved_here if moved else self.labels.moved_away
            where = other_place(self.redline, change, moved=moved)
            target = f"#{anchor(number)}" + ("-from" if moved else "")
            text = escape(label.format(section=where or self.labels.beginning))
            notes.append(f'<a{self.look.of("note")} href="{target}">{text}</a> ' if self.look.anchors
                         else f"<span{self.look.of('note')}>{text}</span> ")  # fmt: skip
        if (
            item.old_number
            and item.new_number
            and item.old_number != item.new_number
            and item.op in (SAME, CHANGED, MOVED)
        ):
            text = f"{self.labels.renumbered} {item.old_number}"
            notes.append(f"<span{self.look.of('num')}>({escape(text)})</span> ")
        return "".join(notes)

    def links(self) -> str:
        """The changed link targets, in a section of their own."""
        if not self.redline.links:
            return ""
        lines = []
        for link in self.redline.links:
            label = self.labels
            form = label.link_changed if link.old and link.new else label.link_added if link.new else label.link_removed
            text = escape(form.format(text=link.text, old="\0", new="\1"))
            text = text.replace("\0", f"<del{self.look.of('del')}>{escape(link.old)}</del>")
            text = text.replace("\1", f"<ins{self.look.of('ins')}>{escape(link.new)}</ins>")
            lines.append(f"<li>{text}</li>")
        title = escape(self.labels.links)
        return f"<section{self.look.of('links')}><h3>{title}</h3><ul>{''.join(lines)}</ul></section>"


__all__ = ["ChangeLine", "Labels", "View", "anchor", "to_email_html", "to_html", "to_list_of_changes", "to_text"]
