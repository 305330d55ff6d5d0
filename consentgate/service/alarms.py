"""Alarms: what somebody should look at, said once in the log and kept for `doctor` and the administrators.

Room: service. In memory, in each process for itself; whatever rings an alarm rings it again after a restart.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, replace

from consentgate.terms.instants import Instant

log = logging.getLogger("consentgate")


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that should not be.

    Args:
        kind: a word for machines: ``rewind``, ``pass-ahead``, ``clock``, ``scrub``, ``erasures``, ``secret``.
        what: one sentence.
        hint: what to do.
        first, last: when it was noticed.
        times: how often.
    """

    kind: str
    what: str
    hint: str
    first: Instant
    last: Instant
    times: int = 1


class Alarms:
    """The alarms of one process: one of each kind, the newest sentence of it. Safe for use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_kind: dict[str, Alarm] = {}

    def ring(self, kind: str, what: str, hint: str, at: Instant) -> None:
        """Raise an alarm; logged when it is new, or says something else than before."""
        with self._lock:
            known = self._by_kind.get(kind)
            fresh = known is None or known.what != what
            self._by_kind[kind] = (
                Alarm(kind, what, hint, at, at)
                if known is None
                else replace(known, what=what, hint=hint, last=at, times=known.times + 1)
            )
        if fresh:
            log.error("%s — %s", what, hint)

    def end(self, kind: str) -> None:
        """It is over."""
        with self._lock:
            self._by_kind.pop(kind, None)

    def all(self) -> tuple[Alarm, ...]:
        """Every alarm, the oldest first."""
        with self._lock:
            return tuple(sorted(self._by_kind.values(), key=lambda alarm: alarm.first))
