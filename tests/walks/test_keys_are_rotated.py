"""A walk through several processes: the sealing keys are rotated while visitors come and go; nobody is asked again."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

import pytest

from consentgate.gate.cookies import PLAIN_NAME
from consentgate.gate.passes import PassSealer
from consentgate.gate.seals import Seals
from consentgate.service.engine import now
from consentgate.service.secret_file import create_secret_file, promote_secret, rotate_secret_file
from consentgate.service.settings import Settings, resolve_secrets
from consentgate.service.terms import Terms
from consentgate.terms.draft import draft_from_fields
from consentgate.terms.policy import Policy
from consentgate.terms.subject import Subject, SubjectKind
from consentgate.testing import run
from tests.frameworks.servers import free_port, running

PAGE = {"accept": "text/html", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}


def patience() -> float:
    """Until when something must have happened."""
    return time.monotonic() + 60


@dataclass
class Site:
    """Workers in processes of their own, and the file their keys are in."""

    keys: Path
    ports: list[int]

    def sealer(self, *, only: int | None = None) -> PassSealer:
        """What seals and opens with the keys of the file, or with its first ones alone."""
        return PassSealer(Seals(resolve_secrets(self.keys)[:only]))

    def visit(self, port: int, token: str) -> str | None:
        """Ask for a page; the pass the browser has afterwards, or ``None`` where the visitor was stopped."""
        connection = HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.request("GET", "/", headers={**PAGE, "cookie": f"{PLAIN_NAME}={token}"})
            answer = connection.getresponse()
            answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            assert answer.status == 303
            return None
        given = answer.getheader("set-cookie")
        return given.split(";")[0].partition("=")[2] if given else token


@pytest.fixture(name="site")
def _site(tmp_path: Path) -> Iterator[Site]:
    database, keys = f"sqlite:///{tmp_path / 'terms.db'}", tmp_path / "seal"
    create_secret_file(keys, now())

    async def publish() -> None:
        fields = {"policy": "terms", "version": "1", "language": "en", "impact": "material"}
        draft = draft_from_fields(fields, "# Terms\n\nBe kind.\n", file="1.en.md")
        async with Terms(Settings(database, resolve_secrets(keys))) as terms:
            await terms.publish([draft], policies=[Policy("terms", (("en", "Terms"),))])

    run(publish())
    with ExitStack() as stack:
        site = Site(keys, [free_port() for _ in range(3)])
        given = {"CONSENTGATE_TEST_DATABASE": database, "CONSENTGATE_TEST_KEYS": str(keys)}
        for port in site.ports:
            command = [sys.executable, "-m", "uvicorn", "tests.walks.keyed:app", "--port", str(port),
                       "--log-level", "warning"]  # fmt: skip
            stack.enter_context(running(command, tmp_path / f"log-{port}", port=port, environment=given))
        yield site


def test_keys_are_rotated_under_running_workers_and_nobody_is_asked_again(site: Site) -> None:
    """One visitor goes from worker to worker without pause. A rotation reaches each of them; none meets a pass it does
    not know; soon all seal with the new key. A key that is taken out opens nothing any more, anywhere."""
    old = site.sealer()
    visitor = Subject("0123456789abcdef" * 2, SubjectKind.VISITOR)
    token = first = old.issue(visitor, [1], now=now())
    assert site.visit(site.ports[0], "") is None

    def wander_until_sealed_anew(token: str) -> str:
        newest, deadline, visits = site.sealer(only=1), patience(), 0
        while not all(newest.authentic((site.visit(port, first) or "").encode()) for port in site.ports):
            for port in site.ports:
                after = site.visit(port, token)
                assert after is not None, f"stopped at visit {visits}"
                token, visits = after, visits + 1
            assert time.monotonic() < deadline
        # What was sealed last may have been sealed just before its worker changed: now all have.
        return site.visit(site.ports[0], token) or ""

    rotate_secret_file(site.keys, now())
    token = wander_until_sealed_anew(token)
    assert old.authentic(token.encode()) is None

    rotate_secret_file(site.keys, now(), ahead=True)
    ahead, deadline = PassSealer(Seals(resolve_secrets(site.keys)[1])).issue(visitor, [1], now=now()), patience()
    while not all(site.visit(port, ahead) for port in site.ports):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    promote_secret(site.keys)
    token = wander_until_sealed_anew(token)

    assert all(site.visit(port, first) for port in site.ports)
    rotate_secret_file(site.keys, now(), keep=1)
    deadline = patience()
    while any(site.visit(port, one) for port in site.ports for one in (first, token)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
