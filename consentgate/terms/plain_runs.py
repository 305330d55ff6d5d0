"""Reading what stands inside a block without the parser, where it is simple.

Room: terms (pure). Called by `inline`. A paragraph falls into a few kinds of atoms: words, escapes, entities, code,
links, pictures, breaks, and the stars and underlines that may be emphasis. One pattern finds them; which star belongs
to which is then decided by the parser's own functions. Anything else is left to the parser: `quick_runs` answers
``None`` rather than guess. That both read the same is a law the tests hold against the parser.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from html.entities import html5
from typing import NamedTuple

from markdown_it.rules_inline.balance_pairs import processDelimiters
from markdown_it.rules_inline.state_inline import Delimiter, StateInline

_PLAIN = r"[^\\`*_\[\]<&!\n]"
_TARGET = r"(?:[\w:/.#?=@~,;$+%!*'-]|&(?![#A-Za-z0-9]+;))+"
_TITLE = r"(?: +\"[^\"\\\n]*\")?"
_IMAGE = rf"!(?:\[[^\[\]]*\]\({_TARGET}{_TITLE}\))?"
_PUNCTUATION = r"[!-/:-@\[-`{-~]"
_ESCAPE = rf"\\(?:{_PUNCTUATION}|(?!{_PUNCTUATION}))"
_ATOM = re.compile(
    rf"(?P<text>(?:{_PLAIN}+|(?<!  )\n *|!(?!\[)|\](?![(\[:])|&(?!#|[A-Za-z][A-Za-z0-9]{{1,31}};)"
    rf"|(?<![^ \n])(?:\*|_)(?=[ \n]|\Z)|(?<=[^\W_])_+(?=[^\W_]))+)"
    rf"|(?P<line>\n *)"
    rf"|(?P<delimiters>\*+|_+)"
    rf"|\[(?P<label>[^\[\]!\\]*(?:(?:{_IMAGE}|{_ESCAPE})[^\[\]!\\]*)*)\]\((?P<target>{_TARGET}){_TITLE}\)"
    rf"|(?P<bracket>\[(?=[^\[\]]*\](?![(\[:])))"
    rf"|!\[(?P<shown>[^\[\]\\`*_<&!\n]*)\]\((?P<picture>{_TARGET}){_TITLE}\)"
    rf"|\\(?P<escaped>{_PUNCTUATION})"
    rf"|&(?P<entity>[A-Za-z][A-Za-z0-9]{{1,31}};)"
    rf"|<(?P<address>https?://[A-Za-z0-9_:/.#?=@~,;$+-]+)>"
    rf"|<(?P<mail>[A-Za-z0-9.+-]+@[A-Za-z0-9]+(?:[.-][A-Za-z0-9]+)*)>"
    rf"|(?<!`)`(?P<code>[^`\n]+)`(?!`)"
    rf"|(?P<feed><br ?/?>|\\\n *)"
    rf"|(?P<place><a (?:name|id)=\"[^\"<>&\n]*\"></a>)"
)
_MOST_DELIMITERS = 256
_ODD_LABEL = re.compile(r"[\\`*_\[\]<&!\n]")


Atom = tuple[str, str, str, bool]
"""Words as displayed, blanks not yet collapsed; their marks and link target as in `inline.Run`; whether it is a hard
break. A plain tuple, because there are many."""


def quick_runs(source: str, link: Callable[[str], str | None], *, defined: bool = True) -> list[Atom] | None:
    """Read what stands inside a block, or answer ``None`` where it is not simple.

    Args:
        source: Markdown.
        link: makes a target what the parser would make of it, or ``None`` where the parser would refuse it.
        defined: whether the text defines any link elsewhere, so that a word in brackets may be one.
    """
    return _Reader(source, link, defined).read(0, len(source), "")


class _Reader:
    """Reads one paragraph."""

    __slots__ = ("defined", "link", "source")

    def __init__(self, source: str, link: Callable[[str], str | None], defined: bool) -> None:
        self.source = source
        self.link = link
        self.defined = defined

    def read(self, at: int, stop: int, href: str) -> list[Atom] | None:
        """The atoms of a stretch: the whole paragraph, or the words of a link to `href`."""
        atoms: list[Atom] = []
        marks: list[_Mark] = []
        kind: str | None = None
        for found in _ATOM.finditer(self.source, at, stop):
            start, end = found.span()
            if start != at:
                return None
            at = end
            before, kind = kind, found.lastgroup
            if kind == "text":
                atoms.append((found[0], "", href, False))
            elif kind == "delimiters":
                after = self.source[end] if end < stop else " "
                before_it, signs = self.source[start - 1 : start] or " ", found[0]
                marks.append(_Mark(len(atoms), signs, *_flanks(before_it, signs[0], after)))
                atoms.append((signs, "", href, False))
            elif kind == "line":  # two blanks before it are a hard break, unless they are those after another one
                hard = before == "text" and self.source.endswith("  ", 0, start)
                atoms.append(("\n", "", href, hard))
            elif kind == "target":
                inner = None if href else self._linked(found)
                if inner is None:
                    return None
                atoms += inner or [("", "", "", False)]
            else:
                atom = self._atom(str(kind), found, href)
                if atom is None:
                    return None
                atoms.append(atom)
        if at < stop:
            return None
        return _emphasised(atoms, marks) if marks else atoms

    def _target(self, words: str) -> str | None:
        """What the parser makes of a target; names of hosts that it would decode are left to it."""
        return None if "xn--" in words else self.link(words)

    def _linked(self, found: re.Match[str]) -> list[Atom] | None:
        target = self._target(found["target"])
        if target is None:
            return None
        start, stop = found.span("label")
        if start == stop or _ODD_LABEL.search(self.source, start, stop):
            return self.read(start, stop, target)
        return [(self.source[start:stop], "", target, False)]

    def _atom(self, kind: str, found: re.Match[str], href: str) -> Atom | None:
        words = found[kind]
        if kind == "escaped":
            return (words, "", href, False)
        if kind in ("address", "mail"):
            target = None if href else self._target("mailto:" + words if kind == "mail" else words)
            return None if target is None else (words, "", target, False)
        if kind == "code":
            inner = words[1:-1] if words[0] == words[-1] == " " and words.strip(" ") else words
            return (inner, "c", href, False)
        if kind == "bracket":
            return None if self.defined else (words, "", href, False)
        if kind == "entity":
            return (html5.get(words, "&" + words), "", href, False)  # what is no entity stays as it stands
        if kind == "picture":
            return None if self._target(words) is None else (found["shown"], "", href, False)
        return ("", "", "", False) if kind == "place" else ("\n", "", href, True)


class _Mark(NamedTuple):
    """A run of stars or underlines: where it stands among the atoms, and whether it may open or close emphasis."""

    place: int
    signs: str
    opens: bool
    closes: bool


@lru_cache(maxsize=1024)
def _flanks(before: str, sign: str, after: str) -> tuple[bool, bool]:
    """Whether a run of one sign may open emphasis, and close it, between two characters: the parser's own rule."""
    scanned = StateInline.scanDelims(_Around(before + sign + after), 1, sign == "*")  # type: ignore[arg-type]  # see there
    return scanned.can_open, scanned.can_close


class _Around:
    """What `StateInline.scanDelims` looks at."""

    __slots__ = ("posMax", "src")

    def __init__(self, source: str) -> None:
        self.src = source
        self.posMax = len(source)


def _emphasised(atoms: list[Atom], marks: list[_Mark]) -> list[Atom] | None:
    """Make the marks that belong together a formatting of what stands between them, as the parser does."""
    openers, closers = marks[::2], marks[1::2]
    if len(openers) != len(closers) or not all(map(_belong, openers, closers)):
        return _entangled(atoms, marks)
    for opener, closer in zip(openers, closers, strict=True):
        _format(atoms, opener.place + 1, closer.place, "b" if len(opener.signs) == 2 else "i")
        atoms[opener.place] = atoms[closer.place] = ("", "", "", False)
    return atoms


def _belong(opener: _Mark, closer: _Mark) -> bool:
    """Whether two neighbouring marks are a pair, and can belong to no other."""
    return (
        opener.signs == closer.signs and len(opener.signs) < 3
        and opener.opens and closer.closes and not (opener.closes or closer.opens)
    )  # fmt: skip


def _format(atoms: list[Atom], start: int, stop: int, mark: str) -> None:
    for place in range(start, stop):
        text, marks, href, feed = atoms[place]
        atoms[place] = (text, _with(marks, mark) if marks else mark, href, feed)


def _entangled(flat: list[Atom], marks: list[_Mark]) -> list[Atom] | None:
    """The same for marks inside one another or without a partner, by the parser's own functions (`emphasis`)."""
    if sum([len(mark.signs) for mark in marks]) > _MOST_DELIMITERS:
        return None
    atoms: list[Atom] = []
    delimiters: list[Delimiter] = []
    done = 0
    for place, signs, opens, closes in marks:
        atoms += flat[done:place]
        for sign in signs:
            delimiters.append(Delimiter(ord(sign), len(signs), len(atoms), -1, opens, closes))
            atoms.append((sign, "", flat[place][2], False))
        done = place + 1
    atoms += flat[done:]
    processDelimiters(None, delimiters)  # type: ignore[arg-type]  # it does not look at its state
    number = len(delimiters) - 1
    while number >= 0:
        opener = delimiters[number]
        if opener.end >= 0:
            closer = delimiters[opener.end]
            before = delimiters[number - 1] if number else opener
            strong = (
                before is not opener
                and before.end == opener.end + 1
                and before.marker == opener.marker
                and before.token == opener.token - 1
                and delimiters[before.end].token == closer.token + 1
            )
            _format(atoms, opener.token + 1, closer.token, "b" if strong else "i")
            gone = (opener.token, closer.token, *((before.token, closer.token + 1) if strong else ()))
            for place in gone:
                atoms[place] = ("", "", "", False)
            number -= strong
        number -= 1
    return atoms


def _with(marks: str, mark: str) -> str:
    return "".join([letter for letter in "bics" if letter in marks or letter == mark])
