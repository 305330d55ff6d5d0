"""What protects our pages: response headers, the same-origin check, trusted proxies, bounded forms.

Room: web. Called by every page; knows no policy and no service. Everything here is a function of the ASGI scope and
of settings handed in.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import FormData, Headers
from starlette.formparsers import FormParser, MultiPartException
from starlette.requests import Request

from consentgate.errors import ConfigurationError, ForbiddenError, InputError

Scope = Mapping[str, Any]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MAX_FORM_BYTES = 1_000_000
"""Largest form our own pages take: a kept form of 256 KiB grows to about 350 KB when it is sealed, and an offer for
many policies has some KB; nothing else comes in."""

MAX_FORM_FIELDS = 200


def content_security_policy(form_action: Sequence[str] = ()) -> str:
    """The policy of all our pages: nothing from elsewhere, nothing inline, no frames around us.

    Args:
        form_action: further origins a form may lead to. Browsers apply ``form-action`` to redirects after a form too
            (Chromium), so a host's ``declined_url`` on another origin has to be named.
    """
    targets = " ".join(["'self'", *form_action])
    return (
        "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; font-src 'self'; connect-src 'self'; "
        f"form-action {targets}; base-uri 'none'; frame-ancestors 'none'"
    )


def page_headers(*, private: bool, index: bool, form_action: Sequence[str] = ()) -> dict[str, str]:
    """Headers of an HTML page.

    Args:
        private: made for one subject: never stored by anybody (ASVS 14.3.2), and it differs by cookie.
        index: whether search engines may list it; terms in force yes, somebody's review page no.
        form_action: see `content_security_policy`.
    """
    headers = {
        "Content-Security-Policy": content_security_policy(form_action),
        "X-Content-Type-Options": "nosniff",
        # An older browser without frame-ancestors still must not frame us: clickjacked assent is worth nothing.
        "X-Frame-Options": "DENY",
        # Not "no-referrer": that would turn the Origin of our own form posts into "null".
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cache-Control": "no-store" if private else "no-cache",
        "Vary": "Cookie, Accept-Language" if private else "Accept-Language",
    }
    if not index:
        headers["X-Robots-Tag"] = "noindex"
    return headers


def origin_of(url: str | None) -> str | None:
    """Scheme and host of an absolute URL, or ``None`` for a path of our own site."""
    parts = urlsplit(url or "")
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme and parts.netloc else None


@dataclass(frozen=True, slots=True)
class Proxies:
    """The proxies in front of us whose ``X-Forwarded-*`` headers are believed.

    Args:
        networks: addresses and networks; none means that no such header is looked at.
    """

    networks: tuple[Network, ...] = ()

    @classmethod
    def parse(cls, written: Iterable[str]) -> Proxies:
        """Read addresses (``10.0.0.1``) and networks (``10.0.0.0/8``).

        Raises:
            ConfigurationError: for anything else.
        """
        networks = []
        for item in written:
            try:
                networks.append(ipaddress.ip_network(item, strict=False))
            except ValueError as error:
                raise ConfigurationError(
                    f"trusted_proxies has {item!r}", hint="write addresses or networks such as 10.0.0.0/8"
                ) from error
        return cls(tuple(networks))

    def trusts(self, address: str | None) -> bool:
        """Whether this peer is one of ours."""
        try:
            parsed = ipaddress.ip_address(address or "")
        except ValueError:
            return False
        return any(parsed in network for network in self.networks)

    def client_ip(self, scope: Scope) -> str | None:
        """The visitor's address: walk ``X-Forwarded-For`` from the right while the hops are ours (ASVS 15.3.4).

        The left end of that header is whatever the visitor sent, so the first address that is not ours ends the walk.
        """
        peer = (scope.get("client") or (None,))[0]
        if not self.trusts(peer):
            return peer
        hops = [hop.strip() for value in _values(scope, b"x-forwarded-for") for hop in value.split(",")]
        for hop in reversed(hops):
            if not _is_address(hop):
                return None
            if not self.trusts(hop):
                return hop
        return hops[0] if hops else peer

    def scheme(self, scope: Scope) -> str:
        """``http`` or ``https`` as the visitor sees it."""
        if self.trusts((scope.get("client") or (None,))[0]):
            forwarded = [value.strip().lower() for value in _values(scope, b"x-forwarded-proto")]
            if forwarded and (last := forwarded[-1].split(",")[-1].strip()) in ("http", "https"):
                return last
        return "https" if scope.get("scheme") in ("https", "wss") else "http"

    def hosts(self, scope: Scope) -> frozenset[str]:
        """The host names under which the visitor may have reached us, lower case, with their port if written."""
        names = {value.strip().lower() for value in _values(scope, b"host")}
        if self.trusts((scope.get("client") or (None,))[0]):
            names |= {value.split(",")[-1].strip().lower() for value in _values(scope, b"x-forwarded-host")}
        return frozenset(names - {""})


def check_same_origin(scope: Scope, proxies: Proxies) -> None:
    """Refuse a form that another site sent (OWASP: Fetch Metadata first, Origin where a browser has none).

    A request with neither header comes from an old browser or a program; the sealed offer in the form, which is
    bound to its subject, is what protects those.

    Raises:
        ForbiddenError: when the browser says that another site started the request.
    """
    headers = Headers(raw=list(scope["headers"]))
    site = headers.get("sec-fetch-site")
    if site is not None:
        if site not in ("same-origin", "none"):
            raise ForbiddenError("the form was sent from another site", hint="open the page itself and decide there")
        return
    origin = headers.get("origin")
    if origin is None:
        return
    try:
        host = urlsplit(origin).netloc.lower()
    except ValueError:  # brackets that are no IPv6 address
        host = ""
    if host not in proxies.hosts(scope):
        raise ForbiddenError("the form was sent from another site", hint="open the page itself and decide there")


async def read_form(request: Request) -> FormData:
    """Read a urlencoded form with a limit on its bytes and on its fields.

    Raises:
        InputError: another content type, too many bytes, or something that is no form.
    """
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise InputError("only a urlencoded form can be read here", hint="send the form of the page itself")

    async def bounded() -> Any:
        size = 0
        async for chunk in request.stream():
            size += len(chunk)
            if size > MAX_FORM_BYTES:
                raise InputError(f"the form is larger than {MAX_FORM_BYTES:,} bytes", hint="send a shorter one")
            yield chunk

    try:
        parser = FormParser(request.headers, bounded(), max_fields=MAX_FORM_FIELDS, max_part_size=MAX_FORM_BYTES)
        return await parser.parse()
    except MultiPartException as error:
        raise InputError(
            f"the form cannot be read: {error.message}", hint="send the form of the page itself"
        ) from error


def _values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]


def _is_address(text: str | None) -> bool:
    try:
        ipaddress.ip_address(text or "")
    except ValueError:
        return False
    return True
