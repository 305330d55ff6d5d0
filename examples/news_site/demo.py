"""The controls of the demonstration at ``/demo``. No real site has any of this.

They let one person be several: somebody who never was here, somebody who accepted earlier terms, somebody who is up to
date. And they publish, so that you can watch yourself being stopped. Whoever reaches this page may publish: keep it on
your own machine.
"""

from __future__ import annotations

import asyncio
import ipaddress
import shlex
import shutil
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from consentgate import ConsentGateError, Impact, Subject
from consentgate.app import GatedApp
from consentgate.gate.cookies import clear_pass
from consentgate.service.terms import Terms
from consentgate.terms.calendar import Standing
from consentgate.terms.draft import Draft, parse_draft
from consentgate.terms.instants import to_datetime
from consentgate.terms.policy import Version
from examples.news_site import crowd
from examples.news_site.app import page

PATH = "/demo"
NEXT = Path(__file__).parent / "next"
TERMS = "terms-of-use"
LATER = "2027-02-01"
"""The scheduled version of the terms. What the drafts in ``next/`` bring is in it, too."""
EARLIER, CURRENT = "Wendell", "Rosalind"
"""Wendell accepted the terms before the ones in force; Rosalind has accepted everything."""

STATES = {"current": "up to date", "announced": "up to date; a change is announced", "required": "must decide"}
"""States, in words for the table."""


class Stage:
    """The gated site, and the means to set it back to the beginning while it runs.

    A site of your own serves what `ConsentGate` returns, and has no stage.

    Args:
        site: the newspaper.
        build: puts the gate around it.
        data: what is deleted when the stage is set back.
    """

    def __init__(self, site: Starlette, build: Callable[[], GatedApp], data: Path) -> None:
        self.site, self.app = site, build()
        self._build, self._data = build, data
        self.crowded = False
        site.state.stage = self
        site.state.token = None
        site.state.address = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)

    def announce_at(self, host: str, port: int) -> None:
        """Say at start-up where we are to be found."""
        name = f"[{host}]" if ":" in host else host
        self.site.state.address = f"http://{'127.0.0.1' if host in ('0.0.0.0', '::') else name}:{port}"

    async def fill(self) -> None:
        """Let readers have come before, where a crowd is wanted and the record is fresh."""
        if self.crowded:
            await crowd.gather(self.app.terms.settings)

    async def set_back(self) -> None:
        """Forget everything that was published and accepted, and begin anew: a new ledger, with new keys."""
        await self.app.terms.stop()
        await asyncio.to_thread(shutil.rmtree, self._data, ignore_errors=True)
        self.app = self._build()
        await self.fill()
        await self.app.terms.start()
        await prepare(self.site)
        say_where(self.site)


@asynccontextmanager
async def lifespan(site: Starlette) -> AsyncIterator[None]:
    """Cast the parts at start-up. The gate's own start-up has come before: ours runs inside it."""
    await prepare(site)
    say_where(site)
    yield
    await site.state.terms.stop()  # of the last setting; stopping twice does no harm


def say_where(site: Starlette) -> None:
    """Print the addresses and the token, where somebody is to read them."""
    if site.state.address:
        print(
            f"\n  The Harbour Courier    {site.state.address}/"
            f"\n  Demonstration          {site.state.address}{PATH}"
            f"\n  Administrator's token  {site.state.token}"
            f"\n\n  Ctrl+C stops it.\n",
            flush=True,
        )


async def prepare(site: Starlette) -> None:
    """Let our two readers accept what they are to have accepted, and make an administrator's token."""
    terms: Terms = site.state.terms
    for standing in terms.calendar.at(terms.clock()).standings:
        policy = standing.policy
        earlier = version_before(terms, standing) if policy.slug == TERMS else None
        for name, version in ((EARLIER, earlier or standing.in_force), (CURRENT, standing.in_force)):
            if version and not await terms.accepted_version(Subject(name), policy.slug):
                await terms.record(Subject(name), policy.slug, version.label, policy.kind.decisions[0])
    site.state.token = (await terms.new_token("owner", "demonstration", days=1, by="demo")).secret


def version_before(terms: Terms, standing: Standing) -> Version | None:
    """The last version whose acceptance no longer counts."""
    chain = terms.calendar.chain(standing.policy.slug)
    gone = [version for version in chain if standing.in_force and version.effective < standing.in_force.effective]
    return next((version for version in reversed(gone) if version.serial not in standing.satisfied_by), None)


def around(request: Request) -> dict[str, Any]:
    """What every page shows besides: the way to the controls, and a change of the terms that is to come.

    A real site may want the second. The calendar lies in memory: asking costs no query.
    """
    terms: Terms = request.app.state.terms
    standing = terms.calendar.at(terms.clock()).standing(TERMS) if terms.started else None
    coming = standing.upcoming if standing else None
    if not standing or not coming:
        return {"demo": PATH}
    now = standing.in_force.label if standing.in_force else ""
    changes = f"/terms/{TERMS}/changes?from={now}&to={coming.label}"
    return {"demo": PATH, "coming": {"day": to_datetime(coming.effective), "changes": changes}}


# --- the page ------------------------------------------------------------------------------------------------------


async def controls(request: Request) -> Response:
    """What can be done, and how everybody stands."""
    return await show(request)


async def show(request: Request, status: int = 200, *, done: str = "", error: str = "", hint: str = "") -> Response:
    """The page, with a word about what was just done."""
    state = request.app.state
    terms: Terms = state.terms
    named = [name for name in dict.fromkeys((EARLIER, CURRENT, state.people.who(request.scope))) if name]
    people = [(name, await terms.status(Subject(name))) for name in named]
    return page(
        request,
        "demo.html",
        status,
        done=done,
        error=error,
        hint=hint,
        earlier=EARLIER,
        current=CURRENT,
        people=people,
        states=STATES,
        stopped={name for name, status in people if any(one.state == "required" for one in status)},
        hindered={what: what_hinders(terms, what) for what in ("material", "editorial")},
        token=state.token if is_local(request) else None,
        base=str(request.base_url).rstrip("/"),
        python=this_python(),
        label=free_label(terms),
    )


def this_python() -> str:
    """The Python that knows consentgate, as one types it where the demonstration was started."""
    here, python = Path.cwd(), Path(sys.executable)
    return shlex.quote(str(python.relative_to(here) if python.is_relative_to(here) else python))


def is_local(request: Request) -> bool:
    """Whether this comes from our own machine: nobody else is shown the token."""
    try:
        near = ipaddress.ip_address(request.client.host if request.client else "").is_loopback
    except ValueError:
        return False
    return near and (request.url.hostname or "") in ("127.0.0.1", "localhost", "::1")


async def walk_in(request: Request) -> Response:
    """Become one of the three, and open the front page."""
    async with request.form(max_fields=5, max_files=0) as form:
        name = form.get("as")
    response = RedirectResponse("/", 303)
    # A visitor who signs in brings along what this browser accepted before. Here that would spoil the part.
    forget_pass(response)
    if name in (EARLIER, CURRENT):
        request.app.state.people.sign_in(response, name, secure=request.url.scheme == "https")
    else:
        request.app.state.people.sign_out(response)
    return response


def forget_pass(response: Response) -> None:
    """Let the browser drop the pass: it is then as if it had never been here."""
    response.raw_headers += [(b"set-cookie", clear_pass(secure=secure)) for secure in (False, True)]


async def publish(request: Request) -> Response:
    """Publish one of the drafts in ``next/``."""
    terms: Terms = request.app.state.terms
    async with request.form(max_fields=5, max_files=0) as form:
        what = "editorial" if form.get("what") == "editorial" else "material"
    if hindered := what_hinders(terms, what):
        return await show(request, 409, error=f"Not published again: {hindered}.")
    try:
        # The policy promises 30 days of notice. Section 11 of the terms makes an exception for a change that only adds
        # to the rights of readers, and whoever publishes has to say so: this is how.
        done = await terms.publish(drafts(what, free_label(terms)), by="demo", short_notice=True)
    except ConsentGateError as problem:
        return await show(request, problem.status, error=f"{problem}.", hint=problem.hint)
    version = done.published[0]
    title = version.translation("en").title
    asked = "everybody is asked again" if version.impact is Impact.MATERIAL else "nobody is asked again"
    return await show(request, done=f"{title} {version.label} is published: {asked}.")


def drafts(what: str, label: str) -> list[Draft]:
    """The drafts of one folder in ``next/``: ``<policy>.<language>.md``. They say no dates: at publication."""
    return [
        parse_draft(
            file.read_bytes(),
            file=f"next/{what}/{file.name}",
            policy=file.stem.partition(".")[0],
            label=label,
            language=file.stem.partition(".")[2],
        )
        for file in sorted((NEXT / what).glob("*.md"))
    ]


def free_label(terms: Terms) -> str:
    """Today's date, as the versions in ``policies/`` are called; the second of a day is ``….2``."""
    today = f"{to_datetime(terms.clock()):%Y-%m-%d}"
    taken = {version.label for version in terms.calendar.versions}
    return next(label for label in (today, *(f"{today}.{number}" for number in range(2, 99))) if label not in taken)


def what_hinders(terms: Terms, what: str) -> str:
    """Why these drafts cannot be published now: in words for the page, or "" where nothing hinders."""
    published = {version.digest for version in terms.calendar.versions}
    if not published.isdisjoint(draft.digest for draft in drafts(what, "next")):
        return "it is published already"
    # Whatever came later has it in it: published after that, it would take the rest of the later version back.
    if what == "editorial" and not published.isdisjoint(draft.digest for draft in drafts("material", "next")):
        return "the next version, which is published, has it in it"
    later = terms.calendar.find(TERMS, LATER)
    if later and later.effective <= terms.clock():
        return f"the version of {LATER}, which is in force, has it in it"
    return ""


async def set_back(request: Request) -> Response:
    """Begin anew."""
    await request.app.state.stage.set_back()
    response = RedirectResponse(PATH, 303)
    forget_pass(response)
    request.app.state.people.sign_out(response)
    return response


ROUTES = (
    Route(PATH, controls),
    Route(f"{PATH}/walk-in", walk_in, methods=["POST"]),
    Route(f"{PATH}/publish", publish, methods=["POST"]),
    Route(f"{PATH}/set-back", set_back, methods=["POST"]),
)
