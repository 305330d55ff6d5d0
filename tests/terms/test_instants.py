"""Laws of instants: integers inside, one text form outside."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentgate.errors import InputError
from consentgate.terms.instants import format_instant, from_datetime, parse_instant, to_datetime

INSTANTS = st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999)
"""From year 1 to 9999: all that the text form can say."""


@given(INSTANTS)
def test_reading_what_was_written_gives_the_same_instant(instant: int) -> None:
    """format and parse are inverse."""
    assert parse_instant(format_instant(instant)) == instant


@given(INSTANTS, INSTANTS)
def test_the_written_form_has_one_width_and_sorts_like_the_instants(one: int, other: int) -> None:
    """Text order is time order, also before the year 1000."""
    assert len(format_instant(one)) == 27
    assert (one < other) == (format_instant(one) < format_instant(other))


@given(st.text(max_size=30))
def test_any_other_spelling_is_refused(text: str) -> None:
    """What parses, formats back to itself."""
    try:
        instant = parse_instant(text)
    except InputError:
        return
    assert format_instant(instant) == text


@pytest.mark.parametrize(
    "text",
    [
        "2026-02-30T00:00:00.000000Z",
        "2026-01-01T24:00:00.000000Z",
        "2026-01-01T00:00:00Z",
        "٢٠٢٦-01-01T00:00:00.000000Z",
    ],
)
def test_what_is_no_date_or_another_form_is_refused(text: str) -> None:
    """No lenient reading."""
    with pytest.raises(InputError):
        parse_instant(text)


def test_a_time_without_a_zone_is_refused() -> None:
    """Guessing a zone would move a legal date."""
    with pytest.raises(InputError, match="no time zone"):
        from_datetime(datetime(2026, 1, 31, 9, 0))  # noqa: DTZ001


def test_a_zone_is_converted_and_a_date_means_midnight_utc() -> None:
    """Instants are UTC."""
    nine_in_paris = datetime(2026, 1, 31, 9, 0, tzinfo=timezone(timedelta(hours=1)))

    assert to_datetime(from_datetime(nine_in_paris)) == datetime(2026, 1, 31, 8, 0, tzinfo=UTC)
    assert to_datetime(from_datetime(date(2026, 1, 31))) == datetime(2026, 1, 31, tzinfo=UTC)
