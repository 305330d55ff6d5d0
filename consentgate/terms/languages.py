"""Pick the translation for a visitor: language tags as RFC 5646 spells them, look-up as RFC 4647 §3.4 does it.

Room: terms (pure).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from consentgate.errors import InputError

_TAG = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8}){0,4}")
_RANGE = re.compile(r"\s*(\*|[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8}){0,7})\s*(?:;\s*[qQ]\s*=\s*([01](?:\.\d{0,3})?)\s*)?")

MAX_HEADER = 1_000
"""Characters of an Accept-Language header that are looked at."""

RIGHT_TO_LEFT = frozenset({"ar", "arc", "ckb", "dv", "fa", "he", "ks", "ps", "sd", "ug", "ur", "yi"})
"""Primary languages written from right to left, unless a script subtag says otherwise."""


def canonical_tag(tag: str) -> str:
    """Write a language tag in its usual case: ``pt-BR``, ``zh-Hant-TW`` (RFC 5646 §2.1.1).

    Raises:
        InputError: for what is no tag.
    """
    if not _TAG.fullmatch(tag):
        raise InputError(f"{tag[:40]!r} is no language tag", hint="write a BCP 47 tag such as en, fr or pt-BR")
    first, *rest = tag.split("-")
    cased = [first.lower()]
    for subtag in rest:
        if len(subtag) == 4 and subtag.isalpha():
            cased.append(subtag.title())
        elif len(subtag) == 2 and subtag.isalpha():
            cased.append(subtag.upper())
        else:
            cased.append(subtag.lower())
    return "-".join(cased)


def parse_accept_language(header: str) -> tuple[str, ...]:
    """Return the ranges of an Accept-Language header, most wanted first (RFC 9110 §12.5.4).

    Malformed members are skipped: a header from the network is a wish, never an error. ``q=0`` drops a range.
    """
    wanted: list[tuple[float, int, str]] = []
    for place, member in enumerate(header[:MAX_HEADER].split(",")[:32]):
        found = _RANGE.fullmatch(member)
        if not found:
            continue
        quality = float(found[2]) if found[2] else 1.0
        if quality > 0:
            wanted.append((-quality, place, found[1]))
    return tuple(tag for _, _, tag in sorted(wanted))


def look_up(ranges: Iterable[str], available: Sequence[str], default: str) -> str:
    """Choose one of the available tags: each range in turn, shortened from the right until it matches.

    Args:
        ranges: most wanted first.
        available: tags that exist.
        default: returned when nothing matches.

    >>> look_up(["de-AT", "fr"], ["en", "fr", "de"], "en")
    'de'
    """
    by_lower = {tag.lower(): tag for tag in available}
    for wanted in ranges:
        if wanted == "*":
            continue
        subtags = wanted.lower().split("-")
        while subtags:
            if found := by_lower.get("-".join(subtags)):
                return found
            subtags.pop()
            # RFC 4647 §3.4: a single letter or digit left at the end goes too, it introduces what was cut off.
            if subtags and len(subtags[-1]) == 1:
                subtags.pop()
    # A reader of plain "pt" is better served by "pt-BR" than by another language.
    for wanted in ranges:
        primary = wanted.lower().split("-")[0]
        for tag in available:
            if tag.lower().split("-")[0] == primary:
                return tag
    return default


def direction(tag: str) -> str:
    """``rtl`` or ``ltr``: the value of the HTML ``dir`` attribute for a language tag."""
    primary, *rest = tag.lower().split("-")
    if "latn" in rest or "cyrl" in rest:
        return "ltr"
    return "rtl" if primary in RIGHT_TO_LEFT or "arab" in rest or "hebr" in rest else "ltr"
