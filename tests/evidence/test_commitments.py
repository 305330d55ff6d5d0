"""Commitments: they open with their own salt, value and name, and with nothing else."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentgate.errors import CanonicalError, VerificationError
from consentgate.evidence.commitments import (
    MAX_VALUE_BYTES,
    Opening,
    check_openings,
    commit,
    commit_all,
    commit_and_open,
    format_openings,
    openings_from_record,
    parse_openings,
)
from consentgate.terms.canonical import canonical_json

SALT = bytes(range(32))

names = st.from_regex(r"[a-z][a-z0-9_]{0,10}", fullmatch=True)
values = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
salts = st.binary(min_size=32, max_size=32)


def test_a_commitment_is_the_hmac_of_the_documented_bytes():
    """Computed by hand with the standard library's HMAC, and from the definition of HMAC itself."""
    message = b"consentgate/commit/v1\0" + b'["subject","user:\xc3\xa9\\n\\"1\\""]'
    expected = hmac.new(SALT, message, "sha256").digest()
    block = SALT + bytes(32)
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block) + message).digest()
    outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block) + inner).digest()

    assert outer == expected
    assert commit(SALT, "subject", 'user:é\n"1"') == base64.urlsafe_b64encode(expected).decode().rstrip("=")


@given(names, values)
def test_name_and_value_are_hashed_as_rfc_8785_writes_them(name, value):
    """The message is the canonical JSON of the pair, whatever is in it."""
    message = b"consentgate/commit/v1\0" + canonical_json([name, value])
    expected = base64.urlsafe_b64encode(hmac.digest(SALT, message, "sha256")).decode().rstrip("=")

    assert commit(SALT, name, value) == expected


@given(st.dictionaries(names, st.none() | values, max_size=5), st.data())
def test_openings_open_what_was_committed_to(fields, data):
    """All of them, and any part of them; those left out are named."""
    source = iter(hashlib.sha256(b"%d" % number).digest() for number in range(10))
    commitments, openings = commit_all(fields, lambda: next(source))
    given_names = {name for name, value in fields.items() if value is not None}

    assert set(commitments) == set(openings) == given_names
    assert len({opening.salt for opening in openings.values()}) == len(openings)
    kept = data.draw(st.sets(st.sampled_from(sorted(openings)))) if openings else set()
    some = {name: openings[name] for name in kept}
    assert check_openings(commitments, some) == tuple(sorted(given_names - kept))


@given(st.dictionaries(names, st.none() | values, max_size=5))
def test_openings_that_are_written_at_once_are_the_same(fields):
    """Committing and writing in one gives the commitments and the bytes that the two give one after the other."""
    salts = {name: hashlib.sha256(name.encode()).digest() for name in fields}
    fresh = (salts[name] for name in sorted(fields) if fields[name] is not None)
    expected = {name: Opening(salts[name], value) for name, value in fields.items() if value is not None}

    commitments, written = commit_and_open(fields, lambda: next(fresh))
    assert written == format_openings(expected)
    assert commitments == {name: commit(one.salt, name, one.value) for name, one in expected.items()}


def test_an_opening_fits_nothing_else():
    """Another value, salt or field is refused."""
    commitments, openings = commit_all({"subject": "user:1", "ip": "192.0.2.0"}, lambda: SALT)
    wrong = [
        {"subject": Opening(SALT, "user:2")},
        {"subject": Opening(bytes(32), "user:1")},
        {"subject": Opening(SALT[:-1], "user:1")},
        {"subject": Opening(SALT + b"\0", "user:1")},
        {"subject": openings["ip"]},
        {"session": openings["subject"]},
        {"Subject": openings["subject"]},
        {"subject": Opening(SALT, "\ud800")},
        {"subject": Opening(SALT, "x" * 5000)},
    ]
    for tried in wrong:
        with pytest.raises(VerificationError):
            check_openings(commitments, tried)
    with pytest.raises(VerificationError):
        check_openings({"subject": "é"}, {"subject": openings["subject"]})


def test_equal_values_have_different_commitments():
    """Nobody can see in the ledger that two entries are of the same person."""
    assert commit(SALT, "subject", "user:1") != commit(bytes(32), "subject", "user:1")


def test_a_salt_with_a_zero_less_is_another_salt_length():
    """HMAC pads short keys with zeros, so only 32 bytes are allowed."""
    for salt in (b"", SALT[:-1], SALT + b"\0"):
        with pytest.raises(ValueError):
            commit(salt, "subject", "user:1")


@pytest.mark.parametrize("name", ["", "Subject", "1st", "a b", "é", "a" * 65])
def test_field_names_are_plain(name):
    """Anything else is a programming error."""
    with pytest.raises(ValueError):
        commit(SALT, name, "x")


def test_values_are_bounded_and_clean():
    """Too long, or with a lone surrogate: refused before it is recorded."""
    assert commit(SALT, "subject", "x" * MAX_VALUE_BYTES)
    for value in ("x" * (MAX_VALUE_BYTES + 1), "é" * (MAX_VALUE_BYTES // 2 + 1), "\ud800"):
        with pytest.raises(CanonicalError):
            commit(SALT, "subject", value)


@given(st.dictionaries(names, st.builds(Opening, salts, values), max_size=4))
def test_openings_give_back_themselves(openings):
    """Reading what was written gives the same openings."""
    text = format_openings(openings)

    assert parse_openings(text) == openings
    assert parse_openings(text.encode()) == openings


SALT_TEXT = base64.urlsafe_b64encode(SALT).decode().rstrip("=")


@pytest.mark.parametrize(
    "text",
    [
        "", "null", "[]", "{ }", '{"subject":null}', '{"subject":[]}', f'{{"subject":["{SALT_TEXT}"]}}',
        f'{{"subject":["{SALT_TEXT}",1]}}', f'{{"subject":["{SALT_TEXT}","a","b"]}}',
        f'{{"subject":["{SALT_TEXT}=","a"]}}', f'{{"subject": ["{SALT_TEXT}","a"]}}',
        f'{{"subject":["{SALT_TEXT}","a"],"subject":["{SALT_TEXT}","a"]}}', f'{{"1":["{SALT_TEXT}","a"]}}',
        f'{{"b":["{SALT_TEXT}","a"],"a":["{SALT_TEXT}","a"]}}', "\ud800", "{" * 100_000,
    ],
)  # fmt: skip
def test_other_openings_are_refused(text):
    """Other spellings, other types, other lengths."""
    with pytest.raises(VerificationError):
        parse_openings(text)


@given(st.binary(max_size=40) | st.text(max_size=40))
def test_reading_any_openings_raises_a_verification_error(data):
    """Any bytes are openings that are written the same way, or are refused."""
    try:
        openings = parse_openings(data)
    except VerificationError:
        return
    assert format_openings(openings).encode() == (data if isinstance(data, bytes) else data.encode())


def test_openings_must_be_an_object():
    """JSON of another type is refused."""
    for record in (None, [], "x", 1):
        with pytest.raises(VerificationError):
            openings_from_record(record)


def test_an_opening_does_not_show_itself():
    """Neither salt nor value stand in its `repr`, which may end in a log."""
    assert "user" not in repr(Opening(SALT, "user:1"))
    assert "salt" not in repr(Opening(SALT, "user:1"))
