"""Whose passes came with a request, and do they open everything?

Room: gate. Pure but for the memories of the epoch: no await, so that the quick look can use it too.
"""

from __future__ import annotations

from dataclasses import dataclass

from consentgate.errors import ConfigurationError
from consentgate.gate.cookies import PLAIN_NAME, PassCookie, read_cookies
from consentgate.gate.epoch import Epoch, Watch
from consentgate.gate.hooks import Hooks, Scope
from consentgate.gate.passes import Pass, claims_of, parse_pass, tree_of
from consentgate.gate.verdict import Outcome
from consentgate.terms.subject import Subject

_UNSEEN = object()
_PASS = Outcome.PASS


@dataclass(slots=True)
class Found:
    """What the cookies of a request held.

    Args:
        opens: a pass that is good on every path; nothing else need be known.
        token: of the pass that belongs to who asks.
        proof: that pass, opened.
        visitor: the newest visitor's pass that came along, which may be the same.
        misplaced: whether the pass stands under a name that is not set any more.
    """

    opens: bool = False
    token: bytes | None = None
    proof: Pass | None = None
    visitor: Pass | None = None
    misplaced: bool = False


COMMON_NAME = PLAIN_NAME.encode()
"""Stands in every cookie header that has a pass in it, whatever the scheme."""

NOTHING_FOUND = Found()
"""The one shared value for a request without any pass."""


class Recogniser:
    """Opens the passes of requests.

    Args:
        watch: for the epoch.
        cookie: that passes travel in.
        hooks: to tell how large a ledger passes know.
    """

    __slots__ = ("_hooks", "_largest", "_watch", "cookie", "needles", "starts")

    def __init__(self, watch: Watch, cookie: PassCookie, hooks: Hooks) -> None:
        self._watch = watch
        self._hooks = hooks
        self._largest = bytes(8)
        self.cookie = cookie
        self.starts = {
            scheme: cookie.names({"scheme": scheme})[0] + b"=" for scheme in ("http", "https", "ws", "wss")
        }  # fmt: skip
        # What the quick look searches for, by scheme: the pass behind another cookie. The separator is part of it,
        # for else a cookie with a longer name, planted from a sibling domain, could stand in for ours.
        self.needles = {scheme: b"; " + start for scheme, start in self.starts.items()}

    def admits(self, scope: Scope, cookies: bytes, token: bytes, said: Subject | str | None) -> bool:
        """The second half of the quick look: a pass that stands first in its header, or is seen for the first time.

        Args:
            scope: of the request.
            cookies: the cookie header.
            token: what stands behind the needle; empty when the needle is not there.
            said: what ``subject=`` returned.

        Raises:
            Exception: ``said`` is nobody; the careful look will find out again.
        """
        if not token:
            start = self.starts[scope["scheme"]]
            if not cookies.startswith(start):
                return False
            token = cookies[len(start) :].partition(b";")[0]
        epoch = self._watch.epoch
        if epoch.passes.get(token, _UNSEEN) == said:
            self._watch.warm(epoch)
            return True
        data = epoch.sealer.authentic(token)
        if data is None:
            return False
        if tree_of(data) > self._largest:
            self._hear(data)
        claims = claims_of(data) if said is None and not epoch.revoked else b""
        if claims and epoch.enough.get(claims, b"") and epoch.sealer.is_newest(token):
            epoch.passes.put(token, None)
            self._watch.warm(epoch)
            return True
        proof = parse_pass(data)
        if proof is None or not self._admit(epoch, token, proof, said, as_subject(said)):
            return False
        if claims:
            epoch.enough.put(claims, token)
        return True

    def find(
        self,
        epoch: Epoch,
        scope: Scope,
        cookies: bytes,
        subject: Subject | None,
        said: Subject | str | None,
        opens: bool = True,
    ) -> Found:
        """The passes among the cookies; what no key opens is as if it were not there.

        Of several that are the subject's the one sealed last counts. Browsers send cookies of one name in the order
        they were made, so that one left over from before a setting was changed stands in front of the one that the
        visitor was given since; to stop at the first would ask them for ever.

        Args:
            epoch: the one the request is judged in.
            scope: of the request.
            cookies: the request's, in one field.
            subject: who is signed in, or ``None``.
            said: what ``subject=`` returned.
            opens: whether to stop at a pass that is good on every path.
        """
        found = Found()
        names = self.cookie.names(scope)
        for name in names:
            misplaced = name is not names[0] and self.cookie.covers(scope)
            for token in read_cookies(cookies, name):
                proof = epoch.opened.get(token, None) or self._open(epoch, token)
                if proof is None:
                    continue
                mine = proof.anonymous if subject is None else epoch.sealer.belongs_to(proof, subject)
                if mine:
                    if opens and not misplaced and self._admit(epoch, token, proof, said, subject):
                        found.opens = True
                        return found
                    if found.proof is None or proof.issued > found.proof.issued:
                        found.token, found.proof, found.misplaced = token, proof, misplaced
                if proof.anonymous and (found.visitor is None or proof.issued > found.visitor.issued):
                    found.visitor = proof
                epoch.opened.put(token, proof)
        return found

    def _open(self, epoch: Epoch, token: bytes) -> Pass | None:
        data = epoch.sealer.authentic(token)
        if data is None:
            return None
        if tree_of(data) > self._largest:
            self._hear(data)
        return parse_pass(data)

    def _hear(self, data: bytes) -> None:
        """Tell of a ledger that is larger than any pass of this worker's has known: one call for each such size."""
        proof = parse_pass(data)
        if proof is not None:
            self._largest = tree_of(data)
            self._hooks.heard(proof.tree_size)

    def _admit(
        self, epoch: Epoch, token: bytes, proof: Pass, said: Subject | str | None, subject: Subject | None
    ) -> bool:
        """Remember a pass that is this subject's and good on every path for as long as the epoch lasts.

        One that was sealed with an older secret is not remembered: it is to come by the careful way, and be replaced.
        """
        if proof.expires is not None and proof.expires <= epoch.deadline:
            return False
        if subject is None:
            if not proof.anonymous:
                return False
            verdict = epoch.snapshot.visitor_everywhere(proof.serials)
        else:
            if not epoch.sealer.belongs_to(proof, subject):
                return False
            verdict = epoch.snapshot.everywhere(proof.serials, subject.kind, subject.tags)
        if verdict.outcome is not _PASS or epoch.is_revoked(proof) or not epoch.sealer.is_newest(token):
            return False
        epoch.passes.put(token, said)
        self._watch.warm(epoch)
        return True


def as_subject(said: Subject | str | None) -> Subject | None:
    """What the host's callable meant.

    Raises:
        ConfigurationError: it returned something else.
        InputError: an empty id, or one that is too long.
    """
    if said is None or isinstance(said, Subject):
        return said
    if isinstance(said, str):
        return Subject(said)
    raise ConfigurationError(
        f"subject= returned {type(said).__name__}", hint="return a Subject, the user's id as a string, or None"
    )
