"""Cookies: a strict reader that never raises, and the one form in which a pass is set.

Room: gate; the pages set passes with `set_pass`. The reader knows one name and looks at nothing else: a general parser
costs fifty times as much and fails on what other people's scripts put into cookies.
"""

from __future__ import annotations

from collections.abc import Iterable

SECURE_NAME = "__Host-consentgate"
"""On https. The prefix makes browsers refuse it from a sibling domain, from plain http, and for a narrower path."""

PLAIN_NAME = "consentgate"
"""On http, where browsers would drop a cookie with that prefix."""

MAX_AGE = 400 * 86_400
"""Seconds; browsers keep no cookie longer (RFC 6265bis §5.5)."""

MAX_CANDIDATES = 4
"""Cookies of our name that are tried; more than one is already somebody's mistake."""


def cookie_name(*, secure: bool) -> str:
    """The name of the pass cookie on https, or on http."""
    return SECURE_NAME if secure else PLAIN_NAME


def read_cookies(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> list[bytes]:
    """The values of every cookie of a name, in the order they came, at most `MAX_CANDIDATES`.

    HTTP/2 may split the header (RFC 9113 §8.2.3), so all of them are read. Names are compared byte by byte; optional
    white space around a pair and one pair of double quotes around a value are taken off (RFC 6265 §4.1.1).

    Args:
        headers: as in an ASGI scope, names in lower case.
        name: of the cookie.
    """
    found: list[bytes] = []
    for header, value in headers:
        if header != b"cookie" or name not in value:
            continue
        for pair in value.split(b";"):
            key, equals, token = pair.partition(b"=")
            if equals and key.strip(b" \t") == name:
                token = token.strip(b" \t")
                if len(token) > 1 and token[:1] == token[-1:] == b'"':
                    token = token[1:-1]
                found.append(token)
                if len(found) == MAX_CANDIDATES:
                    return found
    return found


def set_pass(token: str, *, secure: bool) -> bytes:
    """The ``Set-Cookie`` value that gives a browser its pass.

    ``Lax`` and not ``Strict``: who follows a link from another site has accepted all the same.
    """
    end = "; Secure" if secure else ""
    name = cookie_name(secure=secure)
    return f"{name}={token}; Path=/; Max-Age={MAX_AGE}; HttpOnly; SameSite=Lax{end}".encode("ascii")


def clear_pass(*, secure: bool) -> bytes:
    """The ``Set-Cookie`` value that takes the pass away."""
    end = "; Secure" if secure else ""
    return f"{cookie_name(secure=secure)}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax{end}".encode("ascii")
