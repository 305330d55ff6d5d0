"""The first page: what is in force, what is scheduled, how acceptance grows, and how the ledger is.

Room: web. Every number comes from ``terms.admin``; here they become sentences.
"""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response

from consentgate.service.administration import Health, PolicyInfo
from consentgate.service.statistics import PolicyStatistics
from consentgate.terms.instants import Instant
from consentgate.terms.policy import Impact, Kind, Version
from consentgate.web.admin.access import Entered
from consentgate.web.admin.chart import Chart, chart_of
from consentgate.web.admin.frame import LANGUAGE, Frame
from consentgate.web.render import localised_day, localised_moment, localised_number

_ACCEPTED = {Kind.CONTRACT: "Accepted", Kind.NOTICE: "Acknowledged", Kind.CONSENT: "Granted"}


@dataclass(frozen=True, slots=True)
class PolicyCard:
    """One policy on the overview."""

    slug: str
    title: str
    standing: str
    scheduled: tuple[str, ...]
    counted: bool
    accepted: int
    accepted_words: str
    refused: int
    refused_words: str
    undecided: int
    chart: Chart | None


class Overview:
    """The overview.

    Args:
        frame: around it.
    """

    def __init__(self, frame: Frame) -> None:
        self._frame = frame

    async def show(self, entered: Entered) -> Response:
        """Answer ``GET /admin``."""
        admin, who, now = self._frame.terms.admin, entered.administrator, self._frame.terms.clock()
        counts = await self._frame.counts(entered)
        numbers = {one.policy: one for one in await admin.statistics(who, subjects=counts)}
        cards = [card_of(info, numbers[info.policy.slug], now) for info in await admin.policies(who)]
        health = await admin.health(who)
        waiting = await admin.proposals(who, status="open") if who.may("editor", "auditor") else ()
        return self._frame.show(
            entered,
            "overview.html",
            policies=cards,
            health=health,
            ledger_words=ledger_words(health),
            waiting=_counted(len(waiting), "publication is", "publications are") if waiting else "",
        )


def card_of(info: PolicyInfo, numbers: PolicyStatistics, now: Instant) -> PolicyCard:
    """One policy as the overview shows it."""
    return PolicyCard(
        slug=info.policy.slug,
        title=info.policy.title_in(LANGUAGE),
        standing=standing_words(info, now),
        scheduled=tuple(scheduled_words(version, now) for version in info.scheduled),
        counted=numbers.accepted is not None,
        accepted=numbers.accepted or 0,
        accepted_words=_ACCEPTED[info.policy.kind],
        refused=numbers.refused or 0,
        refused_words="Refused or withdrawn" if info.policy.kind is Kind.CONSENT else "Declined or withdrawn",
        undecided=numbers.undecided or 0,
        chart=chart_of(numbers.curve, now) if numbers.curve else None,
    )


def standing_words(info: PolicyInfo, now: Instant) -> str:
    """What is in force, in a sentence."""
    if info.policy.retired is not None and info.policy.retired <= now:
        instead = f"; {info.policy.replaced_by} replaces it" if info.policy.replaced_by else ""
        return f"Retired since {_day(info.policy.retired)}{instead}. Nobody is asked about it."
    version = info.standing.in_force if info.standing else None
    if version is None:
        return "Nothing is in force yet, so nobody is stopped."
    words = f"Version {version.label} is in force since {_day(version.effective)}"
    if version.impact is Impact.EDITORIAL:
        return f"{words}. Its change was editorial: nobody was asked again."
    if version.enforced > now:
        return f"{words}; visitors may still put it off until {_day(version.enforced)}."
    return f"{words}."


def scheduled_words(version: Version, now: Instant) -> str:
    """What is coming, in a sentence."""
    shown = "shown to visitors already" if version.announced <= now else f"shown from {_day(version.announced)}"
    return f"Version {version.label} takes effect on {_day(version.effective)}; {shown}."


def ledger_words(health: Health) -> str:
    """How the ledger is, in a sentence or two."""
    ledger = health.ledger
    if ledger.at is None:
        return "Nothing is recorded yet."
    words = f"{_counted(ledger.size, 'entry', 'entries')}, the last of {localised_moment(ledger.at, LANGUAGE)}."
    if health.waiting:
        words += f" {_counted(health.waiting, 'write waits', 'writes wait')} for the next transaction."
    return words if health.alarms else f"{words} No alarm."


def _counted(number: int, one: str, many: str) -> str:
    return f"{localised_number(number, LANGUAGE)} {one if number == 1 else many}"


def _day(instant: Instant) -> str:
    return localised_day(instant, LANGUAGE)
