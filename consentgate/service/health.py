"""Health: what this process can do at this moment, from memory alone.

Room: service. No look at the database: the thread that watches publications has looked within the last half second,
and a thousand probes a second must cost nothing.

Two questions are kept apart. *Ready*: should this process get requests? Yes as soon as it has started, even while the
database is away, because whoever has a pass goes on from memory; a load balancer that took every worker out would turn
an outage of the database into one of the whole site. *Recording*: can a decision be recorded now? That is for alerts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from consentgate.service.upkeep import Upkeep


@dataclass(frozen=True, slots=True)
class Health:
    """What can be done.

    Args:
        ready: whether this process answers requests.
        problems: why decisions cannot be recorded, one line each; nothing in it is secret.
    """

    ready: bool
    problems: tuple[str, ...] = ()

    @property
    def recording(self) -> bool:
        """Whether decisions can be recorded."""
        return self.ready and not self.problems


def health_of(terms: Upkeep) -> Health:
    """Look at a handle."""
    if not terms.started:
        return Health(ready=False, problems=("not started",))
    problems = []
    if not terms.watching:
        problems.append("the database cannot be reached; visitors with a pass go on")
    if terms.engine.writer.full:
        problems.append("too many decisions are waiting")
    if any(alarm.kind == "rewind" for alarm in terms.alarms()):
        problems.append("the ledger went back in time; nothing is recorded")
    return Health(ready=True, problems=tuple(problems))
