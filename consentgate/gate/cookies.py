"""Cookies: a strict reader that never raises, and the forms in which a pass is set.

Room: gate; the pages set passes with `PassCookie`, too. The reader knows one name and looks at nothing else: a general
parser costs fifty times as much and fails on what other people's scripts put into cookies.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

from consentgate.errors import ConfigurationError

logger = logging.getLogger("consentgate")

SECURE_NAME = "__Host-consentgate"
"""On https. The prefix makes browsers refuse it from a sibling domain, from plain http, and for a narrower path."""

DOMAIN_NAME = "__Secure-consentgate"
"""On https when sub-domains share it: the prefix above forbids the attribute ``Domain`` (RFC 6265bis §4.1.3)."""

PLAIN_NAME = "consentgate"
"""On http, where browsers would drop a cookie with one of those prefixes."""

MAX_AGE = 400 * 86_400
"""Seconds; browsers keep no cookie longer (RFC 6265bis §5.5)."""

MAX_CANDIDATES = 4
"""Cookies of our name that are tried; more than one is already somebody's mistake."""

_SECURE_SCHEMES = ("https", "wss")
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
# The last label has a letter in front: numbers alone would be an address, for which browsers take no Domain.
_DOMAIN = re.compile(rf"(?:{_LABEL}\.)+(?![0-9]){_LABEL}")
_MAX_DOMAIN = 253


def check_domain(domain: str | None) -> None:
    """See that browsers could take a domain for a cookie.

    Raises:
        ConfigurationError: it is no host name with at least one dot.
    """
    if domain is not None and (len(domain) > _MAX_DOMAIN or _DOMAIN.fullmatch(domain) is None):
        raise ConfigurationError(
            f"cookie_domain={domain!r} is no domain that a cookie can be for",
            hint='write it like "example.org": lower case, with a dot inside and none in front, without scheme or port',
        )


def cookie_name(*, secure: bool, domain: str | None = None) -> str:
    """The name of the pass cookie on https, or on http."""
    if not secure:
        return PLAIN_NAME
    return SECURE_NAME if domain is None else DOMAIN_NAME


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


def set_pass(token: str, *, secure: bool, domain: str | None = None) -> bytes:
    """The ``Set-Cookie`` value that gives a browser its pass.

    ``Lax`` and not ``Strict``: who follows a link from another site has accepted all the same.
    """
    return _set_cookie(token, MAX_AGE, secure=secure, domain=domain)


def clear_pass(*, secure: bool, domain: str | None = None) -> bytes:
    """The ``Set-Cookie`` value that takes the pass away. Browsers mind name, path and domain for it."""
    return _set_cookie("", 0, secure=secure, domain=domain)


def _set_cookie(token: str, max_age: int, *, secure: bool, domain: str | None) -> bytes:
    name = cookie_name(secure=secure, domain=domain)
    place = "Path=/" if domain is None else f"Domain={domain}; Path=/"
    end = "; Secure" if secure else ""
    return f"{name}={token}; {place}; Max-Age={max_age}; HttpOnly; SameSite=Lax{end}".encode("ascii")


class PassCookie:
    """The cookie that a site's passes travel in.

    Args:
        secure: whether it is the https one; ``None`` goes by the scheme of each request.
        domain: whose sub-domains share it; ``None`` binds it to the host that set it.
    """

    __slots__ = ("_domain", "_plain", "_said_outside", "_secure", "_suffix", "_tls")

    def __init__(self, *, secure: bool | None = None, domain: str | None = None) -> None:
        check_domain(domain)
        self._secure = secure
        self._domain = domain
        self._suffix = f".{domain}".encode("ascii")
        self._said_outside = False
        self._plain = (PLAIN_NAME.encode(),)
        # A pass bound to its host is better than a shared one, so it still counts where shared ones are meant: nobody
        # is asked again when a site begins to share. The reverse would let a sibling plant what it may not.
        self._tls = (SECURE_NAME.encode(),) if domain is None else (DOMAIN_NAME.encode(), SECURE_NAME.encode())

    def is_secure(self, scope: Mapping[str, Any]) -> bool:
        """Whether the https cookie is meant."""
        return scope.get("scheme") in _SECURE_SCHEMES if self._secure is None else self._secure

    def names(self, scope: Mapping[str, Any]) -> tuple[bytes, ...]:
        """The names under which a pass counts; the first is the one that is set where the domain covers the host."""
        return self._tls if self.is_secure(scope) else self._plain

    def covers(self, scope: Mapping[str, Any]) -> bool:
        """Whether the domain is one that a browser takes from the host of a request. Without a domain it is not."""
        if self._domain is None:
            return False
        said: bytes = dict(scope["headers"]).get(b"host", b"").lower()
        host = said.rpartition(b":")[0] or said
        return (b"." + host.removesuffix(b".")).endswith(self._suffix)

    def set(self, token: str, scope: Mapping[str, Any]) -> bytes:
        """The ``Set-Cookie`` value that gives a browser its pass."""
        return set_pass(token, secure=self.is_secure(scope), domain=self._domain_for(scope))

    def clear(self, scope: Mapping[str, Any]) -> bytes:
        """The ``Set-Cookie`` value that takes it away."""
        return clear_pass(secure=self.is_secure(scope), domain=self._domain_for(scope))

    def _domain_for(self, scope: Mapping[str, Any]) -> str | None:
        """The domain to set. None for a host outside of it: browsers would drop the cookie, and be asked for ever."""
        if self._domain is None or self.covers(scope):
            return self._domain
        if not self._said_outside:
            self._said_outside = True
            logger.warning(
                "cookie_domain=%r does not cover the host of a request; such hosts get a cookie of their own",
                self._domain,
            )
        return None
