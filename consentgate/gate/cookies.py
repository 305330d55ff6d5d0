"""Cookies: a strict reader that never raises, and the one form in which a pass is set.

Room: gate; the pages set passes with `set_pass`. The reader knows one name and looks at nothing else: a general parser
costs fifty times as much and fails on what other people's scripts put into cookies.
"""

from __future__ import annotations

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


def read_cookies(cookies: bytes, name: bytes) -> list[bytes]:
    """The values of every cookie of a name, in the order they came, at most `MAX_CANDIDATES`.

    Names are compared byte by byte; white space around a pair and one pair of double quotes around a value are taken
    off (RFC 6265 §4.1.1).

    Args:
        cookies: the value of the ``Cookie`` field.
        name: of the cookie.
    """
    before, _, after = cookies.partition(name)
    if name not in after and after[:1] == b"=" and (not before or before[-2:] == b"; "):
        # What browsers send: one cookie of this name, written in the usual way.
        return [_bare(after[1:].partition(b";")[0])]
    pairs = (pair.partition(b"=") for pair in cookies.split(b";") if name in pair)
    return [_bare(token) for key, equals, token in pairs if equals and key.strip(b" \t") == name][:MAX_CANDIDATES]


def _bare(token: bytes) -> bytes:
    token = token.strip(b" \t")
    return token[1:-1] if len(token) > 1 and token[0] == token[-1] == 0x22 else token


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
