"""Reading what stands inside a block without the parser, where it is simple.

Room: terms (pure). Called by `inline`. A paragraph falls into a few kinds of atoms: words, escapes, entities, code,
links, pictures, breaks, and the stars and underlines that may be emphasis. One pattern finds them; which star belongs
to which is then decided by the parser's own functions. Anything else is left to the parser: `quick_runs` answers
``None`` rather than guess. That both read the same is a law the tests hold against the parser.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from html.entities import html5

from markdown_it.rules_inline.balance_pairs import processDelimiters
from markdown_it.rules_inline.state_inline import Delimiter, StateInline

_PLAIN = r"[^\\`*_\[\]<&!\n]"
_TARGET = r"(?:[\w:/.#?=@~,;$+%!*'-]|&(?![#A-Za-z0-9]+;))+"
_TITLE = r"(?: +\"[^\"\\\n]*\")?"
_ATOM = re.compile(
    rf"(?P<text>(?:{_PLAIN}+|(?<!  )\n *|!(?!\[)|\](?![(\[:])|&(?!#|[A-Za-z][A-Za-z0-9]{{1,31}};)"
    rf"|(?<![^ \n])(?:\*|_)(?=[ \n]|\Z)|(?<=[^\W_])_+(?=[^\W_]))+)"
    rf"|(?P<line>\n *)"
    rf"|(?P<delimiters>\*+|_+)"
    rf"|\[(?P<label>[^\[\]!]*(?:!(?:\[[^\[\]]*\]\({_TARGET}{_TITLE}\))?[^\[\]!]*)*)\]\((?P<target>{_TARGET}){_TITLE}\)"
    rf"|(?P<bracket>\[(?=[^\[\]]*\](?![(\[:])))"
    rf"|!\[(?P<shown>[^\[\]\\`*_<&!\n]*)\]\((?P<picture>{_TARGET}){_TITLE}\)"
    rf"|\\(?P<escaped>[!-/:-@\[-`{{-~])"
    rf"|&(?P<entity>[A-Za-z][A-Za-z0-9]{{1,31}};)"
    rf"|<(?P<address>https?://[A-Za-z0-9_:/.#?=@~,;$+-]+)>"
    rf"|<(?P<mail>[A-Za-z0-9.+-]+@[A-Za-z0-9]+(?:[.-][A-Za-z0-9]+)*)>"
    rf"|(?<!`)`(?P<code>[^`\n]+)`(?!`)"
    rf"|(?P<feed><br ?/?>|\\\n *)"
    rf"|(?P<place><a (?:name|id)=\"[^\"<>&\n]*\"></a>)"
)
_MOST_DELIMITERS = 64


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
    return None if "xn--" in source else _Reader(source, link, defined).read(0, len(source), "")


class _Reader:
    """Reads one paragraph; has what `StateInline.scanDelims` looks at, so that the parser's own rule can be asked."""

    __slots__ = ("defined", "link", "posMax", "src")

    def __init__(self, source: str, link: Callable[[str], str | None], defined: bool) -> None:
        self.src = source
        self.posMax = len(source)
        self.link = link
        self.defined = defined

    def read(self, at: int, stop: int, href: str) -> list[Atom] | None:
        """The atoms of a stretch: the whole paragraph, or the words of a link to `href`."""
        atoms: list[Atom] = []
        delimiters: list[Delimiter] = []
        kind: str | None = None
        while at < stop:
            found = _ATOM.match(self.src, at, stop)
            if found is None:
                return None
            before, kind = kind, found.lastgroup
            if kind == "text":
                atoms.append((found[0], "", href, False))
            elif kind == "line":  # two blanks before it are a hard break, unless they are those after another one
                hard = before == "text" and self.src.endswith("  ", 0, at)
                atoms.append(("\n", "", href, hard))
            elif kind == "delimiters":
                self.posMax = stop
                self._delimit(found[0], at, href, atoms, delimiters)
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
            at = found.end()
        if not delimiters:
            return atoms
        return _emphasised(atoms, delimiters) if len(delimiters) <= _MOST_DELIMITERS else None

    def _linked(self, found: re.Match[str]) -> list[Atom] | None:
        target = self.link(found["target"])
        return None if target is None else self.read(*found.span("label"), target)

    def _delimit(self, run: str, at: int, href: str, atoms: list[Atom], delimiters: list[Delimiter]) -> None:
        opens, closes, length = StateInline.scanDelims(self, at, run[0] == "*")  # type: ignore[arg-type]  # see above
        for sign in run:
            delimiters.append(Delimiter(ord(sign), length, len(atoms), -1, opens, closes))
            atoms.append((sign, "", href, False))

    def _atom(self, kind: str, found: re.Match[str], href: str) -> Atom | None:
        words = found[kind]
        if kind == "escaped":
            return (words, "", href, False)
        if kind in ("address", "mail"):
            target = None if href else self.link("mailto:" + words if kind == "mail" else words)
            return None if target is None else (words, "", target, False)
        if kind == "code":
            inner = words[1:-1] if words[0] == words[-1] == " " and words.strip(" ") else words
            return (inner, "c", href, False)
        if kind == "bracket":
            return None if self.defined else (words, "", href, False)
        if kind == "entity":
            return (html5[words], "", href, False) if words in html5 else None
        if kind == "picture":
            return None if self.link(words) is None else (found["shown"], "", href, False)
        return ("", "", "", False) if kind == "place" else ("\n", "", href, True)


def _emphasised(atoms: list[Atom], delimiters: list[Delimiter]) -> list[Atom]:
    """Make the delimiters that belong together marks of what stands between them, as the parser does (`emphasis`)."""
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
            for place in range(opener.token + 1, closer.token):
                text, marks, href, feed = atoms[place]
                atoms[place] = (text, _with(marks, "b" if strong else "i"), href, feed)
            gone = (opener.token, closer.token, *((before.token, closer.token + 1) if strong else ()))
            for place in gone:
                atoms[place] = ("", "", "", False)
            number -= strong
        number -= 1
    return atoms


def _with(marks: str, mark: str) -> str:
    return "".join([letter for letter in "bics" if letter in marks or letter == mark])
