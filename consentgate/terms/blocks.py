"""Markdown as the blocks a reader sees: headings, paragraphs, list items, table rows.

Room: terms (pure). Called by the redline; uses the same parser as `markdown.render`, so that what is compared is
what is shown. Raw HTML inside Markdown is read as blocks and words too, never as tags.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from markdown_it.token import Token

from consentgate.terms.inline import Cell, HtmlReader, Inline, Run, parser, read_inline
from consentgate.terms.plain import Line, quick_lines

References = dict[str, Any]
"""Link reference definitions by normalised label, as markdown-it keeps them."""


class Block(NamedTuple):
    """One unit a reader sees.

    Args:
        kind: ``p``, ``h`` (heading), ``code``, ``row`` (of a table), ``head`` (a table's heading row).
        level: of a heading, 1 to 6; otherwise 0.
        path: what it stands in, from the outside: ``u`` bullet list, ``o`` numbered list, ``q`` quotation.
        lead: whether it begins the list item it stands in.
        marker: the number a numbered list shows before it, such as ``3.``.
        cells: of a row; any other block has one.
    """

    kind: str
    level: int
    path: str
    lead: bool
    marker: str
    cells: tuple[Cell, ...]


_block: Callable[[tuple[str, int, str, bool, str, tuple[Cell, ...]]], Block] = partial(tuple.__new__, Block)
"""`Block`, without the detour through its Python: there are many."""


def block_tokens(text: str, environment: dict[str, Any]) -> list[Token]:
    """The block structure alone, without what stands inside the blocks; definitions go into `environment`."""
    md = parser()
    tokens: list[Token] = []
    md.block.parse(text, md, environment, tokens)
    return tokens


MAX_SIGNS = 40_000
"""Two texts that have more lines and signs of Markdown than this where they differ are read as plain paragraphs. It is
ten times what the longest policy we know has; a text made for it could keep a parser busy for minutes."""

_PLAIN_BLOCKS = 8_000
_SIGNS = b"\n*_[]<>`&\\|!"
_PARAGRAPHS = re.compile(r"(?<=\n)(?:[ \t]*\n)+")


def count_signs(text: str) -> int:
    """What reading a text costs: its lines, and the signs that may mean something in Markdown."""
    whole = text.encode(errors="surrogatepass")
    return len(whole) - len(whole.translate(None, _SIGNS))


def cut_plain(text: str) -> list[str]:
    """A text as paragraphs, some thousands at most; joined, they are the text again."""
    pieces: list[str] = []
    least = len(text) // _PLAIN_BLOCKS
    start = 0
    for found in _PARAGRAPHS.finditer(text):
        if found.end() - start >= least:
            pieces.append(text[start : found.end()])
            start = found.end()
    return [*pieces, text[start:]] if start < len(text) else pieces


def read_plain(piece: str) -> list[Block]:
    """One paragraph as it stands in the source, line by line, its Markdown unread."""
    lines = [" ".join(line.split()) for line in piece.split("\n")]
    text = "\n".join(filter(None, lines))
    return [Block("p", 0, "", lead=False, marker="", cells=((Run(text),),))] if text else []


class Known(NamedTuple):
    """What was read before, by what stood in the source, under the same link definitions; it grows."""

    blocks: dict[Line, Block]
    cells: dict[str, Cell]


def read_piece(piece: str, references: References | None = None, known: Known | None = None) -> list[Block]:
    """Read one piece cut by `chunks.cut`: what `read_blocks` reads, sooner where the piece is simple.

    Args:
        piece: Markdown.
        references: link definitions of the whole text.
        known: what was read before under the same definitions. What is read twice is one object.
    """
    lines = quick_lines(piece)
    if lines is None:
        return read_blocks(piece, references)
    environment: dict[str, Any] = {"references": dict(references)} if references else {}
    known = known or Known({}, {})
    blocks = []
    path_before = marker_before = ""
    for line in lines:
        block = known.blocks.get(line)
        if block is None:
            kind, sources, level, path, lead, marker = line
            cells = _code(sources) if kind == "code" else _cells(sources, environment, known.cells)
            known.blocks[line] = block = _block((kind, level, path, lead, marker, cells))
        if not any(block.cells):
            if block.lead:
                path_before, marker_before = block.path, block.marker
            continue
        if path_before and not block.lead and block.path == path_before:  # what began the item cannot be seen
            block = block._replace(lead=True, marker=marker_before)
        blocks.append(block)
        path_before = ""
    return blocks


def _cells(sources: tuple[str, ...], environment: dict[str, Any], known: dict[str, Cell]) -> tuple[Cell, ...]:
    for source in sources:
        if source not in known:
            known[source] = read_inline(source, environment)
    return (known[sources[0]],) if len(sources) == 1 else tuple([known[source] for source in sources])


def _code(sources: tuple[str, ...]) -> tuple[Cell, ...]:
    return ((Run(sources[0]),),) if sources[0].strip() else ()


def read_blocks(text: str, references: References | None = None) -> list[Block]:
    """Read a Markdown text into blocks, leaving out those without words.

    Args:
        text: a whole text, or a piece cut by `chunks.cut`.
        references: link definitions of the whole text, where `text` is only a piece of it.
    """
    environment: dict[str, Any] = {"references": dict(references)} if references else {}
    builder = _Builder(environment)
    builder.read(block_tokens(text, environment))
    return builder.blocks


_BLOCK_TAGS = frozenset(
    re.findall(
        r"\w+",
        """address article aside blockquote body caption center dd details dialog dir div dl dt
        fieldset figcaption figure footer form header hr html legend li main nav ol p pre section
        summary table tbody td tfoot th thead tr ul""",
    )
)


class _Builder:
    """Walks the block tokens and keeps track of what they stand in."""

    def __init__(self, environment: dict[str, Any]) -> None:
        self.blocks: list[Block] = []
        self.environment = environment
        self.path: list[str] = []
        self.numbers: list[int] = []
        self.lead = False
        self.level = 0
        self.row: list[Cell] | None = None
        self.head = False
        self.inline = Inline()

    def read(self, tokens: Sequence[Token]) -> None:
        """Read the block tokens of a text, in order."""
        for token in tokens:
            step = self.STEPS.get(token.type)
            if step is not None:
                step(self, token)

    def _open(self, token: Token) -> None:
        self.path.append({"bullet_list_open": "u", "ordered_list_open": "o"}.get(token.type, "q"))
        start = token.attrs.get("start", 1)
        self.numbers.append((int(start) if token.type == "ordered_list_open" else 1) - 1)

    def _close(self, _: Token) -> None:
        self.path.pop()
        self.numbers.pop()

    def _item(self, _: Token) -> None:
        self.lead = True
        self.numbers[-1] += 1

    def _end_item(self, _: Token) -> None:
        self.lead = False

    def _heading(self, token: Token) -> None:
        self.level = int(token.tag[1]) if token.nesting == 1 else 0

    def _words(self, token: Token) -> None:
        cell = read_inline(token.content, self.environment)
        if self.row is not None:
            self.row.append(cell)
        else:
            self.add("h" if self.level else "p", (cell,))

    def _code(self, token: Token) -> None:
        self.add("code", ((Run(token.content.rstrip("\n")),),) if token.content.strip() else ())

    def _row(self, token: Token) -> None:
        if token.nesting == 1:
            self.row = []
        else:
            self.add("head" if self.head else "row", tuple(self.row or ()))
            self.row = None

    def _thead(self, token: Token) -> None:
        self.head = token.nesting == 1

    def _html(self, token: Token) -> None:
        depth = len(self.path)
        self.inline = Inline()
        html = HtmlReader(self.inline, self)
        html.feed(token.content)
        html.close()
        self.html_boundary("div", opens=True)
        self.row, self.head, self.level = None, False, 0
        del self.path[depth:], self.numbers[depth:]

    def html_boundary(self, tag: str, *, opens: bool) -> None:
        """A block-level tag in raw HTML: what was gathered so far is a block of its own."""
        heading = len(tag) == 2 and tag[0] == "h" and tag[1] in "123456"
        if not heading and tag not in _BLOCK_TAGS:
            return
        cell = self.inline.take()
        if self.row is not None and tag in ("td", "th", "tr"):
            if cell or (not opens and tag != "tr"):
                self.row.append(cell)
        elif self.row is not None:
            self.inline.runs = [*cell, Run("\n")] if cell else []
        elif cell:
            self.add("h" if self.level else "p", (cell,))
        if heading:
            self.level = int(tag[1]) if opens else 0
        elif tag == "tr":
            self._html_row(opens)
        elif tag == "li" and opens:
            self.lead = True
            if self.numbers:
                self.numbers[-1] += 1
        elif tag in ("ul", "ol", "blockquote"):
            self._html_container(tag, opens)

    def _html_row(self, opens: bool) -> None:
        if self.row is not None:
            self.add("row", tuple(cell for cell in self.row))
        self.row = [] if opens else None

    def _html_container(self, tag: str, opens: bool) -> None:
        if opens:
            self.path.append({"ul": "u", "ol": "o"}.get(tag, "q"))
            self.numbers.append(0)
        elif self.path:
            self.path.pop()
            self.numbers.pop()

    def add(self, kind: str, cells: tuple[Cell, ...]) -> None:
        """Append a block, unless nothing in it can be seen."""
        if not any(cells):
            return
        path = "".join(self.path)
        innermost = path.rstrip("q")[-1:]
        lead = self.lead and innermost != ""
        marker = ""
        if lead and innermost == "o":
            marker = f"{self.numbers[len(path.rstrip('q')) - 1]}."
        self.blocks.append(Block(kind, self.level if kind == "h" else 0, path, lead, marker, cells))
        self.lead = False

    STEPS: dict[str, Any] = {  # noqa: RUF012 — a constant, read once a token
        "bullet_list_open": _open, "ordered_list_open": _open, "blockquote_open": _open,
        "bullet_list_close": _close, "ordered_list_close": _close, "blockquote_close": _close,
        "list_item_open": _item, "list_item_close": _end_item, "heading_open": _heading, "heading_close": _heading,
        "inline": _words, "fence": _code, "code_block": _code, "html_block": _html,
        "thead_open": _thead, "thead_close": _thead, "tr_open": _row, "tr_close": _row,
    }  # fmt: skip
