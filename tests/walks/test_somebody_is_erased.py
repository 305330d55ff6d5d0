"""Somebody is erased: their pass opens nothing any more, on any worker; everybody else goes on."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from consentgate.app import ConsentGate
from consentgate.gate.passes import PassSealer
from consentgate.gate.seals import Seals
from consentgate.service.engine import now
from consentgate.service.settings import Settings
from consentgate.service.terms import Terms
from consentgate.terms.instants import SECOND
from consentgate.terms.subject import Subject, SubjectKind
from consentgate.testing import SECRET, FrozenClock, run
from tests.walks.conftest import Visitor, bare_site

PATH = "/articles/one"


def visitor_of(client: TestClient) -> Subject:
    """Who a browser's pass says it is."""
    proof = PassSealer(Seals([SECRET.encode()])).open(next(iter(client.cookies.values())))
    assert proof.visitor_id is not None
    return Subject(proof.visitor_id, SubjectKind.VISITOR)


def settings_of(folder: Path) -> Settings:
    """The database of the site, as another process opens it."""
    return Settings(database=f"sqlite:///{folder}/terms.db", secrets=(SECRET.encode(),))


async def erase_elsewhere(folder: Path, subject: Subject, clock: Any) -> None:
    """Erase from another process, as the command does."""
    async with Terms(settings_of(folder), clock=clock) as terms:
        await terms.erase(subject, basis="asked for by the subject")


def test_the_pass_of_the_erased_opens_nothing(app: Any, tmp_path: Path) -> None:
    """At the next request, although the pass is authentic; whoever accepts again passes again."""
    with TestClient(app, follow_redirects=False) as one, TestClient(app, follow_redirects=False) as other:
        erased, spared = Visitor(one), Visitor(other)
        for somebody in (erased, spared):
            somebody.accept()
            assert somebody.get(PATH).status_code == 200
        run(erase_elsewhere(tmp_path, visitor_of(one), app.terms.clock))

        assert erased.get(PATH).status_code == 303
        assert erased.get(PATH).status_code == 303
        assert spared.get(PATH).status_code == 200
        assert erased.accept().status_code == 303
        assert erased.get(PATH).status_code == 200


def test_a_worker_that_starts_later_knows_it_too(policies: Path, tmp_path: Path) -> None:
    """What was erased stays erased over restarts, for as long as a pass may live; no visitor's id is kept for that."""

    def site() -> Any:
        return ConsentGate(bare_site(), policies=policies, database=f"sqlite:///{tmp_path}/terms.db", secret=SECRET)

    with TestClient(site(), follow_redirects=False) as first:
        Visitor(first).accept()
        subject, cookies = visitor_of(first), dict(first.cookies)
        run(erase_elsewhere(tmp_path, subject, now))
    with TestClient(site(), follow_redirects=False, cookies=cookies) as second:
        assert Visitor(second).get(PATH).status_code == 303
    files = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert subject.id.encode() not in files
    assert bytes.fromhex(subject.id) not in files


def test_a_users_pass_is_no_evidence_after_an_erasure(tmp_path: Path) -> None:
    """For every binding a pass of theirs may have; forgotten when no pass of that time can be alive."""
    clock = FrozenClock()

    async def story() -> None:
        async with Terms(settings_of(tmp_path), clock=clock) as terms:
            from consentgate.terms.draft import draft_from_fields
            from consentgate.terms.policy import Policy

            draft = draft_from_fields({"policy": "terms", "version": "1", "impact": "material"}, "Be kind.\n", file="1")
            await terms.publish([draft], policies=[Policy("terms", (("en", "Terms"),))])
            for name in ("anna", "bert"):
                await terms.record(Subject(name), "terms")
            await terms.erase(Subject("anna"), basis="asked")
            (anna,) = terms.engine.sealer.bindings(Subject("anna"))
            (bert,) = terms.engine.sealer.bindings(Subject("bert"))
            assert terms.revoked[anna] == clock() // SECOND + 1
            assert bert not in terms.revoked
            clock.advance(days=500)
            await terms.erase(Subject("bert"), basis="asked")
            assert (anna in terms.revoked, bert in terms.revoked, len(terms.revoked)) == (False, True, 1)

    asyncio.run(story())


def test_a_pass_from_a_lost_history_rings_on_our_own_pages(app: Any) -> None:
    """Whoever opens one of our pages with a pass that knows a larger ledger tells us that an old backup is in use."""
    with TestClient(app, follow_redirects=False) as client:
        somebody = Visitor(client)
        somebody.accept()
        assert app.terms.alarms() == ()
        sealer = PassSealer(Seals([SECRET.encode()]))
        name, token = next(iter(client.cookies.items()))
        client.cookies.clear()
        client.cookies.set(name, sealer.seal(sealer.open(token)._replace(tree_size=1_000)))

        assert somebody.get("/terms/mine").status_code == 200
        assert [alarm.kind for alarm in app.terms.alarms()] == ["pass-ahead"]


def test_a_pass_from_a_lost_history_rings_wherever_it_is_shown(app: Any) -> None:
    """At the gate, where nobody waits for it: a moment later the watching thread has compared."""
    with TestClient(app, follow_redirects=False) as client:
        somebody = Visitor(client)
        somebody.accept()
        assert somebody.get("/articles/one").status_code == 200
        sealer = PassSealer(Seals([SECRET.encode()]))
        name, token = next(iter(client.cookies.items()))
        client.cookies.clear()
        client.cookies.set(name, sealer.seal(sealer.open(token)._replace(tree_size=1_000)))

        assert somebody.get("/articles/one").status_code == 200
        deadline = time.monotonic() + 20
        while not app.terms.alarms() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert [alarm.kind for alarm in app.terms.alarms()] == ["pass-ahead"]
