"""What the entries of a ledger add up to: counts, and whether every gap in it is accounted for.

Room: evidence (pure). Called by `ledger_file` while it reads. A ledger whose root is right can still lack openings.
Where an ``erase`` entry says so, that was planned; where none does, something was lost. And no decision should be
about a text which the ledger had not published before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from uuid import UUID

from consentgate.evidence.entry import DecisionEntry, Entry, EpochEntry, EraseEntry, PublishEntry

MAX_ROWS = 1_000
"""Rows kept of any table that a file could otherwise blow up."""

_MAX_EXAMPLES = 20
OTHERS = "(others)"


@dataclass(frozen=True, slots=True)
class Gap:
    """An entry with personal fields that are gone although no ``erase`` entry says so.

    Args:
        id: of the entry, as text.
        fields: names of the missing fields.
    """

    id: str
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """What the entries add up to.

    Args:
        types: number of entries by type.
        decisions: number of decisions by policy, version and decision, at most 1,000 rows; test decisions not counted.
        tests: number of decisions made in a test set-up.
        first: earliest instant in an entry, or ``None`` without entries.
        last: latest.
        opened: personal fields whose opening was checked.
        erased: personal fields that are gone, with an ``erase`` entry that says so.
        missing: personal fields that are gone without one.
        gaps: up to 20 of the entries these belong to.
        unpublished: decisions about a text that no earlier entry published; ``None`` in a selection.
        epochs: the first 20 entries that say the ledger goes on after a restore.
    """

    types: Mapping[str, int]
    decisions: Mapping[tuple[str, str, str], int]
    tests: int
    first: int | None
    last: int | None
    opened: int
    erased: int
    missing: int
    gaps: tuple[Gap, ...]
    unpublished: int | None
    epochs: tuple[EpochEntry, ...] = ()


class Account:
    """Takes the entries in order and keeps the sums.

    Args:
        complete: whether all entries of the ledger are coming.
    """

    __slots__ = (
        "_complete", "_decisions", "_epochs", "_erased", "_first", "_gone", "_last", "_opened", "_published", "_tests",
        "_types", "_unpublished",
    )  # fmt: skip

    def __init__(self, *, complete: bool) -> None:
        self._complete = complete
        self._types: Counter[str] = Counter()
        self._decisions: Counter[tuple[str, str, str]] = Counter()
        self._tests = self._opened = self._erased = self._unpublished = 0
        self._first: int | None = None
        self._last: int | None = None
        # Personal fields that are gone and not yet accounted for, by the id of their entry.
        self._gone: dict[bytes, tuple[str, ...]] = {}
        self._published: set[tuple[str, str, str, str]] = set()
        self._epochs: list[EpochEntry] = []

    def add(self, entry: Entry, *, opened: int, unopened: tuple[str, ...]) -> None:
        """Take the next entry.

        Args:
            entry: with its openings checked.
            opened: how many of its fields are opened.
            unopened: names of those that are gone.
        """
        self._types[entry.TYPE] += 1
        self._opened += opened
        self._first = entry.at if self._first is None else min(self._first, entry.at)
        self._last = entry.at if self._last is None else max(self._last, entry.at)
        if unopened:
            self._gone[entry.ref] = unopened
        if isinstance(entry, DecisionEntry):
            self._add_decision(entry)
        elif isinstance(entry, PublishEntry):
            self._published.update((entry.policy, entry.version, text.language, text.text) for text in entry.texts)
        elif isinstance(entry, EraseEntry) and entry.erases:
            self._add_erasure(entry)
        elif isinstance(entry, EpochEntry) and len(self._epochs) < _MAX_EXAMPLES:
            self._epochs.append(entry)

    def _add_decision(self, entry: DecisionEntry) -> None:
        if (entry.policy, entry.version, entry.language, entry.text) not in self._published:
            self._unpublished += 1
        if entry.test:
            self._tests += 1
            return
        row = (entry.policy, entry.version, entry.decision)
        if row not in self._decisions and len(self._decisions) >= MAX_ROWS:
            row = (OTHERS, OTHERS, entry.decision)
        self._decisions[row] += 1

    def _add_erasure(self, entry: EraseEntry) -> None:
        for ref in entry.refs:
            gone = self._gone.pop(ref.bytes, ())
            left = () if entry.fields is None else tuple(name for name in gone if name not in entry.fields)
            self._erased += len(gone) - len(left)
            if left:
                self._gone[ref.bytes] = left

    def summary(self) -> Summary:
        """Return the sums so far."""
        examples = [Gap(str(UUID(bytes=ref)), fields) for ref, fields in islice(self._gone.items(), _MAX_EXAMPLES)]
        return Summary(
            types=dict(self._types),
            decisions=dict(self._decisions),
            tests=self._tests,
            first=self._first,
            last=self._last,
            opened=self._opened,
            erased=self._erased,
            missing=sum(map(len, self._gone.values())),
            gaps=tuple(examples),
            unpublished=self._unpublished if self._complete else None,
            epochs=tuple(self._epochs),
        )
