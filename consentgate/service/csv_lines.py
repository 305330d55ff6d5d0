"""Lines of CSV from stored decisions, without taking their JSON apart.

Room: service (pure); called by `consentgate.service.export_forms`, which has the long way for what does not fit here.

An entry is canonical JSON: its keys are sorted and nothing stands between them, so one regular expression finds all
values of a decision at once, in half the time a parser needs for the whole. It takes only what is written in the CSV
as it stands: cells that begin with a letter or a digit, so no formula, and have neither comma, quotation mark,
backslash (JSON's escape) nor control character. Fields of a fixed length are not looked into one by one; a whole block
of lines is searched for those characters at the end. Whatever differs goes the long way, to the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from operator import itemgetter

_FREE = rb'(?:null|"((?:[0-9A-Za-z][^",\\\x00-\x1f]*)?)")'
_INSTANT, _ID, _DIGEST = 27, 36, 64


def _fixed(length: int) -> bytes:
    return rb'(?:"([0-9A-Za-z].{%d})"|null)' % (length - 1)


_VALUES: dict[str, bytes] = {
    "at": _fixed(_INSTANT),
    "commitments": rb'\{(?:"[a-z_]+":"[0-9A-Za-z_-]{43}",?)*\}',
    "compared": _FREE,
    "control": _fixed(_DIGEST),
    "decision": _FREE,
    "expires": _fixed(_INSTANT),
    "gate": rb'"[0-9a-f]{64}"',
    "id": _fixed(_ID),
    "kind": _FREE,
    "language": _FREE,
    "method": _FREE,
    "offer": _fixed(_ID),
    "page": _fixed(_DIGEST),
    "policy": _FREE,
    "redline": _fixed(_DIGEST),
    "serial": b"([1-9][0-9]*)",
    "source": _FREE,
    "supersedes": _fixed(_ID),
    "test": b"(true|false)",
    "text": _fixed(_DIGEST),
    "type": b'"(decision)"',
    "v": b"[0-9]+",
    "version": _FREE,
}
"""How the values of a decision look, in the order of their keys."""

_NAMELESS = ("commitments", "gate", "v")
_DECISION = re.compile(rb"\{%b\}" % b",".join(b'"%b":%b' % (key.encode(), form) for key, form in _VALUES.items()), re.S)
_OTHER = r'"[a-z_]+":\["[^"\\]*","[^"\\]*"\]'
_CELL = r'\["[^"\\]*","((?:[0-9A-Za-z][^",\\\x00-\x1f]*)?)"\]'
_OPENINGS = re.compile(rf'\{{(?:{_OTHER},)*?"subject":{_CELL},"subject_kind":{_CELL}(?:,{_OTHER})*\}}')
_ODD = re.compile(rb'["\\\x00-\x09\x0b-\x1f]')


class DecisionLines:
    """Writes the lines of decisions, where that is simple.

    Args:
        columns: the names of those between the place and the subject.
    """

    def __init__(self, columns: Sequence[str]) -> None:
        found = [name for name in _VALUES if name not in _NAMELESS]
        self._pick = itemgetter(*(found.index(name) if name in found else len(found) for name in columns))
        self._commas = len(columns) + 2

    def line(self, index: int, leaf: bytes, openings: str | None) -> bytes | None:
        """A line without its end, or ``None`` where it is not simple. It is not sure before it was joined.

        Args:
            index: of the entry.
            leaf: its bytes.
            openings: as they are stored; ``None`` or ``{}`` where there are none, or none are wanted.
        """
        entry = _DECISION.fullmatch(leaf)
        if entry is None:
            return None
        cells = b",".join(self._pick((*entry.groups(b""), b"")))
        if openings is None or openings == "{}":
            return b"%d,%b,," % (index, cells)
        opened = _OPENINGS.fullmatch(openings)
        if opened is None:
            return None
        return b"%d,%b,%b,%b" % (index, cells, opened[1].encode(), opened[2].encode())

    def join(self, lines: Sequence[bytes]) -> bytes | None:
        """Lines as they stand in the file, or ``None`` where one of them is not what it seemed."""
        if not lines:
            return b""
        joined = b"\n".join(lines)
        # No line has fewer commas than it should, so the sum is right only where each is.
        if (
            joined.count(b",") != self._commas * len(lines)
            or joined.count(b"\n") != len(lines) - 1
            or _ODD.search(joined)
        ):
            return None
        return joined.replace(b"\n", b"\r\n") + b"\r\n"
