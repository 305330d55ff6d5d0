"""The sample policies, and the drafts that the demonstration publishes."""

from __future__ import annotations

import re

import pytest

from consentgate.service.folder import read_folder
from consentgate.terms.blocks import read_blocks
from consentgate.terms.draft import Draft
from consentgate.terms.redline import compare
from examples.news_site import demo
from examples.news_site.main import POLICIES


def texts() -> dict[tuple[str, str, str], Draft]:
    """The sample policies and the drafts of the demonstration, by policy, label and language."""
    everything = [*read_folder(POLICIES).drafts, *demo.drafts("editorial", "e"), *demo.drafts("material", "m")]
    return {(draft.policy, draft.label, draft.language): draft for draft in everything}


TEXTS = texts()
TERMS = demo.TERMS


def test_the_terms_have_the_length_of_terms_that_are_read() -> None:
    """900 to 1,500 words in the prevailing language."""
    lengths = {key: len(draft.text.split()) for key, draft in TEXTS.items() if key[0] == "terms-of-use"}
    assert {key: words for key, words in lengths.items() if key[2] == "en" and not 900 <= words <= 1_500} == {}


@pytest.mark.parametrize("key", [key for key in TEXTS if key[2] != "en"], ids="-".join)
def test_a_translation_has_the_shape_of_the_text_that_prevails(key: tuple[str, str, str]) -> None:
    """Paragraph for paragraph, heading for heading, row for row, and with the same links."""

    def shape(draft: Draft) -> list[object]:
        return [
            (block.kind, block.level, block.path, [run.href for cell in block.cells for run in cell if run.href])
            for block in read_blocks(draft.text)
        ]

    assert shape(TEXTS[key]) == shape(TEXTS[key[0], key[1], "en"])


@pytest.mark.parametrize("language", ["en", "fr"])
def test_the_update_shows_every_kind_of_change(language: str) -> None:
    """Between the terms of 2024 and of 2026: changed sentences, a moved clause, a renumbering, a link, a table row."""
    old, new = (TEXTS["terms-of-use", label, language].text for label in ("2024-09-02", "2026-10-05"))
    told = compare(old, new).summary
    assert (told.moved, told.renumbered, told.links) == (1, 1, 1)
    assert 8 <= told.changes <= 12


@pytest.mark.parametrize(
    ("before", "after"), [("2024-05-06", "2024-09-02"), ("2026-10-05", "e")], ids=["spelling", "postcode"]
)
def test_an_editorial_version_changes_a_handful_of_words(before: str, after: str) -> None:
    """What nobody is asked about is small, in every language."""
    for language in ("en", "fr"):
        told = compare(TEXTS[TERMS, before, language].text, TEXTS[TERMS, after, language].text).summary
        assert 0 < told.words_added + told.words_removed <= 15


@pytest.mark.parametrize("language", ["en", "fr"])
def test_the_next_version_has_the_ten_changes_that_the_demonstration_promises(language: str) -> None:
    """Sentences, a cell of a table and a moved clause; the page with the controls says how many."""
    redline = compare(TEXTS[TERMS, "2026-10-05", language].text, TEXTS[TERMS, "m", language].text)
    assert "sees the ten changes marked" in (demo.NEXT.parent / "templates" / "demo.html").read_text()
    assert (redline.summary.changes, redline.summary.moved) == (10, 1)


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize("draft", ["e", "m"])
def test_the_scheduled_version_takes_nothing_back(draft: str, language: str) -> None:
    """Each paragraph that a draft changes stands like that in the version to come; only its number and dates differ."""

    def paragraphs(label: str) -> set[str]:
        blocks = read_blocks(TEXTS[TERMS, label, language].text)
        return {re.sub(r"^\d+\. ", "", "".join(run.text for cell in block.cells for run in cell)) for block in blocks}

    brought = paragraphs(draft) - paragraphs("2026-10-05")
    assert [words for words in brought - paragraphs(demo.LATER) if "2026" not in words] == []
    assert len(brought) >= 3


def test_every_later_version_says_in_short_what_changed() -> None:
    """Only the first version of a policy goes without a summary."""
    first = {("terms-of-use", "2024-05-06"), ("privacy", "2024-05-06")}
    assert {key for key, draft in TEXTS.items() if not draft.summary and key[:2] not in first} == set()
