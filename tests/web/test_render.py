"""Templates, the host's overrides, static files, dates and numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from jinja2 import UndefinedError

from consentgate.terms.instants import DAY, SECOND, parse_instant
from consentgate.web.render import (
    Renderer,
    autonym,
    localised_day,
    localised_moment,
    localised_number,
    path_words,
)

DAY_ = parse_instant("2026-03-01T00:00:00.000000Z")


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("en", "1 March 2026"),
        ("de", "1. März 2026"),
        ("fr", "1 mars 2026"),
        ("es", "1 de marzo de 2026"),
        ("ja", "2026年3月1日"),
    ],
)
def test_dates_are_written_as_the_language_writes_them(language: str, expected: str) -> None:
    """And never as 3/1/2026, which is two days."""
    assert localised_day(DAY_, language) == expected


def test_a_time_of_day_always_names_its_zone() -> None:
    """Midnight UTC is a plain date; any other instant is exact."""
    assert localised_day(DAY_ + 9 * 3600 * SECOND, "en") == "1 March 2026 09:00 UTC"
    assert localised_moment(DAY_, "en") == "1 March 2026 00:00 UTC"
    assert localised_day(DAY_ + DAY, "en") == "2 March 2026"


def test_numbers_have_the_languages_separators() -> None:
    """1,234 in English is 1.234 in German."""
    assert (localised_number(1234, "en"), localised_number(1234, "de")) == ("1,234", "1.234")


def test_a_version_keeps_its_order_in_a_sentence_that_runs_the_other_way() -> None:
    """2026-01-22 in Arabic, and Arabic in English, are isolated (UAX #9)."""
    renderer = Renderer()
    assert "\u20662026-01-22\u2069" in renderer.words("ar").say("Version %(version)s", version="2026-01-22")
    assert renderer.words("en").say("Version %(version)s", version="2026-01-22") == "Version 2026-01-22"
    assert renderer.words("en").say("Our %(title)s", title="شروط") == "Our \u2067شروط\u2069"
    assert renderer.words("ar").say("Our %(title)s", title="شروط") == "شروط"


def test_languages_name_themselves() -> None:
    """Each in its own script; an unknown tag is shown as it is."""
    assert [autonym(tag) for tag in ("de", "ja", "ar", "x-none")] == ["Deutsch", "日本語", "العربية", "x-none"]


def test_a_hosts_path_is_shown_as_words() -> None:
    """What stays open is offered as links that can be read."""
    assert path_words("/account/sign-out") == "Account: sign out"


def test_a_name_the_page_does_not_give_is_an_error(tmp_path: Path) -> None:
    """Not an empty place where a sentence should stand."""
    (tmp_path / "message.html").write_text("{{ page.nonsense }}")
    with pytest.raises(UndefinedError):
        Renderer(tmp_path).render("message.html", "en", page=object())


def test_two_sites_in_one_process_keep_their_own_words(tmp_path: Path) -> None:
    """What was rendered for one is not shown to the other, though the redline is the same."""
    from consentgate.web.redlines import redline_html
    from tests.web.samples import TERMS, TERMS_1, TERMS_2, item

    (tmp_path / "locales").mkdir()
    (tmp_path / "locales" / "en.po").write_text(
        'msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\n"\n\nmsgid "inserted"\nmsgstr "NEW"\n'
    )
    redline = item(TERMS, TERMS_2, base=TERMS_1).redline
    assert redline is not None
    said = [
        redline_html(redline, "inline", renderer.words("en"), slug="a", top=2)
        for renderer in (Renderer(), Renderer(tmp_path))
    ]
    assert ["[NEW] " in html for html in said] == [False, True]


def test_everything_is_escaped(tmp_path: Path) -> None:
    """A site name is a word, not markup."""
    (tmp_path / "message.html").write_text("{{ site }}")
    assert Renderer(tmp_path).render("message.html", "en", site="<b>") == "&lt;b&gt;"


def test_the_host_can_extend_what_it_replaces(make_site: Any, tmp_path: Path) -> None:
    """``consentgate/base.html`` is ours, whatever replaces it."""
    folder = tmp_path / "ours"
    (folder / "static").mkdir(parents=True)
    (folder / "base.html").write_text(
        '{% extends "consentgate/base.html" %}{% block footer %}{{ super() }}<p>Imprint</p>{% endblock %}'
    )
    (folder / "static" / "site.css").write_text(":root { --cg-accent: red }")
    (folder / "static" / "logo.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    site = make_site(templates=folder)
    site.publish_old()
    browser = site.browser()
    page = browser.get("/terms/review").text
    assert "<p>Imprint</p>" in page
    assert "My agreements" in page
    style = page.partition('href="/terms/static/site.')[2].partition('"')[0]
    assert browser.get(f"/terms/static/site.{style}").text == ":root { --cg-accent: red }"
    logo = browser.get("/terms/static/logo.svg")
    assert logo.headers["content-type"] == "image/svg+xml"
    assert logo.headers["cache-control"] == "no-cache"


def test_static_files_are_named_by_their_content(make_site: Any) -> None:
    """And so may be kept for ever; another name is nothing."""
    site = make_site()
    browser = site.browser()
    page = browser.get("/terms").text
    paths = [part for part in page.split('"') if part.startswith("/terms/static/")]
    assert len(paths) == 3
    for path in paths:
        answer = browser.get(path)
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert browser.get("/terms/static/nothing.css").status_code == 404
    assert browser.get("/terms/static/..%2f..%2frender.py").status_code == 404


def test_the_script_stays_small() -> None:
    """Comforts only: five kilobytes are plenty."""
    assert len(Renderer().assets.read("consentgate.js").encode()) <= 5 * 1024
