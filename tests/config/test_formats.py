"""Test the format of dates and times on the admin pages."""

from datetime import UTC, date, datetime

from django.utils.formats import localize


def test_dates_and_times_are_written_with_the_largest_unit_first() -> None:
    assert localize(datetime(2026, 1, 31, 15, 4, 5, tzinfo=UTC)) == "2026-01-31 15:04:05"
    assert localize(date(2026, 1, 31)) == "2026-01-31"
