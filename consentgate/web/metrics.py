"""Metrics as Prometheus text, written by the library of Prometheus.

Room: web. The library is an extra (``consentgate[metrics]``) and is imported where it is used. No registry of its own
is touched: a host may have one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from consentgate.service.meter import Sample, samples
from consentgate.service.terms import Terms

if TYPE_CHECKING:
    from prometheus_client.core import Metric

PREFIX = "consentgate_"
MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class _Collector:
    def __init__(self, terms: Terms) -> None:
        self._terms = terms

    def collect(self) -> Iterable[Metric]:
        """What stands now."""
        from prometheus_client.core import HistogramMetricFamily

        for sample in samples(self._terms):
            yield _family(sample)
        classes, entries = self._terms.meter.batches()
        yield HistogramMetricFamily(
            PREFIX + "batch_entries", "Entries committed together", buckets=classes, sum_value=entries
        )


def render(terms: Terms) -> bytes:
    """Everything `consentgate.service.meter` knows, in the text format of Prometheus."""
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(terms))
    return generate_latest(registry)


def _family(sample: Sample) -> Metric:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    form = CounterMetricFamily if sample.kind == "counter" else GaugeMetricFamily
    name = PREFIX + sample.name + (f"_{sample.unit}" if sample.unit else "")
    family = form(name, sample.help, labels=sample.labels)
    for labels, value in sorted(sample.values.items()):
        family.add_metric(labels, value)
    return family
