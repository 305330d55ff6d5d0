"""What kind of answer a stopped request can use: the rules, in the order they are tried.

Room: gate (pure). The rules are written out for people in docs/reference/gate.md.
"""

from __future__ import annotations

from enum import Enum
from urllib.parse import urlsplit

from consentgate.gate.fields import Fields
from consentgate.gate.returning import safe_return

MAX_FORM_BYTES = 256 * 1024
"""Longest urlencoded form that is kept over the review."""

_FORM = b"application/x-www-form-urlencoded"
_FORM_TYPES = (_FORM, b"multipart/form-data", b"text/plain")  # what an HTML form can send
_HTML = (b"text/html", b"application/xhtml+xml", b"text/*")


class Want(Enum):
    """The answer a request can use."""

    PAGE = "page"
    """A person opens an address: 303 to the review page."""
    FORM = "form"
    """A person sent a form that can be kept: 403 and the review page in place."""
    LOST_FORM = "lost-form"
    """A person sent a form that cannot be kept: 403, the review page, and a line saying so."""
    HTMX = "htmx"
    """A part of a page: 403 with ``HX-Redirect``."""
    PROBLEM = "problem"
    """A program: 403 with a problem document."""


# Looking a member up in its class costs more than the tests below.
_PAGE, _PROBLEM = Want.PAGE, Want.PROBLEM


def want(method: str, fields: Fields) -> Want:
    """The kind of answer that a request can use."""
    if fields.get(b"hx-request") == b"true" and fields.get(b"sec-fetch-mode") != b"navigate":
        return Want.HTMX
    if not is_navigation(fields):
        return _PROBLEM
    if method in ("GET", "HEAD"):
        return _PAGE
    if method != "POST":
        return Want.PROBLEM
    media_type = fields.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if media_type == _FORM:
        keeps = _fits(fields) and b"content-encoding" not in fields and is_own_form(fields)
        return Want.FORM if keeps else Want.LOST_FORM
    return Want.LOST_FORM if media_type in _FORM_TYPES else Want.PROBLEM


def is_navigation(fields: Fields) -> bool:
    """Whether a person will see the answer as a page.

    Browsers say so in ``Sec-Fetch-Mode`` (on https and localhost). Without it, what accepts HTML by name and does not
    call itself a script is a page; ``*/*`` alone is a program.
    """
    mode = fields.get(b"sec-fetch-mode")
    if mode is not None:
        return mode == b"navigate"
    if fields.get(b"x-requested-with", b"").lower() == b"xmlhttprequest":
        return False
    return accepts_html(fields.get(b"accept", b""))


def accepts_html(accept: bytes) -> bool:
    """Whether an ``Accept`` field names HTML, not counting what it names with ``q=0``."""
    for part in accept.lower().split(b","):
        media_range, _, parameters = part.partition(b";")
        if media_range.strip() in _HTML and not _refused(parameters):
            return True
    return False


def _refused(parameters: bytes) -> bool:
    if b"q" not in parameters:
        return False
    weights = (item.strip() for item in parameters.split(b";"))
    return any(weight.startswith(b"q=") and not weight[2:].strip(b"0.") for weight in weights)


def _fits(fields: Fields) -> bool:
    """Whether the announced length is small enough; an unannounced one is counted while reading."""
    length = fields.get(b"content-length", b"0")
    return length.isdigit() and len(length) < 10 and int(length) <= MAX_FORM_BYTES


def is_own_form(fields: Fields) -> bool:
    """Whether a form was sent from a page of this site.

    Only such forms are kept. Sending a foreign one on, after a click on our page, would turn a cross-site request
    into a same-site one and so carry it past the host's protection against forged requests.
    """
    site = fields.get(b"sec-fetch-site")
    if site is not None:
        return site in (b"same-origin", b"none")
    source = fields.get(b"origin") or fields.get(b"referer")
    host = fields.get(b"host", b"").lower()
    return bool(source and host) and _authority(source or b"") == host


def _authority(url: bytes) -> bytes:
    scheme, separator, rest = url.lower().partition(b"://")
    if not separator or scheme not in (b"http", b"https"):
        return b""
    for end in (b"/", b"?", b"#"):
        rest = rest.partition(end)[0]
    return rest


def htmx_return(method: str, target: str, fields: Fields) -> str:
    """Where to come back to after the review: the page the visitor was on, not the part it asked for.

    Args:
        method: of the request.
        target: its own address, as `request_target` gave it.
        fields: its header fields.
    """
    if method == "GET" and fields.get(b"hx-boosted") == b"true":
        return target
    current = fields.get(b"hx-current-url", b"")
    if not current or _authority(current) != fields.get(b"host", b"").lower():
        return "/"
    try:
        parts = urlsplit(current.decode("ascii"))
    except ValueError:  # not ASCII, or brackets that are no IPv6 address
        return "/"
    return safe_return(f"{parts.path}?{parts.query}" if parts.query else parts.path) or "/"
