"""The words of the interface, in each language: gettext catalogues, compiled in memory.

Room: web. Only ``.po`` files are kept; they are compiled when a language is first asked for, so no binary is in the
tree and a host's own ``.po`` works without a build step. English is the language of the templates and needs none.

A host's override folder may hold ``locales/<tag>.po``: for a language we have, its messages replace ours one by one;
for another, it adds the language.
"""

from __future__ import annotations

import gettext
import io
import re
from collections.abc import Mapping
from importlib import resources
from importlib.abc import Traversable
from pathlib import Path

from babel import Locale, UnknownLocaleError
from babel.messages.catalog import Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import PoFileError, read_po

from consentgate.errors import ConfigurationError
from consentgate.terms.languages import look_up

SOURCE_LANGUAGE = "en"

_PLACEHOLDER = re.compile(r"%\(\w+\)s|\{\w*\}")


class Catalogues:
    """The interface languages and their messages.

    Args:
        overrides: the host's override folder, or ``None``.

    Raises:
        ConfigurationError: when a host's ``.po`` file cannot be read, or its name is no language.
    """

    def __init__(self, overrides: Path | None = None) -> None:
        ours = _po_files(resources.files(__package__).joinpath("locales"))
        theirs = _po_files(overrides / "locales") if overrides else {}
        self._ours = {tag: file.read_bytes() for tag, file in ours.items()}
        self._theirs = {tag: file.read_bytes() for tag, file in theirs.items()}
        self.languages: tuple[str, ...] = tuple(sorted({SOURCE_LANGUAGE, *self._ours, *self._theirs}))
        self._loaded: dict[str, gettext.NullTranslations] = {}
        for tag in self._theirs:
            if not is_known(tag):
                raise ConfigurationError(
                    f"locales/{tag}.po: {tag!r} is no language", hint="name it like pt.po or pt-BR.po"
                )
            self.get(tag)

    def choose(self, wanted: tuple[str, ...], default: str) -> str:
        """The interface language for a visitor (RFC 4647 look-up)."""
        fallback = look_up([default], self.languages, SOURCE_LANGUAGE)
        return look_up(wanted, self.languages, fallback)

    def get(self, tag: str) -> gettext.NullTranslations:
        """The messages of a language; English, and what is missing elsewhere, are the source's own words."""
        if tag not in self._loaded:
            translations = _compile(self._ours.get(tag), tag) or gettext.NullTranslations()
            if own := _compile(self._theirs.get(tag), tag):
                own.add_fallback(translations)
                translations = own
            self._loaded[tag] = translations
        return self._loaded[tag]


def is_known(tag: str) -> bool:
    """Whether CLDR knows this language."""
    try:
        Locale.parse(tag, sep="-")
    except (UnknownLocaleError, ValueError):
        return False
    return True


def _compile(source: bytes | None, tag: str) -> gettext.GNUTranslations | None:
    if source is None:
        return None
    try:
        catalogue = read_po(io.BytesIO(source), locale=tag.replace("-", "_"), abort_invalid=True)
    except (PoFileError, ValueError) as error:
        raise ConfigurationError(f"locales/{tag}.po cannot be read: {error}", hint="check it with msgfmt -c") from error
    for message in catalogue:
        _check_placeholders(message, tag)
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def _check_placeholders(message: Message, tag: str) -> None:
    """A sentence that cannot be filled in would break a page when somebody opens it; it stops the start instead."""
    known = message.id if isinstance(message.id, str) else " ".join(message.id)
    strings = [message.string] if isinstance(message.string, str) else message.string or ()
    for string in strings if message.id else ():
        foreign = set(_PLACEHOLDER.findall(string)) - set(_PLACEHOLDER.findall(known))
        if foreign or "%" in _PLACEHOLDER.sub("", string):
            raise ConfigurationError(
                f"locales/{tag}.po: {string[:60]!r} has a placeholder that {known[:60]!r} does not have",
                hint="keep what stands in %(…)s and {…} as it is",
            )


def _po_files(folder: Traversable | Path) -> Mapping[str, Traversable | Path]:
    if not folder.is_dir():
        return {}
    files = {file.name.removesuffix(".po"): file for file in folder.iterdir() if file.name.endswith(".po")}
    return dict(sorted(files.items()))
