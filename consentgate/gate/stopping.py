"""Stops a request: chooses the answer it can use, keeps the form it brought, and writes one line to the log.

Room: gate. `wants` says which answer, `answers` writes it, the pages write the review page.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable
from typing import Any

from consentgate.gate import answers
from consentgate.gate.epoch import Epoch
from consentgate.gate.fields import Fields
from consentgate.gate.hooks import Hooks, KeptForm, Passage, Receive, Scope, Send, tell
from consentgate.gate.paths import local_path
from consentgate.gate.snapshot import Snapshot
from consentgate.gate.verdict import Verdict
from consentgate.gate.wants import MAX_FORM_BYTES, Want, htmx_return, want

logger = logging.getLogger("consentgate")

MAX_DISCARDED_BYTES = 8 * 1024 * 1024
"""Of a form that is not kept, so many bytes are read and forgotten before the answer."""

_MAX_LOGGED = 200
_MAX_REMEMBERED = 512


class Stops:
    """The answers of a closed gate.

    Args:
        hooks: for the review page.
        addresses: where our pages are.
    """

    __slots__ = ("_addresses", "_hooks")

    def __init__(self, hooks: Hooks, addresses: answers.Addresses) -> None:
        self._hooks = hooks
        self._addresses = addresses

    def stop(
        self, scope: Scope, receive: Receive, send: Send, passage: Passage, path: str, fields: Fields, epoch: Epoch
    ) -> Awaitable[None]:
        """Answer a request that may not go on. (No coroutine itself: it hands on the one that answers.)

        Args:
            scope: of the request.
            receive: as in ASGI.
            send: as in ASGI.
            passage: with the verdict.
            path: without the mount point.
            fields: the request's header fields.
            epoch: the one it was judged in.
        """
        wanted = Want.PROBLEM if scope["type"] == "websocket" else want(scope["method"], fields)
        if wanted is Want.PAGE:
            return self.turn_away(scope, send, passage, epoch)
        _log(scope, path, passage.verdict, wanted)
        if wanted is Want.PROBLEM or wanted is Want.HTMX:
            return self._problem(scope, send, passage.verdict, fields, epoch.snapshot, htmx=wanted is Want.HTMX)
        tell(scope, passage)
        return self._form(scope, receive, send, passage.verdict, path, fields, keep=wanted is Want.FORM)

    def turn_away(self, scope: Scope, send: Send, passage: Passage, epoch: Epoch) -> Awaitable[None]:
        """Send a visitor to the review page, to come back to this very address."""
        if logger.isEnabledFor(logging.INFO):
            _log(scope, local_path(scope), passage.verdict, Want.PAGE)
        return answers.see_other(send, self._to_review(scope, epoch))

    def interrupt(self, scope: Scope, send: Send, epoch: Epoch) -> Awaitable[None]:
        """Show the review page in between, in grace: nothing is stopped, so nothing is logged."""
        return answers.see_other(send, self._to_review(scope, epoch))

    def _to_review(self, scope: Scope, epoch: Epoch) -> bytes:
        address = scope.get("raw_path")
        if scope.get("query_string") or scope.get("root_path") or not address:
            address = (address, scope["path"], scope.get("query_string"), scope.get("root_path"))
        location = epoch.locations.young.get(address) or epoch.locations.get(address, None)
        if location is None:
            location = self._addresses.review(scope, answers.target_of(scope))
            if len(location) <= _MAX_REMEMBERED:
                epoch.locations.put(address, location)
        return location

    async def _form(
        self, scope: Scope, receive: Receive, send: Send, verdict: Verdict, path: str, fields: Fields, *, keep: bool
    ) -> None:
        kept = None
        if not keep:
            await discard_body(receive, MAX_DISCARDED_BYTES)
        else:
            body = await read_body(receive, MAX_FORM_BYTES)
            if body is None:
                return  # the visitor left; nobody is there to answer
            if len(body) <= MAX_FORM_BYTES:
                content_type = fields[b"content-type"].decode("latin-1")[:200]
                target = answers.target_of(scope)
                kept = KeptForm(path, target, scope.get("query_string", b""), content_type, body)
        await self._hooks.review(
            scope, receive, send, verdict=verdict, status=403, kept=kept, too_large=kept is None
        )  # fmt: skip

    async def _problem(
        self, scope: Scope, send: Send, verdict: Verdict, fields: Fields, snapshot: Snapshot, *, htmx: bool
    ) -> None:
        pages = self._addresses.pages(scope, fields)
        slugs = [item.policy for item in verdict.stopping]
        headers = answers.terms_links(snapshot.calendar, slugs, pages)
        if htmx:
            back = htmx_return(scope["method"], answers.target_of(scope), fields)
            headers += ((b"hx-redirect", self._addresses.review(scope, back)),)
        document = answers.describe(verdict, snapshot.calendar, pages)
        await answers.problem(scope, send, document, headers=headers)


async def read_body(receive: Receive, limit: int) -> bytes | None:
    """A request's body; ``None`` when the client left, and more than ``limit`` bytes as soon as there are more."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        part: bytes = message.get("body", b"")
        size += len(part)
        if part:
            parts.append(part)
        if size > limit or not message.get("more_body", False):
            return b"".join(parts)


async def discard_body(receive: Receive, limit: int) -> None:
    """Let a client finish sending, within bounds: one that is cut off while it sends shows an error, not our answer."""
    size = 0
    while size <= limit:
        message = await receive()
        size += len(message.get("body", b""))
        if message["type"] != "http.request" or not message.get("more_body", False):
            return


def _log(scope: Scope, path: str, verdict: Verdict, wanted: Want) -> None:
    """One line for each stop: no query, no cookie, no address, and no line break of a stranger's."""
    if not logger.isEnabledFor(logging.INFO):
        return
    plain = _one_line(path)
    method = _one_line(scope.get("method", "WEBSOCKET"))
    facts: dict[str, Any] = {
        "event": "stopped",
        "method": method,
        "path": plain,
        "answer": wanted.value,
        "outcome": verdict.outcome.value,
        "policies": [
            {"policy": item.policy, "version": item.version.label if item.version else None, "state": item.state.value}
            for item in verdict.stopping
        ],
    }
    names = ", ".join(f"{entry['policy']} {entry['version']} ({entry['state']})" for entry in facts["policies"])
    logger.info("stopped %s %s: %s; answer %s", method, plain, names, wanted.value, extra={"consentgate": facts})


def _one_line(text: str) -> str:
    return text[:_MAX_LOGGED].encode("unicode_escape").decode("ascii")
