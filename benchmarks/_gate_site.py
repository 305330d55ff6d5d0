"""What `gate.py` measures on: one site, one browser's headers, one pass; and the same site to serve by a real server.

``uvicorn --factory --app-dir benchmarks _gate_site:bare`` and ``:gated`` serve it.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from consentgate.gate.asgi import build_gate
from consentgate.gate.hooks import Accepted, ASGIApp
from consentgate.gate.options import GateOptions, GateState
from consentgate.gate.passes import PassSealer
from consentgate.gate.seals import Seals
from consentgate.terms.calendar import Calendar
from consentgate.terms.instants import DAY, SECOND
from consentgate.terms.policy import Impact, Policy, Translation, Version
from consentgate.terms.subject import Subject, SubjectKind

Scope = dict[str, Any]
Send = Callable[[dict[str, Any]], Awaitable[None]]

SECRET = "only for benchmarks, nobody's secret"
VISITOR = Subject("0123456789abcdef0123456789abcdef", SubjectKind.VISITOR)
SERIALS = (3, 5, 7)
SERVED = (1, 2, 3)
SLUGS = ("terms-of-use", "privacy", "community-rules")
OTHER_COOKIES_BEFORE = (
    b"_ga=GA1.2.1234567890.1700000000; _gid=GA1.2.987654321.1700000000; "
    b"session=eyJfZnJlc2giOmZhbHNlfQ.ZkQ0xg.3v9cPq1Yy2Zt1j2nW2o8p8mN0vQ; csrftoken=hY8z0o0K5q9qA1b2C3d4E5f6G7h8I9j0; "
    b"theme=dark; "
)
OTHER_COOKIES_AFTER = b"locale=en-GB; _fbp=fb.1.1700000000000.1234567890"
USER_AGENT = b"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36"
BROWSER = [
    (b"host", b"news.example"),
    (b"connection", b"keep-alive"),
    (b"cache-control", b"max-age=0"),
    (b"sec-ch-ua", b'"Chromium";v="130", "Not?A_Brand";v="99"'),
    (b"sec-ch-ua-mobile", b"?0"),
    (b"sec-ch-ua-platform", b'"Linux"'),
    (b"upgrade-insecure-requests", b"1"),
    (b"user-agent", USER_AGENT),
    (b"accept", b"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"),
    (b"sec-fetch-site", b"none"),
    (b"sec-fetch-mode", b"navigate"),
    (b"sec-fetch-user", b"?1"),
    (b"sec-fetch-dest", b"document"),
    (b"accept-encoding", b"gzip, deflate, br, zstd"),
    (b"accept-language", b"en-GB,en;q=0.9"),
    (b"priority", b"u=0, i"),
]  # fmt: skip
PATH = "/articles/2026/the-six-sentences-that-changed"
_RESPONSE = [(b"content-type", b"text/plain"), (b"content-length", b"5")]


def browser_scope(cookies: bytes, path: str = PATH) -> Scope:
    """A request of a browser: 17 headers, the cookies last."""
    return {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.4"}, "http_version": "1.1", "method": "GET",
        "scheme": "http", "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "",
        "server": ("127.0.0.1", 8000), "client": ("127.0.0.1", 50000), "headers": [*BROWSER, (b"cookie", cookies)],
        "state": {},
    }  # fmt: skip


def cookies(token: str, name: str = "consentgate") -> bytes:
    """Eight cookies, the pass at the sixth place; seven without a token."""
    own = f"{name}={token}; ".encode() if token else b""
    return OTHER_COOKIES_BEFORE + own + OTHER_COOKIES_AFTER


async def application(scope: Scope, receive: Any, send: Send) -> None:
    """The application behind the gate: the cheapest answer there is."""
    await send({"type": "http.response.start", "status": 200, "headers": _RESPONSE})
    await send({"type": "http.response.body", "body": b"hello"})


def calendar() -> Calendar:
    """Three policies in force, each with one version."""
    past = int(time.time()) * SECOND - 10 * DAY
    policies = tuple(Policy(slug, (("en", slug),)) for slug in SLUGS)
    versions = tuple(
        Version(
            policy.slug, "1.0", serial, Impact.MATERIAL, past, past, past, "en",
            (Translation("en", policy.slug, f"{serial:064x}", f"{serial:064x}", 1_000),), past,
        )
        for policy, serial in zip(policies, SERIALS, strict=True)
    )  # fmt: skip
    return Calendar(policies, versions)


class Refusing:
    """Hooks that load the calendar and refuse everything else: a good pass needs none of them."""

    async def reload(self) -> Calendar:
        return calendar()

    async def accepted(self, subject: Subject) -> Accepted:
        raise AssertionError("the ledger was asked")

    async def link(self, visitor_id: str, subject: Subject) -> Accepted:
        raise AssertionError("the ledger was asked")

    def heard(self, tree_size: int) -> None:
        """The ledger is said to be so large."""

    async def pages(self, scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("a page was served")

    async def review(self, scope: Any, receive: Any, send: Any, **rest: Any) -> None:
        raise AssertionError("a page was served")

    async def unavailable(self, scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("unavailable")


def make_gate(app: Any = application, **options: Any) -> ASGIApp:
    """The gate around an application."""
    return build_gate(app, state=GateState(Seals(SECRET)), hooks=Refusing(), options=GateOptions(**options))


def make_token(visitor: int | None = None, serials: Sequence[int] = SERIALS) -> str:
    """A good pass, for the visitor or for the n-th of many."""
    subject = VISITOR if visitor is None else Subject(f"{visitor:032x}", SubjectKind.VISITOR)
    return PassSealer(Seals(SECRET)).issue(subject, serials, now=int(time.time()) * SECOND, tree_size=1_000)


def bare() -> Any:
    """For a server: the application alone."""
    return _with_lifespan(application)


def gated() -> Any:
    """For a server: the application behind the gate as a host has it: ledger, pages, watching thread and all.

    Its three versions have the serials of `SERVED`.
    """
    from consentgate import ConsentGate
    from consentgate.testing import memory_terms, publish_text, run

    terms = memory_terms(secrets=(SECRET.encode(),))

    async def publish() -> None:
        await terms.start()
        for slug in SLUGS:
            await publish_text(terms, f"# {slug}\n\nBe kind to one another.\n", policy=slug)

    run(publish())
    return ConsentGate(_with_lifespan(application), terms=terms)


def _with_lifespan(app: Any) -> Any:
    async def serve(scope: Scope, receive: Any, send: Send) -> None:
        if scope["type"] == "lifespan":
            while True:
                message = await receive()
                await send({"type": message["type"] + ".complete"})
                if message["type"] == "lifespan.shutdown":
                    return
        await app(scope, receive, send)

    return serve


def noop() -> Any:
    """For a server: the application behind a middleware that does nothing."""
    app = _with_lifespan(application)

    class NoOp:
        async def __call__(self, scope: Scope, receive: Any, send: Send) -> None:
            await app(scope, receive, send)

    return NoOp()
