"""Check the rule about signed times: a table of moments around the tolerance."""

from math import inf, nan

import pytest

from webhooks.wire.errors import MalformedHeader, StaleTimestamp
from webhooks.wire.signing.timestamps import check_moment, check_timestamp

NOW = 1_700_000_000.5


@pytest.mark.parametrize("away", [-300, -299.75, -1, 0, 1, 299.75, 300])
def test_moment_within_the_tolerance_is_accepted(away: float) -> None:
    check_moment(NOW + away, now=NOW, tolerance=300)


@pytest.mark.parametrize("away", [-inf, -1e15, -300.25, 300.25, 3600, 1e15, inf, nan])
def test_moment_outside_the_tolerance_is_rejected_on_both_sides(away: float) -> None:
    with pytest.raises(StaleTimestamp):
        check_moment(NOW + away, now=NOW, tolerance=300)


@pytest.mark.parametrize(("tolerance", "oldest"), [(300, 3600), (0, 3600), (7200, 7200)])
def test_repeated_message_may_be_older_and_not_newer(tolerance: int, oldest: int) -> None:
    check_moment(NOW - oldest, now=NOW, tolerance=tolerance, repeated_for=3600)
    for moment in (NOW - oldest - 1, NOW + tolerance + 1):
        with pytest.raises(StaleTimestamp):
            check_moment(moment, now=NOW, tolerance=tolerance, repeated_for=3600)


@pytest.mark.parametrize("value", ["", " 1", "1 ", "+1", "-1", "1.0", "1e9", "0x1", "١", "1" * 16, "1\n"])
def test_timestamp_that_is_no_number_is_rejected_and_names_the_header(value: str) -> None:
    with pytest.raises(MalformedHeader) as caught:
        check_timestamp("x-time", value, now=NOW, tolerance=300)
    assert caught.value.detail == "x-time"


def test_milliseconds_count_to_the_last_one() -> None:
    check_timestamp("x-time", "1700000300500", now=NOW, tolerance=300, units_per_second=1000)
    with pytest.raises(StaleTimestamp):
        check_timestamp("x-time", "1700000300501", now=NOW, tolerance=300, units_per_second=1000)
