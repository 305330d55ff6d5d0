"""How each policy stands for a subject.

Room: service (pure).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from consentgate.service.holdings import NOTHING, Held, Holding, State, state_of
from consentgate.service.offer import version_to_offer
from consentgate.terms.calendar import Calendar, Standing
from consentgate.terms.instants import Instant
from consentgate.terms.policy import Policy, Version
from consentgate.terms.subject import Subject


@dataclass(frozen=True, slots=True)
class PolicyStatus:
    """How one policy stands for a subject.

    Args:
        policy: the policy.
        state: as DESIGN names them.
        standing: what is in force, enforced, announced.
        version: what the subject is asked about in this state, or what is in force.
        accepted: the version accepted last, or ``None``.
        decision: that acceptance, or ``None``.
    """

    policy: Policy
    state: State
    standing: Standing
    version: Version | None
    accepted: Version | None
    decision: Held | None


def status_of(
    calendar: Calendar, subject: Subject | None, holdings: Mapping[str, Holding], now: Instant
) -> tuple[PolicyStatus, ...]:
    """How every policy stands that binds a subject (``None``: anybody)."""
    found = []
    for standing in calendar.at(now).standings:
        if subject is not None and not standing.policy.audience.binds_subject(subject):
            continue
        holding = holdings.get(standing.policy.slug, NOTHING)
        state = state_of(standing, holding, now)
        accepted = calendar.by_serial.get(holding.last.serial) if holding.last else None
        found.append(
            PolicyStatus(standing.policy, state, standing, version_to_offer(standing, state), accepted, holding.last)
        )
    return tuple(found)
