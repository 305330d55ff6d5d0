"""Cutting a Markdown text where the cut cannot change its meaning.

Room: terms (pure). Called by the redline, so that what is equal letter for letter on both sides need not be parsed at
all. A cut is made before an unindented line that follows a blank one and begins neither a list item nor anything that
could belong to one: such a line ends every paragraph, list, quotation and table before it (CommonMark 0.31, §5.2).
Fenced code and some raw HTML may run over blank lines; a piece that could leave one open is tried with the parser.

What reaches across a cut all the same are link reference definitions; they are gathered here for the whole text.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from itertools import accumulate

from consentgate.terms.blocks import References, block_tokens, count_signs
from consentgate.terms.plain import may_define

_CUT = re.compile(r"\n(?:[ \t]*\n)+(?![ \t\n]|\d{1,9}[.)](?:[ \t\n]|\Z)|\Z)")
_HEADING = re.compile(r"#{1,6}[ \t][^\n]*\n(?=[^\n])")
_MAY_STAY_OPEN = re.compile(r"\n {0,3}(?:```|~~~|<(?:!|\?|script|pre|style|textarea))", re.IGNORECASE)
_TAG_OPENS = re.compile(r"<(?:[!?sStT]|[pP][rR])")
_FENCE = re.compile(r"(`{3,})[^`\n]*\n|(~{3,})[^\n]*\n")
_CLOSING = re.compile(r"\n {0,3}(`{3,}|~{3,})[ \t]*(?=\n|\Z)")
_PROBE = "cut here"
_PROBED_SIGNS = 5_000


def cut(text: str) -> list[str]:
    """Cut a text into pieces that mean alone what they mean together; joined, they are the text again."""
    pieces: list[str] = []
    start = 0
    for found in [*_CUT.finditer(text), None]:
        stop = found.end() if found else len(text)
        # A heading that begins a piece is a piece of its own: it cannot go on in the next line.
        while text.startswith("#", start) and (heading := _HEADING.match(text, start, stop)):
            pieces.append(heading[0])
            start = heading.end()
        pieces.append(text[start:stop])
        start = stop
    if not _suspect(text):
        return pieces
    ends = list(accumulate(map(len, pieces)))
    return _closed(
        pieces, sorted({bisect_right(ends, found.start()) for found in _MAY_STAY_OPEN.finditer("\n" + text)})
    )


def _suspect(text: str) -> bool:
    """Whether a text may begin something that runs over blank lines."""
    # Most texts have none of these signs anywhere; to look for them costs a tenth of looking at every line.
    if "```" in text or "~~~" in text or ("<" in text and _TAG_OPENS.search(text)):
        return _MAY_STAY_OPEN.search("\n" + text) is not None
    return False


def _closed(pieces: list[str], suspects: list[int]) -> list[str]:
    """Join pieces to those before them that leave a fence or a piece of HTML open.

    Args:
        pieces: of a text.
        suspects: the numbers of those that may leave something open.
    """
    result: list[str] = []
    at = 0
    left = _PROBED_SIGNS
    for suspect in suspects:
        if suspect < at:
            continue
        result += pieces[at:suspect]
        at, taken, piece = suspect, 1, pieces[suspect]
        # Twice as many each time: however long it stays open, the text is parsed at most twice for this.
        while at + taken < len(pieces):
            left -= count_signs(piece)
            if left < 0:
                return [*result, "".join(pieces[at:])]  # not to cut is never wrong
            if not _stays_open(piece):
                break
            taken = min(2 * taken, len(pieces) - at)
            piece = "".join(pieces[at : at + taken])
        result.append(piece)
        at += taken
    return result + pieces[at:]


def _stays_open(piece: str) -> bool:
    fence = _FENCE.match(piece)
    if fence:  # what begins a piece stands in nothing else, so that any closing line closes it (CommonMark 0.31, §4.5)
        opening = fence[1] or fence[2]
        ends = [found.end() for found in _CLOSING.finditer(piece, fence.end() - 1) if found[1].startswith(opening)]
        if not ends:
            return True
        if not _suspect(piece[ends[0] :]):
            return False
    tokens = block_tokens(f"{piece.rstrip()}\n\n{_PROBE}\n", {})
    last = tokens[-2:]
    return not (len(last) == 2 and last[0].type == "inline" and last[0].content == _PROBE and last[1].level == 0)


def references(pieces: Iterable[str], text: str | None = None) -> References:
    """The link reference definitions of a text: label to target and title; the first of a label counts.

    Args:
        pieces: of the text.
        text: the whole, so that the pieces need not be looked at where it cannot define any.
    """
    found: References = {}
    for piece in pieces if text is None or may_define(text) else ():
        if may_define(piece):
            environment: dict[str, References] = {}
            block_tokens(piece, environment)
            for label, target in environment.get("references", {}).items():
                found.setdefault(label, target)
    return found
