"""Laws of the one byte form of texts and records."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentgate.errors import CanonicalError, TextError
from consentgate.terms.canonical import (
    MAX_TEXT_BYTES,
    canonical_json,
    canonical_text,
    digest,
    parse_canonical_json,
    text_digest,
)

KEYS = st.text("abcdefghijklmnopqrstuvwxyz0123456789_", min_size=1, max_size=8)
TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
SCALARS = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | TEXTS
RECORDS = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)


@given(RECORDS)
def test_reading_what_was_written_gives_the_same_record(record: Any) -> None:
    """canonical_json and parse_canonical_json are inverse."""
    assert parse_canonical_json(canonical_json(record)) == record


@given(RECORDS)
def test_the_canonical_form_is_that_of_rfc_8785(record: Any) -> None:
    """An independent implementation writes the same bytes."""
    rfc8785 = pytest.importorskip("rfc8785")

    assert canonical_json(record) == rfc8785.dumps(record)


@given(st.dictionaries(KEYS, SCALARS, min_size=2, max_size=4))
def test_every_other_spelling_of_a_record_is_refused(record: dict[str, Any]) -> None:
    """One value, one byte string."""
    for other in (
        json.dumps(record, sort_keys=True, ensure_ascii=False).encode(),
        canonical_json(record) + b"\n",
        b" " + canonical_json(record),
    ):
        with pytest.raises(CanonicalError):
            parse_canonical_json(other)


@pytest.mark.parametrize(
    "value", [1.0, float("nan"), 2**53, -(2**53), {"A": 1}, {"": 1}, {"é": 1}, {1: 2}, "\ud800", b"x", {"a": {1}}]
)
def test_what_other_languages_would_read_differently_cannot_be_written(value: Any) -> None:
    """Floats, huge integers, foreign keys, lone surrogates."""
    with pytest.raises(CanonicalError):
        canonical_json(value)


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b'{"a":1,"a":1}', b'{"a":1.0}', b'{"a":1e2}', b"NaN", b"\xff", b'"\\u0041"', b"[" * 5000, b"9" * 5000],
)
def test_damaged_or_hostile_json_is_refused_with_our_error(data: bytes) -> None:
    """Nothing else escapes the parser."""
    with pytest.raises(CanonicalError):
        parse_canonical_json(data)


def test_nesting_is_bounded_when_writing_too() -> None:
    """A parser must stop somewhere."""
    value: Any = 1
    for _ in range(20):
        value = [value]
    with pytest.raises(CanonicalError, match="nested"):
        canonical_json(value)


@given(st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=80).filter(str.strip))
def test_a_canonical_text_is_its_own_canonical_form(text: str) -> None:
    """canonical_text is idempotent."""
    once = canonical_text(text)

    assert canonical_text(once) == once
    assert once.endswith("\n")
    assert unicodedata.is_normalized("NFC", once)


def test_spellings_of_one_text_have_one_digest() -> None:
    """BOM, line ends, composed letters and blank lines at the ends do not matter."""
    plain = canonical_text("Café\nopen\n")

    for other in ("\ufeffCafé\nopen", "Cafe\u0301\r\nopen\r\n", "Café\ropen\n\n\n", b"\xef\xbb\xbfCaf\xc3\xa9\nopen"):
        assert text_digest(canonical_text(other)) == text_digest(plain)


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"fine\nbroken \xff here", "line 2"),
        ("fine\n\nNUL \0 here", "U+0000 in line 3"),
        ("bell \a", "U+0007"),
        ("", "empty"),
        (" \n \n", "empty"),
        ("x" * (MAX_TEXT_BYTES + 1), "the limit is"),
        (b"x" * (10 * MAX_TEXT_BYTES), "the limit is"),
        ("é" * (MAX_TEXT_BYTES // 2 + 1), "the limit is"),
        ("lone \ud800", "U+D800"),
    ],
)
def test_what_cannot_be_published_is_refused_with_its_place(raw: str | bytes, says: str) -> None:
    """A typed error that names the line."""
    with pytest.raises(TextError, match=says.replace("+", r"\+")):
        canonical_text(raw)


def test_the_digest_is_sha_256_in_lower_case_hexadecimal() -> None:
    """FIPS 180-4, the example of "abc"."""
    assert digest(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
