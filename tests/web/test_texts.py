"""One text: in force, at its permanent address, and as a file."""

from __future__ import annotations

import base64
import hashlib
import re

import pytest

from tests.web import samples
from tests.web.conftest import Site


@pytest.fixture(name="both")
def _both(site: Site) -> Site:
    site.write("terms-of-use", "2024-06-24", samples.ARABIC_OLD, effective="2024-06-24", language="ar")
    site.publish_old()
    site.publish_new()
    return site


def test_the_text_in_force_stands_at_the_policys_address(both: Site) -> None:
    """With its version, since when it applies, its fingerprint, and the ways to keep it."""
    page = both.browser().get("/terms/terms-of-use")
    assert page.status_code == 200
    assert "Version 2026-01-22" in page.text
    assert "in force since 22 January 2026" in page.text
    assert both.terms.calendar.find("terms-of-use", "2026-01-22").digest in page.text  # type: ignore[union-attr]


def test_an_earlier_version_keeps_its_address_and_says_that_it_is_one(both: Site) -> None:
    """Nobody takes an old text for the one that binds."""
    page = both.browser().get("/terms/terms-of-use/2024-06-24").text
    assert "This is an earlier version." in page
    assert "Version 2026-01-22 has taken its place." in page
    assert "A subscription costs 6 euros a month." in page


def test_versions_are_linked_to_one_another(both: Site) -> None:
    """RFC 5829 and RFC 6903, as header fields and in the page."""
    response = both.browser().get("/terms/terms-of-use/2024-06-24")
    link = response.headers["link"]
    assert '</terms/terms-of-use>; rel="latest-version"' in link
    assert '</terms/terms-of-use/2026-01-22>; rel="successor-version"' in link
    assert '</terms/terms-of-use>; rel="terms-of-service"' in link
    assert '<link rel="successor-version" href="/terms/terms-of-use/2026-01-22">' in response.text
    newer = both.browser().get("/terms/terms-of-use/2026-01-22").headers["link"]
    assert '</terms/terms-of-use/2024-06-24>; rel="predecessor-version"' in newer
    assert "successor-version" not in newer


@pytest.mark.parametrize("suffix", ["", ".md", ".html", ".json"])
def test_a_representation_carries_its_digest(both: Site, suffix: str) -> None:
    """RFC 9530: what was received can be compared with what was sent."""
    response = both.browser().get(f"/terms/terms-of-use/2026-01-22{suffix}")
    expected = base64.b64encode(hashlib.sha256(response.content).digest()).decode()
    assert response.headers["repr-digest"] == f"sha-256=:{expected}:"


def test_the_plain_text_is_the_canonical_text(both: Site) -> None:
    """Its SHA-256 is the digest that stands in every record."""
    response = both.browser().get("/terms/terms-of-use/2026-01-22.md")
    version = both.terms.calendar.find("terms-of-use", "2026-01-22")
    assert version is not None
    assert hashlib.sha256(response.content).hexdigest() == version.digest
    assert response.headers["content-disposition"] == 'attachment; filename="terms-of-use-2026-01-22.en.md"'


def test_the_saved_page_stands_alone(both: Site) -> None:
    """It refers to nothing: no style sheet, no script, no picture that would have to be fetched."""
    text = both.browser().get("/terms/terms-of-use/2026-01-22.html").text
    assert "<link" not in text
    assert "<script" not in text
    assert "src=" not in text
    assert "https://kettle.example/terms/terms-of-use/2026-01-22?language=en" in text


def test_programs_read_the_same_as_json(both: Site) -> None:
    """Version, dates, languages, digest and text (DSA Art. 14(5))."""
    record = both.browser().get("/terms/terms-of-use/2024-06-24.json").json()
    assert record["version"] == "2024-06-24"
    assert record["in_force"] is False
    assert record["languages"] == ["en", "ar"]
    assert record["sha256"] == hashlib.sha256(record["text"].encode()).hexdigest()
    assert record["effective"] == "2024-06-24T00:00:00.000000Z"


def test_a_text_is_served_in_the_best_language_it_has(both: Site) -> None:
    """By the browser's wishes, or by an explicit one; the answer says which it is, and which prevails."""
    browser = both.browser(language="ar-EG, en;q=0.5")
    page = browser.get("/terms/terms-of-use/2024-06-24")
    assert page.headers["content-language"] == "ar"
    assert "Accept-Language" in page.headers["vary"]
    assert '<html lang="ar" dir="rtl"' in page.text
    assert "هذه ترجمة" in page.text
    english = browser.get("/terms/terms-of-use/2024-06-24?language=en")
    assert english.headers["content-language"] == "en"
    assert "هذه ترجمة" not in english.text


def test_a_reader_is_told_when_their_language_trails(both: Site) -> None:
    """The new version has no Arabic yet: English is shown, marked as such, and the line names the last one that had."""
    page = both.browser(language="ar").get("/terms/terms-of-use").text
    assert 'lang="en" dir="ltr"' in page
    assert "2024-06-24" in page.partition("cg-aside")[2].partition("</p>")[0]


def test_what_is_not_announced_yet_does_not_exist(site: Site) -> None:
    """Published for a later announcement: not in any list, not at its address."""
    site.publish_old()
    site.write("terms-of-use", "next", samples.NEW, announce="2026-03-01", effective="2026-04-01")
    site.publish()
    browser = site.browser()
    assert browser.get("/terms/terms-of-use/next").status_code == 404
    assert browser.get("/terms/terms-of-use/changes?from=2024-06-24&to=next").status_code == 404
    assert "next" not in browser.get("/terms/terms-of-use/history").text
    site.clock.forward(hours=24 * 40)
    page = browser.get("/terms/terms-of-use/next")
    assert page.status_code == 200
    assert "This text does not apply yet." in page.text


def test_who_finds_an_announced_text_can_accept_it_early(site: Site) -> None:
    """Bug: only the banner of a host that has one led there; its own page now says that one can, and where."""
    site.publish_old()
    site.accept("ann")
    site.write("terms-of-use", "next", samples.NEW, effective="2026-04-01")
    site.publish()
    ann = site.browser("ann")
    page = ann.get("/terms/terms-of-use/next").text
    (way,) = re.findall(r'<a href="([^"]+)">Go to your decision</a>', page)

    assert "You can accept the new text now" in page
    assert way == "/terms/review?policy=terms-of-use"
    offered = ann.get(way).text
    assert "Announced" in offered
    assert 'type="checkbox"' in offered
    assert "Go to your decision" not in ann.get("/terms/terms-of-use").text


def test_a_label_may_look_like_a_file(site: Site) -> None:
    """A version called 3.md is found before a suffix is looked for."""
    site.write("terms-of-use", "3.md", samples.OLD, effective="2024-06-24", title="Terms of Use")
    site.publish()
    browser = site.browser()
    assert browser.get("/terms/terms-of-use/3.md").headers["content-type"].startswith("text/html")
    assert browser.get("/terms/terms-of-use/3.md.md").headers["content-type"].startswith("text/markdown")


def test_a_text_cannot_act_on_the_page(site: Site) -> None:
    """Scripts, styles and marks of ours in a text are words or nothing."""
    evil = (
        samples.OLD + '\n<script>alert(1)</script> <img src=x onerror=alert(1)>\n\n[x](# "<!--consentgate:offer-->")\n'
    )
    site.write("terms-of-use", "1", evil, effective="2024-06-24", title="Terms of Use")
    site.publish()
    browser = site.browser("ann")
    for path in ("/terms/terms-of-use", "/terms/review"):
        page = browser.get(path).text
        assert page.count("<script") == 1
        assert "onerror" not in page
        assert "<!--consentgate" not in page


@pytest.mark.parametrize(
    "path", ["/terms/no", "/terms/terms-of-use/no", "/terms/terms-of-use/no.md", "/terms/a/b/c", "/terms/UPPER"]
)
def test_what_is_not_there_is_404_in_the_readers_language(both: Site, path: str) -> None:
    """A page for people, a problem document for programs."""
    page = both.browser(language="de").get(path)
    assert page.status_code == 404
    assert "Diese Seite gibt es nicht" in page.text
    problem = both.browser().get(path, headers={"accept": "application/json"})
    assert problem.headers["content-type"] == "application/problem+json"
    assert problem.json()["status"] == 404
