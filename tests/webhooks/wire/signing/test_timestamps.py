"""Check the rule about signed times: a table of moments around the tolerance."""

from math import inf, nan

import pytest

from webhooks.wire.errors import MalformedHeader, StaleTimestamp
from webhooks.wire.signing.timestamps import FORMATS, check_moment, check_timestamp, read, write

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


@pytest.mark.parametrize("value", ["", " 1", "1 ", "+1", "-1", "1.0", "1e9", "0x1", "١", "1" * 17, "1\n"])
def test_timestamp_that_is_no_number_is_rejected_and_names_the_header(value: str) -> None:
    with pytest.raises(MalformedHeader) as caught:
        check_timestamp("x-time", value, now=NOW, tolerance=300)
    assert caught.value.detail == "x-time"


@pytest.mark.parametrize(
    ("form", "value", "seconds"),
    [
        ("s", "1700000300", 1_700_000_300),
        ("ms", "1700000300501", 1_700_000_300.501),
        ("us", "1700000300500001", 1_700_000_300.500001),
        ("iso", "2023-11-14T22:18:20Z", 1_700_000_300),
        ("iso", "2023-11-14T22:18:20.501Z", 1_700_000_300.501),
        ("iso", "2023-11-14T22:18:20.500123456Z", 1_700_000_300.500123),
        ("iso", "2023-11-14T23:18:20+01:00", 1_700_000_300),
        ("iso", "2023-11-14T23:18:20+0100", 1_700_000_300),
        ("iso", "2023-11-14 22:18:20Z", 1_700_000_300),
    ],
)
def test_time_is_read_in_each_format(form: str, value: str, seconds: float) -> None:
    assert read("x-time", value, form) == pytest.approx(seconds, abs=1e-6)


@pytest.mark.parametrize(
    "value", ["", "1700000300", "2023-11-14", "2023-11-14T22:18:20", "2023-13-14T22:18:20Z", "now"]
)
def test_time_that_is_not_iso_8601_with_a_zone_is_rejected(value: str) -> None:
    with pytest.raises(MalformedHeader):
        read("x-time", value, "iso")


@pytest.mark.parametrize("form", FORMATS)
def test_written_time_is_read_again(form: str) -> None:
    assert read("x-time", write(1_700_000_300, form), form) == 1_700_000_300
