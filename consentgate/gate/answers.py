"""The gate's own answers: 303, 403 with a problem document, HX-Redirect, WebSocket denial, 503.

Room: gate. Raw ASGI messages, no framework. Nothing here is ever cached: what is stopped now may pass a second later.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from consentgate.errors import PROBLEM_BASE, StoreUnavailableError
from consentgate.gate.fields import Fields
from consentgate.gate.hooks import Scope, Send
from consentgate.gate.options import GateState
from consentgate.gate.paths import mounted_path
from consentgate.gate.returning import request_target, seal_return
from consentgate.gate.verdict import Item, Verdict
from consentgate.gate.wants import is_navigation
from consentgate.terms.calendar import Calendar
from consentgate.terms.instants import format_instant
from consentgate.terms.policy import Kind, Version

PROBLEM_TYPE = PROBLEM_BASE + "terms-acceptance-required"
DENIED_CODE = 4403
"""WebSocket close code where no denial response can be sent; before the handshake the server answers 403 anyway."""

RETRY_AFTER = 5
"""Seconds, with a 503."""

Header = tuple[bytes, bytes]

_NO_STORE: Header = (b"cache-control", b"no-store")
_VARY: Header = (b"vary", b"Cookie")
_NO_SNIFF: Header = (b"x-content-type-options", b"nosniff")
_EMPTY: Header = (b"content-length", b"0")
_END: dict[str, Any] = {"type": "http.response.body", "body": b""}
_HOST = re.compile(rb"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")


async def see_other(send: Send, location: bytes) -> None:
    """Answer 303, and nothing else."""
    headers = [(b"location", location), _NO_STORE, _VARY, _EMPTY]
    await send({"type": "http.response.start", "status": 303, "headers": headers})
    await send(_END)


async def problem(
    scope: Scope, send: Send, document: Mapping[str, Any], *, status: int = 403, headers: Sequence[Header] = ()
) -> None:
    """Answer with a problem document (RFC 9457); a WebSocket gets it as denial response where the server can.

    Args:
        scope: of the request; tells HEAD and WebSocket.
        send: as in ASGI.
        document: the problem.
        status: of the answer.
        headers: further ones.
    """
    body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    await _answer(scope, send, status, b"application/problem+json", body, headers)


async def unavailable(scope: Scope, send: Send, fields: Fields) -> None:
    """Answer 503 in the form the request can use; needs no template and no database."""
    error = StoreUnavailableError("the record of accepted terms cannot be reached", hint="try again in a moment")
    retry = ((b"retry-after", str(RETRY_AFTER).encode()),)
    if scope["type"] == "http" and is_navigation(fields):
        body = (
            b'<!doctype html><html lang="en"><meta charset="utf-8">'
            b'<meta name="viewport" content="width=device-width"><title>Please try again in a moment</title>'
            b"<main><h1>Please try again in a moment</h1><p>We cannot check at present which terms you have accepted. "
            b"Nothing you did is lost. Reload this page in a few seconds.</p></main></html>"
        )
        await _answer(scope, send, 503, b"text/html; charset=utf-8", body, retry)
    else:
        await problem(scope, send, error.problem(), status=503, headers=retry)


async def _answer(
    scope: Scope, send: Send, status: int, content_type: bytes, body: bytes, more: Sequence[Header]
) -> None:
    prefix = ""
    if scope["type"] == "websocket":
        if "websocket.http.response" not in (scope.get("extensions") or ()):
            await send({"type": "websocket.close", "code": DENIED_CODE, "reason": "terms acceptance required"})
            return
        prefix = "websocket."
    headers = [
        (b"content-type", content_type), (b"content-length", str(len(body)).encode()),
        _NO_STORE, _VARY, _NO_SNIFF, *more,
    ]  # fmt: skip
    await send({"type": prefix + "http.response.start", "status": status, "headers": headers})
    await send({"type": prefix + "http.response.body", "body": b"" if scope.get("method") == "HEAD" else body})


class Addresses:
    """Where our pages are, as seen from a request.

    Args:
        prefix: of our pages.
        state: for the seals of return addresses, which may be replaced while the gate runs.
        base_url: scheme and host, or ``None`` for those of the request.
    """

    __slots__ = ("_base_url", "_prefix", "_state")

    def __init__(self, prefix: str, state: GateState, base_url: str | None) -> None:
        self._prefix = prefix
        self._state = state
        self._base_url = base_url

    def review(self, scope: Scope, back: str) -> bytes:
        """Path and query of the review page, with a sealed return address."""
        return f"{root_of(scope)}{self._prefix}/review?next={seal_return(self._state.seals, back)}".encode("ascii")

    def pages(self, scope: Scope, fields: Fields) -> str:
        """Our prefix as an address for programs: with scheme and host, where these can be told.

        The host is what the client named; it only ever comes back to that client, in an answer nobody may store.
        """
        path = root_of(scope) + self._prefix
        if self._base_url is not None:
            return self._base_url + path
        host = fields.get(b"host", b"")
        if len(host) > 255 or _HOST.fullmatch(host) is None:
            return path
        scheme = "https" if scope.get("scheme") in ("https", "wss") else "http"
        return f"{scheme}://{host.decode('ascii')}{path}"


def root_of(scope: Scope) -> str:
    """The mount point, as it must stand in front of a path that a browser is told."""
    root: str = scope.get("root_path") or ""
    return _ascii_path(root.rstrip("/")) if root else ""


def _ascii_path(path: str) -> str:
    target = request_target(path, None, b"") if path else ""
    return "" if target == "/" else target


def target_of(scope: Scope) -> str:
    """Path and query of a request, safe to come back to."""
    if scope.get("root_path"):
        path, raw = mounted_path(scope), scope.get("raw_path")
        # A server that leaves the mount point out of ``path`` leaves it out of ``raw_path`` too.
        return request_target(path, raw if path == scope["path"] else None, scope.get("query_string", b""))
    return request_target(scope["path"], scope.get("raw_path"), scope.get("query_string", b""))


def describe(verdict: Verdict, calendar: Calendar, pages: str) -> dict[str, Any]:
    """The problem document for a closed gate.

    Args:
        verdict: why it is closed.
        calendar: to name the version last accepted.
        pages: our prefix, as an address.
    """
    policies = [_policy(item, verdict.accepted, calendar, pages) for item in verdict.stopping]
    titles = ", ".join(entry["title"] for entry in policies)
    return {
        "type": PROBLEM_TYPE,
        "title": "Terms acceptance required",
        "status": 403,
        "detail": f"Accept these terms before you go on: {titles}",
        "accept_url": f"{pages}/review",
        "policies": policies,
    }


def _policy(item: Item, accepted: frozenset[int], calendar: Calendar, pages: str) -> dict[str, Any]:
    policy, version = calendar.by_slug[item.policy], item.version
    earlier = last_accepted(calendar, item.policy, accepted)
    entry: dict[str, Any] = {
        "policy": item.policy,
        "title": policy.title_in(policy.prevailing),
        "kind": policy.kind.value,
        "state": item.state.value,
        "required_version": version.label if version else None,
        "accepted_version": earlier.label if earlier else None,
        "accept_url": f"{pages}/review",
    }
    if version is not None:
        entry["effective_at"] = format_instant(version.effective)
        entry["text_url"] = f"{pages}/{item.policy}/{version.label}"
        entry["text_digest"] = version.digest
        if earlier is not None:
            entry["accepted_text_digest"] = earlier.digest
            entry["changes_url"] = f"{pages}/{item.policy}/changes?from={earlier.label}&to={version.label}"
    return entry


def last_accepted(calendar: Calendar, slug: str, accepted: frozenset[int]) -> Version | None:
    """The latest version of a policy, in order of effect, among those accepted."""
    return next((version for version in reversed(calendar.chain(slug)) if version.serial in accepted), None)


def terms_links(calendar: Calendar, slugs: Sequence[str], pages: str) -> tuple[Header, ...]:
    """``Link`` fields that name the texts (RFC 6903): terms of service, and privacy policy for notices so called."""
    headers = []
    for slug in slugs:
        notice = calendar.by_slug[slug].kind is Kind.NOTICE and "privacy" in slug
        relation = "privacy-policy" if notice else "terms-of-service"
        headers.append((b"link", f'<{pages}/{slug}>; rel="{relation}"'.encode("ascii", "replace")))
    return tuple(headers)


def update_notices(upcoming: Sequence[Version], pages: str) -> tuple[Header, ...]:
    """``Terms-Update`` fields for versions that are announced: what comes, when, and where to accept it early."""
    return tuple(
        (
            b"terms-update",
            f'policy="{version.policy}", version="{version.label}", effective=@{version.effective // 1_000_000}, '
            f'accept="{pages}/review"'.encode("ascii", "replace"),
        )
        for version in upcoming
    )
