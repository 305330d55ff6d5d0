"""What is demanded now: the calendar at this moment, with the answers that were already worked out.

Room: gate (pure). One snapshot serves all requests until something is published or its moment ends.
"""

from __future__ import annotations

from consentgate.gate.hooks import Passage
from consentgate.gate.verdict import Outcome, Verdict, decide
from consentgate.terms.calendar import Calendar, Moment
from consentgate.terms.instants import SECOND, Instant
from consentgate.terms.subject import SubjectKind

_NOBODY: frozenset[str] = frozenset()
_NOTHING: frozenset[int] = frozenset()
_MOST_VERDICTS = 4_096


class Snapshot:
    """The calendar at a moment.

    Args:
        calendar: everything published.
        now: instant.
    """

    __slots__ = ("_by_path", "_visitors", "calendar", "gates", "moment", "stopped_stranger", "stranger")

    def __init__(self, calendar: Calendar, now: Instant) -> None:
        self.calendar = calendar
        self.moment: Moment = calendar.at(now)
        gating = [standing.policy for standing in self.moment.standings if standing.policy.kind.gates]
        self.gates = bool(gating)
        self._by_path = any(policy.audience.paths for policy in gating)
        self._visitors: dict[tuple[int, ...], Verdict] = {}
        # The passage of who brings nothing, neither a user nor a pass; ``None`` where it depends on the path.
        self.stranger = None if self._by_path else Passage(None, self.everywhere((), SubjectKind.VISITOR))
        # The same, if it is to be stopped.
        stops = self.stranger is not None and self.stranger.verdict.outcome is Outcome.REVIEW
        self.stopped_stranger = self.stranger if stops else None

    def until(self) -> float:
        """Seconds since 1970 at which it stops being true."""
        return float("inf") if self.moment.until is None else self.moment.until / SECOND

    def everywhere(self, serials: tuple[int, ...], kind: SubjectKind, tags: frozenset[str] = _NOBODY) -> Verdict:
        """The verdict over all paths together: who passes here passes anywhere."""
        return decide(self.moment, frozenset(serials), kind=kind, tags=tags)

    def visitor_everywhere(self, serials: tuple[int, ...]) -> Verdict:
        """The same for a visitor, remembered: visitors have few different sets of versions between them."""
        verdict = self._visitors.get(serials)
        if verdict is None:
            if len(self._visitors) >= _MOST_VERDICTS:
                self._visitors.clear()
            verdict = self._visitors[serials] = self.everywhere(serials, SubjectKind.VISITOR)
        return verdict

    def stranger_on(self, path: str) -> Passage:
        """The passage of who brings nothing, on one path."""
        return Passage(None, self.verdict(_NOTHING, kind=SubjectKind.VISITOR, path=path))

    def verdict(
        self,
        accepted: frozenset[int],
        *,
        kind: SubjectKind,
        tags: frozenset[str] = _NOBODY,
        path: str,
        expired: frozenset[int] = _NOTHING,
        snoozed: Instant | None = None,
        now: Instant | None = None,
    ) -> Verdict:
        """The verdict on one path."""
        where = path if self._by_path else None
        return decide(
            self.moment, accepted, kind=kind, tags=tags, path=where, expired=expired, snoozed=snoozed, now=now
        )
