"""The careful second look: everything that the quick look of `asgi` could not say yes to.

Room: gate. It asks the house around it only where the pass is not enough, and remembers the answer; a request that is
stopped asks again each time, because its subject may have accepted a moment ago in another worker.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from consentgate.gate.answers import Addresses
from consentgate.gate.asking import Asking, keeps_cookies, make_look
from consentgate.gate.cookies import set_pass
from consentgate.gate.crawlers import Crawlers
from consentgate.gate.epoch import Epoch, Watch
from consentgate.gate.hooks import ASGIApp, Hooks, Passage, Receive, Scope, Send, tell
from consentgate.gate.options import GateOptions, GateState
from consentgate.gate.paths import is_under, local_path
from consentgate.gate.recognising import Found, Recogniser, as_subject
from consentgate.gate.sending import gives_pass, with_notices
from consentgate.gate.stopping import Stops
from consentgate.gate.verdict import Outcome
from consentgate.gate.wants import Fields
from consentgate.terms.policy import under

logger = logging.getLogger("consentgate")


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
        self.recogniser = Recogniser(self.watch, options.secure)
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
        fields = dict(scope["headers"])
        found = self.recogniser.find(epoch, scope, fields, subject, said)
        if found.opens:
            await self.app(scope, receive, send)
            return
        if subject is None and found.proof is None:
            passage, reseal = epoch.snapshot.stranger(path), None
        else:
            look = make_look(scope, path, fields, subject, now, found)
            try:
                verdict = await self._asking.judge(look, epoch)
            except Exception as error:  # noqa: BLE001 - the store may raise anything
                await self._failed(scope, receive, send, error)
                return
            passage, reseal = look.passage(verdict), look.reseal
        if subject is None and passage.verdict.outcome is not Outcome.PASS and self._lets_through(scope, fields, found):
            passage = replace(passage, verdict=replace(passage.verdict, outcome=Outcome.REMIND))
            tell(scope, passage)
            await self.app(scope, receive, send)
            return
        await self._answer(scope, receive, send, passage, reseal, path, fields, epoch)

    async def _answer(
        self, scope: Scope, receive: Receive, send: Send,
        passage: Passage, reseal: str | None, path: str, fields: Fields, epoch: Epoch,
    ) -> None:  # fmt: skip
        outcome = passage.verdict.outcome
        if outcome is Outcome.REVIEW:
            await self._stops(scope, receive, send, passage=passage, path=path, fields=fields, epoch=epoch)
        elif outcome is Outcome.REMIND and keeps_cookies(scope, fields) and scope["method"] in ("GET", "HEAD"):
            await self._stops.page(scope, send, epoch)
        else:
            tell(scope, passage)
            if reseal is not None:
                send = gives_pass(send, set_pass(reseal, secure=self.recogniser.is_secure(scope)))
            await self.app(scope, receive, send)

    def _lets_through(self, scope: Scope, fields: Fields, found: Found) -> bool:
        """Whether a visitor who would be stopped goes on all the same."""
        if self._options.anonymous == "remind":
            return True
        if self._options.crawlers == "gate" or found.proof is not None or scope.get("method") not in ("GET", "HEAD"):
            return False
        return fields.get(b"user-agent", b"") in self._crawlers

    async def _own(self, scope: Scope, receive: Receive, send: Send, path: str) -> None:
        """Hand a request for our own pages on, with what is known of who asks. Never stopped: that would loop."""
        if not under(path, self._static):
            now = self._clock()
            try:
                epoch = await self.watch.renew(now) if self.watch.stale(now) else self.watch.epoch
                said = None if self._who is None else self._who(scope)
                subject, fields = as_subject(said), dict(scope["headers"])
                found = self.recogniser.find(epoch, scope, fields, subject, said, opens=False)
                look = make_look(scope, path, fields, subject, now, found)
                if scope.get("method") == "GET":
                    await self._asking.introduce(look, epoch)
                tell(scope, look.passage(self._asking.by_pass(look, epoch)))
                if look.reseal is not None:
                    send = gives_pass(send, set_pass(look.reseal, secure=self.recogniser.is_secure(scope)))
            except Exception:
                # The pages still have something to show: a text, or that it must be tried again.
                logger.exception("a request for our own pages could not be told apart")
                tell(scope, Passage(failed=True))
        await self._hooks.pages(scope, receive, send)

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
            tell(scope, Passage(failed=True))
            await self.app(scope, receive, send)
        else:
            await self._hooks.unavailable(scope, receive, send)

    def _say_open(self) -> None:
        if not self._said_open:
            self._said_open = True
            logger.warning("no policy is in force, so the gate is open; publish one to close it")


def _is_preflight(scope: Scope) -> bool:
    return any(name == b"access-control-request-method" for name, _ in scope["headers"])
