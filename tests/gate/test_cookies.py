"""Reading cookies: strict about the name, calm about everything else."""

from __future__ import annotations

from http.cookies import SimpleCookie

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentgate.errors import ConfigurationError
from consentgate.gate.cookies import (
    DOMAIN_NAME,
    MAX_CANDIDATES,
    PLAIN_NAME,
    SECURE_NAME,
    PassCookie,
    check_domain,
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
    assert (SECURE_NAME, DOMAIN_NAME, PLAIN_NAME) == ("__Host-consentgate", "__Secure-consentgate", "consentgate")


@pytest.mark.parametrize(("secure", "name"), [(True, "__Secure-consentgate"), (False, "consentgate")])
def test_a_shared_pass_has_its_domain_and_no_prefix_that_forbids_one(secure: bool, name: str) -> None:
    """Setting and taking away have the same name, path and domain, else browsers would keep it."""
    for made in (set_pass("abc.def", secure=secure, domain="a.example"), clear_pass(secure=secure, domain="a.example")):
        ((found, morsel),) = SimpleCookie(made.decode()).items()
        assert (found, morsel["domain"], morsel["path"], morsel["samesite"]) == (name, "a.example", "/", "Lax")
        assert morsel["httponly"] is True
        assert bool(morsel["secure"]) is secure


@pytest.mark.parametrize("domain", ["example.org", "a.b.example.org", "xn--bcher-kva.example", "x1.io", "1.example"])
def test_a_host_name_with_a_dot_can_be_the_domain(domain: str) -> None:
    """As it stands in a DNS name, in lower case."""
    check_domain(domain)
    check_domain(None)


@pytest.mark.parametrize(
    "domain",
    [
        "", "org", "localhost", ".example.org", "example.org.", "example..org", "example.org:443", "Example.org",
        "https://example.org", "example.org/", "*.example.org", "-a.example", "a-.example", "a_b.example", "127.0.0.1",
        "[::1]", "::1", "b\u00fccher.example", "example.org; Path=/x", "example.org\n", " example.org", "example.1",
        "x" * 64 + ".example", "a." * 126 + "example",
    ],
)  # fmt: skip
def test_what_browsers_would_not_take_is_refused(domain: str) -> None:
    """A cookie for it would be dropped without a word, and whoever accepts would be asked for ever."""
    with pytest.raises(ConfigurationError, match="cookie_domain"):
        check_domain(domain)


@pytest.mark.parametrize(
    ("host", "covered"),
    [
        (b"example.org", True), (b"www.example.org", True), (b"a.b.example.org:8443", True), (b"WWW.Example.ORG", True),
        (b"example.org.", True), (b"www.example.org.:80", True), (b"notexample.org", False), (b"org", False),
        (b"example.org.evil", False), (b"localhost:8000", False), (b"127.0.0.1", False), (b"[::1]:80", False),
        (b"", False),
    ],
)  # fmt: skip
def test_a_host_outside_of_the_domain_gets_a_pass_of_its_own(host: bytes, covered: bool) -> None:
    """Its browser would drop the shared one; so it gets the one that is bound to the host."""
    cookie = PassCookie(domain="example.org")
    scope = {"scheme": "https", "headers": [(b"host", host)]}

    assert cookie.covers(scope) is covered
    for made in (cookie.set("T", scope), cookie.clear(scope)):
        assert made.startswith(b"__Secure-consentgate=" if covered else b"__Host-consentgate=")
        assert (b"; Domain=example.org;" in made) is covered


def test_a_host_outside_of_the_domain_is_spoken_of_once(caplog: pytest.LogCaptureFixture) -> None:
    """A slip of the pen in the setting, or a proxy that rewrites `Host`, must not stay unseen, nor fill the log."""
    cookie = PassCookie(domain="example.org")
    for _ in range(3):
        cookie.set("T", {"scheme": "http", "headers": [(b"host", b"localhost")]})
        cookie.set("T", {"scheme": "http", "headers": [(b"host", b"www.example.org")]})

    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "example.org" in caplog.text


def test_under_which_names_a_pass_counts() -> None:
    """A bound pass counts where shared ones are meant, never the other way round; on https never the plain one."""
    shared, bound = PassCookie(domain="example.org"), PassCookie()

    assert shared.names({"scheme": "https"}) == (b"__Secure-consentgate", b"__Host-consentgate")
    assert bound.names({"scheme": "wss"}) == (b"__Host-consentgate",)
    assert shared.names({"scheme": "http"}) == bound.names({"scheme": "ws"}) == (b"consentgate",)
    assert PassCookie(secure=True).names({"scheme": "http"}) == (b"__Host-consentgate",)
    assert PassCookie(secure=False, domain="example.org").names({"scheme": "https"}) == (b"consentgate",)
    assert not bound.covers({"headers": [(b"host", b"example.org")]})
