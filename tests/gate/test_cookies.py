"""Reading cookies: strict about the name, calm about everything else."""

from __future__ import annotations

from http.cookies import SimpleCookie

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentgate.gate.cookies import (
    MAX_CANDIDATES,
    PLAIN_NAME,
    SECURE_NAME,
    clear_pass,
    cookie_name,
    read_cookies,
    set_pass,
)

NAME = b"consentgate"


@pytest.mark.parametrize(
    ("cookies", "values"),
    [
        (b"", []),
        (b"consentgate=T", [b"T"]),
        (b"a=1; consentgate=T; b=2", [b"T"]),
        (b"a=1;consentgate=T;b=2", [b"T"]),
        (b"a=1;  \tconsentgate = T \t; b=2", [b"T"]),
        (b'consentgate="T"', [b"T"]),
        (b'consentgate="T', [b'"T']),
        (b'consentgate="', [b'"']),
        (b'consentgate=""', [b""]),
        (b"consentgate=", [b""]),
        (b"consentgate", []),
        (b"consentgate=a=b", [b"a=b"]),
        (b"consentgate=1; consentgate=2", [b"1", b"2"]),
        (b"consentgate=; consentgate=2", [b"", b"2"]),
        (b"xconsentgate=T", []),
        (b"consentgatex=T", []),
        (b"consentgate2=T; a=consentgate", []),
        (b"Consentgate=T; CONSENTGATE=T", []),
        (b"__Host-consentgate=T", []),
        (b"__Host-consentgate=T; consentgate=U", [b"U"]),
        (b"a=b consentgate=T", []),
        (b'a="; consentgate=T"', [b'T"']),
        (b"a=consentgate=T", []),
        (b"\0; consentgate=T\0; \xff=\xfe", [b"T\0"]),
        (b"consentgate=\xe9\xff", [b"\xe9\xff"]),
        (b";;; ; consentgate=T;;", [b"T"]),
        (b"$Version=1; consentgate=T; $Path=/", [b"T"]),
        (b"a=1, consentgate=T", []),
    ],
    ids=repr,
)
def test_a_cookie_is_found_by_its_whole_name_only(cookies: bytes, values: list[bytes]) -> None:
    """Neighbours, quotes, blanks, NULs and other alphabets neither hide nor fake it."""
    assert read_cookies(cookies, NAME) == values


def test_the_https_name_is_not_found_by_the_http_one_nor_the_other_way_round() -> None:
    """A plain cookie, which a sibling domain can plant, never counts where the `__Host-` one is meant."""
    assert read_cookies(b"consentgate=T", b"__Host-consentgate") == []
    assert read_cookies(b"x__Host-consentgate=T; __Host-consentgate=U", b"__Host-consentgate") == [b"U"]


def test_a_thousand_cookies_are_no_trouble() -> None:
    """The one of ours is found among them."""
    many = [b"c%d=%d" % (number, number) for number in range(1_000)]
    many.insert(700, b"consentgate=T")

    assert read_cookies(b"; ".join(many), NAME) == [b"T"]


def test_of_many_cookies_of_our_name_only_a_few_are_tried() -> None:
    """Somebody who plants hundreds makes us verify four."""
    planted = b"; ".join(b"consentgate=%d" % number for number in range(500))

    assert read_cookies(planted, NAME) == [b"0", b"1", b"2", b"3"]
    assert MAX_CANDIDATES == 4


def test_a_header_of_100_kilobytes_is_read() -> None:
    """Long headers of other people's making are not our concern."""
    assert read_cookies(b"a=" + b"x" * 100_000 + b"; consentgate=T", NAME) == [b"T"]
    assert read_cookies(b"consentgate" * 9_000, NAME) == []


@given(st.binary(max_size=80) | st.text(alphabet='consentgate=; "\t,T', max_size=60).map(str.encode))
def test_reading_follows_the_plain_rule_for_every_header(cookies: bytes) -> None:
    """The quick way through gives what splitting, trimming and comparing gives."""
    expected = []
    for pair in cookies.split(b";"):
        key, equals, value = pair.partition(b"=")
        if equals and key.strip(b" \t") == NAME:
            value = value.strip(b" \t")
            quoted = len(value) > 1 and value.startswith(b'"') and value.endswith(b'"')
            expected.append(value[1:-1] if quoted else value)

    assert read_cookies(cookies, NAME) == expected[:MAX_CANDIDATES]


@pytest.mark.parametrize("secure", [True, False])
def test_a_pass_is_set_for_the_whole_site_and_kept_from_scripts(secure: bool) -> None:
    """HttpOnly, SameSite=Lax, the whole path, as long as browsers keep cookies; Secure with the `__Host-` name."""
    morsel = SimpleCookie(set_pass("abc-_.def", secure=secure).decode())[cookie_name(secure=secure)]

    assert morsel.value == "abc-_.def"
    assert (morsel["path"], morsel["samesite"], morsel["domain"]) == ("/", "Lax", "")
    assert morsel["httponly"] is True
    assert bool(morsel["secure"]) is secure
    assert int(morsel["max-age"]) == 400 * 86_400


@pytest.mark.parametrize("secure", [True, False])
def test_a_pass_can_be_taken_away(secure: bool) -> None:
    """The same name and path, ended at once."""
    morsel = SimpleCookie(clear_pass(secure=secure).decode())[cookie_name(secure=secure)]

    assert (morsel.value, morsel["max-age"], morsel["path"]) == ("", "0", "/")
    assert bool(morsel["secure"]) is secure


def test_the_names() -> None:
    """As documented."""
    assert (SECURE_NAME, PLAIN_NAME) == ("__Host-consentgate", "consentgate")
