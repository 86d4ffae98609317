"""Check the progress of jobs as the admin writes it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils.html import strip_tags

from webhooks.kit.admin.progress import progress_bar, rate_and_time
from webhooks.kit.jobs.duration import duration
from webhooks.models import ReceiptReplay


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


@pytest.mark.parametrize(("done", "total", "width"), [(0, 10, "0%"), (1, 3, "33%"), (12, 10, "100%"), (0, 0, "0%")])
def test_progress_bar_is_as_wide_as_the_replayed_share(done: int, total: int, width: str) -> None:
    assert f"width: {width}" in progress_bar(ReceiptReplay(replayed=done, total=total))


def test_progress_bar_of_a_finished_job_is_full() -> None:
    assert "width: 100%" in progress_bar(ReceiptReplay(replayed=0, total=0, state="finished"))


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
    assert strip_tags(rate_and_time(ReceiptReplay(rate=1_000, total=7_000, **changes))) == text
