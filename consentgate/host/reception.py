"""Who is here, and what do they hold: asked by single routes and by templates, not by the gate.

Room: host. It knows no web framework: everything is a function of the ASGI scope. The pass answers without I/O; where
it does not say enough the ledger is asked, once, and what it said is remembered within bounds.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

from consentgate.errors import ConfigurationError
from consentgate.gate.answers import Addresses
from consentgate.gate.cookies import PassCookie, read_cookies
from consentgate.gate.epoch import CLOCKS_APART
from consentgate.gate.fields import fields_of
from consentgate.gate.hooks import PASSAGE_PASSED, Accepted, Passage, Scope, passage_of
from consentgate.gate.memo import Memo
from consentgate.gate.options import Who
from consentgate.gate.passes import Pass, PassSealer
from consentgate.gate.recognising import as_subject
from consentgate.gate.verdict import Item, Outcome, State, Verdict, decide
from consentgate.service.terms import Terms
from consentgate.terms.calendar import Calendar, Moment, Standing
from consentgate.terms.instants import SECOND, Instant
from consentgate.terms.subject import Subject, SubjectKind

RECEPTION_KEY = "consentgate.reception"
"""Where it is found: in the state that lifespan hands to every request, or in the state of the application."""

REMEMBERED = 4_096
"""Subjects whose acceptances are remembered."""

REMEMBERED_FOR = 900 * SECOND
"""Instants after which the ledger is asked again."""

_DEPTH = 20
_NOTHING: frozenset[int] = frozenset()

ReviewInPlace = Callable[..., Awaitable[None]]
"""Answers with the review page: ``(scope, receive, send, verdict=…, only=slug)``."""


@dataclass(frozen=True, slots=True)
class Guest:
    """Who asks, as far as the request itself tells.

    Args:
        subject: who is signed in, or the visitor whose pass it is, or ``None``.
        proof: the pass that is theirs and still counts, or ``None``.
        passage: what the gate told about this request.
    """

    subject: Subject | None
    proof: Pass | None
    passage: Passage

    @property
    def serials(self) -> frozenset[int]:
        """What is known to have been accepted, without asking the ledger."""
        if self.passage is not PASSAGE_PASSED and self.passage.verdict.accepted:
            return self.passage.verdict.accepted
        return frozenset(self.proof.serials) if self.proof else _NOTHING

    def told(self, verdict: Verdict) -> Passage:
        """What the gate would have told, had it not simply let the request through."""
        return Passage(self.subject, verdict, self.proof, self.proof.visitor_id if self.proof else None)


class Reception:
    """What stands behind `consentgate.requires` and `consentgate.consentgate_banner`.

    Args:
        terms: the handle.
        who: as ``subject=`` of the gate.
        addresses: of our pages.
        review: shows the review page in place of an answer.
        cookie: that passes travel in.
    """

    def __init__(
        self, terms: Terms, *, who: Who | None, addresses: Addresses, review: ReviewInPlace, cookie: PassCookie
    ) -> None:
        self.terms = terms
        self.addresses = addresses
        self.review = review
        self._who = who
        self._cookie = cookie
        self._root: str | None = None
        self._moment: tuple[Calendar, Moment] | None = None
        self._asked: Memo[tuple[str, int], tuple[Instant, Accepted]] = Memo(REMEMBERED)

    def learn_place(self, scope: Scope) -> None:
        """Remember where this gate is mounted, from a request that it serves itself."""
        self._root = scope.get("root_path") or ""

    def outside(self, scope: Scope) -> Scope:
        """The scope as it was when it came through the gate: routers behind it may have moved the mount point on.

        A gate that got lifespan stands at the outermost place, which Starlette keeps as ``app_root_path``. A mounted
        one gets none, and stands where its own pages were asked for; until then, where the route says it is.
        """
        carried = (scope.get("state") or {}).get(RECEPTION_KEY) is self
        here = scope.get("root_path") or ""
        root = scope.get("app_root_path", here) if carried else here if self._root is None else self._root
        return {**scope, "root_path": root}

    def moment(self) -> Moment:
        """What is in force now; worked out once for as long as it stays true."""
        calendar, now = self.terms.calendar, self.terms.clock()
        if self._moment is not None:
            known, moment = self._moment
            if known is calendar and moment.at <= now and (moment.until is None or now < moment.until):
                return moment
        moment = calendar.at(now)
        self._moment = (calendar, moment)
        return moment

    def guest(self, scope: Scope) -> Guest:
        """Who asks. No I/O."""
        passage = passage_of(scope)
        subject = as_subject(self._who(scope)) if self._who is not None else None
        proof = self._proof(scope, subject)
        if subject is None and proof is not None and proof.visitor_id is not None:
            subject = Subject(proof.visitor_id, SubjectKind.VISITOR)
        return Guest(subject, proof, passage)

    def _proof(self, scope: Scope, subject: Subject | None) -> Pass | None:
        if not self.terms.started:
            return None
        sealer, now = self.terms.engine.sealer, self.terms.clock() / SECOND
        cookies = fields_of(scope["headers"]).get(b"cookie", b"")
        tokens = [token for name in self._cookie.names(scope) for token in read_cookies(cookies, name)]
        passes = [proof for token in tokens if (proof := sealer.try_open(token)) is not None]
        theirs = [proof for proof in passes if _is_theirs(sealer, proof, subject)]
        if not theirs:
            return None
        proof = max(theirs, key=lambda one: one.issued)  # as the gate chooses
        counts = proof.expires is None or proof.expires > now
        return proof if counts and not self._is_revoked(proof) else None

    def _is_revoked(self, proof: Pass) -> bool:
        """Whether something was erased since it was issued, by clocks that may disagree a little."""
        revoked = self.terms.revoked
        return bool(revoked) and revoked.get(proof.binding, -CLOCKS_APART) >= proof.issued - CLOCKS_APART

    async def demand(self, scope: Scope, slug: str) -> Verdict | None:
        """Why a route that demands a policy is closed to who asks; ``None`` where it is open.

        A policy that is not yet enforced, or is retired, closes nothing. Its audience is not asked: the route has
        decided that already.

        Args:
            scope: of the request.
            slug: of the policy.

        Raises:
            ConfigurationError: there is no such policy, or it is a consent.
            StoreError: the ledger must be asked and cannot be.
        """
        await self.terms.start()  # twice is once; an exempt route may be the first to be asked for
        calendar = await self.terms.fresh()
        standing = self._standing(calendar, slug)
        if standing is None or standing.enforced is None:
            return None
        guest = self.guest(scope)
        if guest.proof is not None and not standing.satisfied_by.isdisjoint(guest.proof.serials):
            return None
        accepted = await self._accepted(guest.subject, standing)
        if not standing.satisfied_by.isdisjoint(accepted.serials):
            return None
        again = not standing.satisfied_by.isdisjoint(accepted.expired)
        item = Item(slug, standing.in_force, State.EXPIRED if again else State.REQUIRED)
        return Verdict(Outcome.REVIEW, (item,), accepted.serials | accepted.expired)

    def _standing(self, calendar: Calendar, slug: str) -> Standing | None:
        policy = calendar.by_slug.get(slug)
        if policy is None:
            raise ConfigurationError(
                f"a route requires {slug!r}, and no such policy is published",
                hint="publish it, or correct the name: the route stays closed until then",
            )
        if not policy.kind.gates:
            raise ConfigurationError(
                f"a route requires {slug!r}, which is a consent; consent is never a condition of entry",
                hint="ask `await terms.accepted_version(subject, policy)` and do without where it is not given",
            )
        return self.moment().standing(slug)

    async def _accepted(self, asker: Subject | None, standing: Standing) -> Accepted:
        """What the ledger says; remembered where it opens the way, so that a token costs one query and then none."""
        if asker is None:
            return Accepted(_NOTHING)
        now, key = self.terms.clock(), (asker.key, self.terms.calendar.generation)
        remembered = self._asked.get(key, None)
        if remembered is not None:
            at, accepted = remembered
            fresh = at <= now < at + REMEMBERED_FOR and (accepted.expires is None or now < accepted.expires)
            if fresh and not standing.satisfied_by.isdisjoint(accepted.serials):
                return accepted
        accepted = await self.terms.accepted(asker)
        if not standing.satisfied_by.isdisjoint(accepted.serials):
            self._asked.put(key, (now, accepted))
        return accepted

    def judge(self, scope: Scope) -> Verdict:
        """How all policies stand for who asks, by what the request itself tells. No I/O."""
        guest, moment = self.guest(scope), self.moment()
        subject = guest.subject
        # What the gate calls accepted has what must be renewed in it, so that changes are told from there.
        stale = {item.policy for item in guest.passage.verdict.items if item.state is State.EXPIRED}
        lapsed = _NOTHING.union(*(one.satisfied_by for one in moment.standings if one.policy.slug in stale))
        return decide(
            moment,
            guest.serials - lapsed,
            kind=subject.kind if subject else SubjectKind.VISITOR,
            tags=subject.tags if subject else frozenset(),
            expired=guest.serials & lapsed,
        )


def _is_theirs(sealer: PassSealer, proof: Pass, subject: Subject | None) -> bool:
    return proof.anonymous if subject is None else sealer.belongs_to(proof, subject)


def leave_with(app: Any, reception: Reception) -> None:
    """Leave the reception with an application that has a ``state`` to leave it in, looking through its wrappers.

    It is for servers and test clients that send no lifespan; with lifespan every request carries it.
    """
    for _ in range(_DEPTH):
        state = getattr(app, "state", None)
        if type(state).__name__ == "State":  # Starlette's and Litestar's; anything else is none of our business
            setattr(state, RECEPTION_KEY, reception)
            return
        app = getattr(app, "app", None)


def reception_of(scope: MutableMapping[str, Any] | Mapping[str, Any]) -> Reception | None:
    """The reception of the gate that a request came through, or ``None``.

    The application's own comes first: a server's state knows the outermost gate only.
    """
    own = getattr(getattr(scope.get("app"), "state", None), RECEPTION_KEY, None)
    found = own or (scope.get("state") or {}).get(RECEPTION_KEY)
    return found if isinstance(found, Reception) else None
