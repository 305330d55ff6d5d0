"""One spelling each: whatever a parser of the evidence reads, it would write the same way."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentgate.errors import VerificationError
from consentgate.evidence.encoding import (
    format_base64,
    format_base64url,
    parse_base64,
    parse_base64url,
    parse_decimal,
    parse_hash,
    parse_utf8,
)

letters = st.text(st.sampled_from("AQBcz019+/-_= \n=é"), max_size=12)


@given(st.binary(max_size=50))
def test_base64_gives_back_its_bytes(data):
    """Both alphabets, any bytes."""
    assert data == parse_base64(format_base64(data), "it")
    assert data == parse_base64url(format_base64url(data), "it")


@given(letters)
def test_base64_has_one_spelling(text):
    """What is read would be written the same way; all else is refused."""
    for parse, write in ((parse_base64, format_base64), (parse_base64url, format_base64url)):
        try:
            data = parse(text, "it")
        except VerificationError:
            continue
        assert text == write(data)


@pytest.mark.parametrize("text", ["QQ", "QQ=", "QR==", "QQ==\n", " QQ==", "QQ=A", "Q===", "QQ==QQ==", "_-8=", "é"])
def test_careless_base64_is_refused(text):
    """Missing padding, set bits in the unused part, spaces, the other alphabet."""
    with pytest.raises(VerificationError):
        parse_base64(text, "it")


@pytest.mark.parametrize("text", ["QQ==", "QR", "Q", "+/8", "QQ ", "é"])
def test_careless_base64url_is_refused(text):
    """Padding, set bits in the unused part, the other alphabet."""
    with pytest.raises(VerificationError):
        parse_base64url(text, "it")


@given(st.integers(0, 2**63 - 1))
def test_numbers_give_back_themselves(number):
    """Every size there can be."""
    assert number == parse_decimal(str(number), "it")


@pytest.mark.parametrize("text", ["", "-0", "+5", "05", "00", " 5", "5 ", "5\n", "5_0", "0x5", "٥", "1e3", str(2**63)])
def test_careless_numbers_are_refused(text):
    """Signs, zeros in front, spaces, underscores, foreign digits, and numbers that no tree has."""
    with pytest.raises(VerificationError):
        parse_decimal(text, "it")


def test_a_hash_has_32_bytes():
    """Shorter and longer ones are refused."""
    assert bytes(32) == parse_hash(base64.b64encode(bytes(32)).decode(), "it")
    for size in (0, 31, 33):
        with pytest.raises(VerificationError, match="bytes instead of 32"):
            parse_hash(base64.b64encode(bytes(size)).decode(), "it")


def test_broken_utf8_is_refused_with_its_place():
    """The error says where."""
    with pytest.raises(VerificationError, match="byte 2") as caught:
        parse_utf8(b"ab\xff", "the file")

    assert caught.value.data["offset"] == 2
