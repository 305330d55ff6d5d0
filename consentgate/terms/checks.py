"""What a publisher should know before publishing: findings, as plain sentences.

Room: terms (pure). A finding is advice; what must be refused is an error elsewhere.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

MAX_LINE = 20_000
"""Characters in one line beyond which readers and tools choke."""

_INVISIBLE = re.compile(
    "[\u00ad\u061c\u115f\u1160\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0\U000e0000-\U000e007f]"
)
_JOINERS = {"\u200c", "\u200d"}  # belong to Persian, Hindi and emoji
_TEMPLATE = re.compile(
    r"\{\{.{0,80}?\}\}|\{%.{0,80}?%\}|<%.{0,80}?%>|\$\{[A-Za-z_.]{1,60}\}|\[(?:INSERT|TODO|TBD)[^\]]{0,60}\]", re.S
)
_DATE = re.compile(
    r"\b(?:19|20)\d\d-\d\d-\d\d\b"
    r"|\b\d{1,2}(?:\.|st|nd|rd|th|er)?\s+(?:de\s+)?[^\W\d_]{3,10}\.?,?\s+(?:de\s+)?(?:19|20)\d\d\b"
    r"|\b[^\W\d_]{3,10}\.?\s+\d{1,2}(?:st|nd|rd|th)?,?\s+(?:19|20)\d\d\b"
)
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing a check found.

    Args:
        code: stable name for machines.
        text: a sentence for people.
        level: ``note`` or ``warning``.
        file: where, as the author knows it.
        line: 1-based line of the text, or ``None``.
    """

    code: str
    text: str
    level: Literal["note", "warning"] = "warning"
    file: str = ""
    line: int | None = None


def check_text(text: str, *, file: str = "", first_line: int = 1) -> Iterator[Finding]:
    """Look at one text for what readers cannot see or should not see.

    Args:
        text: canonical.
        file: for the findings.
        first_line: line of the file on which the text begins.
    """

    def at(offset: int) -> int:
        return text.count("\n", 0, offset) + first_line

    hidden = next((found for found in _INVISIBLE.finditer(text) if found[0] not in _JOINERS), None)
    if hidden:
        name = unicodedata.name(hidden[0], f"U+{ord(hidden[0]):04X}")
        yield Finding(
            "invisible-character", f"There is an invisible character ({name}).", file=file, line=at(hidden.start())
        )
    if left := _TEMPLATE.search(text):
        yield Finding(
            "template-syntax",
            f"Template syntax was left in the text: {left[0][:60]!r}.",
            file=file,
            line=at(left.start()),
        )
    for number, line in enumerate(text.split("\n")):
        if len(line) > MAX_LINE:
            yield Finding("giant-line", f"A line has {len(line):,} characters.", file=file, line=number + first_line)
            break


def check_change(old: str, new: str, *, words_changed: bool, file: str = "") -> Iterator[Finding]:
    """Look at a text beside the one before it.

    Args:
        old, new: canonical texts in one language.
        words_changed: whether a reader would see a change (from the redline).
        file: for the findings.
    """
    old_dates, new_dates = _DATE.findall(old), _DATE.findall(new)
    if check_dates_only(old, new):
        yield Finding("only-dates-changed", "Only dates changed; no other word did.", file=file)
    elif not words_changed:
        yield Finding("no-readable-change", "No readable word changed since the version before.", file=file)
    elif old_dates and new_dates[:1] == old_dates[:1]:
        yield Finding(
            "date-unchanged", f"Words changed, but the first date in the text is still {old_dates[0]}.", "note", file
        )
    if len(new) * 2 < len(old) or len(new) > 2 * len(old):
        yield Finding("size-jump", f"The text went from {len(old):,} to {len(new):,} characters.", file=file)
    if (before := _script(old)) and (after := _script(new)) and before != after:
        yield Finding(
            "script-changed", f"The text was mostly {before.title()} and is now mostly {after.title()}.", file=file
        )


def check_dates_only(old: str, new: str) -> bool:
    """Whether nothing but dates differs between two texts."""
    return old != new and _DATE.sub("", old) == _DATE.sub("", new)


def _script(text: str) -> str:
    """The Unicode script most letters of the beginning belong to, by the first word of their names."""
    counts: dict[str, int] = {}
    for character in "".join(_WORD.findall(text[:20_000]))[:4_000]:
        if character.isalpha():
            script = unicodedata.name(character, "?").split()[0]
            counts[script] = counts.get(script, 0) + 1
    return max(counts, key=lambda script: (counts[script], script)) if counts else ""
