"""Sealed values: one spelling, one purpose, every key opens, the newest seals."""

from __future__ import annotations

import base64
import hashlib
import hmac
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentgate.errors import ConfigurationError, SealError
from consentgate.gate.seals import MAC_BYTES, MAX_TOKEN_BYTES, Seals, StrictSigner, from_text, to_text
from tests.gate.house import OLD_SECRET, SECRET

SEALS = Seals(SECRET)
ALPHABET = string.ascii_letters + string.digits + "-_."
TOKEN = SEALS.seal("offer", b"what was put before the subject")


@given(st.binary(max_size=300), st.text(min_size=1, max_size=20))
def test_what_is_sealed_opens_to_the_same_bytes(value: bytes, purpose: str) -> None:
    """Seal and open are inverse, for every value and purpose."""
    assert SEALS.open(purpose, SEALS.seal(purpose, value)) == value


@given(st.binary(max_size=300))
def test_a_seal_is_written_in_characters_that_need_no_escape(value: bytes) -> None:
    """Tokens go into URLs, cookies and forms as they are."""
    assert set(SEALS.seal("offer", value)) <= set(ALPHABET)


def test_the_seal_is_keyed_blake2b_over_the_text_before_the_dot() -> None:
    """Anybody with the key can check a seal with the standard library alone (RFC 7693 section 2.9)."""
    key = hmac.digest(SECRET.encode(), b"consentgate/seal/v1\0offer", "sha256")
    text, _, mac = TOKEN.encode().rpartition(b".")

    expected = hashlib.blake2b(text, key=key, digest_size=MAC_BYTES).digest()

    assert base64.urlsafe_b64encode(expected) == mac
    assert base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4)) == b"what was put before the subject"


def test_every_single_character_of_a_token_counts() -> None:
    """Any character replaced by any other, in or out of the alphabet, breaks the seal: one value, one spelling."""
    for place, original in enumerate(TOKEN):
        for character in ALPHABET + "+/= %;\u00e9":
            changed = TOKEN[:place] + character + TOKEN[place + 1 :]
            if character != original:
                assert SEALS.try_open("offer", changed) is None


def test_no_part_of_a_token_opens() -> None:
    """Cut at any place, from either end, nothing opens."""
    for place in range(1, len(TOKEN)):
        assert SEALS.try_open("offer", TOKEN[:place]) is None
        assert SEALS.try_open("offer", TOKEN[place:]) is None


@given(st.text(alphabet=ALPHABET + "+/=\n\t\0", max_size=3), st.sampled_from(["before", "after"]))
def test_nothing_may_stand_beside_a_token(noise: str, side: str) -> None:
    """White space and padding around a token are not overlooked."""
    changed = noise + TOKEN if side == "before" else TOKEN + noise
    assert SEALS.try_open("offer", changed) == (None if noise else b"what was put before the subject")


@given(st.one_of(st.binary(max_size=400), st.text(max_size=400)))
def test_what_nobody_sealed_is_refused_without_an_error(token: str | bytes) -> None:
    """Whatever bytes or characters come, `try_open` says no, and `open` raises one error only."""
    assert SEALS.try_open("pass", token) is None
    with pytest.raises(SealError):
        SEALS.open("pass", token)


def test_a_seal_of_one_purpose_opens_nothing_else() -> None:
    """An offer is no return address and no pass."""
    for purpose in ("return", "pass", "offer2", "Offer", ""):
        assert SEALS.try_open(purpose, TOKEN) is None


def test_every_secret_opens_and_the_newest_seals() -> None:
    """After a rotation old values still open, and new ones are sealed with the new secret."""
    old, both = Seals(OLD_SECRET), Seals((SECRET, OLD_SECRET))
    earlier = old.seal("offer", b"x")

    assert both.open("offer", earlier) == b"x"
    assert SEALS.open("offer", both.seal("offer", b"x")) == b"x"
    assert old.try_open("offer", both.seal("offer", b"x")) is None


def test_it_can_be_told_which_values_need_a_newer_seal() -> None:
    """A value sealed with an older secret is not newest; with one secret every authentic value is."""
    both = Seals((SECRET, OLD_SECRET))

    assert both.is_newest("offer", both.seal("offer", b"x"))
    assert not both.is_newest("offer", Seals(OLD_SECRET).seal("offer", b"x"))
    assert Seals(OLD_SECRET).is_newest("offer", Seals(OLD_SECRET).seal("offer", b"x"))


def test_a_secret_that_was_taken_away_opens_nothing() -> None:
    """Removing a secret from the list ends everything that was sealed with it."""
    assert SEALS.try_open("offer", Seals(OLD_SECRET).seal("offer", b"x")) is None


def test_the_keys_of_purposes_differ_from_each_other_and_from_the_secret() -> None:
    """A leaked key of one purpose is of no use for another."""
    keys = {SEALS.keys(purpose)[0] for purpose in ("pass", "return", "offer", "form")}

    assert len(keys) == 4
    assert SECRET.encode() not in keys


@pytest.mark.parametrize("secrets", [(), "", "short", ("long enough, this one is", "short"), b"\0" * 15])
def test_a_missing_or_short_secret_is_refused(secrets: object) -> None:
    """It refuses to start and says how to make a secret."""
    with pytest.raises(ConfigurationError) as caught:
        Seals(secrets)  # type: ignore[arg-type]
    assert "secrets.token_urlsafe" in caught.value.hint


def test_a_value_of_a_kept_form_fits_and_a_boundless_one_is_not_looked_at() -> None:
    """256 KiB open; above the bound nothing is even verified."""
    assert SEALS.open("form", SEALS.seal("form", b"x" * 262_144)) == b"x" * 262_144
    assert SEALS.try_open("form", SEALS.seal("form", b"x" * MAX_TOKEN_BYTES)) is None


@given(st.binary(max_size=100))
def test_text_and_bytes_are_inverse(value: bytes) -> None:
    """`from_text` undoes `to_text`."""
    assert from_text(to_text(value)) == value


def test_the_signer_is_itsdangerous_as_its_users_know_it() -> None:
    """`sign`, `unsign` and `validate` of the library work on it unchanged."""
    signer = StrictSigner(SEALS.keys("offer"))

    assert signer.unsign(signer.sign(b"text")) == b"text"
    assert signer.validate(signer.sign("text"))
    assert not signer.validate(signer.sign("text") + b"A")
    assert signer.sign(to_text(b"what was put before the subject")).decode() == TOKEN
