"""The address a visitor is sent back to after deciding: a path and a query of this site, never anything else.

Room: gate; the review page opens what the gate sealed. Browsers read a URL more generously than RFC 3986 does:
they drop tabs and line breaks, take ``\\`` for ``/`` and resolve ``%2e`` as a dot (WHATWG URL). So the question
is never "is this relative?" but "may any reader take it for another site?", and whatever is unusual is refused.
"""

from __future__ import annotations

import re
from urllib.parse import quote

from consentgate.errors import SealError
from consentgate.gate.seals import Seals

RETURN_PURPOSE = "return"

MAX_RETURN_LENGTH = 4_000
"""Characters; sealed it becomes a third longer and must still fit an 8 KiB request line."""

# Path and query as RFC 3986 writes them, plus signs that browsers send as they are. Not "\", not "#", no controls.
_TARGET = re.compile(r"/[!-\"$-\[\]-~]*")
_IN_PATH = "/:@!$&'()*+,;=~"
# What nearly every address is made of: no test below would change or refuse it, unless it has a double slash.
_ORDINARY = re.compile(rb"/[A-Za-z0-9_./?=&%+,:;@~!$()*-]*")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\\]")
_UNSAFE = re.compile(r"[ \"<>^`{|}]|[^\x00-\x7f]")


def safe_return(raw: str | bytes | None) -> str | None:
    """The path and query of this site that an address means, or ``None`` if it could mean anything else.

    Spaces, quotes and characters outside ASCII are percent-encoded; a fragment is dropped.

    Args:
        raw: what came in a query, a header or a request line; bytes are taken one character each.
    """
    if not raw or len(raw) > MAX_RETURN_LENGTH:
        return None
    if isinstance(raw, bytes):
        text = raw.decode("latin-1")
        if not text.isascii():
            text = "".join(character if character < "\x80" else f"%{ord(character):02X}" for character in text)
    else:
        text = raw
    if _CONTROLS.search(text):
        return None
    text = _UNSAFE.sub(_percent, text.partition("#")[0])
    if len(text) > MAX_RETURN_LENGTH or _TARGET.fullmatch(text) is None:
        return None
    return text if _stays_here(text.partition("?")[0]) else None


def seal_return(seals: Seals, address: str) -> str:
    """Seal an address that `safe_return` gave."""
    return seals.seal(RETURN_PURPOSE, address.encode("ascii"))


def open_return(seals: Seals, token: str | bytes) -> str:
    """The address in a sealed token, tested again: the rules may be stricter than when it was sealed.

    Raises:
        SealError: not sealed by us, or not an address of this site.
    """
    address = safe_return(seals.open(RETURN_PURPOSE, token))
    if address is None:
        raise SealError("the return address leaves this site")
    return address


def request_target(path: str, raw_path: bytes | None, query: bytes) -> str:
    """The address of a request as the visitor typed it: escapes and query kept; ``/`` where it cannot be told.

    Args:
        path: the decoded path, with the mount point.
        raw_path: the path as it came over the wire; some servers add the query to it, some leave it out.
        query: the raw query string.
    """
    target = raw_path.partition(b"?")[0] if raw_path else quote(path, _IN_PATH, errors="surrogatepass").encode()
    whole = target + b"?" + query if query else target
    if b"//" not in whole and len(whole) <= MAX_RETURN_LENGTH and _ORDINARY.fullmatch(whole):
        return whole.decode("ascii")
    return safe_return(whole) or safe_return(target) or "/"


def _percent(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found[0].encode("utf-8", "replace"))


def _stays_here(path: str) -> bool:
    """Whether a path still starts with a single slash after a browser has resolved its dots (WHATWG URL §4.4).

    ``/.//host`` keeps to this site where it is followed, but resolves to the path ``//host``, which the next reader
    of that path would take for a host.
    """
    if "//" not in path:
        return True
    kept: list[str] = []
    for segment in path[1:].split("/"):
        plain = segment.lower().replace("%2e", ".")
        if plain == "..":
            if kept:
                kept.pop()
        elif plain != ".":
            kept.append(segment)
    return not kept or kept[0] != "" or len(kept) == 1
