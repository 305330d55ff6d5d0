"""The one line: ``app = ConsentGate(app, policies=…, database=…, secret=…, subject=who)``.

Room: the top floor. It wires gate, pages, API and start-up around any ASGI application, always from outside, so that
it works the same for Starlette, FastAPI, Quart, Litestar, Django or a bare callable, and sees WebSockets, unrouted
paths and lifespan whatever the framework does with them.

`ConsentGate` is a function that returns a closure, not a class: calling an instance's ``__call__`` would cost as much
as a good part of what the gate does for a visitor who has accepted.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar, cast

from consentgate.errors import ConfigurationError, StoreUnavailableError
from consentgate.gate.answers import Addresses
from consentgate.gate.asgi import build_gate
from consentgate.gate.cookies import PassCookie
from consentgate.gate.hooks import Accepted, ASGIApp, KeptForm, Receive, Scope, Send
from consentgate.gate.options import GateOptions, GateState, paths_of
from consentgate.gate.seals import Seals
from consentgate.gate.verdict import Verdict
from consentgate.host.reception import RECEPTION_KEY, Reception, leave_with
from consentgate.lifespan import lifespan_around
from consentgate.service.settings import WELL_KNOWN, Secret, Settings, database_url, resolve_secrets
from consentgate.terms.calendar import Calendar
from consentgate.terms.instants import SECOND
from consentgate.terms.subject import Subject

if TYPE_CHECKING:
    from consentgate.service.administrators import AdministratorOf
    from consentgate.service.terms import Terms

Who = Callable[[Scope], Subject | str | None]
T = TypeVar("T")

PATIENCE = 10.0
"""Seconds a request waits for the database before the gate answers as ``fail`` says: one that hangs is none."""


class GatedApp(Protocol):
    """An ASGI application with the handle to its terms."""

    terms: Terms

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""


def ConsentGate(  # noqa: N802  (it is used like a middleware class, and reads like one)
    app: ASGIApp,
    *,
    policies: str | Path | None = None,
    database: str = "sqlite:///consentgate.db",
    secret: Secret | None = None,
    subject: Who | None = None,
    prefix: str = "/terms",
    exempt: Sequence[str] = (),
    open_paths: Sequence[str] = (),
    anonymous: Literal["gate", "remind", "pass"] = "gate",
    crawlers: Literal["pass", "gate"] = "pass",
    fail: Literal["closed", "open"] = "closed",
    site_name: str = "",
    locale: str = "en",
    templates: str | Path | None = None,
    declined_url: str | None = None,
    origin: str | None = None,
    ledger_key: str | Path | None = None,
    state: str | Path | None = None,
    record_ip: Literal["none", "truncated", "full"] = "none",
    record_user_agent: bool = False,
    trusted_proxies: Sequence[str] = (),
    base_url: str | None = None,
    secure_cookies: bool | None = None,
    cookie_domain: str | None = None,
    link_header: bool = False,
    update_header: bool = False,
    metrics: bool = False,
    tiles: bool = False,
    admin: AdministratorOf | None = None,
    approvals: int = 0,
    test: bool = False,
    terms: Terms | None = None,
) -> GatedApp:
    """Put the gate around an ASGI application.

    Args:
        app: any ASGI application.
        policies: folder that is published at start-up (what is new in it).
        database: SQLAlchemy URL, or a path for SQLite.
        secret: what seals passes and offers: a string of at least 32 random characters, a list of them (newest
            first), or the `Path` of a file with one a line, which is read again when it changes. ``None`` reads
            ``CONSENTGATE_SECRET``.
        subject: who is asking, from the ASGI scope: a `Subject`, a user id, or ``None`` for an anonymous visitor.
            Called on each request; it may not wait.
        prefix: where our pages live.
        exempt: paths (whole segments) that are none of the gate's business: static files, health checks. To these
            come ``/.well-known``, ``/favicon.ico`` and ``/robots.txt``.
        open_paths: paths that must stay reachable for whoever has not accepted: sign-out, account deletion,
            get-my-data, support. They are offered to those who decline.
        anonymous: ``gate`` stops visitors, ``remind`` lets them through and tells the host, ``pass`` ignores them.
        crawlers: whether known crawlers pass where a visitor would be stopped.
        fail: ``closed`` answers 503 when nothing can be decided, ``open`` lets through and logs.
        site_name: shown on our pages.
        locale: interface language where the visitor's is not available.
        templates: folder whose templates override ours.
        declined_url: where those who decline go; ``None`` for our own page.
        origin: name of the ledger: a URL without its scheme, such as ``example.com/terms-ledger``.
        ledger_key: the ledger's signing key or its file; ``None`` for ``<database>.key``.
        state: on PostgreSQL, the folder for the signing key and what else must not be in the database; ``None`` for
            ``consentgate-state``.
        record_ip: ``none``, ``truncated`` or ``full``.
        record_user_agent: whether the User-Agent is kept with a decision.
        trusted_proxies: addresses or networks whose ``X-Forwarded-*`` headers are believed.
        base_url: scheme and host for addresses in problem documents; ``None`` takes those of the request.
        secure_cookies: force the https form of the cookie where a proxy hides the scheme; ``None`` goes by the scheme.
        cookie_domain: whose sub-domains share the pass, such as ``example.org``; ``None`` binds it to its host.
        link_header: add ``Link: …; rel="terms-of-service"`` to every response.
        update_header: add ``Terms-Update`` to every response while a version is announced.
        metrics: serve counters for monitoring (Prometheus text) at ``<prefix>/metrics``, to everybody who gets there.
        tiles: serve the ledger's checkpoint, tiles and entries to everybody, below ``<prefix>/log``.
        admin: who administers, from the ASGI scope: an `Administrator` with roles, or ``None``; it may be a coroutine.
            Without it, and for whom it does not know, tokens made by ``consentgate token new`` are the way in.
        approvals: ``1`` demands a second person: what an administrator publishes, another publisher approves.
        test: mark every record as a test, for good.
        terms: a handle of your own instead of one made from the settings (for tests).

    Returns:
        The gated application. Its ``terms`` is the handle for everything else.

    Raises:
        ConfigurationError: something cannot be used; the hint says what to write.
    """
    if terms is not None:
        own = {
            "policies": policies, "secret": secret, "exempt": exempt, "open_paths": open_paths, "origin": origin,
            "ledger_key": ledger_key, "templates": templates, "declined_url": declined_url, "site_name": site_name,
            "state": state, "trusted_proxies": trusted_proxies, "cookie_domain": cookie_domain,
            "approvals": approvals,
        }  # fmt: skip
        if ignored := [name for name, value in own.items() if value]:
            raise ConfigurationError(
                f"terms= brings its own settings, so {', '.join(ignored)} would be ignored",
                hint="give them to the settings that terms is made with",
            )
    settings = terms.settings if terms is not None else Settings(
        database=database_url(str(database)),
        secrets=resolve_secrets(secret),
        secret_file=secret.absolute() if isinstance(secret, Path) else None,
        policies=Path(policies) if policies is not None else None,
        prefix=prefix,
        origin=origin,
        ledger_key=str(ledger_key) if ledger_key is not None else None,
        state=Path(state) if state is not None else None,
        site_name=site_name,
        locale=locale,
        templates=Path(templates) if templates is not None else None,
        declined_url=declined_url,
        exempt=(*WELL_KNOWN, *paths_of("exempt", exempt)),
        open_paths=paths_of("open_paths", open_paths),
        anonymous=anonymous,
        crawlers=crawlers,
        fail=fail,
        record_ip=record_ip,
        record_user_agent=record_user_agent,
        trusted_proxies=tuple(trusted_proxies),
        secure_cookies=secure_cookies,
        cookie_domain=cookie_domain,
        metrics=metrics,
        tiles=tiles,
        approvals=approvals,
        test=test,
    )  # fmt: skip
    house = House(settings, terms, subject, base_url, admin)
    leave_with(app, house.reception)
    options = GateOptions(
        prefix=settings.prefix,
        subject=subject,
        anonymous=settings.anonymous,
        crawlers=settings.crawlers,
        exempt=settings.exempt,
        open_paths=settings.open_paths,
        fail=settings.fail,
        secure=settings.secure_cookies,
        cookie_domain=settings.cookie_domain,
        base_url=base_url,
        link_header=link_header,
        update_header=update_header,
        lifespan=lifespan_around(app, house.start, house.stop, carried={RECEPTION_KEY: house.reception}),
        clock=house.clock,
    )
    gated = cast(GatedApp, build_gate(app, state=house.state, hooks=house, options=options))
    gated.terms = house.terms
    return gated


class House:
    """What stands behind the gate: it implements `consentgate.gate.hooks.Hooks` over service and web.

    Args:
        settings: as configured.
        terms: the handle, or ``None`` to make one.
        who, base_url: as the gate has them.
        admin: who administers, if the host says so.
    """

    def __init__(
        self,
        settings: Settings,
        terms: Terms | None,
        who: Who | None,
        base_url: str | None,
        admin: AdministratorOf | None = None,
    ) -> None:
        from consentgate.service.terms import Terms as Handle

        if settings.metrics and find_spec("prometheus_client") is None:
            raise ConfigurationError(
                "metrics=True needs the library of Prometheus", hint="pip install 'consentgate[metrics]'"
            )
        self.settings = settings
        self._admin = admin
        self.terms = terms if terms is not None else Handle(settings)
        self.state = GateState(Seals(settings.secrets), self.terms.generation)
        self.terms.on_seals.append(self.state.use)
        addresses = Addresses(settings.prefix, self.state, base_url)
        self.reception = Reception(
            self.terms,
            who=who,
            addresses=addresses,
            review=self.demanded,
            cookie=PassCookie(secure=settings.secure_cookies, domain=settings.cookie_domain),
        )
        self._health: Any = None
        self._rooms: Any = None

    @property
    def clock(self) -> Callable[[], float]:
        """Seconds since 1970: the system's own function unless the handle has a clock of its own (tests).

        The gate calls it on every request, where two calls of ours would cost as much as the rest of the look.
        """
        from consentgate.service.engine import now

        handle = self.terms.clock
        return time.time if handle is now else lambda: handle() / SECOND

    async def start(self) -> None:
        """Open the ledger; with the host's own templates, build the pages too.

        Raises:
            ConsentGateError: start-up is refused; also for a template or a catalogue of theirs that cannot be used.
        """
        if self.terms.settings.templates is not None:
            _ = self.rooms
        await self.terms.start()

    async def stop(self) -> None:
        """Write what was accepted, and close."""
        await self.terms.stop()

    async def _started(self) -> Terms:
        """The handle, started: where no lifespan arrives, the first request starts it."""
        if not self.terms.started:
            await self.terms.start()
        return self.terms

    async def reload(self) -> Calendar:
        """Everything published, read anew, and whose passes are no evidence any more."""
        terms = await self._started()
        calendar = await _in_time(terms.reload())
        self.state.revoked = terms.revoked
        return calendar

    async def accepted(self, subject: Subject) -> Accepted:
        """What a subject has accepted: one indexed query."""
        return await _in_time((await self._started()).accepted(subject))

    async def link(self, visitor_id: str, subject: Subject) -> Accepted:
        """Carry over what this device accepted before its user signed in."""
        return await _in_time((await self._started()).link(visitor_id, subject))

    def heard(self, tree_size: int) -> None:
        """A pass knows a ledger of this size: the thread that watches compares it with the database."""
        self.terms.hear(tree_size)

    @property
    def rooms(self) -> Any:
        """Pages and API; loaded when the first of them is asked for."""
        if self._rooms is None:
            from consentgate.web.rooms import Rooms

            self._rooms = Rooms(self.terms, self._admin)
        return self._rooms

    @property
    def health(self) -> Any:
        """Health and metrics, which answer before we have started and while the database is away."""
        if self._health is None:
            from consentgate.web.health import HealthPages

            self._health = HealthPages(self.terms)
        return self._health

    async def pages(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve everything under the prefix."""
        if self.health.serves(scope):
            await self.health(scope, receive, send)
            return
        await self._started()
        self.reception.learn_place(scope)
        await self.rooms(scope, receive, send)

    async def review(
        self, scope: Scope, receive: Receive, send: Send, *,
        verdict: Verdict, status: int, kept: KeptForm | None, too_large: bool,
    ) -> None:  # fmt: skip
        """Answer with the review page in place."""
        await self._started()
        await self.rooms.review(scope, receive, send, verdict=verdict, status=status, kept=kept, too_large=too_large)

    async def demanded(self, scope: Scope, receive: Receive, send: Send, *, verdict: Verdict, only: str) -> None:
        """Answer a form that a single route did not take with the review page about the policy it demands."""
        await self._started()
        await self.rooms.review(
            scope, receive, send, verdict=verdict, status=403, kept=None, too_large=True, only=only
        )  # fmt: skip

    async def unavailable(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 503."""
        await self.rooms.unavailable(scope, receive, send)


async def _in_time(answer: Awaitable[T]) -> T:
    """Wait for the database, but not for ever: everybody who arrives meanwhile waits, too."""
    try:
        async with asyncio.timeout(PATIENCE):
            return await answer
    except TimeoutError as error:
        raise StoreUnavailableError(
            f"the database has not answered for {PATIENCE:g} seconds", hint="try again in a moment"
        ) from error
