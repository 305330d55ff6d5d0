"""A house for the gate to stand in: published policies, hooks that count or refuse, and a client of raw ASGI."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from consentgate.gate.asgi import build_gate
from consentgate.gate.hooks import Accepted, ASGIApp, KeptForm, Message, Passage, Receive, Scope, Send, passage_of
from consentgate.gate.options import GateOptions, GateState
from consentgate.gate.passes import PassSealer
from consentgate.gate.seals import Seals
from consentgate.gate.verdict import Verdict
from consentgate.terms.calendar import Calendar
from consentgate.terms.instants import DAY, SECOND, Instant
from consentgate.terms.policy import Audience, Impact, Kind, Policy, Translation, Version
from consentgate.terms.subject import Subject, SubjectKind

NOW: Instant = 1_750_000_000 * SECOND
SECRET = "a secret for tests, long enough"
OLD_SECRET = "an older secret for tests, long enough"
VISITOR_ID = "0123456789abcdef0123456789abcdef"
VISITOR = Subject(VISITOR_ID, SubjectKind.VISITOR)
NAVIGATION = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document", "accept": "text/html"}


def policy(slug: str = "terms-of-use", **more: Any) -> Policy:
    """A policy with a title."""
    return Policy(slug=slug, title=(("en", slug.replace("-", " ").title()),), **more)


def version(
    serial: int,
    slug: str = "terms-of-use",
    *,
    effective: Instant = NOW - 10 * DAY,
    enforced: Instant | None = None,
    announced: Instant | None = None,
    impact: Impact = Impact.MATERIAL,
    text: str | None = None,
) -> Version:
    """A version in force since ten days ago, unless said otherwise."""
    digest = (text or f"{serial:064x}")[:64].rjust(64, "0")
    return Version(
        policy=slug,
        label=f"{serial}.0",
        serial=serial,
        impact=impact,
        announced=effective if announced is None else announced,
        effective=effective,
        enforced=effective if enforced is None else enforced,
        prevailing="en",
        translations=(Translation("en", "Terms", digest, digest, 10),),
        published=effective,
    )


ONE_POLICY = Calendar((policy(),), (version(1), version(2)))
"""Terms of use whose second version is demanded: who has accepted serial 2 passes."""


class Clock:
    """A clock that stands still until it is told."""

    def __init__(self, now: Instant = NOW) -> None:
        self.seconds = now / SECOND

    def __call__(self) -> float:
        return self.seconds

    @property
    def instant(self) -> Instant:
        """The time as an instant."""
        return int(self.seconds * SECOND)


@dataclass
class House:
    """Hooks that answer from memory and write down what they were asked."""

    calendar: Calendar = ONE_POLICY
    ledger: dict[str, Accepted] = field(default_factory=dict)
    linked: dict[tuple[str, str], Accepted] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    reviews: list[dict[str, Any]] = field(default_factory=list)
    fault: Exception | None = None

    async def reload(self) -> Calendar:
        self.note("reload")
        return self.calendar

    async def accepted(self, subject: Subject) -> Accepted:
        self.note(f"accepted {subject.key}")
        return self.ledger.get(subject.key, Accepted(frozenset()))

    async def link(self, visitor_id: str, subject: Subject) -> Accepted:
        self.note(f"link {visitor_id} {subject.key}")
        return self.linked.get((visitor_id, subject.key), Accepted(frozenset()))

    def heard(self, tree_size: int) -> None:
        self.sizes.append(tree_size)

    def note(self, what: str) -> None:
        self.asked.append(what)
        if self.fault is not None:
            raise self.fault

    async def pages(self, scope: Scope, receive: Receive, send: Send) -> None:
        await reply(send, 200, b"page", [(b"x-page", b"1")])

    async def review(
        self, scope: Scope, receive: Receive, send: Send, *,
        verdict: Verdict, status: int, kept: KeptForm | None, too_large: bool,
    ) -> None:  # fmt: skip
        self.reviews.append({"verdict": verdict, "kept": kept, "too_large": too_large, "passage": passage_of(scope)})
        await reply(send, status, b"review")

    async def unavailable(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1013})
        else:
            await reply(send, 503, b"later")


async def reply(send: Send, status: int, body: bytes, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
    """A whole response."""
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": body})


@dataclass
class Answer:
    """What came back, and whether the application behind the gate was reached."""

    messages: list[Message]
    reached: bool
    scope: Scope
    inbox: list[Message]

    @property
    def status(self) -> int:
        return int(self.messages[0].get("status", 0))

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages[1:])

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode("latin-1") for name, value in self.messages[0].get("headers", ())}

    @property
    def all_headers(self) -> list[tuple[bytes, bytes]]:
        return list(self.messages[0].get("headers", ()))

    @property
    def cookie(self) -> str | None:
        """The token of the pass that was set."""
        value = self.headers.get("set-cookie")
        return None if value is None else value.partition("=")[2].partition(";")[0]

    @property
    def passage(self) -> Passage:
        return passage_of(self.scope)


class Site:
    """An application behind a gate, with a client."""

    def __init__(
        self,
        house: House | None = None,
        *,
        secrets: tuple[str, ...] = (SECRET,),
        clock: Clock | None = None,
        app_headers: Iterable[tuple[bytes, bytes]] = (),
        wrap: Callable[[ASGIApp], ASGIApp] | None = None,
        **options: Any,
    ) -> None:
        self.house = house or House()
        self.clock = clock or Clock()
        self.state = GateState(Seals(secrets))
        self.sealer = PassSealer(self.state.seals)
        self.app_headers = list(app_headers)
        self.seen: list[Scope] = []
        self.sends: list[Send] = []
        self.gate = build_gate(
            self.app, state=self.state, hooks=self.house, options=GateOptions(clock=self.clock, **options)
        )

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.seen.append(scope)
        self.sends.append(send)
        if scope["type"] == "http":
            await reply(send, 200, b"hello", self.app_headers)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.accept"})

    def token(self, *serials: int, subject: Subject = VISITOR, **more: Any) -> str:
        """A pass for these serials."""
        return self.sealer.issue(subject, serials, now=more.pop("now", self.clock.instant), **more)

    def publish(self, calendar: Calendar) -> None:
        """Publish, and tell every worker."""
        self.house.calendar = calendar
        self.state.generation.bump()

    async def request(
        self,
        path: str = "/articles/1",
        *,
        method: str = "GET",
        headers: Mapping[str, str] | Iterable[tuple[bytes, bytes]] = (),
        cookie: str | bytes | None = None,
        query: bytes = b"",
        body: bytes | Iterable[bytes] = b"",
        kind: str = "http",
        **more: Any,
    ) -> Answer:
        """One request through the gate."""
        scope = make_scope(path, method=method, headers=headers, cookie=cookie, query=query, kind=kind, **more)
        chunks = [body] if isinstance(body, bytes) else list(body)
        inbox: list[Message] = [
            {"type": "http.request", "body": chunk, "more_body": place < len(chunks) - 1}
            for place, chunk in enumerate(chunks)
        ]
        messages: list[Message] = []

        async def receive() -> Message:
            return inbox.pop(0) if inbox else {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            messages.append(message)

        before = len(self.seen)
        await self.gate(scope, receive, send)
        return Answer(messages, len(self.seen) > before, scope, inbox)

    def get(self, path: str = "/articles/1", **more: Any) -> Answer:
        """`request`, from a test that is not a coroutine."""
        return asyncio.run(self.request(path, **more))


def make_scope(
    path: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | Iterable[tuple[bytes, bytes]] = (),
    cookie: str | bytes | None = None,
    query: bytes = b"",
    kind: str = "http",
    **more: Any,
) -> Scope:
    """A scope as a server makes it."""
    if isinstance(headers, Mapping):
        pairs = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    else:
        pairs = list(headers)
    if cookie is not None:
        value = cookie if isinstance(cookie, bytes) else f"consentgate={cookie}".encode()
        pairs.append((b"cookie", value))
    scope: Scope = {
        "type": kind,
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "ws" if kind == "websocket" else "http",
        "path": path,
        "raw_path": path.encode("utf-8", "surrogateescape"),
        "query_string": query,
        "root_path": "",
        "headers": pairs,
        "state": {},
    }
    if kind == "http":
        scope["method"] = method
    return {**scope, **more}


GRACE = Calendar((policy(),), (version(1), version(2, effective=NOW - DAY, enforced=NOW + 5 * DAY)))
"""The second version is effective and will be enforced in five days."""

BY_PATH = Calendar((policy("selling", audience=Audience(paths=("/account",))),), (version(1, "selling"),))
"""Terms that bind under /account alone."""

CONSENT_ONLY = Calendar((policy("newsletter", kind=Kind.CONSENT),), (version(1, "newsletter"),))
