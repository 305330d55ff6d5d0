"""The careful second look: everything that the quick look of `asgi` could not say yes to.

Room: gate. It asks the house around it only where the pass is not enough, and remembers the answer; a request that is
stopped asks again each time, because its subject may have accepted a moment ago in another worker.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable
from dataclasses import replace

from consentgate.errors import StoreError
from consentgate.gate.answers import Addresses, see_other
from consentgate.gate.asking import Asking, Look, make_look
from consentgate.gate.cookies import PassCookie
from consentgate.gate.crawlers import Crawlers
from consentgate.gate.epoch import Epoch, Watch
from consentgate.gate.fields import Fields, fields_of
from consentgate.gate.hooks import ASGIApp, Hooks, Passage, Receive, Scope, Send, tell
from consentgate.gate.options import GateOptions, GateState
from consentgate.gate.passes import Pass
from consentgate.gate.paths import PathSet, local_path
from consentgate.gate.recognising import COMMON_NAME, NOTHING_FOUND, Recogniser, as_subject
from consentgate.gate.sending import gives_pass, with_notices
from consentgate.gate.stopping import Stops
from consentgate.gate.verdict import Outcome
from consentgate.terms.policy import under
from consentgate.terms.subject import Subject

logger = logging.getLogger("consentgate")

_READING = ("GET", "HEAD")
# Looking a member up in its class costs as much as a look into a dictionary, four times over.
_REVIEW, _REMIND = Outcome.REVIEW, Outcome.REMIND


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
        self.recogniser = Recogniser(self.watch, PassCookie(secure=options.secure, domain=options.cookie_domain), hooks)
        self.app = with_notices(app, self.watch, options)
        self._hooks = hooks
        self._options = options
        self._who = options.subject
        self._prefix = options.prefix
        self._plain = PathSet(tuple(options.prefix + path for path in ("/static", "/health", "/metrics")))
        self._free = PathSet((*options.exempt, *options.open_paths))
        self._clock = options.clock
        self._cell = state.generation.cell
        self._crawlers = Crawlers()
        self._ignores_visitors = options.anonymous == "pass"
        self._reminds = options.anonymous == "remind"
        self._knows_crawlers = options.crawlers == "pass"
        self._said_open = False
        self._stops = Stops(hooks, Addresses(options.prefix, state, options.base_url))
        self._asking = Asking(hooks)
        self._for_strangers: ASGIApp = self._make_strange()
        if self._ignores_visitors:
            self._for_strangers = self.app
        elif self._reminds:
            self._for_strangers = self.route

    def entrance_for(self, scope: Scope, cookies: bytes, token: bytes, said: Subject | str | None) -> ASGIApp:
        """Where the quick look sends a request whose pass it does not know.

        The quick look has seen that the epoch holds and that the path is none of ours.

        Args:
            scope: of the request.
            cookies: the last cookie header.
            token: what stands in it behind another cookie and the name of the pass; empty when nothing does.
            said: what ``subject=`` returned.
        """
        if token or COMMON_NAME in cookies:
            return self.app if self.recogniser.admits(scope, cookies, token, said) else self.route
        return self.route if said is not None else self._for_strangers

    def _make_strange(self) -> ASGIApp:
        """Make what sends a stranger's navigation to the review page, and everything else the long way.

        It says nothing that `_gated` would not say. It is the answer that floods are made of, so it must cost little:
        a closure, and what is usual before what is not.
        """
        watch, route, turn_away = self.watch, self.route, self._stops.turn_away
        prefixes, agents, knows_crawlers = self._free.prefixes, self._crawlers.seen, self._knows_crawlers

        def strange(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
            headers, epoch = scope["headers"], watch.epoch
            fields, passage = dict(headers), epoch.snapshot.stopped_stranger
            if (
                passage is None
                or scope.get("method") != "GET"
                or fields.get(b"sec-fetch-mode") != b"navigate"
                or len(fields) != len(headers)  # there may be another cookie header
                or scope.get("root_path")  # the path may be exempt without it
                or scope["path"].startswith(prefixes)
                or (knows_crawlers and agents.young.get(fields.get(b"user-agent", b""), True))  # or new
            ):
                return route(scope, receive, send)
            if not scope.get("query_string") and not logger.isEnabledFor(logging.INFO):
                location = epoch.locations.young.get(scope.get("raw_path"))
                if location is not None:
                    return see_other(send, location)
            return turn_away(scope, send, passage, epoch)

        return strange

    def route(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Answer a request, or hand it on. No coroutine itself: it hands on the one that answers."""
        kind = scope["type"]
        if kind != "http" and kind != "websocket":
            app = self._options.lifespan if kind == "lifespan" and self._options.lifespan else self.app
            return app(scope, receive, send)
        path = local_path(scope) if scope.get("root_path") else scope["path"]
        if self._prefix in path and under(path, self._prefix):
            return self._own(scope, receive, send, path)
        if path in self._free or (scope.get("method") == "OPTIONS" and _is_preflight(scope)):
            return self.app(scope, receive, send)
        epoch = self.watch.epoch
        if self._clock() >= epoch.deadline or self._cell[0] != epoch.generation:
            return self._renewed(scope, receive, send, path)
        return self._gated(scope, receive, send, path, epoch)

    def _gated(self, scope: Scope, receive: Receive, send: Send, path: str, epoch: Epoch) -> Awaitable[None]:
        if not epoch.snapshot.gates:
            self._say_open()
            return self.app(scope, receive, send)
        said = subject = None
        if self._who is not None:
            try:
                said = self._who(scope)
                subject = as_subject(said)
            except Exception as error:  # noqa: BLE001 - it is the host's, and may raise anything
                return self._failed(scope, receive, send, error)
        if subject is None and self._ignores_visitors:
            return self.app(scope, receive, send)
        fields = fields_of(scope["headers"])
        cookies = fields.get(b"cookie", b"")
        if COMMON_NAME not in cookies:
            found = NOTHING_FOUND
        else:
            found = self.recogniser.find(epoch, scope, cookies, subject, said)
            if found.opens:
                return self.app(scope, receive, send)
        if subject is None and found.proof is None:
            passage = epoch.snapshot.stranger or epoch.snapshot.stranger_on(path)
            if passage.verdict.outcome is _REVIEW and not self._lets_through(scope, fields, None):
                return self._stops.stop(scope, receive, send, passage, path, fields, epoch)
        return self._judged(scope, receive, send, make_look(scope, path, fields, subject, self._clock(), found), epoch)

    async def _renewed(self, scope: Scope, receive: Receive, send: Send, path: str) -> None:
        epoch = self.watch.epoch
        try:
            epoch = await self.watch.renew(self._clock())
        except Exception as error:
            if self._options.fail == "closed" or epoch.generation < 0:
                await self._failed(scope, receive, send, error)
                return
            logger.exception("the published terms could not be loaded; going on with the ones known before")
        await self._gated(scope, receive, send, path, epoch)

    async def _judged(self, scope: Scope, receive: Receive, send: Send, look: Look, epoch: Epoch) -> None:
        try:
            verdict = await self._asking.judge(look, epoch)
        except Exception as error:  # noqa: BLE001 - the store may raise anything
            await self._failed(scope, receive, send, error)
            return
        if look.subject is None and self._lets_through(scope, look.fields, look.proof):
            if verdict.outcome is _REVIEW:
                verdict = replace(verdict, outcome=_REMIND)
        elif verdict.outcome is _REVIEW:
            await self._stops.stop(scope, receive, send, look.passage(verdict), look.path, look.fields, epoch)
            return
        elif verdict.outcome is _REMIND and look.interruptible and scope["method"] in _READING:
            await self._stops.interrupt(scope, send, epoch)
            return
        tell(scope, look.passage(verdict))
        if look.reseal is not None:
            send = gives_pass(send, self.recogniser.cookie.set(look.reseal, scope))
        await self.app(scope, receive, send)

    def _lets_through(self, scope: Scope, fields: Fields, proof: Pass | None) -> bool:
        """Whether a visitor goes on even if the verdict is to stop."""
        if self._reminds:
            return True
        if not self._knows_crawlers or proof is not None or scope.get("method") not in _READING:
            return False
        return fields.get(b"user-agent", b"") in self._crawlers

    async def _own(self, scope: Scope, receive: Receive, send: Send, path: str) -> None:
        """Hand a request for our own pages on, with what is known of who asks. Never stopped: that would loop."""
        if path in self._plain:  # these do not care who asks, and answer while the database is away
            await self._hooks.pages(scope, receive, send)
            return
        passage, reseal = await self._introduced(scope, path)
        tell(scope, passage)
        if reseal is not None:
            send = gives_pass(send, self.recogniser.cookie.set(reseal, scope))
        await self._hooks.pages(scope, receive, send)

    async def _introduced(self, scope: Scope, path: str) -> tuple[Passage, str | None]:
        """What the pages should know, and the pass of a user who has just been linked to this device.

        Whatever fails, the pages still have something to show: a text, or that it must be tried again.
        """
        now, epoch, failed = self._clock(), self.watch.epoch, False
        try:
            if self.watch.stale(now):
                epoch = await self.watch.renew(now)
        except Exception:
            logger.exception("the published terms could not be loaded for one of our own pages")
            failed = True
        try:
            said = None if self._who is None else self._who(scope)
            subject = as_subject(said)
        except Exception:
            logger.exception("subject= failed for one of our own pages")
            return Passage(failed=True), None
        fields = fields_of(scope["headers"])
        found = self.recogniser.find(epoch, scope, fields.get(b"cookie", b""), subject, said, opens=False)
        look = make_look(scope, path, fields, subject, now, found)
        try:
            if scope.get("method") == "GET":
                await self._asking.introduce(look, epoch)
        except Exception:
            logger.exception("a visitor could not be linked to the user who signed in")
            failed = True
        return replace(look.passage(self._asking.by_pass(look, epoch)), failed=failed), look.reseal

    async def _failed(self, scope: Scope, receive: Receive, send: Send, error: Exception) -> None:
        """The gate cannot tell: go on or answer 503, as the options say."""
        # What the store says of itself is plain enough; a trace for each request of an outage helps nobody.
        trace = None if isinstance(error, StoreError) else error
        logger.error(
            "the gate could not tell (%s: %s); fail=%s", type(error).__name__, error, self._options.fail, exc_info=trace
        )
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
