"""Cancel: a version that has not taken effect is withdrawn.

Room: service. Its rows and its entry stay; an entry ``publish.cancel`` says that it never takes effect, and every
calendar leaves it out from then on. Whoever has accepted it early keeps that record.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection

from consentgate.errors import ConflictError, NotFoundError
from consentgate.service.administrators import Administrator
from consentgate.service.ledger import Pending
from consentgate.service.publish import CalendarMovedError, admin_entry, append_with_administrator
from consentgate.store import meta
from consentgate.store import policies as shelf
from consentgate.terms.calendar import Calendar
from consentgate.terms.policy import Impact, Version

ACTION = "publish.cancel"


def cancel(
    by: Administrator,
    calendar: Calendar,
    policy: str,
    label: str,
    reason: str,
    randomness: Callable[[int], bytes],
    connection: Connection,
    pending: Pending,
) -> Version:
    """Withdraw a version, inside the writer's transaction; twice is once.

    Raises:
        CalendarMovedError: the calendar is out of date.
        NotFoundError: no such version.
        ConflictError: it is in effect, or an editorial version that follows rests on it.
    """
    if pending.generation != calendar.generation:
        raise CalendarMovedError("something was published meanwhile")
    version = calendar.find(policy, label)
    if version is None:
        raise NotFoundError(f"{policy[:64]} has no version {label[:40]}", policy=policy[:64], version=label[:40])
    if calendar.is_cancelled(version):
        return version
    if version.effective <= pending.at:
        raise ConflictError(
            f"{policy} {label} is in effect already and cannot be cancelled",
            hint="publish a new version with the text that shall be in force; a notice may be short: --short-notice",
            policy=policy,
            version=label,
        )
    if resting := _resting_on(version, calendar):
        raise ConflictError(
            f"{policy} {resting.label} follows as editorial: it would bring the changes of {label} to people who "
            "were never asked about them",
            hint=f"cancel {resting.label} first",
            policy=policy,
            version=resting.label,
        )
    if meta.advance_generation(connection, calendar.generation) is None:
        raise CalendarMovedError("something was published meanwhile")
    shelf.insert_cancellation(connection, version.serial, pending.at)
    make = admin_entry(ACTION, policy=policy, version=label, serial=version.serial, reason=reason)
    append_with_administrator(pending, make, by.id, randomness)
    return version


def _resting_on(version: Version, calendar: Calendar) -> Version | None:
    """The editorial version that comes next: it was held to change no meaning, beside the one before it."""
    chain = calendar.chain(version.policy)
    place = chain.index(version)
    following = chain[place + 1] if place + 1 < len(chain) else None
    rests = following is not None and version.impact is Impact.MATERIAL and following.impact is Impact.EDITORIAL
    return following if rests else None
