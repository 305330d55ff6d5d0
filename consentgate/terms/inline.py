"""What stands inside a block: words with their formatting.

Room: terms (pure). Called by `blocks`; holds the one Markdown parser, which `markdown` shares. Blanks collapse as they
do in a browser; raw HTML is read as words and formatting, never as tags.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache, partial
from html.parser import HTMLParser
from typing import Any, NamedTuple, Protocol

from markdown_it import MarkdownIt
from markdown_it.token import Token

from consentgate.terms.plain_runs import Atom, quick_runs


class Run(NamedTuple):
    """Words that share one formatting.

    Args:
        text: as displayed; blanks are single, a hard break is a line feed.
        marks: letters of ``b`` bold, ``i`` italic, ``c`` code, ``s`` struck, in this order.
        href: target of the link the words are, or empty.
    """

    text: str
    marks: str = ""
    href: str = ""


Cell = tuple[Run, ...]

_run: Callable[[tuple[str, str, str]], Run] = partial(tuple.__new__, Run)
"""`Run`, without the detour through its Python: there are many."""


@lru_cache(maxsize=1)
def parser() -> MarkdownIt:
    """The one Markdown parser: CommonMark with tables."""
    return MarkdownIt("commonmark").enable("table")


@lru_cache(maxsize=4096)
def _target(href: str) -> str | None:
    md = parser()
    href = md.normalizeLink(href)
    return href if md.validateLink(href) else None


def _collapsed(text: str) -> str:
    """One blank for a run of those that a browser collapses; the others (no-break, ideographic) stay what they are."""
    if "\n" in text or "\t" in text or "\r" in text or "\f" in text:
        text = text.replace("\n", " ").replace("\t", " ").replace("\r", " ").replace("\f", " ")
    while "  " in text:
        text = text.replace("  ", " ")
    return text


class Inline:
    """Gathers runs; collapses blanks as a browser does."""

    __slots__ = ("blank", "hidden", "href", "open", "runs")

    def __init__(self) -> None:
        self.runs: list[Run] = []
        self.open: dict[str, int] = dict.fromkeys("bics", 0)
        self.href: list[str] = []
        self.hidden = 0
        self.blank = True

    def add(self, text: str, extra: str = "") -> None:
        """Append text in the current formatting."""
        if self.hidden or not text:
            return
        text = _collapsed(text)
        if self.blank and text[0] == " ":
            text = text[1:]
        if not text:
            return
        self.blank = text[-1] == " "
        self._put(text, extra)

    def _append(self, text: str, marks: str, href: str) -> None:
        if self.runs and self.runs[-1][1:] == (marks, href):
            text = self.runs.pop().text + text
        self.runs.append(Run(text, marks, href))

    def _put(self, text: str, extra: str = "") -> None:
        marks = "".join(mark for mark, count in self.open.items() if count or mark == extra)
        self._append(text, marks, self.href[-1] if self.href else "")

    def line_feed(self) -> None:
        """A hard break, in the current formatting."""
        if self.hidden or not self.runs:
            return
        if self.blank:
            last = self.runs.pop()
            if kept := last.text.rstrip(" "):
                self.runs.append(last._replace(text=kept))
        self._put("\n")
        self.blank = True

    def mark(self, mark: str, step: int) -> None:
        """Open (+1) or close (-1) a formatting."""
        self.open[mark] = max(0, self.open[mark] + step)

    def link(self, href: str | None) -> None:
        """Open a link, or close it with ``None``."""
        if href is not None:
            self.href.append(href)
        elif self.href:
            self.href.pop()

    def take(self) -> Cell:
        """What was gathered, without blanks at its end; the formatting stays open."""
        runs, self.runs, self.blank = self.runs, [], True
        while runs and not (kept := runs[-1].text.rstrip(" \n")):
            runs.pop()
        if runs:
            runs[-1] = runs[-1]._replace(text=kept)
        return tuple(runs)


_TAG_MARK = {
    "b": "b", "strong": "b", "i": "i", "em": "i", "code": "c", "kbd": "c", "tt": "c", "samp": "c",
    "s": "s", "del": "s", "strike": "s",
}  # fmt: skip
HIDDEN_TAGS = frozenset(("script", "style", "template", "title", "noscript", "iframe", "object", "svg", "math"))
"""Elements nobody sees: dropped with what is in them, here and in `markdown.render`."""


class Boundaries(Protocol):
    """Who wants to know of block-level tags in raw HTML."""

    def html_boundary(self, tag: str, *, opens: bool) -> None:
        """A tag that is not formatting begins or ends."""


class HtmlReader(HTMLParser):
    """Raw HTML, as runs (``blocks`` is None) or as blocks."""

    def __init__(self, inline: Inline, blocks: Boundaries | None) -> None:
        super().__init__(convert_charrefs=True)
        self.inline = inline
        self.blocks = blocks

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element begins."""
        if tag == "br":
            self.inline.line_feed()
        elif tag in HIDDEN_TAGS:
            self.inline.hidden += 1
        elif mark := _TAG_MARK.get(tag):
            self.inline.mark(mark, 1)
        elif tag == "a" and dict(attrs).get("href"):
            self.inline.link(dict(attrs)["href"])
        elif self.blocks is not None:
            self.blocks.html_boundary(tag, opens=True)

    def handle_endtag(self, tag: str) -> None:
        """An element ends."""
        if tag in HIDDEN_TAGS:
            self.inline.hidden = max(0, self.inline.hidden - 1)
        elif mark := _TAG_MARK.get(tag):
            self.inline.mark(mark, -1)
        elif tag == "a":
            self.inline.link(None)
        elif self.blocks is not None:
            self.blocks.html_boundary(tag, opens=False)

    def handle_data(self, data: str) -> None:
        """Words."""
        self.inline.add(data)


def _has_markup(source: str) -> bool:
    # Looking for each sign in turn is ten times quicker than one pattern for all.
    return (
        "*" in source or "[" in source or "_" in source or "`" in source or "\\" in source or "<" in source
        or "&" in source or ("\n" in source and "  \n" in source)
    )  # fmt: skip


def read_inline(source: str, environment: dict[str, Any]) -> Cell:
    """Read what stands inside one block."""
    if not _has_markup(source):
        text = _collapsed(source).strip(" ")
        return (_run((text, "", "")),) if text else ()
    quick = quick_runs(source, _target, defined="references" in environment)
    if quick is not None:
        return _gathered(quick)
    md = parser()
    tokens: list[Token] = []
    md.inline.parse(source, md, environment, tokens)
    return read_runs(tokens)


def _gathered(atoms: Iterable[Atom]) -> Cell:
    """Atoms as runs: neighbours of one formatting joined, blanks collapsed, none at either end."""
    runs: list[Run] = []
    text = marks = href = ""  # the last run
    blank = True
    for words, its_marks, its_href, feed in atoms:
        if feed:
            if not text:
                continue
            if blank and not (text := text.rstrip(" ")) and runs:
                text, marks, href = runs.pop()
            words, blank = "\n", True
        else:
            words = _collapsed(words)
            if blank and words[:1] == " ":
                words = words[1:]
            if not words:
                continue
            blank = words[-1] == " "
        if its_marks == marks and its_href == href:
            text += words
        else:
            if text:
                runs.append(_run((text, marks, href)))
            text, marks, href = words, its_marks, its_href
    while not (kept := text.rstrip(" \n")) and runs:
        text, marks, href = runs.pop()
    return (*runs, _run((kept, marks, href))) if kept else ()


def read_runs(children: Iterable[Token]) -> Cell:
    """Flatten the inline tokens of one block into runs."""
    inline = Inline()
    html: HtmlReader | None = None
    for token in children:
        kind = token.type
        if kind in ("text", "text_special"):
            inline.add(token.content)
        elif kind == "softbreak":
            inline.add(" ")
        elif kind == "hardbreak":
            inline.line_feed()
        elif kind == "code_inline":
            inline.add(token.content, "c")
        elif kind == "image":
            inline.add(_alt(token.children or ()))
        elif kind == "html_inline":
            html = html or HtmlReader(inline, None)
            html.feed(token.content)
        elif kind == "link_open":
            inline.link(str(token.attrs.get("href", "")))
        elif kind == "link_close":
            inline.link(None)
        elif mark := _TAG_MARK.get(token.tag):
            inline.mark(mark, token.nesting)
    return inline.take()


def _alt(children: Iterable[Token]) -> str:
    return "".join(token.content if not token.children else _alt(token.children) for token in children)
