"""How a gate is set up, and what it shares with the house.

Room: gate. ``consentgate.app`` makes both from its own keywords.
"""

from __future__ import annotations

import inspect
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from consentgate.errors import ConfigurationError
from consentgate.gate.cookies import check_domain
from consentgate.gate.generation import Generation
from consentgate.gate.hooks import ASGIApp, Scope
from consentgate.gate.seals import Seals
from consentgate.terms.subject import Subject

Who: TypeAlias = Callable[[Scope], Subject | str | None]

_PREFIX = re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+")
_BASE = re.compile(r"https?://[^/?#\s]+")


@dataclass(slots=True)
class GateState:
    """What changes while the gate runs. Replace a value, then bump the generation: each worker takes it up. Seals are
    a matter of this process alone, and need no database: `use` others.

    Args:
        seals: every secret in use.
        generation: the publication counter.
        revoked: by binding (`PassSealer.bindings`), the second up to which passes are no evidence any more,
            because something was withdrawn or erased; the ledger is asked instead.
        on_seals: called when other seals are to be used.
    """

    seals: Seals
    generation: Generation = field(default_factory=Generation.local)
    revoked: Mapping[bytes, int] = field(default_factory=dict)
    on_seals: list[Callable[[], None]] = field(default_factory=list)

    def use(self, seals: Seals) -> None:
        """Use other seals from now on; from any thread. What was verified with the old ones is verified again."""
        self.seals = seals
        for hear in self.on_seals:
            hear()


@dataclass(frozen=True, slots=True)
class GateOptions:
    """How a gate behaves.

    Args:
        prefix: where our own pages are.
        subject: who is asking: a `Subject`, a user id, or ``None`` for a visitor. It is called on every request, so
            it must be quick and must not wait; it may raise.
        anonymous: what happens to visitors: ``gate`` stops them, ``remind`` lets them through and tells the host,
            ``pass`` does not look at them.
        crawlers: whether search engines and link previews pass where a visitor would be stopped.
        exempt: paths, by whole segments, that are none of the gate's business (static files, health checks).
        open_paths: paths, by whole segments, that must stay reachable for who has not accepted: sign-out, account
            deletion, get-my-data, support.
        fail: what happens when the ledger or ``subject`` fails: ``closed`` answers 503, ``open`` lets through and logs.
        secure: whether the pass cookie is the https one; ``None`` goes by the scheme of each request.
        cookie_domain: whose sub-domains share the pass, such as ``example.org``; ``None`` binds it to the host.
        base_url: scheme and host to put before addresses in problem documents; ``None`` takes those of the request.
        link_header: add ``Link: …; rel="terms-of-service"`` to every response (costs a wrapped ``send``).
        update_header: add ``Terms-Update`` to every response while a version is announced (wraps ``send`` then).
        memo_size: verified passes remembered in each worker.
        memo_seconds: after which they are verified again.
        lifespan: takes the lifespan scope in place of the application.
        clock: seconds since 1970.
    """

    prefix: str = "/terms"
    subject: Who | None = None
    anonymous: Literal["gate", "remind", "pass"] = "gate"
    crawlers: Literal["pass", "gate"] = "pass"
    exempt: tuple[str, ...] = ()
    open_paths: tuple[str, ...] = ()
    fail: Literal["closed", "open"] = "closed"
    secure: bool | None = None
    cookie_domain: str | None = None
    base_url: str | None = None
    link_header: bool = False
    update_header: bool = False
    memo_size: int = 65_536
    memo_seconds: int = 900
    lifespan: ASGIApp | None = None
    clock: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        _one_of("anonymous", self.anonymous, ("gate", "remind", "pass"))
        _one_of("crawlers", self.crawlers, ("pass", "gate"))
        _one_of("fail", self.fail, ("closed", "open"))
        if not _PREFIX.fullmatch(self.prefix):
            raise ConfigurationError(f"the prefix {self.prefix!r} is not a path", hint='write it like "/terms"')
        for name in ("exempt", "open_paths"):
            _check_paths(name, getattr(self, name))
        if self.subject is not None and not callable(self.subject):
            raise ConfigurationError(
                f"subject= is {type(self.subject).__name__}, not a function",
                hint="give a function that takes the ASGI scope and returns a Subject, an id as a string, or None",
            )
        if inspect.iscoroutinefunction(self.subject):
            raise ConfigurationError(
                "subject= is an async function, but it is called on every request and may not wait",
                hint="read the user from the scope; load what takes time in the application",
            )
        if self.base_url is not None and not _BASE.fullmatch(self.base_url):
            raise ConfigurationError(f"{self.base_url!r} is not scheme and host", hint='like "https://example.org"')
        check_domain(self.cookie_domain)
        if self.memo_size < 2 or self.memo_seconds < 1:
            raise ConfigurationError("memo_size must be at least 2 and memo_seconds at least 1")


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ConfigurationError(f"{name}={value!r} is not known", hint=f"one of {', '.join(allowed)}")


def paths_of(name: str, paths: Sequence[str]) -> tuple[str, ...]:
    """Paths as an option takes them.

    Raises:
        ConfigurationError: they are one string, which is a sequence of strings, each of them one letter long.
    """
    if isinstance(paths, str):
        raise ConfigurationError(f"{name} is a list of paths, not one string", hint=f"write {name}=[{paths!r}]")
    return tuple(paths)


def _check_paths(name: str, paths: Sequence[str]) -> None:
    for path in paths_of(name, paths):
        if not path.startswith("/") or not path.strip("/"):
            raise ConfigurationError(
                f"{name} has {path!r}, which is not a path below /",
                hint='write paths like "/static"; they hold for whole segments. To gate nothing, leave the gate out',
            )
