"""Identifiers: UUIDs of version 7 that sort by time, in one spelling."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentgate.errors import InputError
from consentgate.terms.identifiers import RANDOM_BYTES, format_identifier, parse_identifier, uuid7

randomness = st.binary(min_size=RANDOM_BYTES, max_size=RANDOM_BYTES)
instants = st.integers(0, (1 << 48) * 1000 - 1)


def test_the_example_of_the_rfc_comes_out():
    """RFC 9562, appendix A.6: its time and its random bits give its UUID."""
    expected = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"
    random = (0xCC3 << 68 | 0x18C4DC0C0C07398F).to_bytes(10, "big")

    assert format_identifier(uuid7(0x017F22E279B0 * 1000, random)) == expected


@given(instants, randomness)
def test_an_identifier_is_a_uuid_of_version_7(instant, random):
    """Version, variant and the time in milliseconds stand where the RFC puts them."""
    identifier = uuid7(instant, random)

    assert (identifier.version, identifier.variant) == (7, uuid.RFC_4122)
    assert identifier.int >> 80 == instant // 1000
    assert parse_identifier(format_identifier(identifier)) == identifier


@given(instants, instants, randomness, randomness)
def test_identifiers_sort_by_time(first, second, one, two):
    """A later millisecond sorts later, as text and as bytes, whatever the randomness."""
    if first // 1000 < second // 1000:
        earlier, later = uuid7(first, one), uuid7(second, two)

        assert str(earlier) < str(later)
        assert earlier.bytes < later.bytes


@given(randomness, randomness)
def test_74_random_bits_count(one, two):
    """Identifiers of one millisecond are equal only if these bits are."""

    def used(data: bytes) -> tuple[int, int]:
        number = int.from_bytes(data, "big")
        return number >> 68, number & ((1 << 62) - 1)

    assert (uuid7(0, one) == uuid7(0, two)) == (used(one) == used(two))


@pytest.mark.parametrize(("instant", "size"), [(0, 9), (0, 11), (-1, 10), ((1 << 48) * 1000, 10)])
def test_impossible_identifiers_cannot_be_made(instant, size):
    """Too little randomness, or a time the form cannot hold."""
    with pytest.raises(ValueError):
        uuid7(instant, bytes(size))


@pytest.mark.parametrize(
    "text",
    [
        "", "017F22E2-79B0-7CC3-98C4-DC0C0C07398F", "017f22e279b07cc398c4dc0c0c07398f",
        "{017f22e2-79b0-7cc3-98c4-dc0c0c07398f}", "017f22e2-79b0-4cc3-98c4-dc0c0c07398f",
        "017f22e2-79b0-7cc3-c8c4-dc0c0c07398f", "017f22e2-79b0-7cc3-98c4-dc0c0c07398f\n",
        "urn:uuid:017f22e2-79b0-7cc3-98c4-dc0c0c07398f",
    ],
)  # fmt: skip
def test_other_spellings_and_versions_are_refused(text):
    """Capitals, missing dashes, braces, version 4, another variant."""
    with pytest.raises(InputError):
        parse_identifier(text)
