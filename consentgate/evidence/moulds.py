"""The bytes of an entry from a mould: a faster way to the very same bytes, for entries there are millions of.

Room: evidence (pure). Called by `consentgate.evidence.entry`, which owns the format.

Of a decision's fields most are public facts, equal for everybody who was shown the same page and pressed the same
button. So the canonical JSON of these is kept, with gaps where the others belong. A mould is made only of what was
written and checked the long way, and fits only facts that are equal in value *and* type; what goes into its gaps is
checked each time. Whatever is not certain goes the long way, which writes it or says what is wrong with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from operator import attrgetter
from typing import Any, TypeAlias

from consentgate.evidence.forms import COMMITMENT_PATTERN, IDENTIFIER, INSTANT, is_uuid
from consentgate.terms.canonical import canonical_json
from consentgate.terms.instants import SECOND, Instant

GAPS = ("at", "commitments", "expires", "id", "offer", "supersedes")
"""Fields that differ from entry to entry."""

MOST = 512
"""Moulds that are kept: as many as there are pages, by template, language and the version compared with."""

_commitment = re.compile(COMMITMENT_PATTERN).fullmatch
_gaps = attrgetter(*GAPS)
_Mould: TypeAlias = tuple[str, tuple[str, ...], list[type]]
"""The text with its gaps, the names of the commitments in their order, and the types of the facts."""


class Moulds:
    """The moulds of one type of entry.

    Args:
        fields: all its fields, those of `GAPS` among them.
    """

    __slots__ = ("_facts", "_moulds")

    def __init__(self, fields: Iterable[str]) -> None:
        self._facts = attrgetter(*(name for name in fields if name not in GAPS))
        self._moulds: dict[Any, _Mould] = {}

    def fill(self, entry: Any) -> bytes | None:
        """Write an entry, or return ``None`` where only the long way is certain."""
        at, commitments, expires, own, offer, supersedes = _gaps(entry)
        if type(commitments) is not dict:
            return None
        mould = self._find(entry, commitments)
        if mould is None:
            return None
        for value in commitments.values():
            if type(value) is not str or not _commitment(value):
                return None
        if not (
            IDENTIFIER.sure(own)
            and INSTANT.sure(at)
            and (expires is None or INSTANT.sure(expires))
            and (offer is None or is_uuid(offer))
            and (supersedes is None or IDENTIFIER.sure(supersedes))
        ):
            return None
        text, names, _ = mould
        filled = text % (
            _instant(at),
            *[commitments[name] for name in names],
            "null" if expires is None else f'"{_instant(expires)}"',
            own,
            "null" if offer is None else f'"{offer}"',
            "null" if supersedes is None else f'"{supersedes}"',
        )
        return filled.encode()

    def keep(self, entry: Any, record: Mapping[str, Any], data: bytes) -> None:
        """Make a mould of an entry that was written the long way.

        Args:
            entry: the entry.
            record: its JSON values.
            data: its bytes.
        """
        names = tuple(sorted(entry.commitments))
        parts = []
        for key in sorted(record):
            if key == "commitments":
                parts.append('"commitments":{' + ",".join(f'"{name}":"%s"' for name in names) + "}")
            elif key in GAPS:
                parts.append(f'"{key}":"%s"' if key in ("at", "id") else f'"{key}":%s')
            else:
                parts.append(canonical_json({key: record[key]})[1:-1].decode().replace("%", "%%"))
        if len(self._moulds) >= MOST:
            self._moulds.clear()
        facts = self._facts(entry)
        place = (facts, *entry.commitments)
        self._moulds[place] = ("{" + ",".join(parts) + "}", names, list(map(type, facts)))
        if self.fill(entry) not in (data, None):  # never seen, and never to be relied upon
            self._moulds.pop(place, None)

    def _find(self, entry: Any, commitments: Mapping[str, str]) -> _Mould | None:
        """The mould for equal facts of equal types: 1, 1.0 and True are equal, and are not written alike."""
        facts = self._facts(entry)
        try:
            mould = self._moulds.get((facts, *commitments))
        except TypeError:  # a list where a word should be: the long way says so
            return None
        return mould if mould is not None and mould[2] == list(map(type, facts)) else None


@lru_cache(maxsize=64)
def _to_the_second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).isoformat().removesuffix("+00:00")


def _instant(instant: Instant) -> str:
    """As `consentgate.terms.instants.format_instant`, for one that is certain to have a text form."""
    second, rest = divmod(instant, SECOND)
    return f"{_to_the_second(second)}.{rest:06d}Z"
