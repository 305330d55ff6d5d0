"""The roles of `consentgate db roles` at work: each process signs in as its own, and everything still happens."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from consentgate.errors import StoreError
from consentgate.service.export import Selection, pages
from consentgate.service.export_source import OfDriver
from consentgate.service.meter import samples
from consentgate.service.settings import Settings
from consentgate.service.terms import Terms
from consentgate.store.database import Database
from consentgate.store.roles import ROLES, script
from consentgate.terms.draft import draft_from_fields
from consentgate.terms.policy import Policy
from consentgate.terms.subject import Subject
from consentgate.testing import SECRET, run
from tests.postgres import USER, Server

_numbers = itertools.count()
DRAFT = draft_from_fields({"policy": "terms", "version": "1", "impact": "material"}, "Be kind.\n", file="1")
POLICY = Policy("terms", (("en", "Terms"),))


@pytest.fixture(name="settings", params=[15, 18])
def _settings(request: pytest.FixtureRequest, postgres: Callable[[int], Server], tmp_path: Path) -> dict[str, Settings]:
    """Settings by role; only the sequencer's process has the signing key."""
    url, prefix = postgres(request.param).fresh(), f"work{request.param}_{next(_numbers)}"
    Database.open(url).close()
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute(script(prefix, url.rpartition("%3D")[2]))  # type: ignore[arg-type]  # it is ours
    made = {}
    for role in ROLES:
        named = url.replace(f"{USER}@", f"{prefix}_{role}@")
        key = None if role == "sequencer" else "none"
        made[role] = Settings(named, (SECRET.encode(),), ledger_key=key, state=tmp_path / role)
    return made


def by_command(settings: Settings) -> bytes:
    """An export as the command makes it."""
    source = OfDriver.open(settings)
    assert source is not None
    data = b"".join(pages(source, "ndjson", Selection()))
    source.close()
    return data


def test_every_role_does_its_work(settings: dict[str, Settings], tmp_path: Path, request: Any) -> None:
    """The desk publishes, a web worker records and links, the sequencer places, the auditor exports and verifies."""

    may_vacuum = request.node.callspec.params["settings"] >= 17

    async def work() -> bytes:
        async with Terms(settings["sequencer"]), Terms(settings["desk"]) as desk:
            await desk.publish([DRAFT], policies=[POLICY])
            async with Terms(settings["web"]) as web:
                entry = await web.record(Subject("ada"), "terms")
                draft = await web.offer(Subject("ben"))
                token = await web.seal_offer(draft, page=b"<html>", controls={"terms": b"{}"})
                assert token
                await web.link("0123456789abcdef" * 2, Subject("ada"))
                assert (await web.accepted(Subject("ada"))).serials == {1}
                assert (await web.receipt(str(entry.id))).startswith(b"consentgate receipt")
            await desk.new_token("auditor", "ci")
            done = await desk.erase(Subject("ada"), basis="request")
            # Before PostgreSQL 17 only the owner of a table may vacuum it: never said to be gone while it may be there.
            assert done.gone is may_vacuum
            assert done.left[0].where == ("log" if may_vacuum else "rows")
            await desk.settled()
        async with Terms(settings["auditor"], reading=True) as auditor:
            report = await auditor.verify()
            assert report.sound, report.problems
            assert report.decisions == 1
            return b"".join([chunk async for chunk in auditor.export(where=Selection())])

    exported = run(work())

    assert b'"ada"' not in exported
    assert by_command(settings["auditor"]) == exported
    assert [path.parent.name for path in tmp_path.rglob("*.key")] == ["sequencer"]


def test_a_web_worker_cannot_publish_or_erase(settings: dict[str, Settings]) -> None:
    """The database itself refuses, and the hint says which script gives the right."""

    async def work() -> None:
        async with Terms(settings["sequencer"]), Terms(settings["web"]) as web:
            with pytest.raises(StoreError) as refused:
                await web.publish([DRAFT], policies=[POLICY])
            assert "db roles" in refused.value.hint

            async with Terms(settings["desk"]) as desk:
                await desk.publish([DRAFT], policies=[POLICY])
            await web.reload()
            await web.record(Subject("ada"), "terms")
            with pytest.raises(StoreError):
                await web.erase(Subject("ada"), basis="request")
            assert (await web.accepted(Subject("ada"))).serials == {1}

    run(work())


def test_what_waits_for_its_place_is_counted_by_every_worker(settings: dict[str, Settings]) -> None:
    """While no sequencer runs it grows, and any worker's metrics say so."""

    async def work() -> list[dict[str, float]]:
        async with Terms(settings["sequencer"]), Terms(settings["desk"]) as desk:
            await desk.publish([DRAFT], policies=[POLICY])
            await desk.settled()
        found = []
        async with Terms(settings["web"]) as one, Terms(settings["web"]) as other:
            for name in ("ada", "ben"):
                await one.record(Subject(name), "terms")
            found.append({one.name: one.values[()] for one in samples(other) if one.name.startswith("unplaced")})
        async with Terms(settings["sequencer"]) as placing:
            await placing.settled()
            found.append({one.name: one.values[()] for one in samples(placing) if one.name.startswith("unplaced")})
        return found

    waiting, placed = run(work())

    assert waiting["unplaced_entries"] == 2
    assert waiting["unplaced_age"] > 0
    assert placed == {"unplaced_entries": 0, "unplaced_age": 0}


def test_a_worker_that_may_not_begin_a_ledger_says_who_may(settings: dict[str, Settings]) -> None:
    """On an empty database the sequencer comes first."""
    with pytest.raises(Exception, match="holds no key to begin one"):
        run(Terms(replace(settings["web"])).start())
