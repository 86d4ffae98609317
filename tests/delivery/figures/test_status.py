"""The status of an endpoint in words."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from delivery.figures.status import RecentAttempts, status_of, statuses
from delivery.models import HourlyStats, Lane
from subscriptions.models import Endpoint
from tests.factories import make_endpoint, make_tenant

NOW = datetime(2026, 5, 4, 12, 3, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
FAILED = RecentAttempts(100, 2, 0, {"503": 94, "timeout": 4})


def minutes(number: int) -> datetime:
    return NOW + timedelta(minutes=number)


@pytest.mark.parametrize(
    ("endpoint", "lane", "recent", "words"),
    [
        (
            {},
            {"failing_since": minutes(-118), "failures": 98, "open_count": 4, "circuit_open_until": minutes(18)},
            FAILED,
            "failing since 12:05: 503 for 94 % of attempts; next probe 14:21",
        ),
        (
            {},
            {"failing_since": minutes(-60 * 30), "failures": 98, "open_count": 4},
            FAILED,
            "failing since 3 May 08:03: 503 for 94 % of attempts; probing: one attempt at a time",
        ),
        (
            {},
            {"failing_since": minutes(-5), "failures": 3},
            RecentAttempts(4, 1, 0, {"connect": 3}),
            "failing since 13:58: connection refused for 75 % of attempts",
        ),
        (
            {},
            {"failing_since": minutes(-5), "failures": 3},
            RecentAttempts(),
            "failing since 13:58: 3 failures in a row",
        ),
        ({}, {"failing_since": minutes(-5), "failures": 1}, RecentAttempts(4, 3, 0, {"503": 1}), "delivers 75 %"),
        (
            {},
            {"wait_until": minutes(2), "wait_status": 429},
            FAILED,
            "asked for a pause (429 and Retry-After) until 14:05",
        ),
        (
            {},
            {"rejecting_since": minutes(-3)},
            RecentAttempts(10, 2, 8, {"422": 8}),
            "rejecting since 14:00: 422 for 80 %",
        ),
        ({"state": "paused", "state_changed_at": minutes(-3)}, {}, FAILED, "paused since 14:00"),
        (
            {"state": "disabled", "state_changed_at": minutes(-3), "disabled_reason": "responded_410"},
            {},
            FAILED,
            "disabled since 14:00: ",
        ),
        ({"deleted_at": minutes(-3)}, {}, FAILED, "deleted 14:00"),
        ({}, {}, RecentAttempts(), "no attempts in the last 24 hours"),
        ({}, {}, RecentAttempts(1_204, 1_204), "delivers 100 % of 1,204 attempts in the last 24 hours"),
    ],
    ids=str,
)
def test_status_says_since_when_why_and_what_next(
    endpoint: dict[str, Any], lane: dict[str, Any], recent: RecentAttempts, words: str
) -> None:
    row = Endpoint(**endpoint)
    status = status_of(row, Lane(endpoint=row, **lane), recent, NOW, BERLIN)
    assert status.words.startswith(words)


@pytest.mark.django_db
def test_statuses_count_the_attempts_since_the_first_failure(django_assert_num_queries: Any) -> None:
    tenant = make_tenant()
    failing, healthy = make_endpoint(tenant), make_endpoint(tenant)
    now = datetime.now(UTC)
    since = now - timedelta(hours=3)
    lane = {"tenant": tenant, "failing_since": since, "failures": 30, "open_count": 1}
    Lane.objects.update_or_create(endpoint=failing, defaults=lane)
    for hours, delivered in ((10, 90), (2, 6)):
        begins_at = (now - timedelta(hours=hours)).replace(minute=0, second=0, microsecond=0)
        failures = {"503": 100 - delivered}
        HourlyStats.objects.create(
            endpoint=failing, begins_at=begins_at, attempts=100, delivered=delivered, failures=failures, latencies=[]
        )
    with django_assert_num_queries(2):
        found = statuses([failing, healthy], now, ZoneInfo("UTC"))
    assert ": 503 for 94 % of attempts" in found[failing.pk].words
    assert found[failing.pk].tone == "bad"
    assert found[healthy.pk].words == "no attempts in the last 24 hours"
