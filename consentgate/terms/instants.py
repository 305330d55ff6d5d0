"""Instants: integers of microseconds since 1970-01-01T00:00:00Z, and their one text form.

Room: terms (pure). Integers because SQLite hands back naive datetimes and because the gate compares
instants on every request; text only at the edges, RFC 3339 in UTC with a fixed width so that it sorts.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import TypeAlias

from consentgate.errors import InputError

Instant: TypeAlias = int
"""Microseconds since the Unix epoch, UTC."""

SECOND: int = 1_000_000
DAY: int = 86_400 * SECOND

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FORM = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def from_datetime(moment: datetime | date) -> Instant:
    """Return the instant of an aware datetime; a bare date means midnight UTC.

    Raises:
        InputError: for a datetime without a time zone, because guessing one would move a legal date.
    """
    if not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    if moment.tzinfo is None:
        raise InputError(
            f"the time {moment.isoformat()} has no time zone", hint="write it as 2026-01-31T09:00:00+01:00 or …Z"
        )
    return (moment - _EPOCH) // timedelta(microseconds=1)


def to_datetime(instant: Instant) -> datetime:
    """Return the aware UTC datetime of an instant."""
    return _EPOCH + timedelta(microseconds=instant)


def format_instant(instant: Instant) -> str:
    """Write an instant as RFC 3339 in UTC, always with six decimals: ``2026-01-31T08:00:00.000000Z``."""
    return to_datetime(instant).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def parse_instant(text: str) -> Instant:
    """Read what `format_instant` wrote, and only that: ``format_instant(parse_instant(x)) == x``.

    Raises:
        InputError: for any other spelling.
    """
    if not _FORM.fullmatch(text):
        raise InputError(f"not an instant in our form: {text[:40]!r}", hint="write 2026-01-31T08:00:00.000000Z")
    try:
        return from_datetime(datetime.fromisoformat(text))
    except ValueError as error:
        raise InputError(f"not a date of the calendar: {text!r}") from error
