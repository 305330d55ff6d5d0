"""Templates to HTML: one Jinja2 environment for each interface language.

Room: web. Called by the pages; knows no request and no service. Strict: an undefined name in a template is an error,
everything is escaped unless it is `Markup` (only our Markdown and redline renderers make that).

The host's ``templates=`` folder comes first in the loader: a file of the same name replaces ours, and
``{% extends "consentgate/review.html" %}`` reaches the one it replaces.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from babel import Locale
from babel.dates import format_date, format_time
from babel.numbers import format_decimal
from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PackageLoader, PrefixLoader, StrictUndefined

from consentgate.terms.instants import DAY, Instant, format_instant, to_datetime
from consentgate.terms.languages import direction
from consentgate.web.messages import Catalogues, is_known
from consentgate.web.static import Assets

_LEFT_TO_RIGHT, _RIGHT_TO_LEFT, _POP = "\u2066", "\u2067", "\u2069"


@dataclass(frozen=True, slots=True)
class Words:
    """The interface in one language, for code that writes sentences outside templates.

    Args:
        language: BCP 47 tag.
        gettext, ngettext: look-ups of its catalogue.
    """

    language: str
    gettext: Callable[[str], str]
    ngettext: Callable[[str, str, int], str]

    def say(self, message: str, **values: object) -> str:
        """Translate a message and fill in its ``%(names)s``."""
        said = {name: isolated(value, self.language) for name, value in values.items()}
        return self.gettext(message) % said if said else self.gettext(message)

    def count(self, message: tuple[str, str], number: int, **values: object) -> str:
        """Translate a counted message; ``%(num)s`` is the localised number."""
        return self.ngettext(*message, number) % {"num": localised_number(number, self.language), **values}


class Renderer:
    """Renders our templates, or the host's in their place.

    Args:
        overrides: the host's folder, or ``None``.
    """

    def __init__(self, overrides: Path | None = None) -> None:
        self.catalogues = Catalogues(overrides)
        self.assets = Assets(overrides)
        ours = PackageLoader("consentgate.web")
        loaders = [FileSystemLoader(overrides)] if overrides else []
        self._loader = ChoiceLoader([*loaders, ours, PrefixLoader({"consentgate": ours})])
        self._environments: dict[str, Environment] = {}

    def words(self, language: str) -> Words:
        """The sentences of a language."""
        catalogue = self.catalogues.get(language)
        return Words(language, catalogue.gettext, catalogue.ngettext)

    def render(self, template: str, language: str, **context: Any) -> str:
        """Render a template in an interface language."""
        return self._environment(language).get_template(template).render(**context)

    def _environment(self, language: str) -> Environment:
        # One environment a language: the i18n extension keeps its catalogue in the environment's globals, and
        # swapping those for each request would let two requests speak each other's language.
        if language not in self._environments:
            self._environments[language] = self._build(language)
        return self._environments[language]

    def _build(self, language: str) -> Environment:
        environment = Environment(
            loader=self._loader,
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=["jinja2.ext.i18n"],
        )
        environment.install_gettext_translations(self.catalogues.get(language), newstyle=True)  # type: ignore[attr-defined]
        environment.policies["ext.i18n.trimmed"] = True
        environment.globals.update(
            lang=language,
            dir=direction(language),
            static_name=self.assets.public,
            static_text=self.assets.read,
            site_style=self.assets.site_style,
            direction=direction,
        )
        environment.filters.update(
            day=lambda instant: localised_day(instant, language),
            moment=lambda instant: localised_moment(instant, language),
            rfc3339=format_instant,
            number=lambda number: localised_number(number, language),
            autonym=autonym,
            path_words=path_words,
        )
        return environment


def isolated(value: object, language: str) -> str:
    """A value that runs the other way than the sentence it goes into, set apart (Unicode UAX #9, isolates).

    Without that a version such as 2026-01-22 would read 22-01-2026 in Arabic: hyphens between digits are neutral.
    """
    text = str(value)
    leftward = any(unicodedata.bidirectional(character) in ("R", "AL") for character in text)
    if leftward == (direction(language) == "rtl"):
        return text
    return f"{_RIGHT_TO_LEFT if leftward else _LEFT_TO_RIGHT}{text}{_POP}"


def localised_day(instant: Instant, language: str) -> str:
    """A date as the language writes it: ``24 June 2024``; with the time of day where it is not midnight UTC."""
    if instant % DAY:
        return localised_moment(instant, language)
    return plain_day(instant, language)


def plain_day(instant: Instant, language: str) -> str:
    """The date alone, where the time of day does not matter."""
    return format_date(to_datetime(instant), "long", locale=_locale(language))


def localised_moment(instant: Instant, language: str) -> str:
    """Date and time of day, always with the zone: a time without one proves nothing."""
    time = format_time(to_datetime(instant), "short", locale=_locale(language))
    return f"{plain_day(instant, language)} {time} UTC"


def localised_number(number: int, language: str) -> str:
    """A whole number with the language's separators."""
    return format_decimal(number, locale=_locale(language))


def autonym(tag: str) -> str:
    """A language's own name for itself: ``Deutsch``, ``日本語``; the tag where CLDR has none."""
    if not is_known(tag):
        return tag
    locale = Locale.parse(tag, sep="-")
    name = locale.get_display_name(locale)
    return name[:1].upper() + name[1:] if name else tag


def path_words(path: str) -> str:
    """A host's path as words: ``/account/sign-out`` becomes ``Account: sign out``."""
    words = ": ".join(part.replace("-", " ").replace("_", " ") for part in path.strip("/").split("/"))
    return words[:1].upper() + words[1:]


def _locale(language: str) -> Locale:
    # English dates day first: "24 June 2024" reads the same on both sides of the Atlantic, unlike 6/24 or 24/6.
    return Locale.parse("en_GB" if language == "en" else language, sep="-" if language != "en" else "_")
