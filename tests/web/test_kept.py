"""Kept forms: sealed, bound to their subject, and sent on as they came."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentgate.errors import SealError
from consentgate.gate.hooks import KeptForm
from consentgate.gate.seals import Seals
from consentgate.web.kept import open_kept, seal_kept

SEALS = Seals("a secret for tests, long enough")
FORM = "application/x-www-form-urlencoded"


def _kept(body: bytes, content_type: str = FORM, target: str = "/comment?x=1") -> KeptForm:
    return KeptForm("/comment", target, b"x=1", content_type, body)


@given(st.lists(st.tuples(st.text(), st.text()), max_size=20))
def test_fields_come_back_as_they_were_typed(fields: list[tuple[str, str]]) -> None:
    """Any text, any order, duplicates and empty values included."""
    fields = [(name, value.replace("\ud800", "")) for name, value in fields]
    body = urlencode(fields).encode()
    again = open_kept(SEALS, seal_kept(SEALS, _kept(body), "user:ann"), "user:ann")
    assert again.fields == fields
    assert (again.action, again.charset) == ("/comment?x=1", "")


def test_a_kept_form_opens_for_its_subject_only() -> None:
    """Nobody presses a button on a form that somebody else filled in."""
    token = seal_kept(SEALS, _kept(b"a=1"), "user:ann")
    with pytest.raises(SealError):
        open_kept(SEALS, token, "user:bob")


@pytest.mark.parametrize("token", ["", "x", "a.b"])
def test_what_we_did_not_seal_does_not_open(token: str) -> None:
    """As any sealed value."""
    with pytest.raises(SealError):
        open_kept(SEALS, token, "user:ann")


def test_a_kept_form_never_leaves_the_site() -> None:
    """Even if it had been sealed so."""
    with pytest.raises(SealError):
        open_kept(SEALS, seal_kept(SEALS, _kept(b"a=1", target="//evil.example/"), "user:ann"), "user:ann")


@pytest.mark.parametrize(
    ("body", "content_type", "value", "charset"),
    [
        (b"a=Zo%C3%AB", FORM, "Zoë", ""),
        (b"a=Zo%EB", FORM, "Zoë", "windows-1252"),
        (b"a=Zo%EB", f"{FORM}; charset=iso-8859-1", "Zoë", "iso-8859-1"),
        (b"a=%82%A0", f"{FORM}; charset=shift_jis", "あ", "shift_jis"),
        (b"a=Zo%C3%AB", f"{FORM}; charset=nonsense", "Zoë", ""),
        (b"a=Zo%C3%AB", f'{FORM}; charset="UTF-8"', "Zoë", ""),
    ],
)
def test_other_charsets_than_utf_8_go_back_as_they_came(
    body: bytes, content_type: str, value: str, charset: str
) -> None:
    """The page that sent the form may have been in another charset; the host gets the bytes it expects."""
    again = open_kept(SEALS, seal_kept(SEALS, _kept(body, content_type), "user:ann"), "user:ann")
    assert again.fields == [("a", value)]
    assert again.charset == charset


@pytest.mark.parametrize("charset", ["punycode", "idna", "utf-7", "unicode_escape", "rot13", "hex", "no-such", "\0"])
def test_a_charset_that_no_browser_sends_is_not_tried(charset: str) -> None:
    """Punycode takes quadratic time: one kept form in it held a worker up for seconds, once for each request."""
    kept = _kept(b"a=b%41-9aaa9aaa", f"{FORM}; charset={charset}")
    again = open_kept(SEALS, seal_kept(SEALS, kept, "user:ann"), "user:ann")

    assert (again.fields, again.charset) == ([("a", "bA-9aaa9aaa")], "")
