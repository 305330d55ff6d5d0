"""Helpers for the tests of applications that use the gate, and a pytest plugin.

Room: testing. For hosts: a `Terms` in memory, a clock that stands still until told, a text published in one line, and
the cookie of somebody who has accepted. The plugin's fixtures are `consentgate_clock` and `consentgate_terms`; nothing
is imported before a test asks for them.

    def test_members_see_the_archive(consentgate_terms):
        app = ConsentGate(site, terms=consentgate_terms)
        with TestClient(app) as client:
            client.cookies.update(accepted_cookie(consentgate_terms, "user:42"))
            assert client.get("/archive").status_code == 200
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

if TYPE_CHECKING:
    from consentgate.service.terms import Terms
    from consentgate.terms.calendar import Standing
    from consentgate.terms.policy import Version
    from consentgate.terms.subject import Subject

T = TypeVar("T")

SECRET = "only-for-tests-0123456789abcdefghijklmnop"  # noqa: S105 - that is what it is for
START = 1_767_225_600_000_000
"""2026-01-01T00:00:00Z, where a `FrozenClock` stands at first."""


class FrozenClock:
    """A clock that stands still until it is moved.

    Move it on between two decisions of one subject about one policy: of what happened at the same instant, none is the
    later.

    Args:
        instant: microseconds since 1970.
    """

    def __init__(self, instant: int = START) -> None:
        self.instant = instant

    def __call__(self) -> int:
        """The instant."""
        return self.instant

    def advance(self, *, days: float = 0, hours: float = 0, seconds: float = 0) -> None:
        """Move on."""
        self.instant += timedelta(days=days, hours=hours, seconds=seconds) // timedelta(microseconds=1)

    def set(self, moment: datetime) -> None:
        """Move to an aware datetime."""
        from consentgate.terms.instants import from_datetime

        self.instant = from_datetime(moment)


def memory_terms(policies: str | Path | None = None, *, clock: FrozenClock | None = None, **settings: Any) -> Terms:
    """A handle over a database in memory; start it, or let the gate do so.

    Args:
        policies: folder to publish at start-up.
        clock: for tests about dates; the wall clock otherwise.
        **settings: of `consentgate.service.settings.Settings`.
    """
    from consentgate.service.engine import now
    from consentgate.service.settings import Settings
    from consentgate.service.terms import Terms

    values: dict[str, Any] = {
        "database": "sqlite://",
        "secrets": (SECRET.encode(),),
        "origin": "localhost/tests",
        "test": True,
        "policies": Path(policies) if policies is not None else None,
    }
    return Terms(Settings(**{**values, **settings}), clock=clock or now)


def subject_of(who: str | Subject) -> Subject:
    """``"user:42"``, ``"service:cron"``, ``"visitor:<32 hex>"`` or a bare user id as a `Subject`."""
    from consentgate.terms.subject import Subject, parse_subject

    return who if isinstance(who, Subject) else parse_subject(who)


async def publish_text(terms: Terms, text: str, *, policy: str = "terms", effective: int | None = None) -> Version:
    """Publish a text as the next version of a policy: material, labelled ``1``, ``2``, …

    Args:
        terms: the handle, started.
        text: Markdown; its first heading is the title.
        policy: slug; made where there is none.
        effective: instant from which it binds and the gate insists; announced at once. ``None``: at once.
    """
    from consentgate.terms.draft import parse_draft
    from consentgate.terms.policy import Policy

    known = (await terms.fresh()).by_slug
    label = str(len(terms.calendar.chain(policy)) + 1)
    title = text.lstrip("# ").partition("\n")[0].strip() or policy
    dates = "" if effective is None else f"announce: {_front(terms.clock())}\neffective: {_front(effective)}\n"
    front = f'---\nversion: "{label}"\nimpact: material\n{dates}---\n'
    draft = parse_draft((front + text).encode(), file=f"{policy}/{label}", policy=policy, label=label, language="en")
    settings = [] if policy in known else [Policy(slug=policy, title=(("en", title),))]
    done = await terms.publish([draft], policies=settings, by="test")
    return done.published[0]


async def accept_everything(terms: Terms, who: str | Subject) -> Subject:
    """Record that somebody accepted all that is in force, and return them."""
    subject = subject_of(who)
    for standing in await _binding(terms, subject):
        await terms.record(subject, standing.policy.slug, act=standing.policy.kind.decisions[0])
    return subject


async def decline_everything(terms: Terms, who: str | Subject) -> Subject:
    """Record that somebody declined all that is in force and can be declined, and return them."""
    from consentgate.terms.policy import Act

    subject = subject_of(who)
    for standing in await _binding(terms, subject):
        for act in (Act.DECLINE, Act.REFUSE):
            if act in standing.policy.kind.decisions:
                await terms.record(subject, standing.policy.slug, act=act)
    return subject


async def _binding(terms: Terms, subject: Subject) -> list[Standing]:
    """What is in force and binds a subject somewhere."""
    standings = (await terms.fresh()).at(terms.clock()).standings
    return [one for one in standings if one.in_force is not None and one.policy.audience.binds_subject(subject)]


def _front(instant: int) -> str:
    """An instant as front matter has it."""
    from consentgate.terms.instants import format_instant

    return format_instant(instant)


def accepted_cookie(terms: Terms, who: str | Subject, *, secure: bool = False) -> dict[str, str]:
    """The cookie of somebody who has accepted all that is in force.

    Args:
        terms: the handle of the application; started here where it was not.
        who: as `subject_of` takes it.
        secure: whether the client speaks https.
    """
    from consentgate.gate.cookies import cookie_name

    async def make() -> str:
        await terms.start()
        subject = await accept_everything(terms, who)
        return terms.pass_for(subject, await terms.accepted(subject))

    return {cookie_name(secure=secure, domain=terms.settings.cookie_domain): run(make())}


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end, also where a loop is running already (in a thread of its own then)."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()


@pytest.fixture(name="consentgate_clock")
def _consentgate_clock() -> FrozenClock:
    """A clock that stands at 2026-01-01 until the test moves it."""
    return FrozenClock()


@pytest.fixture(name="consentgate_terms")
def _consentgate_terms(consentgate_clock: FrozenClock) -> Iterator[Terms]:
    """A handle in memory, started, with nothing published."""
    terms = memory_terms(clock=consentgate_clock)
    run(terms.start())
    yield terms
    run(terms.stop())
