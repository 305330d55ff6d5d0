"""The careful second look: everything that the quick look of `asgi` could not say yes to.

Room: gate. It asks the house around it only where the pass is not enough, and remembers the answer; a request that is
stopped asks again each time, because its subject may have accepted a moment ago in another worker.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from consentgate.errors import ConfigurationError
from consentgate.gate.answers import Addresses
from consentgate.gate.asking import Asking, Look, is_revoked
from consentgate.gate.cookies import PLAIN_NAME, SECURE_NAME, read_cookies, set_pass
from consentgate.gate.crawlers import Crawlers
from consentgate.gate.epoch import Epoch, Watch
from consentgate.gate.hooks import PASSAGE_KEY, ASGIApp, Hooks, Passage, Receive, Scope, Send
from consentgate.gate.options import GateOptions, GateState
from consentgate.gate.passes import Pass
from consentgate.gate.paths import is_under, local_path
from consentgate.gate.sending import gives_pass, with_notices
from consentgate.gate.stopping import Stops
from consentgate.gate.verdict import Outcome, Verdict
from consentgate.terms.policy import under
from consentgate.terms.subject import Subject

logger = logging.getLogger("consentgate")

_UNSEEN = object()


@dataclass(slots=True)
class Found:
    """What the cookies of a request held.

    Args:
        opens: a pass that is good on every path; nothing else need be known.
        token: of the pass that belongs to who asks.
        proof: that pass, opened.
        visitor: a visitor's pass that came along.
    """

    opens: bool = False
    token: bytes | None = None
    proof: Pass | None = None
    visitor: Pass | None = None


class Guard:
    """The gate, one request at a time, without hurry.

    Args:
        app: the application behind it.
        state: shared with the house.
        hooks: the house.
        options: how it behaves.
    """

    def __init__(self, app: ASGIApp, state: GateState, hooks: Hooks, options: GateOptions) -> None:
        self.watch = Watch(state, hooks, options)
        self.app = with_notices(app, self.watch, options)
        self._hooks = hooks
        self._options = options
        self._who = options.subject
        self._prefix = options.prefix
        self._static = options.prefix + "/static"
        self._free = (*options.exempt, *options.open_paths)
        self._clock = options.clock
        self._crawlers = Crawlers()
        self._said_open = False
        self._secure_name, self._plain_name = SECURE_NAME.encode(), PLAIN_NAME.encode()
        self._stops = Stops(hooks, Addresses(options.prefix, state, options.base_url))
        self._asking = Asking(hooks)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        kind = scope["type"]
        if kind != "http" and kind != "websocket":
            app = self._options.lifespan if kind == "lifespan" and self._options.lifespan else self.app
            await app(scope, receive, send)
            return
        path = local_path(scope)
        if self._prefix in path and under(path, self._prefix):
            await self._own(scope, receive, send, path)
        elif (self._free and is_under(path, self._free)) or (scope.get("method") == "OPTIONS" and _is_preflight(scope)):
            await self.app(scope, receive, send)
        else:
            await self._gated(scope, receive, send, path)

    async def _gated(self, scope: Scope, receive: Receive, send: Send, path: str) -> None:
        now = self._clock()
        try:
            epoch = await self._renewed(now) if self.watch.stale(now) else self.watch.epoch
            gates = epoch.snapshot.gates
            said = self._who(scope) if gates and self._who is not None else None
            subject = as_subject(said)
        except Exception as error:  # noqa: BLE001 - the host's callable and the store may raise anything
            await self._failed(scope, receive, send, error)
            return
        if not gates:
            self._say_open()
            await self.app(scope, receive, send)
            return
        if subject is None and self._options.anonymous == "pass":
            await self.app(scope, receive, send)
            return
        found = self._find(epoch, scope, subject, said, now)
        if found.opens:
            await self.app(scope, receive, send)
            return
        look = _look(scope, path, subject, now, found)
        try:
            verdict = await self._asking.judge(look, epoch)
        except Exception as error:  # noqa: BLE001 - the store may raise anything
            await self._failed(scope, receive, send, error)
            return
        await self._answer(scope, receive, send, look, verdict, epoch)

    async def _answer(
        self, scope: Scope, receive: Receive, send: Send, look: Look, verdict: Verdict, epoch: Epoch
    ) -> None:
        if verdict.outcome is not Outcome.PASS and look.subject is None and self._lets_through(look):
            verdict = replace(verdict, outcome=Outcome.REMIND)
        elif verdict.outcome is Outcome.REMIND and look.browser and scope["method"] in ("GET", "HEAD"):
            await self._stops.page(scope, send)
            return
        elif verdict.outcome is Outcome.REVIEW:
            _tell(scope, look, verdict)
            await self._stops(
                scope, receive, send, verdict=verdict, path=look.path, fields=look.fields, snapshot=epoch.snapshot
            )
            return
        _tell(scope, look, verdict)
        if look.reseal is not None:
            send = gives_pass(send, set_pass(look.reseal, secure=self._secure(scope)))
        await self.app(scope, receive, send)

    def _lets_through(self, look: Look) -> bool:
        """Whether a visitor who would be stopped goes on all the same."""
        if self._options.anonymous == "remind":
            return True
        if self._options.crawlers == "gate" or look.proof is not None:
            return False
        return look.scope.get("method") in ("GET", "HEAD") and look.fields.get(b"user-agent", b"") in self._crawlers

    async def _own(self, scope: Scope, receive: Receive, send: Send, path: str) -> None:
        """Hand a request for our own pages on, with what is known of who asks. Never stopped: that would loop."""
        if not under(path, self._static):
            now = self._clock()
            try:
                epoch = await self.watch.renew(now) if self.watch.stale(now) else self.watch.epoch
                said = None if self._who is None else self._who(scope)
                subject = as_subject(said)
                look = _look(scope, path, subject, now, self._find(epoch, scope, subject, said, now, opens=False))
                if scope.get("method") == "GET":
                    await self._asking.introduce(look, epoch)
                _tell(scope, look, self._asking.by_pass(look, epoch))
                if look.reseal is not None:
                    send = gives_pass(send, set_pass(look.reseal, secure=self._secure(scope)))
            except Exception:
                # The pages still have something to show: a text, or that it must be tried again.
                logger.exception("a request for our own pages could not be told apart")
                _state(scope)[PASSAGE_KEY] = Passage(failed=True)
        await self._hooks.pages(scope, receive, send)

    def _find(
        self, epoch: Epoch, scope: Scope, subject: Subject | None, said: Subject | str | None, now: float,
        *, opens: bool = True,
    ) -> Found:  # fmt: skip
        """The pass of who asks among the cookies; what no key opens is as if it were not there."""
        found = Found()
        name = self._secure_name if self._secure(scope) else self._plain_name
        for token in read_cookies(scope["headers"], name):
            if opens and epoch.passes.get(token, _UNSEEN) == said:
                found.opens = True
                return found
            proof = epoch.opened.get(token, None) or epoch.sealer.try_open(token)
            if proof is None:
                continue
            mine = proof.anonymous if subject is None else epoch.sealer.belongs_to(proof, subject)
            if mine and found.proof is None:
                if opens and self._opens_all(epoch, proof, subject, token, now):
                    epoch.passes.put(token, said)
                    found.opens = True
                    return found
                found.token, found.proof = token, proof
            elif proof.anonymous and found.visitor is None:
                found.visitor = proof
            epoch.opened.put(token, proof)
        return found

    @staticmethod
    def _opens_all(epoch: Epoch, proof: Pass, subject: Subject | None, token: bytes, now: float) -> bool:
        """Whether a pass is good on every path for as long as the epoch lasts, and needs no newer seal."""
        if (proof.expires is not None and proof.expires <= epoch.deadline) or is_revoked(proof, epoch, now):
            return False
        if subject is None:
            verdict = epoch.snapshot.visitor_everywhere(proof.serials)
        else:
            verdict = epoch.snapshot.everywhere(proof.serials, subject.kind, subject.tags)
        return verdict.outcome is Outcome.PASS and epoch.sealer.is_newest(token)

    async def _renewed(self, now: float) -> Epoch:
        try:
            return await self.watch.renew(now)
        except Exception:
            epoch = self.watch.epoch
            if self._options.fail == "open" and epoch.generation >= 0:
                logger.exception("the published terms could not be loaded; going on with the ones known before")
                return epoch
            raise

    async def _failed(self, scope: Scope, receive: Receive, send: Send, error: Exception) -> None:
        """The gate cannot tell: go on or answer 503, as the options say."""
        logger.error("the gate could not tell (%s); fail=%s", type(error).__name__, self._options.fail, exc_info=error)
        if self._options.fail == "open":
            _state(scope)[PASSAGE_KEY] = Passage(failed=True)
            await self.app(scope, receive, send)
        else:
            await self._hooks.unavailable(scope, receive, send)

    def _say_open(self) -> None:
        if not self._said_open:
            self._said_open = True
            logger.warning("no policy is in force, so the gate is open; publish one to close it")

    def _secure(self, scope: Scope) -> bool:
        secure = self._options.secure
        return scope.get("scheme") in ("https", "wss") if secure is None else secure


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
        f"subject= returned a {type(said).__name__}", hint="return a Subject, the user's id as a string, or None"
    )


def _look(scope: Scope, path: str, subject: Subject | None, now: float, found: Found) -> Look:
    visitor = found.visitor or (found.proof if found.proof is not None and found.proof.anonymous else None)
    return Look(
        scope=scope,
        path=path,
        fields=dict(scope["headers"]),
        subject=subject,
        now=now,
        token=found.token,
        proof=found.proof,
        visitor_id=visitor.visitor_id if visitor else None,
        carries=bool(visitor and visitor.serials),
    )


def _tell(scope: Scope, look: Look, verdict: Verdict) -> None:
    _state(scope)[PASSAGE_KEY] = Passage(look.asker, verdict, look.proof, look.visitor_id)


def _state(scope: Scope) -> dict[str, object]:
    state: dict[str, object] = scope.setdefault("state", {})
    return state


def _is_preflight(scope: Scope) -> bool:
    return any(name == b"access-control-request-method" for name, _ in scope["headers"])
