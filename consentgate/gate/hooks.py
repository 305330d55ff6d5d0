"""What the gate asks of the house around it, and the values that travel between them.

Room: gate. ``consentgate.app`` implements `Hooks` over the service and the pages; tests implement it with fakes.
None of these is called for a request with a good pass.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from consentgate.gate.passes import Pass
from consentgate.gate.verdict import PASSED, Verdict
from consentgate.terms.calendar import Calendar
from consentgate.terms.instants import Instant
from consentgate.terms.subject import Subject

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
ASGIApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

PASSAGE_KEY = "consentgate"
"""Where a host finds the `Passage` of a request: ``scope["state"]["consentgate"]``."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """What the ledger says a subject has accepted.

    Args:
        serials: versions whose acceptance counts now: neither withdrawn nor past their renewal.
        expires: the earliest instant at which one of them must be renewed, or ``None``.
        expired: versions that were accepted and are past their renewal; they tell "again" from "for the first time".
        tree_size: size of the ledger's tree this was read at; it travels in the pass, as memory outside the database.
    """

    serials: frozenset[int]
    expires: Instant | None = None
    expired: frozenset[int] = frozenset()
    tree_size: int = 0


@dataclass(frozen=True, slots=True)
class KeptForm:
    """A form that met a closed gate: what is needed to send it on after acceptance.

    Args:
        path: decoded path without the mount point.
        target: path and query as they stood on the request line; passed `safe_return`.
        query: raw query string.
        content_type: as sent; always ``application/x-www-form-urlencoded``, perhaps with a charset.
        body: at most 256 KiB.
    """

    path: str
    target: str
    query: bytes
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Passage:
    """What the gate knows about a request, for the host and for our pages.

    Args:
        subject: who asks; ``None`` for a visitor without a pass.
        verdict: the gate's answer; under our own prefix it is made from the pass alone.
        proof: the pass that came with the request and belongs to this subject.
        visitor_id: the id of a visitor's pass that came along, also when a user is signed in.
        failed: the subject could not be told, or the ledger could not be asked, and the gate was set to fail open.
    """

    subject: Subject | None = None
    verdict: Verdict = PASSED
    proof: Pass | None = None
    visitor_id: str | None = None
    failed: bool = False


PASSAGE_PASSED = Passage()
"""The one shared value for a request that went through on its pass: nothing to tell, nothing to make."""


def passage_of(scope: Scope) -> Passage:
    """The passage of a request; where the quick look let it through nothing stands in the scope, and all is well."""
    state = scope.get("state")
    found = state.get(PASSAGE_KEY) if state else None
    return found if isinstance(found, Passage) else PASSAGE_PASSED


def tell(scope: Scope, passage: Passage) -> None:
    """Put the passage where the host and our pages find it."""
    scope.setdefault("state", {})[PASSAGE_KEY] = passage


class Hooks(Protocol):
    """What stands behind the gate. Implementations may raise; the gate then answers as its ``fail`` option says."""

    @property
    def pages(self) -> ASGIApp:
        """The application that serves everything at and under the prefix."""
        ...

    async def reload(self) -> Calendar:
        """Everything published, read anew: called at the first request and when the generation has changed.

        The gate calls it once at a time, and not again for a second after it failed.
        """
        ...

    async def accepted(self, subject: Subject) -> Accepted:
        """What a subject has accepted: one indexed query.

        A visitor comes as ``Subject(visitor_id, SubjectKind.VISITOR)``, when the pass was too small or is past
        a renewal.
        """
        ...

    async def link(self, visitor_id: str, subject: Subject) -> Accepted:
        """Carry over what this device accepted before its user signed in; returns what the user has accepted now.

        Called again for the same pair when the answer got lost, so doing it twice must be doing it once.
        """
        ...

    def heard(self, tree_size: int) -> None:
        """Take note that a pass of ours knows a ledger of this size; called for each size larger than any before.

        It is called while a request is looked at, so it must neither wait nor raise; see to it elsewhere.
        """
        ...

    async def review(
        self, scope: Scope, receive: Receive, send: Send, *,
        verdict: Verdict, status: int, kept: KeptForm | None, too_large: bool,
    ) -> None:  # fmt: skip
        """Answer with the review page in place.

        Args:
            scope: of the request that was stopped; ``scope["state"]["consentgate"]`` holds its `Passage`.
            receive: the body was read already where ``kept`` is given.
            send: as in ASGI.
            verdict: what must be decided.
            status: the status to answer with (403).
            kept: the form to send on after acceptance, or ``None``.
            too_large: the form was *not* kept and not sent (too long, with files, or from another site): say so.
        """
        ...

    async def unavailable(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 503: the gate cannot tell, and was set to fail closed."""
        ...
