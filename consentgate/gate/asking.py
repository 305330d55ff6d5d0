"""Judges a request by its pass, and asks the ledger where the pass is not enough.

Room: gate. A pass is enough when it opens the way, or when it is a visitor's and nothing but it could. The ledger is
asked for a user without a pass (a new device, an API token), for a pass that is past a renewal, was revoked or is too
small, and before a user is stopped: the acceptance may have come from another device.
"""

from __future__ import annotations

from dataclasses import dataclass

from consentgate.gate.epoch import Epoch
from consentgate.gate.fields import Fields
from consentgate.gate.hooks import Accepted, Hooks, Passage, Scope
from consentgate.gate.passes import Pass
from consentgate.gate.recognising import Found
from consentgate.gate.verdict import Outcome, Verdict
from consentgate.gate.wants import is_navigation
from consentgate.terms.instants import SECOND, Instant
from consentgate.terms.subject import Subject, SubjectKind

_NOTHING: frozenset[int] = frozenset()
_NOBODY: frozenset[str] = frozenset()


@dataclass(slots=True)
class Look:
    """One request under the careful look.

    Args:
        scope: of the request.
        path: without the mount point.
        fields: its header fields.
        subject: who is signed in, or ``None``.
        now: seconds since 1970.
        token: of the pass that belongs to the subject, or to the visitor when nobody is signed in.
        proof: that pass, opened.
        visitor_id: of a visitor's pass that came along.
        carries: whether that visitor's pass says that anything was accepted.
        misplaced: whether the pass stands under a name that is not set any more.
        reseal: the pass to give the browser with the host's answer, or ``None``.
    """

    scope: Scope
    path: str
    fields: Fields
    subject: Subject | None
    now: float
    token: bytes | None = None
    proof: Pass | None = None
    visitor_id: str | None = None
    carries: bool = False
    misplaced: bool = False
    reseal: str | None = None

    @property
    def browser(self) -> bool:
        """Whether the client keeps cookies."""
        return keeps_cookies(self.scope, self.fields)

    @property
    def interruptible(self) -> bool:
        """Whether somebody sits there who can decide, or put it off. In another's disguise nobody can do either."""
        return self.browser and (self.subject is None or self.subject.impersonated_by is None)

    @property
    def asker(self) -> Subject | None:
        """The subject, or the visitor whose pass it is."""
        if self.subject is None and self.visitor_id is not None:
            return Subject(self.visitor_id, SubjectKind.VISITOR)
        return self.subject

    def passage(self, verdict: Verdict) -> Passage:
        """What is known now, for the host and our pages."""
        return Passage(self.asker, verdict, self.proof, self.visitor_id)


def make_look(scope: Scope, path: str, fields: Fields, subject: Subject | None, now: float, found: Found) -> Look:
    """The look at a request whose cookies were read."""
    visitor = found.visitor
    return Look(
        scope=scope,
        path=path,
        fields=fields,
        subject=subject,
        now=now,
        token=found.token,
        proof=found.proof,
        visitor_id=visitor.visitor_id if visitor else None,
        carries=bool(visitor and visitor.serials),
        misplaced=found.misplaced,
    )


def keeps_cookies(scope: Scope, fields: Fields) -> bool:
    """Whether a cookie makes sense: a page in a browser, not a program that shows a token with each request."""
    return scope["type"] == "http" and b"authorization" not in fields and is_navigation(fields)


class Asking:
    """Asks the ledger, once, and remembers what it said for as long as the epoch lasts.

    Args:
        hooks: the house.
    """

    __slots__ = ("_hooks",)

    def __init__(self, hooks: Hooks) -> None:
        self._hooks = hooks

    async def judge(self, look: Look, epoch: Epoch) -> Verdict:
        """The verdict on a request; sets ``look.reseal`` where the browser should get a new pass.

        Raises:
            Exception: whatever the hooks raised.
        """
        proof, asker = look.proof, look.asker
        if proof is not None and _counts(proof, look, epoch):
            verdict = _verdict(look, epoch, frozenset(proof.serials))
            visitor = look.subject is None and not proof.more
            if verdict.outcome is Outcome.PASS or visitor or (verdict.outcome is Outcome.REMIND and not look.browser):
                if look.browser and look.token and (look.misplaced or not epoch.sealer.is_newest(look.token)):
                    look.reseal = epoch.sealer.seal_again(proof, asker)
                return verdict
        if asker is None:
            return _verdict(look, epoch, _NOTHING)
        remembered = epoch.asked.get(asker.key, None)
        if remembered is not None and (remembered.expires is None or remembered.expires > look.now * SECOND):
            verdict = _verdict(look, epoch, remembered.serials, remembered.expired)
            if verdict.outcome is Outcome.PASS:
                self._renew(look, epoch, asker, remembered)
                return verdict
        accepted = await self._ask(look, epoch, asker)
        verdict = _verdict(look, epoch, accepted.serials, accepted.expired)
        if verdict.outcome is not Outcome.REVIEW:
            epoch.asked.put(asker.key, accepted)
            self._renew(look, epoch, asker, accepted)
        return verdict

    @staticmethod
    def by_pass(look: Look, epoch: Epoch) -> Verdict:
        """The verdict by the pass alone, without asking anybody."""
        proof = look.proof
        counts = proof is not None and _counts(proof, look, epoch)
        return _verdict(look, epoch, frozenset(proof.serials) if proof is not None and counts else _NOTHING)

    async def introduce(self, look: Look, epoch: Epoch) -> None:
        """Link a visitor to the user who has just signed in, when the first page they open is one of ours.

        Raises:
            Exception: whatever the hooks raised.
        """
        if look.subject is not None and look.proof is None and look.browser and self._to_link(look, epoch):
            self._renew(look, epoch, look.subject, await self._ask(look, epoch, look.subject))

    async def _ask(self, look: Look, epoch: Epoch, asker: Subject) -> Accepted:
        if self._to_link(look, epoch) and look.visitor_id is not None:
            accepted = await self._hooks.link(look.visitor_id, asker)
            epoch.linked.put((look.visitor_id, asker.key), look.visitor_id)
            return accepted
        return await self._hooks.accepted(asker)

    @staticmethod
    def _to_link(look: Look, epoch: Epoch) -> bool:
        """Whether the device accepted something as a visitor that is not yet its user's.

        Never while an administrator looks through the user's eyes: what the administrator's device accepted is not
        the user's.
        """
        subject = look.subject
        return (
            subject is not None
            and look.carries
            and look.visitor_id is not None
            and subject.impersonated_by is None
            and epoch.linked.get((look.visitor_id, subject.key), None) is None
        )

    @staticmethod
    def _renew(look: Look, epoch: Epoch, asker: Subject, accepted: Accepted) -> None:
        if not look.browser or asker.impersonated_by is not None:
            return
        look.reseal = epoch.sealer.issue(
            asker,
            accepted.serials,
            now=_instant(look.now),
            expires=accepted.expires,
            snoozed=look.proof.snoozed_until if look.proof else None,
            tree_size=max(accepted.tree_size, look.proof.tree_size if look.proof else 0),
        )


def _counts(proof: Pass, look: Look, epoch: Epoch) -> bool:
    return (proof.expires is None or proof.expires > look.now) and not epoch.is_revoked(proof)


def _verdict(look: Look, epoch: Epoch, accepted: frozenset[int], expired: frozenset[int] = _NOTHING) -> Verdict:
    subject = look.subject
    return epoch.snapshot.verdict(
        accepted,
        kind=SubjectKind.VISITOR if subject is None else subject.kind,
        tags=_NOBODY if subject is None else subject.tags,
        path=look.path,
        expired=expired,
        snoozed=look.proof.snoozed_until if look.proof else None,
        now=_instant(look.now),
    )


def _instant(seconds: float) -> Instant:
    return int(seconds * SECOND)
