"""Hourly counts of attempts, and the percentiles computed from them."""

import random
import statistics
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from delivery import notify
from delivery.admin.hourly_chart import hourly_chart
from delivery.models import HourlyStats
from delivery.publishing.publisher import publish
from delivery.sending.attempt_stats import BOUNDS, AttemptStats, delete_old_stats, percentile, stats_by_hour, total_of
from delivery.sending.drain import deliver_due
from delivery.transports.outcome import Failure, Outcome
from subscriptions.models import Endpoint
from tests.factories import make_client, make_endpoint, make_subscription, make_tenant
from tests.receiver import Receiver
from tests.routes import ApiRoute, RouteCases

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 23, 10, 30, tzinfo=UTC)


def outcome(ms: int = 10, at: datetime = NOW, **changes: Any) -> Outcome:
    return Outcome(at.timestamp(), ms, **{"status": 200, **changes})


def counted(endpoint: Endpoint, *outcomes: Outcome) -> None:
    hours = AttemptStats()
    for each in outcomes:
        hours.add(endpoint.id, [each])
    hours.write()


class TestStatsRoutes(RouteCases):
    routes = (
        ApiRoute("get", "endpoints/{endpoint}/stats/", "read", 200),
        ApiRoute("get", "endpoints/{endpoint}/stats/?hours=744", "read", 200),
    )

    def make_ids(self, tenant: Any) -> dict[str, str]:
        return {"endpoint": make_endpoint(tenant).public_id}


def test_write_adds_to_what_other_drains_wrote() -> None:
    endpoint, other = make_endpoint(), make_endpoint()
    for _ in range(3):
        counted(endpoint, outcome(5), outcome(900, status=500, failure=Failure.STATUS))
    counted(other, outcome())
    hour = stats_by_hour([endpoint.id], 1, NOW)[0]
    assert (hour.attempts, hour.delivered, hour.failed, hour.success_rate) == (6, 3, 3, 0.5)
    assert sum(hour.latencies) == 6
    assert (hour.last_error, hour.last_status) == ("status", 500)


def test_success_keeps_the_last_error_of_the_hour() -> None:
    endpoint = make_endpoint()
    counted(endpoint, outcome(status=None, failure=Failure.TIMEOUT))
    counted(endpoint, outcome())
    hour = stats_by_hour([endpoint.id], 1, NOW)[0]
    assert (hour.last_error, hour.last_status, hour.last_failed_at) == ("timeout", None, NOW)


def test_stats_by_hour_include_empty_hours_and_total_adds_them() -> None:
    endpoint = make_endpoint()
    counted(endpoint, outcome(10), outcome(20, at=NOW - timedelta(hours=2)), outcome(at=NOW - timedelta(hours=5)))
    hours = stats_by_hour([endpoint.id], 4, NOW)
    assert [hour.attempts for hour in hours] == [0, 1, 0, 1]
    total = total_of(hours)
    assert (total.attempts, total.begins_at) == (2, hours[0].begins_at)
    assert hours[0].success_rate is None
    assert hours[0].latency_ms == {"p50": None, "p95": None, "p99": None}


@pytest.mark.parametrize("part", [0.5, 0.95, 0.99])
def test_percentile_is_off_by_less_than_a_fifth(part: float) -> None:
    seeded = random.Random(5)
    sample = [max(1, round(seeded.lognormvariate(4, 1))) for _ in range(5_000)]
    hours = AttemptStats()
    endpoint = make_endpoint()
    for ms in sample:
        hours.add(endpoint.id, [outcome(ms)])
    hours.write()
    found = percentile(stats_by_hour([endpoint.id], 1, NOW)[0].latencies, part)
    true = statistics.quantiles(sample, n=100)[round(part * 100) - 1]
    assert found is not None
    assert abs(found - true) <= true / 5 + 1


@pytest.mark.parametrize(
    ("ms", "least", "most"), [(0, 0, 1), (1, 0, 1), (15_000, 13_000, 17_000), (10**6, 27_000, 32_768)]
)
def test_any_duration_has_a_bucket(ms: int, least: int, most: int) -> None:
    endpoint = make_endpoint()
    counted(endpoint, outcome(ms))
    found = percentile(stats_by_hour([endpoint.id], 1, NOW)[0].latencies, 1.0)
    assert found is not None
    assert least <= found <= most
    assert sorted(BOUNDS) == BOUNDS


def test_delete_old_stats_deletes_hours_after_their_retention() -> None:
    endpoint = make_endpoint()
    counted(endpoint, outcome(), outcome(at=NOW - timedelta(days=63)))
    assert delete_old_stats(NOW) == 1
    assert HourlyStats.objects.count() == 1


def test_chart_describes_its_bars() -> None:
    endpoint = make_endpoint()
    assert "No attempts" in hourly_chart(stats_by_hour([endpoint.id], 24, NOW))
    counted(endpoint, outcome(), outcome(status=None, failure=Failure.TLS))
    chart = hourly_chart(stats_by_hour([endpoint.id], 24, NOW))
    assert chart.count("<title>") == 24
    assert "2 attempts, 1 failed" in chart
    assert "last error: tls" in chart
    assert "highest: 2 in an hour" in chart
    assert f"{NOW - timedelta(hours=23):%H:00} UTC" in chart


def test_get_stats_returns_the_total_and_every_hour() -> None:
    endpoint = make_endpoint()
    counted(endpoint, outcome(100, at=datetime.now(UTC)))
    shown = make_client(endpoint.tenant).get(f"/api/v1/endpoints/{endpoint.public_id}/stats/?hours=3").json()
    assert len(shown["data"]) == 3
    assert shown["total"]["attempts"] == 1
    assert 80 <= shown["total"]["latency_ms"]["p99"] <= 120


@pytest.mark.parametrize("hours", ["0", "745", "x", "", "1.5"])
def test_get_stats_with_invalid_hours_names_the_field(hours: str) -> None:
    endpoint = make_endpoint()
    response = make_client(endpoint.tenant).get(f"/api/v1/endpoints/{endpoint.public_id}/stats/?hours={hours}")
    assert response.status_code == 400
    assert "hours" in response.content.decode()


@pytest.mark.django_db(transaction=True)
def test_drain_counts_its_attempts(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.WAYPOST_ALLOW_HTTP, settings.WAYPOST_ALLOW_NETWORKS = True, ["127.0.0.0/8"]
    monkeypatch.setattr(notify.drain_starter, "notify", lambda: None)
    with Receiver() as receiver:
        endpoint = make_subscription(make_endpoint(make_tenant(), url=receiver.script("/in", 200, 200, 500))).endpoint
        publish(endpoint.tenant, [{"type": "order.created", "data": n} for n in range(5)])
        deliver_due(idle_timeout=0.1, seconds=60.0, stopping=lambda: False)
    client: APIClient = make_client(endpoint.tenant)
    total = client.get(f"/api/v1/endpoints/{endpoint.public_id}/stats/").json()["total"]
    assert (total["attempts"], total["delivered"], total["last_status"]) == (5, 2, 500)
