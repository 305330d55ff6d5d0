"""Three weeks of readers, invented: so that the curve on the administrators' pages is a curve.

No real site has any of this. On a fresh record the clock is set back, the policies are published, and readers come,
most of them soon; then the site itself starts, on the same record and with the real clock.
"""

from __future__ import annotations

from consentgate import Subject
from consentgate.service.engine import now
from consentgate.service.settings import Settings
from consentgate.service.terms import Terms
from consentgate.terms.instants import DAY, Instant

SPAN = 20 * DAY
READERS = 160
EVERY = 13
"""Each thirteenth reader says no to what may be declined."""


class Past:
    """A clock that is told what time it is."""

    def __init__(self, begin: Instant) -> None:
        self.now = begin

    def __call__(self) -> Instant:
        """The instant."""
        return self.now


async def gather(settings: Settings) -> None:
    """Let them come, unless there is a record already.

    Args:
        settings: of the site, which has not started yet.
    """
    if settings.place is None or settings.place.exists():
        return
    begin = now() - SPAN
    clock = Past(begin)
    async with Terms(settings, clock=clock) as terms:
        for number in range(1, READERS + 1):
            clock.now = begin + int(SPAN * 0.99 * (number / READERS) ** 2.4)
            for standing in terms.calendar.at(clock.now).standings:
                version, (yes, *others) = standing.in_force, standing.policy.kind.decisions
                if version is not None:
                    act = others[0] if others and number % EVERY == 0 else yes
                    await terms.record(Subject(f"reader-{number:03d}"), standing.policy.slug, version.label, act)
