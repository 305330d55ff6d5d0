"""How blocks and words become HTML: the small workshop behind `views`.

Room: terms (pure). Called by `views`. A flat run of blocks becomes nested lists, quotations and
tables again; a run of pieces becomes ``<ins>``, ``<del>`` and the formatting the words had.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape as _escape
from itertools import groupby
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from consentgate.terms.redline_items import ADDED, CHANGED, EQUAL, NEW_NUMBER, OLD_NUMBER, REMOVED, SAME, Item, Piece

if TYPE_CHECKING:
    from consentgate.terms.views_plan import Labels

_SCHEMES = frozenset(("", "http", "https", "mailto", "tel"))
_MARK_TAGS = {"b": "strong", "i": "em", "c": "code", "s": "s"}
_MAIL = {
    "ins": "color:#14532d;background:#dcfce7;text-decoration:underline",
    "del": "color:#7f1d1d;background:#fee2e2;text-decoration:line-through",
    "num": "color:#6b7280;font-size:90%",
    "note": "color:#6b7280;font-style:italic",
    "gap": "color:#6b7280;border-top:1px dashed #d1d5db;padding-top:4px",
    "left": "color:#6b7280",
    "moved": "border-left:3px solid #60a5fa;padding-left:8px",
    "change": "",
    "table": "border-collapse:collapse",
    "cell": "border:1px solid #d1d5db;padding:2px 6px;text-align:left;vertical-align:top",
    "links": "margin-top:16px",
}


def escape(text: str) -> str:
    """Text as HTML, in elements and in quoted attributes."""
    return _escape(text, quote=True)


def safe_href(href: str) -> str:
    """A link target that may be followed, or empty: web, mail, telephone, or a place on this site."""
    if any(char < "!" or char == "\\" for char in href) or href.startswith("//"):
        return ""
    try:
        scheme = urlsplit(href).scheme
    except ValueError:
        return ""
    return href if scheme.lower() in _SCHEMES else ""


@dataclass(frozen=True, slots=True)
class Look:
    """How a role is dressed: by class names on pages, by inline styles in mail.

    Args:
        styles: style by role, or ``None`` for class names.
    """

    styles: Mapping[str, str] | None = None

    @classmethod
    def classes(cls) -> Look:
        """For pages: ``class="cg-role"``."""
        return cls()

    @classmethod
    def mail(cls) -> Look:
        """For mail: inline styles, no ids."""
        return cls(_MAIL)

    @property
    def anchors(self) -> bool:
        """Whether elements have ids that links can lead to."""
        return self.styles is None

    def of(self, *roles: str) -> str:
        """The attribute for these roles, with the blank before it, or nothing."""
        if self.styles is None:
            return f' class="{" ".join("cg-" + role for role in roles)}"' if roles else ""
        style = ";".join(filter(None, (self.styles.get(role, "") for role in roles)))
        return f' style="{style}"' if style else ""


def pieces_html(pieces: Iterable[Piece], look: Look, labels: Labels) -> str:
    """Words with their marks; each insertion and deletion says so in words too."""
    out = []
    for op, group in groupby(pieces, key=lambda piece: piece.op):
        inner = "".join(_words(piece, look) for piece in group)
        if op == EQUAL:
            out.append(inner)
        elif op in (OLD_NUMBER, NEW_NUMBER):
            tag = "del" if op == OLD_NUMBER else "ins"
            said = (
                f"<span{look.of('vh')}>[{escape(labels.renumbered)}] </span>" if look.anchors and tag == "del" else ""
            )
            out.append(f"<{tag}{look.of('num')}>{said}{inner}</{tag}>")
        else:
            tag, label = ("ins", labels.inserted) if op == ADDED else ("del", labels.deleted)
            before = f"<span{look.of('vh')}>[{escape(label)}] </span>" if look.anchors else ""
            after = f"<span{look.of('vh')}> [{escape(labels.end)}]</span>" if look.anchors else ""
            out.append(f"<{tag}{look.of(tag)}>{before}{inner}{after}</{tag}>")
    return "".join(out)


def _words(piece: Piece, look: Look) -> str:
    html = escape(piece.text).replace("\n", "<br>")
    for mark in piece.marks:
        tag = _MARK_TAGS.get(mark)
        html = f"<{tag}>{html}</{tag}>" if tag else html
    href = safe_href(piece.href) if piece.href else ""
    if href.startswith("#"):
        href = "#s-" + href[1:] if look.anchors and len(href) > 1 else ""
    return f'<a href="{escape(href)}" rel="noopener noreferrer">{html}</a>' if href else html


class Writer:
    """Writes blocks one after another and opens and closes what they stand in."""

    def __init__(self, look: Look) -> None:
        self.look = look
        self.out: list[str] = []
        self.stack: list[str] = []
        self.table_rows = 0

    def block(self, item: Item, inner: list[str], fates: list[str], *, name: str, note: str, value: str) -> None:
        """One block: `inner` is the HTML of its cells, `fates` what happened to each, `name` its id."""
        row = item.kind in ("row", "head")
        if row and item.kind == "head" and self.table_rows and self.stack and self.stack[-1] == "t":
            self._close_to(len(self.stack) - 1)
        self._stand(item.path + ("t" if row else ""), item.lead, value)
        roles = self._roles(item)
        identity = f' id="{name}"' if name and self.look.anchors else ""
        attributes = identity + self.look.of(*roles)
        if row:
            self._row(item, inner, fates, attributes, note)
        elif item.kind == "h":
            level = min(6, item.level + 1)
            self.out.append(f"<h{level}{attributes}>{note}{inner[0]}</h{level}>")
        elif item.kind == "code":
            self.out.append(f"<pre{attributes}>{note}{inner[0].replace('<br>', chr(10))}</pre>")
        else:
            self.out.append(f"<p{attributes}>{note}{inner[0]}</p>")

    @staticmethod
    def _roles(item: Item) -> list[str]:
        if item.op == SAME or (item.op == CHANGED and not item.reworded):
            return []
        return ["change", item.op]

    def _row(self, item: Item, inner: list[str], fates: list[str], attributes: str, note: str) -> None:
        self.table_rows += item.kind == "row"
        tag = "th" if item.kind == "head" else "td"
        scope = ' scope="col"' if tag == "th" else ""
        cells = []
        for number, (html, fate) in enumerate(zip(inner, fates, strict=True)):
            role = {ADDED: ("cell", "cell-ins"), REMOVED: ("cell", "cell-del")}.get(fate, ("cell",))
            cells.append(f"<{tag}{scope}{self.look.of(*role)}>{note if number == 0 else ''}{html}</{tag}>")
        self.out.append(f"<tr{attributes}>{''.join(cells)}</tr>")

    def _stand(self, path: str, lead: bool, value: str) -> None:
        """Close what the block does not stand in, open what it does."""
        common = 0
        while common < min(len(path), len(self.stack)) and self.stack[common] == path[common]:
            common += 1
        innermost = max(path.rfind("u"), path.rfind("o"))
        if lead and 0 <= innermost < common:
            self._close_to(innermost + 1)
            self.out.append("</li>" + self._li(path[innermost], value))
            common = innermost + 1
        else:
            self._close_to(common)
        for depth in range(common, len(path)):
            kind = path[depth]
            self.stack.append(kind)
            if kind == "q":
                self.out.append("<blockquote>")
            elif kind == "t":
                self.out.append(f"<table{self.look.of('table')}>")
                self.table_rows = 0
            else:
                own = lead and depth == innermost
                self.out.append(("<ul>" if kind == "u" else "<ol>") + (self._li(kind, value) if own else self._bare()))

    def _bare(self) -> str:
        return '<li class="cg-continued">' if self.look.anchors else '<li style="list-style:none">'

    @staticmethod
    def _li(kind: str, value: str) -> str:
        number = value.rstrip(".")
        return f'<li value="{number}">' if kind == "o" and number.isdigit() else "<li>"

    def _close_to(self, depth: int) -> None:
        while len(self.stack) > depth:
            self.out.append(
                {"q": "</blockquote>", "t": "</table>", "u": "</li></ul>", "o": "</li></ol>"}[self.stack.pop()]
            )

    def done(self) -> str:
        """Close everything and give the HTML."""
        self._close_to(0)
        return "".join(self.out)
