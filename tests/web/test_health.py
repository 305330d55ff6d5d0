"""What load balancers, orchestrators and monitors are told, and that it costs no look into the database."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

import consentgate.app
from consentgate.app import ConsentGate
from consentgate.errors import ConfigurationError, ConsentGateError, OverloadedError, StoreUnavailableError
from consentgate.service.meter import SIZES, Meter
from consentgate.terms.policy import Act
from consentgate.terms.subject import Subject
from consentgate.testing import SECRET, memory_terms
from tests.web.conftest import Site

NOTHING = {"accept": "*/*"}
PROBES = ("live", "ready", "recording")


def probe(site: Site, question: str) -> tuple[int, Any]:
    """Ask, as a probe does: no cookie, no browser's headers."""
    with_nothing = TestClient(site.app, headers=NOTHING)
    answer = with_nothing.get(f"/terms/health/{question}")
    assert answer.headers["cache-control"] == "no-store"
    assert "set-cookie" not in answer.headers
    return answer.status_code, answer.json()


def lose_the_database(site: Site) -> None:
    """The thread that watches publications looks once, in vain; and never again."""

    def gone() -> int:
        raise StoreUnavailableError("the server is away", hint="password=hunter2")

    watch = site.terms._watch
    assert watch is not None
    watch.stop()
    watch._read = gone
    watch.look()


def metrics(site: Site) -> dict[str, dict[tuple[str, ...], float]]:
    """Every sample, read by Prometheus's own parser."""
    answer = TestClient(site.app, headers=NOTHING).get("/terms/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            labels = tuple(value for _, value in sorted(sample.labels.items()))
            found.setdefault(sample.name, {})[labels] = sample.value
    return found


# --- health -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("question", PROBES)
def test_a_worker_that_can_do_everything_says_so(site: Site, question: str) -> None:
    """Each question is answered with 200 and no problems, to a probe without cookie, however closed the gate is."""
    site.publish_old()

    status, said = probe(site, question)

    assert (status, said["problems"]) == (200, [])


def test_a_worker_that_lost_the_database_is_ready_and_says_that_it_cannot_record(site: Site) -> None:
    """Taking it out of the pool would stop those who have a pass; so only the question about recording fails."""
    lose_the_database(site)

    assert probe(site, "live")[0] == 200
    assert probe(site, "ready") == (200, {"status": "degraded", "problems": [
        "the database cannot be reached; visitors with a pass go on"
    ]})  # fmt: skip
    status, said = probe(site, "recording")
    assert (status, said["status"]) == (503, "not recording")


def test_no_secret_is_told(site: Site) -> None:
    """What the database's own error says stays in the log."""
    lose_the_database(site)

    assert "hunter2" not in str([probe(site, question) for question in PROBES])


def test_a_ledger_that_went_back_in_time_is_told(site: Site) -> None:
    """While a rewind is known, nothing is recorded, and the probe for that says why."""
    site.terms._alarms.ring("rewind", "older than remembered", "", site.clock())

    assert probe(site, "recording") == (503, {"status": "not recording", "problems": [
        "the ledger went back in time; nothing is recorded"
    ]})  # fmt: skip


def test_a_full_queue_is_told(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the next decision would be refused, this worker is not recording, and is ready all the same."""
    monkeypatch.setattr(site.terms.engine.writer, "_capacity", 0)

    assert probe(site, "recording")[0] == 503
    assert probe(site, "ready")[0] == 200


def test_health_is_answered_from_memory(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand probes a second touch no database, whatever cookie they bring."""

    def touched(*_: Any) -> None:
        raise AssertionError("the database was asked")

    monkeypatch.setattr(site.terms.engine.database, "read", touched)
    site.terms._watch.stop()  # type: ignore[union-attr]  # started with the site

    visitor = TestClient(site.app, headers={"x-user": "ada"}, cookies={"consentgate": "nonsense"})
    assert [visitor.get(f"/terms/health/{question}").status_code for question in PROBES] == [200, 200, 200]


def test_without_a_lifespan_asking_whether_it_is_ready_starts_it(tmp_path: Path) -> None:
    """Where nobody says that the server started, a load balancer that waits for `ready` would wait for ever."""
    site = Site(tmp_path)
    client = TestClient(site.app)  # not entered: no lifespan

    assert client.get("/terms/health/live").status_code == 200
    assert not site.terms.started
    assert client.get("/terms/health/recording").status_code == 503
    assert client.get("/terms/health/ready").status_code == 200
    assert site.terms.started
    from consentgate.testing import run

    run(site.terms.stop())


def test_a_worker_that_cannot_start_is_alive_and_not_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It answers 503 with a time to come back, and no reason that is not for everybody."""
    site = Site(tmp_path)

    async def refuse() -> None:
        raise ConsentGateError("the signing key in /secret/place is missing")

    monkeypatch.setattr(site.terms, "start", refuse)
    client = TestClient(site.app)

    assert client.get("/terms/health/live").status_code == 200
    answer = client.get("/terms/health/ready")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"
    assert answer.json() == {"status": "not ready", "problems": ["not started"]}


def test_other_questions_and_methods_are_refused(site: Site) -> None:
    """Only GET and HEAD, and only questions there are."""
    client = TestClient(site.app)

    assert client.post("/terms/health/live").status_code == 405
    assert client.get("/terms/health/wealth").status_code == 404
    assert client.head("/terms/health/live").content == b""


# --- metrics ----------------------------------------------------------------------------------------------------------


def test_metrics_are_off_unless_they_are_asked_for(site: Site) -> None:
    """Without ``metrics=True`` the address leads nowhere."""
    assert TestClient(site.app).get("/terms/metrics").status_code == 404


def test_decisions_batches_and_alarms_are_counted(make_site: Callable[..., Site]) -> None:
    """What Prometheus reads is what was done: decisions by kind and act, batches, ledger, alarms."""
    site = make_site(metrics=True)
    site.publish_old()
    site.accept("ada")
    site.accept("ben")
    site.run(site.terms.record, Subject("cy"), "terms-of-use", None, Act.DECLINE)
    site.terms._alarms.ring("clock", "behind", "", site.clock())

    found = metrics(site)

    assert found["consentgate_decisions_total"] == {("accept", "contract"): 2, ("decline", "contract"): 1}
    assert found["consentgate_ledger_entries"] == {(): 4}
    assert found["consentgate_batch_entries_count"] == {(): 4}
    assert found["consentgate_batch_entries_sum"] == {(): 4}
    assert found["consentgate_alarms"] == {("clock",): 1}
    assert found["consentgate_recording"] == found["consentgate_ready"] == {(): 1}
    assert found["consentgate_queue_length"] == found["consentgate_queue_age_seconds"] == {(): 0}


def test_a_repeated_request_is_one_decision(make_site: Callable[..., Site]) -> None:
    """The first record is returned again, and nothing is counted twice."""
    site = make_site(metrics=True)
    site.publish_old()

    async def twice() -> None:
        subject = Subject("ada")
        draft = await site.terms.offer(subject)
        token = await site.terms.seal_offer(draft, page=None, controls={"terms-of-use": b"{}"})
        for _ in range(2):
            await site.terms.decide(token, {"terms-of-use": Act.ACCEPT}, subject=subject)

    site.run(twice)

    assert metrics(site)["consentgate_decisions_total"] == {("accept", "contract"): 1}


def test_what_is_turned_away_is_counted(make_site: Callable[..., Site], monkeypatch: pytest.MonkeyPatch) -> None:
    """A full queue refuses at once, and monitoring sees how often."""
    site = make_site(metrics=True)
    site.publish_old()
    with monkeypatch.context() as patch:
        patch.setattr(site.terms.engine.writer, "_capacity", 0)
        for _ in range(3):
            with pytest.raises(OverloadedError):
                site.accept("ada")

    assert metrics(site)["consentgate_refused_total"] == {("overloaded",): 3}


def test_metrics_name_nobody(make_site: Callable[..., Site]) -> None:
    """Neither subjects nor policies nor addresses are in them."""
    site = make_site(metrics=True)
    site.publish_old()
    site.accept("ada.lovelace@example.com")

    text = TestClient(site.app).get("/terms/metrics").text

    assert "lovelace" not in text
    assert not re.findall(r'"[^"]*(?:@|/)[^"]*"', text)


def test_metrics_are_served_before_the_start(tmp_path: Path) -> None:
    """A worker that cannot start yet says so to its monitor."""
    site = Site(tmp_path, metrics=True)

    assert metrics(site)["consentgate_ready"] == {(): 0}


def test_metrics_without_the_library_refuse_start_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hint says what to install."""
    monkeypatch.setattr(consentgate.app, "find_spec", lambda name: None)

    with pytest.raises(ConfigurationError, match="Prometheus") as refused:
        ConsentGate(lambda *_: None, secret=SECRET, database="sqlite://", metrics=True)  # type: ignore[arg-type,return-value]
    assert "consentgate[metrics]" in refused.value.hint


def test_a_hosts_own_registry_is_left_alone() -> None:
    """Two gates in one process, and a host with metrics of its own, do not meet."""
    from prometheus_client import REGISTRY, generate_latest

    from consentgate.web.metrics import render

    assert render(memory_terms()) == render(memory_terms())
    assert b"consentgate" not in generate_latest(REGISTRY)


def test_batches_are_counted_in_classes() -> None:
    """Each class holds the smaller ones, the last holds all, and a bound belongs to its own class."""
    meter = Meter()
    for entries in (1, 2, 3, 1_024, 5_000):
        meter.batch(entries)

    classes, total = meter.batches()

    assert total == 6_030
    assert dict(classes) == {
        **dict.fromkeys(map(str, SIZES), 3.0), "1": 1.0, "2": 2.0, "1024": 4.0, "+Inf": 5.0,
    }  # fmt: skip
