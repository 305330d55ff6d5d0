"""The words of the interface: complete, correct in form, and open to the host's own."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import read_mo, write_mo
from babel.messages.pofile import read_po

import consentgate.web
from consentgate.errors import ConfigurationError
from consentgate.web.messages import Catalogues
from consentgate.web.render import Renderer

WEB = Path(consentgate.web.__file__).parent
LANGUAGES = ("ar", "de", "es", "fr", "ja")
PLACEHOLDER = re.compile(r"%\(\w+\)s|\{\w+\}|SHA-256|consentgate")


def _source() -> set[str | tuple[str, str]]:
    methods = [("**.py", "python"), ("templates/**.html", "jinja2")]
    options = {"templates/**.html": {"extensions": "jinja2.ext.i18n", "newstyle_gettext": "true"}}
    keywords = {"_": None, "n_": (1, 2), "gettext": None, "ngettext": (1, 2)}
    return {found[2] for found in extract_from_dir(WEB, methods, options, keywords=keywords)}  # type: ignore[arg-type]


def _catalogue(language: str) -> Catalog:
    return read_po(io.BytesIO((WEB / "locales" / f"{language}.po").read_bytes()), locale=language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_message_is_translated(language: str) -> None:
    """No language speaks half English, and none carries messages that nobody says any more."""
    catalogue = _catalogue(language)
    translated = {message.id for message in catalogue if message.id and message.string and not message.fuzzy}
    assert translated == _source()


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_translation_keeps_its_placeholders(language: str) -> None:
    """What is filled in is filled in everywhere; only a counted form may spell its number out."""
    for message in _catalogue(language):
        for string in _strings(message):
            source = set(PLACEHOLDER.findall(message.id[-1] if isinstance(message.id, tuple) else message.id))
            optional = {"%(num)s"} if isinstance(message.id, tuple) else set()
            assert set(PLACEHOLDER.findall(string)) | optional == source | optional, message.id


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_percent_sign_is_never_left_over(language: str) -> None:
    """A lone percent sign would break the sentence where it is filled in."""
    for message in _catalogue(language):
        for string in _strings(message):
            assert "%" not in PLACEHOLDER.sub("", string)


@pytest.mark.parametrize(
    ("number", "expected"),
    [(0, "لا تغييرات"), (1, "تغيير واحد"), (2, "تغييران"), (5, "5 تغييرات"), (11, "11 تغييرًا"), (100, "100 تغيير")],
)
def test_arabic_counts_in_six_ways(number: int, expected: str) -> None:
    """CLDR: zero, one, two, few, many, other."""
    said = Renderer().words("ar").count(("%(num)s change", "%(num)s changes"), number)
    digits = str.maketrans("٠١٢٣٤٥٦٧٨٩", "0123456789")
    assert said.translate(digits) == expected


def test_what_is_compiled_in_memory_is_what_msgfmt_would_write() -> None:
    """The compiled form reads back as the catalogue it came from."""
    catalogue = _catalogue("de")
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    again = read_mo(compiled)
    assert again["Accept"].string == "Annehmen"  # type: ignore[union-attr]


def test_the_hosts_own_words_replace_ours_one_by_one(tmp_path: Path) -> None:
    """``locales/de.po`` in the override folder: what it says counts, the rest stays ours."""
    _write(tmp_path, "de", {"Accept": "Zustimmen"})
    german = Renderer(tmp_path).words("de")
    assert german.say("Accept") == "Zustimmen"
    assert german.say("Decline") == "Ablehnen"


def test_english_can_be_reworded_too(tmp_path: Path) -> None:
    """English is the templates' own language, yet a host may say it differently."""
    _write(tmp_path, "en", {"Accept": "I agree"})
    assert Renderer(tmp_path).words("en").say("Accept") == "I agree"


def test_the_host_can_add_a_language(tmp_path: Path) -> None:
    """A new ``.po`` is a new interface language, chosen like any other."""
    _write(tmp_path, "pt", {"Accept": "Aceitar"})
    catalogues = Catalogues(tmp_path)
    assert "pt" in catalogues.languages
    assert catalogues.choose(("pt-BR", "en"), "en") == "pt"
    assert catalogues.get("pt").gettext("Accept") == "Aceitar"
    assert catalogues.get("pt").gettext("Decline") == "Decline"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("xx-not-a-language", ""),
        ("de", "nonsense"),
        ("fr", 'msgid "Version %(version)s"\nmsgstr "Version %(nombre)s"'),
        ("es", 'msgid "Accept"\nmsgstr "Aceptar 100 %"'),
    ],
)
def test_a_broken_catalogue_stops_the_start(tmp_path: Path, name: str, content: str) -> None:
    """Not a wrong word in a page later, but an error at start-up that names the file."""
    (tmp_path / "locales").mkdir()
    (tmp_path / "locales" / f"{name}.po").write_text(content, "utf-8")
    with pytest.raises(ConfigurationError, match=name):
        Catalogues(tmp_path)


def test_the_interface_language_is_looked_up_as_rfc_4647_says() -> None:
    """de-AT is served German; nothing that fits is served the site's own default."""
    catalogues = Catalogues()
    assert catalogues.choose(("de-AT",), "en") == "de"
    assert catalogues.choose(("tlh",), "fr") == "fr"
    assert catalogues.choose(("tlh",), "tlh") == "en"


def _strings(message: Message) -> list[str]:
    if not message.id:
        return []
    return [message.string] if isinstance(message.string, str) else list(message.string)


def _write(folder: Path, language: str, messages: dict[str, str]) -> None:
    (folder / "locales").mkdir()
    head = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\n"\n\n'
    body = "".join(f'msgid "{one}"\nmsgstr "{other}"\n\n' for one, other in messages.items())
    (folder / "locales" / f"{language}.po").write_text(head + body, "utf-8")
