"""What a language is called in English, for findings that editors read: ``French`` and not ``fr``.

Room: service. Findings speak English, as the administrators' pages do.
"""

from __future__ import annotations


def language_name(tag: str) -> str:
    """The English name of a language; the tag itself where CLDR has none."""
    from babel import Locale
    from babel.core import UnknownLocaleError

    try:
        return Locale.parse(tag, sep="-").get_display_name("en") or tag
    except (UnknownLocaleError, ValueError):
        return tag
