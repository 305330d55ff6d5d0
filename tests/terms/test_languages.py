"""Laws of language tags and their look-up (RFC 5646, RFC 4647)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentgate.errors import InputError
from consentgate.terms.languages import canonical_tag, direction, look_up, parse_accept_language


@pytest.mark.parametrize(
    ("written", "canonical"), [("EN", "en"), ("pt-br", "pt-BR"), ("ZH-hant-tw", "zh-Hant-TW"), ("de-1996", "de-1996")]
)
def test_tags_are_written_in_one_case(written: str, canonical: str) -> None:
    """RFC 5646 §2.1.1."""
    assert canonical_tag(written) == canonical


@pytest.mark.parametrize("written", ["", "e", "english language", "en_US", "../etc", "en-", "x" * 9])
def test_what_is_no_tag_is_refused(written: str) -> None:
    """A tag becomes part of an address and of a file name."""
    with pytest.raises(InputError):
        canonical_tag(written)


@pytest.mark.parametrize(
    ("header", "available", "expected"),
    [
        ("de-AT, fr;q=0.5", ["en", "fr", "de"], "de"),
        ("zh-Hant-TW", ["en", "zh-Hant", "zh"], "zh-Hant"),
        ("fr;q=0.2, de;q=0.9", ["en", "fr", "de"], "de"),
        ("ja", ["en", "fr"], "en"),
        ("*", ["en", "fr"], "en"),
        ("fr;q=0, en", ["fr", "en"], "en"),
        ("pt", ["en", "pt-BR"], "pt-BR"),
        ("de-x-old", ["en", "de"], "de"),
        ("", ["en"], "en"),
        (";;;,,q=,\x00", ["en"], "en"),
    ],
)
def test_the_best_translation_is_found_by_shortening_the_wish(header: str, available: list[str], expected: str) -> None:
    """RFC 4647 §3.4 look-up over RFC 9110 §12.5.4 qualities."""
    assert look_up(parse_accept_language(header), available, "en") == expected


@given(st.text(max_size=2_000))
def test_no_header_raises_and_the_answer_always_exists(header: str) -> None:
    """A header is a wish from the network."""
    assert look_up(parse_accept_language(header), ["en", "fr", "ar"], "en") in ("en", "fr", "ar")


def test_arabic_runs_from_right_to_left_unless_its_script_says_otherwise() -> None:
    """The script decides, where it is named."""
    assert [direction(tag) for tag in ("ar", "he-IL", "en", "ar-Latn", "az-Arab", "ja")] == [
        "rtl", "rtl", "ltr", "ltr", "rtl", "ltr",
    ]  # fmt: skip
