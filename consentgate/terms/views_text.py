"""The redline in a terminal.

Room: terms (pure). Called by the command line. No control character of a text gets through.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from consentgate.terms.redline_form import Redline
from consentgate.terms.redline_items import (
    ADDED,
    EQUAL,
    LEFT,
    MOVED,
    NEW_NUMBER,
    OLD_NUMBER,
    REMOVED,
    SAME,
    Item,
    Piece,
)
from consentgate.terms.views_plan import Labels, spans

_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")
_ANSI = {ADDED: "\033[32;4m", REMOVED: "\033[31;9m", OLD_NUMBER: "\033[2;9m", NEW_NUMBER: "\033[2m"}
_OLD, _NEW = (REMOVED, OLD_NUMBER), (ADDED, NEW_NUMBER)
_BRACKETS = {ADDED: ("{+", "+}"), REMOVED: ("[-", "-]"), OLD_NUMBER: ("[-", "-]"), NEW_NUMBER: ("{+", "+}")}


def to_text(redline: Redline, *, colour: bool, labels: Labels | None = None, context: int = 1) -> str:
    """The summary line and the changes, for a terminal.

    Args:
        redline: what to show.
        colour: mark with ANSI colours; otherwise with ``[-removed-]`` and ``{+added+}`` as Git does.
        labels: the interface's words.
        context: how many unchanged items to keep around a change.
    """
    labels = labels or Labels()
    if redline.empty:
        return labels.nothing + "\n"
    lines = [labels.summary(redline.summary), ""]
    if redline.degraded:
        lines += [labels.degraded, ""]
    for part in spans(redline, context):
        if part.folded:
            line = f"    ··· {labels.unchanged(part.stop - part.start)} ···"
            lines += [f"\033[2m{line}\033[0m" if colour else line, ""]
            continue
        for item in redline.items[part.start : part.stop]:
            lines += [_text_line(item, labels, colour), ""]
    for link in redline.links:
        form = labels.link_changed if link.old and link.new else labels.link_added if link.new else labels.link_removed
        lines.append("  → " + _harmless(form.format(text=link.text, old=link.old, new=link.new)))
    return "\n".join(lines).rstrip("\n") + "\n"


def _text_line(item: Item, labels: Labels, colour: bool) -> str:
    indent = "  " * len(item.path)
    number = item.new_number or item.old_number
    bullet = f"{number} " if number else "• " if item.lead else ""
    if item.old_number and item.new_number and item.old_number != item.new_number:
        bullet = f"{item.new_number} ({labels.renumbered} {item.old_number}) "
    head = "#" * item.level + " " if item.level else ""
    note = {MOVED: "⇢ ", LEFT: "⇠ "}.get(item.op, "")
    words = " | ".join(_text_cell(cell.pieces, colour) for cell in item.cells)
    text = f"{indent}{note}{bullet}{head}{words}"
    return f"\033[1m{text}\033[0m" if colour and item.level and item.op == SAME else text


def _text_cell(pieces: Iterable[Piece], colour: bool) -> str:
    out = ""
    before, ended = "", ""
    for op, text in _grouped(pieces):
        # Colours alone do not part what was removed from what came for it: "£6£7" could be one word.
        if colour and before in _OLD and op in _NEW and not ended.isspace() and not text[:1].isspace():
            out += " "
        out += _text_piece(op, text, colour)
        before, ended = op, text[-1:]
    return out


def _grouped(pieces: Iterable[Piece]) -> Iterator[tuple[str, str]]:
    op, text = "", ""
    for piece in pieces:
        if piece.op != op and text:
            yield op, text
            text = ""
        op, text = piece.op, text + piece.text
    if text:
        yield op, text


def _text_piece(op: str, text: str, colour: bool) -> str:
    text = _harmless(text)
    if op == EQUAL:
        return text
    if colour:
        return f"{_ANSI[op]}{text}\033[0m"
    before, after = _BRACKETS[op]
    return f"{before}{text}{after}"


def _harmless(text: str) -> str:
    """No control character of a text reaches the terminal."""
    return _CONTROL.sub("�", text)
