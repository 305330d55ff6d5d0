"""The acceptance curve as a picture: coordinates for an SVG, and the sentence that says the same.

Room: web (pure).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from consentgate.service.statistics import Curve, Point
from consentgate.terms.instants import DAY, Instant
from consentgate.web.render import localised_moment, localised_number, plain_day

_LANGUAGE = "en"
WIDTH, HEIGHT = 640, 220
LEFT, RIGHT, TOP, BOTTOM = 64, 632, 12, 190
_STEPS = (1, 2, 5)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the grid: its height and the number beside it."""

    y: float
    words: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A date below the picture."""

    x: float
    words: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Chart:
    """What the template draws."""

    caption: str
    said: str
    path: str
    area: str
    grid: tuple[Line, ...]
    days: tuple[Mark, ...]
    rows: tuple[Point, ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = RIGHT


def chart_of(curve: Curve, now: Instant) -> Chart:
    """Draw a curve from the publication of its version until now."""
    label = curve.version.label
    total = curve.points[-1].total if curve.points else 0
    end = max(now, curve.since + curve.period)
    top = ceiling(total)

    def x(at: Instant) -> float:
        return round(LEFT + (RIGHT - LEFT) * min(1.0, max(0.0, (at - curve.since) / (end - curve.since))), 1)

    def y(number: int) -> float:
        return round(BOTTOM - (BOTTOM - TOP) * number / top, 1)

    # Level until a period begins, and grown where it ends; the last one has not ended, so it counts now.
    spots = [(LEFT + 0.0, y(0))]
    for point in curve.points:
        spots.append((x(min(point.at, now)), y(point.total - point.accepted)))
        spots.append((x(min(point.at + curve.period, now)), y(point.total)))
    spots.append((x(now), y(total)))
    path = "M" + " L".join(f"{across:g} {up:g}" for across, up in spots) if curve.points else ""
    noun = "acceptance" if total == 1 else "acceptances"
    return Chart(
        caption=f"Acceptances of version {label} since {localised_moment(curve.since, _LANGUAGE)}",
        said=f"{localised_number(total, _LANGUAGE)} {noun} of version {label} so far. {_pace(curve.points)}".strip(),
        path=path,
        area=f"{path} V{BOTTOM} H{LEFT} Z" if path else "",
        grid=tuple(Line(y(number), localised_number(number, _LANGUAGE)) for number in _lines(top)),
        days=(
            Mark(LEFT, _when(curve.since, end - curve.since), "start"),
            Mark(RIGHT, _when(end, end - curve.since), "end"),
        ),
        rows=curve.points,
    )


def ceiling(total: int) -> int:
    """The smallest of 4, 8, 20, 40, 80, 200 … that the curve fits under: its quarters are round numbers."""
    power = 1
    while True:
        for step in _STEPS:
            if step * power * 4 >= total:
                return step * power * 4
        power *= 10


def _lines(top: int) -> Sequence[int]:
    return [top * quarter // 4 for quarter in range(5)]


def _when(at: Instant, span: int) -> str:
    return localised_moment(at, _LANGUAGE) if span <= 3 * DAY else plain_day(at, _LANGUAGE)


def _pace(points: Sequence[Point]) -> str:
    if not points:
        return "Nobody has decided yet."
    best = max(points, key=lambda point: (point.accepted, -point.at))
    number = localised_number(best.accepted, _LANGUAGE)
    return f"Most in one period: {number}, from {localised_moment(best.at, _LANGUAGE)}."
