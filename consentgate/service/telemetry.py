"""Telemetry: the samples of `consentgate.service.meter` for OpenTelemetry, where the host has it.

Room: service. Only the API is used, which does nothing until the host sets up the SDK: where numbers go, and how often,
is the host's business. Each process hands over its own, so several workers behind one port need nothing further.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from consentgate.service.meter import Sample, samples

if TYPE_CHECKING:
    from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation

    from consentgate.service.upkeep import Upkeep

NAME = "consentgate"
_FRESH = 1.0
"""Seconds one look is good for: a collection asks for each instrument by itself."""


def available() -> bool:
    """Whether the API of OpenTelemetry is installed."""
    return find_spec("opentelemetry") is not None and find_spec("opentelemetry.metrics") is not None


def instrument(terms: Upkeep, provider: MeterProvider | None = None) -> None:
    """Make an instrument for each sample of a started handle. It blocks for one look.

    Args:
        terms: the handle; it is not kept alive by this, and once it is gone nothing is reported.
        provider: of meters; ``None`` for the one the host has set up.
    """
    from opentelemetry import metrics

    meter = metrics.get_meter(NAME, meter_provider=provider)
    look = _Look(weakref.ref(terms))
    for sample in samples(terms):
        make = meter.create_observable_counter if sample.kind == "counter" else meter.create_observable_gauge
        unit = "s" if sample.unit == "seconds" else "1"
        make(f"{NAME}.{sample.name}", [look.callback(sample.name)], unit=unit, description=sample.help)
    batch = meter.create_histogram(f"{NAME}.batch_entries", unit="1", description="Entries committed together")
    terms.meter.watchers.append(batch.record)


class _Look:
    """What stands now, looked at once for all instruments of a collection."""

    def __init__(self, terms: weakref.ref[Upkeep]) -> None:
        self._terms = terms
        self._found: dict[str, Sample] = {}
        self._until = 0.0

    def callback(self, name: str) -> Callable[[CallbackOptions], Iterable[Observation]]:
        """What an instrument asks."""
        from opentelemetry.metrics import Observation

        def observe(_: Any) -> Iterable[Observation]:
            sample = self._now().get(name)
            for labels, value in sample.values.items() if sample else ():
                yield Observation(value, dict(zip(sample.labels, labels, strict=True)) if sample else {})

        return observe

    def _now(self) -> dict[str, Sample]:
        terms = self._terms()
        if terms is None or not terms.started:
            return {}
        if time.monotonic() >= self._until:
            self._found = {sample.name: sample for sample in samples(terms)}
            self._until = time.monotonic() + _FRESH
        return self._found
