"""Reading simple Markdown without the parser.

Room: terms (pure). Called by `chunks` and `blocks`. Most paragraphs of most policies use a handful of forms: lines that
begin with a letter, ``#`` headings, one-level lists; inside them bold words and links. These forms are read here some
ten times faster than by the parser, anything else is left to it: a function here answers ``None`` rather than guess.
That both read the same is a law the tests hold against the parser, with every text they can find.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

# A line that cannot begin or interrupt anything but a paragraph (CommonMark 0.31, chapters 4 and 5): it begins with a
# letter or any sign that Markdown does not use, a digit that is no list number, or a mark of formatting right before a
# word, which is no bullet, rule or fence.
_START = (
    r"(?:[A-Za-z]|[^\x00-\x7f\s]|\xa0|(?!\d{1,9}[.)](?:[ \t]|$))\d|[!\"$%&'(),./;?@\[\]^{}§]|\*{1,3}[^\s*]"
    r"|\*\*(?= *$)|_{1,3}[^\s_]|`(?!`)|\\[!-/:-@\[-`{-~]|\|(?! *:?-)|(?:<br ?/?>)+[A-Za-z]"
    r"|(?:<br ?/?>){2,}(?= *$)|<https?://|<a (?:name|id)=\"[^\"<>&]*\"></a>)"
)
_MARKER = r"(?:[-+*]|\d{1,9}[.)]) {1,4}"
_TITLE = r"(#{1,6}) +([^#]*[^#\s]) *"
_LINE = re.compile(
    rf"( *)(?:({_START}.*)"  # 1 indent, 2 text
    rf"|((?:([-+*])|(\d{{1,9}})([.)])) {{1,4}})"  # 3 marker, 4 bullet, 5 number and 6 its sign
    rf"((?:{_MARKER})*)(?:({_START}.*)|{_TITLE})"  # 7 further markers, 8 text, or 9 level and 10 title of a heading
    rf"|{_TITLE}"  # 11 level, 12 title
    r"|(=+|-+) *"  # 13 underline of a heading
    r"|((?:\* *){3,}|(?:_ *){3,}|(?:- *){3,}))"  # 14 rule
)
_WORDS = re.compile(_START)
_HEADING = re.compile(_TITLE)
_ITEM = re.compile(rf"( *)(?:([-+*])|(\d{{1,9}})([.)])) {{1,4}}(?={_START})")
_DEFINITION = re.compile(r"\n[ \t>*+\-\d.)]*\[")
_DELIMITERS = re.compile(r"\|(?: *:?-+:? *\|)+ *")


class Line(NamedTuple):
    """One block as found in the source: its source text, and what it stands in; as in `blocks.Block`.

    Args:
        kind: ``p``, ``h``, ``code``, ``head`` or ``row``.
        sources: what stands inside it, still Markdown unless it is code; one for each cell.
        level, path, lead, marker: as in `blocks.Block`.
    """

    kind: str
    sources: tuple[str, ...]
    level: int = 0
    path: str = ""
    lead: bool = False
    marker: str = ""


class _Open:
    """A list item that further lines may belong to."""

    __slots__ = ("indent", "number", "offset", "sign")

    def __init__(self, sign: str, number: int, indent: int, offset: int) -> None:
        self.sign = sign
        self.number = number
        self.indent = indent
        self.offset = offset


_line: Callable[[tuple[str, tuple[str, ...], int, str, bool, str]], Line] = partial(tuple.__new__, Line)
"""`Line`, without the detour through its Python: there are many."""


def may_define(text: str) -> bool:
    """Whether a text may define links: a definition begins a line, but for the marks of what it stands in."""
    return "]:" in text and _DEFINITION.search("\n" + text) is not None


def quick_lines(piece: str) -> list[Line] | None:
    """Read a piece cut by `chunks.cut` into blocks, or answer ``None`` where it is not simple."""
    text = piece.strip("\n")
    if "\t" in text or "\x85" in text or may_define(text):  # the second is a blank to Python, and none to the parser
        return None
    first = text[:1]
    if first == "|":
        return _table(text)
    if first == ">":
        return _quotation(text)
    if "\n" not in text:  # as most pieces are
        if first.isalpha() or _WORDS.match(text):
            return [_line(("p", (text.strip(),), 0, "", False, ""))]
        if first == "#" and (found := _HEADING.fullmatch(text)):
            return [_line(("h", (found[2].strip(),), len(found[1]), "", False, ""))]
    return _Lists().read(text)


def _quotation(text: str) -> list[Line] | None:
    lines = text.split("\n")
    if not all(line.startswith(">") and line[1:2] != "\t" for line in lines):
        return None
    inner = "\n".join(line[1:].removeprefix(" ") for line in lines)
    found = _Lists().read(inner)
    return None if found is None else [line._replace(path="q" + line.path) for line in found]


def _table(text: str) -> list[Line] | None:
    lines = text.split("\n")
    if len(lines) < 2 or "\\|" in text or not _DELIMITERS.fullmatch(lines[1]):
        return None
    width = lines[1].count("|") - 1
    found = []
    for number, line in enumerate(lines):
        line = line.rstrip(" ")
        if len(line) < 2 or line[0] != "|" or line[-1] != "|":
            return None
        cells = [cell.strip() for cell in line[1:-1].split("|")]
        if number == 0 and len(cells) != width:
            return None
        if number != 1:
            cells = [*cells[:width], *[""] * (width - len(cells))]
            found.append(Line("row" if number else "head", tuple(cells)))
    return found


class _Lists:
    """Headings, paragraphs and nested lists, line by line (CommonMark 0.31, §5.2)."""

    def __init__(self) -> None:
        self.found: list[Line] = []
        self.items: list[_Open] = []
        self.paragraph: list[str] = []
        self.lead = False
        self.code: list[str] = []
        self.depth = 0

    def read(self, text: str) -> list[Line] | None:
        """The blocks of a text, or ``None`` where it is not simple."""
        for line in text.split("\n"):
            if self.code and self._coded(line):
                continue
            if line[:1].isalpha():  # what most lines begin with, and nothing but words can
                if not self.paragraph:
                    self.items = []
                self.paragraph.append(line)
                continue
            bare = line.lstrip(" ")
            if not bare:
                self._end()
            elif bare[0].isalpha():
                self._text(line, bare)
            elif item := _ITEM.match(line):
                if not self._simple_item(line, item):
                    return None
            else:
                parts = _LINE.fullmatch(line)
                if parts is None or not self._line(line, *parts.groups("")):
                    return None
        self._end()
        self._end_code()
        return self.found

    def _text(self, line: str, bare: str) -> None:
        """A line of words: with and without its indent."""
        indent = len(line) - len(bare)
        if self.paragraph:
            self.paragraph.append(line)
        elif indent >= 4 and self._begins_code(indent):
            self.code = [line[self.depth :]]
        else:
            self._leave(indent)
            self.paragraph = [bare]

    def _simple_item(self, line: str, item: re.Match[str]) -> bool:
        """A list mark with words after it."""
        blanks, bullet, number, sign = item.groups("")
        indent, start = len(blanks), item.end()
        if indent >= 4 and not self.paragraph and self._begins_code(indent):
            self.code = [line[self.depth :]]
            return True
        if not self._item(indent, bullet or sign, int(number or 0), start - indent):
            return False
        self.paragraph, self.lead = [line[start:]], True
        return True

    def _line(
        self, line: str, blanks: str, text: str, marker: str, bullet: str, number: str, sign: str, more: str,
        words: str, inner: str, head: str, level: str, title: str, underline: str, rule: str,
    ) -> bool:  # fmt: skip
        if text:
            self._text(line, text)
            return True
        indent = len(blanks)
        if indent >= 4 and not self.paragraph and self._begins_code(indent):
            self.code = [line[self.depth :]]
            return True
        if marker:
            if not self._item(indent, bullet or sign, int(number or 0), len(marker)):
                return False
            for each in re.findall(_MARKER, more):
                place, sign = self.items[-1].offset, each.rstrip(" ")
                self.items.append(_Open(sign[-1], int(sign[:-1] or 0), place, place + len(each)))
            self.paragraph, self.lead = [words or head], True
            if inner:
                self._end("h", len(inner))
            return True
        if underline and self.paragraph:
            return 0 <= indent - self._base() < 4 and self._underlined(1 if underline[0] == "=" else 2)
        if level:
            self._end()
            self._leave(indent)
            self.paragraph = [title]
            self._end("h", len(level))
            return indent - self._base() < 4
        if rule or underline[:3] == "---":
            if rule[:1] == "-" and self.paragraph:
                return False
            self._end()
            self._leave(indent)
            return indent - self._base() < 4
        return False

    def _begins_code(self, indent: int) -> bool:
        """Whether a line is so far to the right of what it stands in that it is code."""
        base = next((item.offset for item in reversed(self.items) if item.offset <= indent), 0)
        if indent - base < 4:
            return False
        self._leave(indent)
        self.depth = base + 4
        return True

    def _coded(self, line: str) -> bool:
        """Whether a line goes on with the indented code before it."""
        if line.startswith(" " * self.depth) or not line.strip(" "):
            self.code.append(line[self.depth :])
            return True
        self._end_code()
        return False

    def _end_code(self) -> None:
        """The code is complete; blank lines at its end were none of it."""
        if self.code:
            path = "".join(["o" if item.sign in ".)" else "u" for item in self.items])
            while not self.code[-1].strip(" "):
                self.code.pop()
            self.found.append(Line("code", ("\n".join(self.code),), 0, path))
            self.code = []

    def _underlined(self, level: int) -> bool:
        if any("|" in line for line in self.paragraph):
            return False  # the head of a table, perhaps
        self._end("h", level)
        return True

    def _item(self, indent: int, sign: str, number: int, width: int) -> bool:
        inside = not self.items or indent >= self.items[-1].offset
        if self.paragraph and inside and sign in ".)" and number != 1:
            return False  # of numbered lists, only one that begins with 1 interrupts a paragraph
        self._end()
        sibling = self._leave(indent)
        if indent - self._base() >= 4 or (sibling is not None and indent - sibling.indent >= 4):
            return False
        if sibling is not None and sibling.sign == sign:
            number = sibling.number + 1
            if self.lead:
                return False
        self.items.append(_Open(sign, number, indent, indent + width))
        return True

    def _leave(self, indent: int) -> _Open | None:
        """Close the items that a line so far to the left cannot belong to; the outermost of them."""
        left = None
        while self.items and indent < self.items[-1].offset:
            left = self.items.pop()
        return left

    def _base(self) -> int:
        return self.items[-1].offset if self.items else 0

    def _end(self, kind: str = "p", level: int = 0) -> None:
        """The paragraph is complete."""
        if not self.paragraph:
            return
        path = "".join(["o" if item.sign in ".)" else "u" for item in self.items])
        marker = f"{self.items[-1].number}." if self.lead and path[-1:] == "o" else ""
        self.found.append(_line((kind, ("\n".join(self.paragraph).strip(),), level, path, self.lead, marker)))
        self.paragraph, self.lead = [], False
