"""Spans of time as people say them, and bars."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from delivery.models import Replay
from delivery.templatetags.delivery_admin import as_json, milliseconds, pace, progress, span


@pytest.mark.parametrize(
    ("wait", "said"),
    [
        (timedelta(seconds=0.2), "less than a second"),
        (timedelta(seconds=5), "5 s"),
        (timedelta(minutes=5), "5 min"),
        (timedelta(minutes=5, seconds=7), "5 min 7 s"),
        (timedelta(hours=2, seconds=7), "2 h"),
        (timedelta(days=1, hours=3, minutes=9), "1 d 3 h"),
    ],
)
def test_a_span_is_said_in_its_two_largest_units(wait: timedelta, said: str) -> None:
    assert span(wait) == said


@pytest.mark.parametrize(("duration", "said"), [(0, "0 ms"), (999, "999 ms"), (1000, "1.0 s"), (15_000, "15.0 s")])
def test_a_duration_is_said_in_the_unit_that_fits(duration: int, said: str) -> None:
    assert milliseconds(duration) == said


@pytest.mark.parametrize(("done", "total", "width"), [(0, 10, "0%"), (1, 3, "33%"), (12, 10, "100%"), (0, 0, "100%")])
def test_a_bar_is_as_long_as_what_is_done(done: int, total: int, width: str) -> None:
    assert f"width: {width}" in progress(Replay(replayed=done, total=total))


def test_values_are_shown_as_json_and_cut() -> None:
    assert as_json(("é", 5, {"prefix": "x"})) == '"é", 5, {"prefix": "x"}'
    assert as_json(()) == "nothing"
    assert len(as_json(("x" * 500,))) == 201


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"replayed": 2_000}, "At most 1,000 a second; about 5 s to go"),
        ({"replayed": 6_900}, "At most 1,000 a second"),
        ({"replayed": 9_000}, "At most 1,000 a second"),
        (
            {"finished_at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)},
            "At most 1,000 a second; ended 2026-01-02 03:04:05 UTC",
        ),
    ],
)
def test_a_replay_says_how_fast_it_goes_and_how_long_it_will_take(changes: dict[str, Any], said: str) -> None:
    assert pace(Replay(rate=1_000, total=7_000, **changes)) == said
