"""Laws of ``consentgate/web/admin/chart.py``: the picture says what the table says."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentgate.service.statistics import Curve, Point
from consentgate.terms.instants import DAY
from consentgate.terms.policy import Impact, Translation, Version
from consentgate.web.admin.chart import BOTTOM, LEFT, RIGHT, TOP, ceiling, chart_of

BEGIN = 20_000 * DAY
VERSION = Version(
    "terms", "2.0", 2, Impact.MATERIAL, BEGIN, BEGIN, BEGIN, "en", (Translation("en", "Terms", "d", "r", 1),), BEGIN
)


def _curve(steps: list[int]) -> Curve:
    points, total = [], 0
    for day, accepted in enumerate(steps):
        if accepted:
            total += accepted
            points.append(Point(BEGIN + day * DAY, accepted, 0, total))
    return Curve(VERSION, BEGIN, DAY, tuple(points))


@given(st.lists(st.integers(0, 10_000), max_size=60))
def test_the_line_never_leaves_the_picture_and_never_falls(steps: list[int]) -> None:
    """Acceptances only add up; the line goes right and up, inside the frame."""
    chart = chart_of(_curve(steps), BEGIN + (len(steps) + 1) * DAY)
    spots = [tuple(map(float, spot)) for spot in re.findall(r"([\d.]+) ([\d.]+)", chart.path)]

    assert bool(spots) == any(steps)
    assert all(LEFT <= x <= RIGHT and TOP <= y <= BOTTOM for x, y in spots)
    assert [x for x, _ in spots] == sorted(x for x, _ in spots)
    assert [y for _, y in spots] == sorted((y for _, y in spots), reverse=True)
    assert [row.total for row in chart.rows] == [point.total for point in _curve(steps).points]


def test_the_line_is_level_while_nobody_decides() -> None:
    """Ten quiet days, then an acceptance: the line stands at zero until that day and rises within it."""
    spots = re.findall(r"([\d.]+) ([\d.]+)", chart_of(_curve([0] * 10 + [3]), BEGIN + 11 * DAY).path)
    level = [float(x) for x, y in spots if float(y) == BOTTOM]

    assert max(level) == pytest.approx(LEFT + (RIGHT - LEFT) * 10 / 11, abs=0.1)


@pytest.mark.parametrize(("total", "top"), [(0, 4), (1, 4), (4, 4), (5, 8), (9, 20), (21, 40), (1_000_001, 2_000_000)])
def test_the_scale_has_round_quarters(total: int, top: int) -> None:
    """1, 2 or 5 times a power of ten for each of four lines."""
    assert ceiling(total) == top


def test_the_curve_is_said_in_words() -> None:
    """For whoever does not see it."""
    assert chart_of(_curve([]), BEGIN + DAY).said.endswith("Nobody has decided yet.")
    assert chart_of(_curve([3, 0, 1_200]), BEGIN + 4 * DAY).said == (
        "1,203 acceptances of version 2.0 so far. Most in one period: 1,200, from 6 October 2024 00:00 UTC."
    )
