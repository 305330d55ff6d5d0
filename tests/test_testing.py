"""Laws of the helpers that hosts use in their own tests, and of the pytest plugin."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from consentgate import ConsentGate, InputError, Subject, SubjectKind, Terms
from consentgate.gate.cookies import PLAIN_NAME, SECURE_NAME
from consentgate.testing import (
    START,
    FrozenClock,
    accept_everything,
    accepted_cookie,
    decline_everything,
    memory_terms,
    publish_text,
    run,
    subject_of,
)

HTML = {"accept": "text/html", "sec-fetch-mode": "navigate"}
VISITOR = "visitor:" + "0123456789abcdef" * 2


async def _archive(request: Request) -> PlainTextResponse:
    return PlainTextResponse("the archive")


def site() -> Starlette:
    """What a host would test."""
    return Starlette(routes=[Route("/archive", _archive)])


def who(scope: Any) -> str | None:
    """A host's own sign-in, as short as can be."""
    return dict(scope["headers"]).get(b"x-user", b"").decode() or None


@pytest.fixture(name="policies")
def _policies(tmp_path: Path) -> Path:
    place = tmp_path / "policies" / "rules"
    place.mkdir(parents=True)
    (place / "policy.toml").write_text('title = "Rules"\n')
    (place / "1.en.md").write_text('---\nversion: "1"\nimpact: material\n---\n# Rules\n\nBe quiet.\n')
    return tmp_path / "policies"


# --- the clock ----------------------------------------------------------------------------------------------------


def test_the_clock_stands_still_until_it_is_moved() -> None:
    """Asking does not move it; advancing does, by exactly what is said."""
    clock = FrozenClock()
    assert (clock(), clock()) == (START, START)
    clock.advance(days=1, hours=2, seconds=3)
    assert clock() - START == (26 * 3_600 + 3) * 1_000_000
    clock.advance(seconds=-3)
    assert clock() - START == 26 * 3_600 * 1_000_000


def test_the_clock_is_set_to_an_aware_time_and_to_no_other() -> None:
    """A time without a zone would mean another instant on another machine."""
    clock = FrozenClock()
    clock.set(datetime(2026, 3, 1, 12, tzinfo=timezone(timedelta(hours=2))))
    assert clock() == int(datetime(2026, 3, 1, 10, tzinfo=UTC).timestamp()) * 1_000_000
    with pytest.raises(InputError, match="time zone"):
        clock.set(datetime(2026, 3, 1, 12))  # noqa: DTZ001 - that is what is refused


# --- a handle in memory -------------------------------------------------------------------------------------------


def test_a_handle_in_memory_leaves_no_file_and_marks_what_it_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A receipt of a test binds nobody, and says so for good."""
    monkeypatch.chdir(tmp_path)
    terms = memory_terms()

    async def use() -> bytes:
        async with terms:
            await publish_text(terms, "# Rules\n\nBe quiet.\n")
            entry = await terms.record(Subject("42"), "terms")
            return await terms.receipt(str(entry.id))

    assert b'"test":true' in run(use()).replace(b'\\"', b'"')
    assert list(tmp_path.iterdir()) == []


def test_two_handles_in_memory_know_nothing_of_each_other(policies: Path) -> None:
    """Tests may run side by side."""

    async def use() -> tuple[int, int]:
        async with memory_terms(policies) as one, memory_terms() as other:
            return len(one.calendar.versions), len(other.calendar.versions)

    assert run(use()) == (1, 0)


def test_settings_are_handed_on() -> None:
    """Whatever the host sets."""
    terms = memory_terms(prefix="/legal", exempt=("/health",))
    assert (terms.settings.prefix, terms.settings.exempt, terms.settings.test) == ("/legal", ("/health",), True)


# --- people -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("42", Subject("42")),
        ("user:42", Subject("42")),
        ("service:cron", Subject("cron", SubjectKind.SERVICE)),
        (VISITOR, Subject(VISITOR[8:], SubjectKind.VISITOR)),
        ("oidc:google:7", Subject("oidc:google:7")),
        (Subject("x", tags=frozenset({"eu"})), Subject("x", tags=frozenset({"eu"}))),
    ],
)
def test_a_subject_can_be_written_in_short(written: Any, meant: Subject) -> None:
    """A kind before a colon; anything else is a user's id as it stands."""
    assert subject_of(written) == meant


@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize("name", ["user:42", VISITOR])
def test_the_cookie_of_somebody_who_has_accepted_opens_the_gate(policies: Path, name: str, secure: bool) -> None:
    """For users and for visitors, on http and on https."""
    terms = memory_terms(policies)
    app = ConsentGate(site(), terms=terms, subject=who)
    address = "https://testserver" if secure else "http://testserver"
    headers = HTML | ({"x-user": "42"} if name == "user:42" else {})
    with TestClient(app, base_url=address, headers=headers, follow_redirects=False) as client:
        assert client.get("/archive").status_code == 303
        cookie = accepted_cookie(terms, name, secure=secure)
        assert list(cookie) == [SECURE_NAME if secure else PLAIN_NAME]
        client.cookies.update(cookie)
        assert client.get("/archive").text == "the archive"


def test_the_cookie_can_be_had_before_the_application_starts(policies: Path) -> None:
    """In a fixture, say: the handle is started where it was not."""
    terms = memory_terms(policies)
    cookie = accepted_cookie(terms, VISITOR)
    with TestClient(ConsentGate(site(), terms=terms), cookies=cookie, headers=HTML) as client:
        assert client.get("/archive").text == "the archive"


def test_the_cookie_of_one_is_not_the_cookie_of_another(policies: Path) -> None:
    """As it would be in the world."""
    terms = memory_terms(policies)
    cookie = accepted_cookie(terms, "user:42")
    app = ConsentGate(site(), terms=terms, subject=who)
    with TestClient(app, cookies=cookie, headers=HTML | {"x-user": "43"}, follow_redirects=False) as client:
        assert client.get("/archive").status_code == 303


def test_somebody_can_have_declined(policies: Path) -> None:
    """To see what a host shows to those."""
    terms = memory_terms(policies)

    async def use() -> tuple[str, ...]:
        async with terms:
            await decline_everything(terms, "42")
            return tuple(one.state.value for one in await terms.status(Subject("42")))

    assert run(use()) == ("declined",)


def test_accepting_everything_minds_the_audience(policies: Path) -> None:
    """What does not bind somebody is not recorded for them."""
    (policies / "robots").mkdir()
    (policies / "robots" / "policy.toml").write_text('title = "Robots"\n[audience]\nkinds = ["service"]\n')
    text = '---\nversion: "1"\nimpact: material\n---\n# Robots\n\nSlowly.\n'
    (policies / "robots" / "1.en.md").write_text(text)
    terms = memory_terms(policies)

    async def use() -> tuple[int, int]:
        async with terms:
            robot, reader = await accept_everything(terms, "service:cron"), await accept_everything(terms, "42")
            return len(await terms.decisions(robot)), len(await terms.decisions(reader))

    assert run(use()) == (2, 1)


def test_a_text_can_be_published_in_one_line_and_changed_in_another(
    consentgate_clock: FrozenClock, consentgate_terms: Terms
) -> None:
    """No folder, no front matter: a host's test wants the gate to close, not to write law."""
    app = ConsentGate(site(), terms=consentgate_terms)
    with TestClient(app, headers=HTML, follow_redirects=False) as client:
        assert client.get("/archive").status_code == 200
        run(publish_text(consentgate_terms, "# Rules\n\nBe quiet.\n"))
        assert client.get("/archive").status_code == 303
        client.cookies.update(accepted_cookie(consentgate_terms, VISITOR))
        assert client.get("/archive").status_code == 200
        day = START + 31 * 86_400_000_000
        run(publish_text(consentgate_terms, "# Rules\n\nBe quiet, please.\n", effective=day))
        assert client.get("/archive").status_code == 200
        consentgate_clock.advance(days=31)
        assert client.get("/archive").status_code == 303
        assert [one.label for one in consentgate_terms.calendar.chain("terms")] == ["1", "2"]


def test_run_works_inside_and_outside_of_a_loop() -> None:
    """Tests of both kinds use the helpers."""

    async def answer() -> int:
        return 42

    async def inside() -> int:
        return run(answer())

    assert (run(answer()), asyncio.run(inside())) == (42, 42)


# --- the plugin ---------------------------------------------------------------------------------------------------

HOST_TEST = """
from consentgate.testing import START

def test_fixtures_are_there(consentgate_clock, consentgate_terms):
    assert consentgate_terms.started
    assert consentgate_terms.clock is consentgate_clock
    assert consentgate_clock() == START
    assert consentgate_terms.calendar.versions == ()
"""


def test_the_plugin_is_found_by_a_hosts_pytest_and_loads_nothing_before_it_is_asked(tmp_path: Path) -> None:
    """Hosts that use the gate in one test of a thousand pay nothing in the others."""
    (tmp_path / "test_host.py").write_text(HOST_TEST)
    (tmp_path / "test_lazy.py").write_text(
        "import sys\n\ndef test_nothing_is_loaded():\n"
        "    assert not {'sqlalchemy', 'sqlmodel', 'starlette', 'fastapi', 'cryptography'} & set(sys.modules)\n"
    )
    # The plugins of other packages may load whatever they like: only ours is let in.
    command = [sys.executable, "-m", "pytest", "-q", "-p", "consentgate.testing", "--rootdir", str(tmp_path)]
    environment = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PATH": "", "PYTHONPATH": str(Path(__file__).parents[1])}
    for name in ("test_lazy.py", "test_host.py"):
        done = subprocess.run(
            [*command, name], cwd=tmp_path, capture_output=True, text=True, check=False, env=environment
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "1 passed" in done.stdout
