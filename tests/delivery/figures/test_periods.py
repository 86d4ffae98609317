"""The figures of periods agree with counts over the tables."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from delivery.figures.periods import Counts, length_for, read_periods, total_of
from delivery.lifecycle.usage import fold
from delivery.models import PLATFORM, Attempt, Delivery, Event, Figures, UsageIncrement
from delivery.publishing.publisher import publish
from delivery.sending.attempt_stats import AttemptStats
from delivery.sending.drain import deliver_due
from delivery.transports.outcome import Failure, Outcome
from subscriptions.models import Endpoint
from tests.factories import make_endpoint, make_subscription, make_tenant
from tests.receiver import Receiver
from webhooks.kit.charts.time_axis import time_axis

pytestmark = pytest.mark.django_db

UTC_ZONE = ZoneInfo("UTC")
NOON = datetime(2026, 5, 4, 12, 3, tzinfo=UTC)


def attempted(endpoint: Endpoint, at: datetime, number: int = 1, **changes: Any) -> None:
    stats = AttemptStats()
    stats.add(endpoint.pk, [Outcome(at.timestamp(), 10, **{"status": 200, **changes})] * number)
    stats.write()


def published(endpoint: Endpoint, at: datetime, events: int) -> None:
    UsageIncrement.objects.create(
        tenant_id=endpoint.tenant_id, day=at.date(), type="order.paid", events=events, deliveries=events, counted_at=at
    )
    fold()


def totals(scope_id: Any, period: str, now: datetime = NOON, zone: ZoneInfo = UTC_ZONE) -> Counts:
    axis = time_axis(period, now, zone)
    return total_of(read_periods(scope_id, axis.edges, length_for(period)), axis.begins_at)


@pytest.mark.django_db(transaction=True)
def test_figures_agree_with_events_and_attempts_of_a_drain(settings: Any) -> None:
    settings.WAYPOST_ALLOW_HTTP, settings.WAYPOST_ALLOW_NETWORKS = True, ["127.0.0.0/8"]
    with Receiver() as receiver:
        endpoint = make_subscription(make_endpoint(make_tenant(), url=receiver.script("/in", 200, 200, 500))).endpoint
        publish(endpoint.tenant, [{"type": "order.created", "data": n} for n in range(5)])
        deliver_due(idle_timeout=0.1, seconds=60.0, stopping=lambda: False)
    fold()
    now = datetime.now(UTC)
    for scope_id in (PLATFORM, endpoint.tenant_id):
        counts = totals(scope_id, "day", now)
        assert (counts.events, counts.deliveries) == (Event.objects.count(), Delivery.objects.count()) == (5, 5)
    for scope_id, period in [(s, p) for s in (PLATFORM, endpoint.tenant_id, endpoint.pk) for p in ("hour", "day")]:
        counts = totals(scope_id, period, now)
        attempts = Attempt.objects.all()
        assert (counts.attempts, counts.delivered) == (attempts.count(), attempts.filter(error="").count())
        assert counts.failures == {"500": attempts.filter(status=500).count()}
        assert sum(counts.latencies) == counts.attempts


def test_period_of_each_attempt_is_that_of_its_begin() -> None:
    endpoint, other = make_endpoint(make_tenant()), make_endpoint(make_tenant())
    attempted(endpoint, NOON - timedelta(minutes=3), 2)  # 12:00, exactly at an edge
    attempted(endpoint, NOON - timedelta(minutes=4), 3)
    attempted(other, NOON - timedelta(minutes=4), 5, status=None, failure=Failure.TIMEOUT)
    axis = time_axis("hour", NOON, UTC_ZONE)
    assert [it.attempts for it in read_periods(endpoint.pk, axis.edges, 5)] == [0] * 10 + [3, 2]
    assert [it.attempts for it in read_periods(PLATFORM, axis.edges, 5)] == [0] * 10 + [8, 2]
    hours = read_periods(PLATFORM, time_axis("day", NOON, UTC_ZONE).edges, 60)
    assert [it.attempts for it in hours[-2:]] == [8, 2]
    assert hours[-2].failures == {"timeout": 5}
    assert hours[-2].success_percent == pytest.approx(37.5)


@pytest.mark.parametrize(("zone", "days"), [("UTC", [9, 6]), ("Europe/Berlin", [1, 14]), ("America/New_York", [15])])
def test_days_are_those_of_the_zone_over_midnight_and_a_clock_change(zone: str, days: list[int]) -> None:
    """Attempts around the midnights of UTC and of Berlin, on the day on which Berlin's clocks went forward."""
    endpoint = make_endpoint(make_tenant())
    for hour, minute, number in ((21, 59, 1), (22, 30, 8), (24, 0, 2), (27, 30, 4)):
        attempted(endpoint, datetime(2026, 3, 29, tzinfo=UTC) + timedelta(hours=hour, minutes=minute), number)
    axis = time_axis("month", datetime(2026, 3, 30, 3, 59, tzinfo=UTC), ZoneInfo(zone))
    counted = [it.attempts for it in read_periods(endpoint.pk, axis.edges, 60)]
    assert [it for it in counted if it] == days
    assert counted[-len(days) :] == days


def test_previous_period_is_counted_apart() -> None:
    endpoint = make_endpoint(make_tenant())
    published(endpoint, NOON - timedelta(hours=2), 7)
    published(endpoint, NOON - timedelta(hours=26), 9)
    axis = time_axis("day", NOON, UTC_ZONE)
    assert sum(it.events for it in read_periods(PLATFORM, axis.edges, 60)) == 7
    assert sum(it.events for it in read_periods(endpoint.tenant_id, axis.previous, 60)) == 9


def test_fold_adds_to_platform_and_tenant_once() -> None:
    first, second = make_endpoint(make_tenant()), make_endpoint(make_tenant())
    for endpoint, events in ((first, 2), (first, 3), (second, 5)):
        published(endpoint, NOON, events)
    fold()
    rows = Figures.objects.filter(length=5).values_list("scope", "scope_id", "tenant_id", "events")
    assert set(rows) == {
        ("platform", PLATFORM, None, 10),
        ("tenant", first.tenant_id, first.tenant_id, 5),
        ("tenant", second.tenant_id, second.tenant_id, 5),
    }


def test_scope_without_backlog_has_zero_where_the_platform_was_measured() -> None:
    endpoint = make_endpoint(make_tenant())
    axis = time_axis("day", NOON, UTC_ZONE)
    Figures.objects.create(
        scope="platform", scope_id=PLATFORM, length=60, begins_at=axis.edges[5], pending=9, open_dead_letters=2
    )
    assert [it.pending for it in read_periods(endpoint.pk, axis.edges, 60)][4:7] == [None, 0, None]
    assert [it.pending for it in read_periods(PLATFORM, axis.edges, 60)][4:7] == [None, 9, None]
