"""Canonical JSON against the official cases of RFC 8785 and an independent implementation."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentgate.errors import CanonicalError
from consentgate.terms.canonical import canonical_json, parse_canonical_json


@pytest.fixture(name="rfc8785", scope="module")
def _rfc8785(foreign):
    return foreign("rfc8785")


scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
)
records = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.from_regex(r"[a-z0-9_]{1,6}", fullmatch=True), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(records)
def test_our_bytes_are_those_of_an_independent_implementation(rfc8785, record):
    """Under our restriction the standard library writes what the package `rfc8785` writes."""
    data = canonical_json(record)

    assert data == rfc8785.dumps(record)
    assert parse_canonical_json(data) == record


# What each official case has that we refuse; those without a reason are written byte for byte.
REFUSED = {
    "french": "keys with accents",
    "structures": "keys with spaces and none at all",
    "unicode": "a key with a capital letter",
    "values": "floats",
    "weird": "keys of control characters",
}


@pytest.mark.parametrize("name", ["arrays", "french", "structures", "unicode", "values", "weird"])
def test_official_cases_are_written_byte_for_byte_or_refused(vectors, rfc8785, name):
    """Each case of the reference test data comes out as published, or is refused for the reason named."""
    folder = vectors / "rfc8785"
    record = json.loads((folder / "input" / f"{name}.json").read_text(encoding="utf-8"))
    expected = bytes.fromhex("".join((folder / "outhex" / f"{name}.txt").read_text().split()))
    if name in REFUSED:
        with pytest.raises(CanonicalError):
            canonical_json(record)
        with pytest.raises(CanonicalError):
            parse_canonical_json(expected)
        record, expected = plain(record), None
    data = canonical_json(record)

    assert data == (rfc8785.dumps(record) if expected is None else expected)


def plain(value):
    """The same values under keys and with numbers that we allow."""
    if isinstance(value, dict):
        return {f"k{number}": plain(item) for number, (_, item) in enumerate(sorted(value.items()))}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return int(value * 1000) % 10**9 if isinstance(value, float) else value
