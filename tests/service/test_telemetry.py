"""The same numbers for OpenTelemetry, through its own SDK."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from consentgate.service import telemetry
from consentgate.service.settings import Settings
from consentgate.service.terms import Terms
from consentgate.terms.draft import draft_from_fields
from consentgate.terms.policy import Act, Policy
from consentgate.terms.subject import Subject
from consentgate.testing import SECRET, run

KEY = (SECRET.encode(),)
DRAFT = draft_from_fields({"policy": "terms", "version": "1", "impact": "material"}, "Be kind.\n", file="1")


def collected(reader: InMemoryMetricReader) -> dict[str, Any]:
    """Every number by name, and by labels where there are any; of a histogram its sum."""
    data = reader.get_metrics_data()
    found: dict[str, Any] = {}
    for resource in data.resource_metrics if data else ():
        for metric in (metric for scope in resource.scope_metrics for metric in scope.metrics):
            for point in metric.data.data_points:
                value = point.sum if hasattr(point, "sum") else point.value
                found.setdefault(metric.name, {})[tuple(sorted(point.attributes.items()))] = value
    return found


def test_what_was_done_is_reported(tmp_path: Path) -> None:
    """Decisions by kind, batches, the ledger's size; nothing before it started, nothing after it stopped."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])

    async def work() -> dict[str, Any]:
        async with Terms(Settings(f"sqlite:///{tmp_path / 'terms.db'}", KEY)) as terms:
            telemetry.instrument(terms, provider)
            await terms.publish([DRAFT], policies=[Policy("terms", (("en", "Terms"),))])
            await terms.record(Subject("ada"), "terms")
            await terms.record(Subject("ben"), "terms", act=Act.DECLINE)
            return collected(reader)

    found = run(work())

    accepted, declined = (("decision", "accept"), ("kind", "contract")), (("decision", "decline"), ("kind", "contract"))
    assert found["consentgate.decisions"] == {accepted: 1, declined: 1}
    assert found["consentgate.ledger_entries"] == {(): 3}
    assert found["consentgate.batch_entries"] == {(): 3}
    assert found["consentgate.recording"] == {(): 1}
    assert "consentgate.recording" not in collected(reader)
    provider.shutdown()


def test_a_handle_is_not_kept_alive_by_its_instruments() -> None:
    """An application that makes and drops handles leaks none of them."""
    provider = MeterProvider([InMemoryMetricReader()])

    async def work() -> weakref.ref[Terms]:
        async with Terms(Settings("sqlite://", KEY)) as terms:
            telemetry.instrument(terms, provider)
            return weakref.ref(terms)

    made = run(work())
    gc.collect()

    assert made() is None
    provider.shutdown()


@pytest.mark.parametrize(("metrics", "instrumented"), [(True, 1), (False, 0)])
def test_a_handle_with_metrics_makes_its_instruments_once(
    monkeypatch: pytest.MonkeyPatch, metrics: bool, instrumented: int
) -> None:
    """At the first start, and not again when it is started again; never unasked."""
    made: list[object] = []
    monkeypatch.setattr(telemetry, "instrument", made.append)

    async def work() -> None:
        terms = Terms(Settings("sqlite://", KEY, metrics=metrics))
        for _ in range(2):
            async with terms:
                pass

    run(work())

    assert len(made) == instrumented


def test_nothing_of_it_is_loaded_unasked() -> None:
    """A worker without ``metrics=True`` does not import OpenTelemetry."""
    program = (
        "import asyncio, sys\nfrom consentgate.testing import memory_terms\n"
        "async def work():\n    async with memory_terms():\n        pass\n"
        "asyncio.run(work())\nsys.exit('opentelemetry' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
