"""What to export, and how far an export has come.

Room: service. Values only; `consentgate.service.export` reads by them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from consentgate.errors import InputError
from consentgate.terms.instants import Instant, format_instant
from consentgate.terms.subject import Subject

_CURSOR = re.compile(r"(0|[1-9][0-9]{0,15})\.(-1|0|[1-9][0-9]{0,15})\.([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Selection:
    """What to export; the default is everything.

    Args:
        policies: slugs; empty means all.
        versions: labels; empty means all.
        languages: tags; empty means all. A publication has the languages of its translations.
        acts: decisions; empty means all.
        subject: only what concerns this one and their devices; of somebody who was erased nothing is found.
        since, until: instants, ``since <= at < until``.
        openings: whether personal fields are opened.
    """

    policies: tuple[str, ...] = ()
    acts: tuple[str, ...] = ()
    since: Instant | None = None
    until: Instant | None = None
    openings: bool = True
    versions: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    subject: Subject | None = None

    @property
    def complete(self) -> bool:
        """Whether nothing is left out."""
        return self.subject is None and not self.narrowed

    @property
    def narrowed(self) -> bool:
        """Whether entries have to be looked at to know if they are wanted."""
        return bool(
            self.policies or self.acts or self.versions or self.languages
            or self.since is not None or self.until is not None
        )  # fmt: skip

    def record(self) -> dict[str, str | int | bool | None]:
        """The selection in words, for the header. A subject is named only where openings are."""
        said: dict[str, str | int | bool | None] = {
            name: ",".join(values)
            for name, values in (
                ("policies", self.policies),
                ("versions", self.versions),
                ("languages", self.languages),
                ("decisions", self.acts),
            )
            if values
        }
        if self.subject is not None:
            said["subject"] = self.subject.key if self.openings else "(not named)"
        if self.since is not None:
            said["since"] = format_instant(self.since)
        if self.until is not None:
            said["until"] = format_instant(self.until)
        return said

    def matches(self, record: Mapping[str, Any]) -> bool:
        """Whether an entry is wanted: the public facts of the entry decide, so erased ones are not left out."""
        if self.policies and record.get("policy") not in self.policies:
            return False
        if self.versions and record.get("version") not in self.versions:
            return False
        if self.acts and record.get("decision") not in self.acts:
            return False
        if self.languages and not self._speaks(record):
            return False
        # Instants in their text form sort as they are.
        if self.since is not None and record["at"] < format_instant(self.since):
            return False
        return self.until is None or record["at"] < format_instant(self.until)

    def _speaks(self, record: Mapping[str, Any]) -> bool:
        found = [record.get("language"), *(text["language"] for text in record.get("texts", ()))]
        return any(language in self.languages for language in found)


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far an export has come. Whoever holds the first part of a file can tell it from the file alone.

    >>> Cursor.parse("7.3." + "0" * 64).after
    3

    Args:
        size: entries the ledger had when the export began: ``size`` in the header of the NDJSON; 0 for a CSV.
        after: place of the last entry that is there whole, or -1.
        digest: SHA-256 of everything up to there, in lower-case hexadecimal.
    """

    size: int
    after: int
    digest: str

    def __str__(self) -> str:
        return f"{self.size}.{self.after}.{self.digest}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a cursor.

        Raises:
            InputError: it is none.
        """
        match = _CURSOR.fullmatch(text)
        if not match:
            raise InputError(
                f"not a cursor: {text[:40]!r}", hint="write SIZE.LAST.DIGEST, as the reference of formats explains"
            )
        return cls(int(match[1]), int(match[2]), match[3])
