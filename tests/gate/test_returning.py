"""Return addresses: none leaves the site, and good ones come back as they were."""

from __future__ import annotations

import re
from urllib.parse import unquote, urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentgate.errors import SealError
from consentgate.gate.returning import MAX_RETURN_LENGTH, open_return, request_target, safe_return, seal_return
from consentgate.gate.seals import Seals
from tests.gate.house import SECRET

SITE = "https://news.example"
SEALS = Seals(SECRET)

# Schemes, slashes, backslashes, encodings, control characters, user names, ports, other scripts.
HOSTILE = (
    """
http:evil.example
https:evil.example
http:/evil.example
https:/evil.example
http://evil.example
https://evil.example
HTTPS://EVIL.EXAMPLE
hTtP:evil.example
ftp://evil.example
ws://evil.example
file:///etc/passwd
javascript:alert(1)
JavaScript:alert(1)
javascript://news.example/%0aalert(1)
data:text/html,<script>alert(1)</script>
vbscript:msgbox(1)
blob:https://evil.example/x
about:blank
mailto:a@evil.example
//evil.example
///evil.example
////evil.example
/////evil.example/a
//evil.example/a/b
//evil.example:443/a
//user@evil.example
//user:password@evil.example
//news.example@evil.example
//evil.example?x
//evil.example#x
//[::1]/
//127.0.0.1
//0x7f000001
//evil%2eexample
/\\evil.example
\\/evil.example
\\\\evil.example
\\evil.example
/\\/evil.example
//\\evil.example
/\\\\evil.example
\\/\\/evil.example/
/a\\b
/a/..\\..\\evil.example
/.//evil.example
/./\\evil.example
/..//evil.example
/../\\evil.example
/a/..//evil.example
/a/../..//evil.example
/%2e//evil.example
/%2E//evil.example
/%2e%2e//evil.example
/.%2e//evil.example
/a/%2e%2e//evil.example
/././/evil.example
/.//.//evil.example
/././/evil.example
evil.example
evil.example/a
www.evil.example
@evil.example
:evil.example
:80
?x=//evil.example
#//evil.example
.evil.example
./evil.example
../evil.example
~evil
*
%2f%2fevil.example
%2F%2Fevil.example
%5c%5cevil.example
news.example.evil.example
https://news.example
https://news.example@evil.example/
https://news.example.evil.example/
https://evil.example\\@news.example/
https://evil.example#@news.example/
https://evil.example?@news.example/
https:///evil.example
https:\\\\evil.example
https:evil.example/\\@news.example
x:y
1http://evil.example
""".strip()
    .replace("\\\\", "\\")
    .splitlines()
)
HOSTILE += [
    "", " ", "\t", "\n", "\0", " /", "\t/", "\n/", "\r/", "\0/", "\x0b/", "\x1f/", "\x7f/", " //evil.example",
    "\t//evil.example", "/\t/evil.example", "/\n/evil.example", "/\r/evil.example", "/\r\n/evil.example",
    "/\t\\evil.example", "/\0/evil.example", "/a\nb", "/a\r\nSet-Cookie: x=y", "/a\x00b", "/a\x1fb", "/a\x7fb",
    "/a\x80b", "/a\x9fb", "/a\x85b", "java\nscript:alert(1)", "\u2028//evil.example", "\ufeff//evil.example",
    "\u3000//evil.example", "\uff0f\uff0fevil.example", "http\uff1a//evil.example", "/" + "a" * MAX_RETURN_LENGTH,
    "/" + "\u00e9" * 2_000, b"//evil.example", b"/\\evil.example", b"\xff\xfe//evil.example", b"/a\x00", b"/\x80\x00",
]  # fmt: skip

GOOD = {
    "/": "/",
    "/articles/2026/story": "/articles/2026/story",
    "/articles?page=2&sort=new": "/articles?page=2&sort=new",
    "/search?q=a+b%20c&x=%C3%A9": "/search?q=a+b%20c&x=%C3%A9",
    "/login?next=https://evil.example/": "/login?next=https://evil.example/",
    "/go?to=//evil.example": "/go?to=//evil.example",
    "/%2F%2Fevil.example": "/%2F%2Fevil.example",
    "/@evil.example": "/@evil.example",
    "/user:pass@evil.example": "/user:pass@evil.example",
    "/http://evil.example": "/http://evil.example",
    "/a//b": "/a//b",
    "/a/./b/../c": "/a/./b/../c",
    "/..": "/..",
    "/.well-known/x": "/.well-known/x",
    "/caf\u00e9": "/caf%C3%A9",
    "/\u65e5\u672c?\u8a9e=1": "/%E6%97%A5%E6%9C%AC?%E8%AA%9E=1",
    "/a b": "/a%20b",
    '/a"b<c>d': "/a%22b%3Cc%3Ed",
    "/x?{a}|`b`^": "/x?%7Ba%7D%7C%60b%60%5E",
    "/page#part": "/page",
    "/%zz?%": "/%zz?%",
    "/a;b=c,d!$&'()*+~": "/a;b=c,d!$&'()*+~",
    "/[x]": "/[x]",
}


def as_a_browser_reads(location: str) -> str:
    """The host that a browser goes to (WHATWG URL): trimmed, tabs and line breaks dropped, backslashes turned."""
    read = re.sub(r"[\t\n\r]", "", location.strip("".join(map(chr, range(33))))).replace("\\", "/")
    read = re.sub(r"^(https?):/*", r"\1://", read, flags=re.IGNORECASE)
    read = re.sub(r"^/{2,}", "//", read)
    return urlsplit(urljoin(SITE + "/terms/review", read)).netloc


def stays(location: str) -> bool:
    """Whether an address keeps to the site, and its path too when somebody reads that on its own."""
    path = urlsplit(urljoin(SITE, location)).path
    resolved = urlsplit(urljoin(SITE, re.sub(r"%2e", ".", path, flags=re.IGNORECASE))).path
    return as_a_browser_reads(location) == "news.example" and not resolved.startswith("//")


def test_the_list_of_hostile_addresses_is_long() -> None:
    """At least a hundred different ones."""
    assert len(set(HOSTILE)) >= 100


@pytest.mark.parametrize("raw", HOSTILE, ids=repr)
def test_a_hostile_address_is_refused(raw: str | bytes) -> None:
    """Nothing that any reader could take for another site is an address to return to."""
    assert safe_return(raw) is None


@pytest.mark.parametrize("raw", GOOD, ids=repr)
def test_a_good_address_keeps_path_and_query(raw: str) -> None:
    """It is written in plain characters, and is already its own safe form."""
    safe = safe_return(raw)

    assert safe == GOOD[raw]
    assert safe_return(safe) == safe
    assert stays(safe)


@given(st.text(max_size=60) | st.text(alphabet="/\\.%2eE:@?#\t\n a", max_size=30) | st.binary(max_size=60))
def test_no_address_leaves_the_site(raw: str | bytes) -> None:
    """Whatever comes, the answer is refused or stays here, in characters a header can carry."""
    safe = safe_return(raw)

    if safe is not None:
        assert safe.isascii()
        assert safe.isprintable()
        assert " " not in safe
        assert stays(safe)
        assert safe_return(safe) == safe


@given(st.text(alphabet="abc/?&=%20\u00e9 ", max_size=40).map(lambda tail: "/x" + tail))
def test_an_address_means_the_same_after_it_was_made_safe(raw: str) -> None:
    """Escaping changes the spelling, never the meaning."""
    safe = safe_return(raw)

    assert safe is not None
    assert unquote(safe) == unquote(raw)


def test_nothing_is_no_address() -> None:
    """A missing parameter is no error."""
    assert safe_return(None) is None


@given(st.sampled_from(list(GOOD)))
def test_a_sealed_address_opens_to_itself(raw: str) -> None:
    """Seal and open are inverse."""
    safe = safe_return(raw) or "/"
    assert open_return(SEALS, seal_return(SEALS, safe)) == safe


@pytest.mark.parametrize("token", ["", "/", "L2E", "L2E.AAAA", "//evil.example", "\u00e9", "a" * 5_000])
def test_an_address_nobody_sealed_does_not_open(token: str) -> None:
    """A visitor cannot be sent to an address of somebody else's choice."""
    with pytest.raises(SealError):
        open_return(SEALS, token)


def test_a_sealed_address_is_tested_again_when_it_is_opened() -> None:
    """A seal is no licence: had we sealed a hostile address, it would still not be followed."""
    with pytest.raises(SealError):
        open_return(SEALS, SEALS.seal("return", b"//evil.example"))
    with pytest.raises(SealError):
        open_return(SEALS, SEALS.seal("return", b"\xff\xfe"))


@pytest.mark.parametrize(
    ("path", "raw", "query", "target"),
    [
        ("/a/b", b"/a/b", b"", "/a/b"),
        ("/a/b", b"/a/b", b"x=1&y=%20", "/a/b?x=1&y=%20"),
        ("/a b", b"/a%20b", b"", "/a%20b"),
        ("/a b", None, b"", "/a%20b"),
        ("/caf\u00e9", b"/caf%C3%A9", b"q=\xc3\xa9", "/caf%C3%A9?q=%C3%A9"),
        ("/caf\u00e9", b"/caf\xc3\xa9", b"", "/caf%C3%A9"),
        ("/caf\u00e9", None, b"", "/caf%C3%A9"),
        ("/100%?", None, b"", "/100%25%3F"),
        ("/x\ud800", None, b"", "/x%ED%A0%80"),
        ("/a", b"/a?x=1", b"x=1", "/a?x=1"),
        ("/a", b"/a", b"to=//evil.example", "/a?to=//evil.example"),
        ("//evil.example", b"//evil.example", b"x=1", "/"),
        ("/\\evil.example", b"/\\evil.example", b"", "/"),
        ("/", b"http://evil.example/", b"", "/"),
        ("/a", b"/a", b"x=\r\ny", "/a"),
        ("/a", b"/a", b"x=" + b"y" * 5_000, "/a"),
        ("/" + "a" * 5_000, None, b"", "/"),
        ("/a//b", b"/a//b", b"", "/a//b"),
        ("*", b"*", b"", "/"),
        ("", b"", b"", "/"),
    ],
)
def test_the_target_of_a_request_is_what_was_typed(path: str, raw: bytes | None, query: bytes, target: str) -> None:
    """Escapes and query are kept; what cannot be told safely becomes the front page, or loses its query."""
    assert request_target(path, raw, query) == target


@given(st.text(max_size=30), st.none() | st.binary(max_size=30), st.binary(max_size=30))
def test_the_target_of_a_request_never_leaves_the_site(path: str, raw: bytes | None, query: bytes) -> None:
    """Whatever stands on the request line, the address to return to is one of ours."""
    target = request_target(path, raw, query)
    assert stays(target)
    assert safe_return(target) == target
