"""Check the filters of the admin's templates."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from delivery.models import Replay
from delivery.templatetags.delivery_admin import as_json, duration, milliseconds, progress_bar, rate_and_time


@pytest.mark.parametrize(
    ("period", "text"),
    [
        (timedelta(seconds=0.2), "< 1 s"),
        (timedelta(seconds=5), "5 s"),
        (timedelta(minutes=5), "5 min"),
        (timedelta(minutes=5, seconds=7), "5 min 7 s"),
        (timedelta(hours=2, seconds=7), "2 h"),
        (timedelta(days=1, hours=3, minutes=9), "1 d 3 h"),
    ],
)
def test_duration_is_written_in_its_two_largest_units(period: timedelta, text: str) -> None:
    assert duration(period) == text


@pytest.mark.parametrize(("count", "text"), [(0, "0 ms"), (999, "999 ms"), (1000, "1.0 s"), (15_000, "15.0 s")])
def test_milliseconds_are_written_in_the_unit_that_fits(count: int, text: str) -> None:
    assert milliseconds(count) == text


@pytest.mark.parametrize(("done", "total", "width"), [(0, 10, "0%"), (1, 3, "33%"), (12, 10, "100%"), (0, 0, "100%")])
def test_progress_bar_is_as_wide_as_the_replayed_share(done: int, total: int, width: str) -> None:
    assert f"width: {width}" in progress_bar(Replay(replayed=done, total=total))


def test_values_are_written_as_json_and_cut() -> None:
    assert as_json(("é", 5, {"prefix": "x"})) == '"é", 5, {"prefix": "x"}'
    assert as_json(()) == "nothing"
    assert len(as_json(("x" * 500,))) == 201


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"replayed": 2_000}, "Up to 1,000 per second; about 5 s left"),
        ({"replayed": 6_900}, "Up to 1,000 per second"),
        ({"replayed": 9_000}, "Up to 1,000 per second"),
        (
            {"finished_at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)},
            "Up to 1,000 per second; ended 2026-01-02 03:04:05 UTC",
        ),
    ],
)
def test_rate_and_time_gives_the_rate_and_the_time_left_or_the_end(changes: dict[str, Any], text: str) -> None:
    assert rate_and_time(Replay(rate=1_000, total=7_000, **changes)) == text
