"""Days are made from hours, exactly once, and outlive them."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from delivery.figures.periods import read_periods
from delivery.figures.roll_up import roll_up
from delivery.lifecycle.usage import fold
from delivery.models import PLATFORM, Attempt, DeadLetter, Delivery, Event, Figures, HourlyStats, UsageIncrement
from delivery.sending.attempt_stats import AttemptStats
from delivery.transports.outcome import Failure, Outcome
from subscriptions.models import Endpoint
from tests.clock import day_of_test
from tests.delivery.factories import make_dead_letter, make_delivery, make_event
from tests.factories import make_endpoint, make_tenant
from webhooks.kit.sql import run

pytestmark = pytest.mark.django_db


def begin(of_day: int = 0) -> datetime:
    """Return the beginning of the day three days ago, or of one so many days later."""
    return day_of_test(ago=timedelta(days=3 - of_day))


def attempted(endpoint: Endpoint, at: datetime, number: int = 1, **changes: Any) -> None:
    stats = AttemptStats()
    stats.add(endpoint.pk, [Outcome(at.timestamp(), 10, **{"status": 200, **changes})] * number)
    stats.write()


def day(scope_id: UUID, number: int = 0) -> Figures:
    return Figures.objects.get(scope_id=scope_id, length=1440, begins_at=begin(number))


def test_day_is_the_sum_of_its_hours() -> None:
    endpoint = make_endpoint(make_tenant())
    attempted(endpoint, begin(), 3)
    attempted(endpoint, begin() + timedelta(hours=23, minutes=59), 4, status=503, failure=Failure.STATUS)
    attempted(endpoint, begin(1), 5)
    assert roll_up() == 9  # three hours of the endpoint, its tenant and the platform
    for scope_id in (endpoint.pk, endpoint.tenant_id, PLATFORM):
        row = day(scope_id)
        assert (row.attempts, row.delivered, row.failures, sum(row.latencies)) == (7, 3, {"503": 4}, 7)
        assert day(scope_id, 1).attempts == 5
    assert roll_up() == 0


def test_counts_that_come_late_are_rolled_up_too() -> None:
    endpoint = make_endpoint(make_tenant())
    attempted(endpoint, begin(), 3)
    roll_up()
    attempted(endpoint, begin() + timedelta(minutes=1), 2)
    roll_up()
    assert {day(it).attempts for it in (endpoint.pk, endpoint.tenant_id, PLATFORM)} == {5}


def test_hour_that_is_not_over_is_left_alone() -> None:
    attempted(make_endpoint(make_tenant()), datetime.now(UTC))
    assert roll_up() == 0


def test_day_counts_events_and_dead_letters() -> None:
    endpoint = make_endpoint(make_tenant())
    noon = begin() + timedelta(hours=12)
    UsageIncrement.objects.create(
        tenant_id=endpoint.tenant_id, day=begin(), type="a", events=6, deliveries=8, counted_at=noon
    )
    fold()
    attempted(endpoint, noon)
    for failed_at in (begin(), noon, begin(1)):
        make_dead_letter(make_delivery(make_event(endpoint.tenant), endpoint), failed_at=failed_at)
    roll_up()
    assert {day(it).dead_letters for it in (endpoint.pk, endpoint.tenant_id, PLATFORM)} == {2}
    assert (day(endpoint.tenant_id).events, day(PLATFORM).deliveries) == (6, 8)


def test_history_outlives_payloads_attempts_and_hours() -> None:
    endpoint = make_endpoint(make_tenant())
    attempted(endpoint, begin(), 3)
    roll_up()
    for model in (Attempt, DeadLetter, Delivery, Event, HourlyStats):
        model.objects.all().delete()
    run("DELETE FROM delivery_figures WHERE length < 1440", {})
    roll_up()
    for scope_id in (endpoint.pk, endpoint.tenant_id, PLATFORM):
        (counted,) = read_periods(scope_id, [begin(), begin(1)], 1440)
        assert counted.attempts == 3


def test_today_counts_by_its_hours_and_is_not_counted_twice() -> None:
    endpoint = make_endpoint(make_tenant())
    now = datetime.now(UTC)
    for back in range(80):
        attempted(endpoint, now - timedelta(hours=back))
    roll_up()
    begin = now.replace(hour=0, minute=0, second=0, microsecond=0)
    edges = [begin - timedelta(days=10), begin + timedelta(days=1)]
    for scope_id in (endpoint.pk, endpoint.tenant_id, PLATFORM):
        assert read_periods(scope_id, edges, 1440)[0].attempts == 80


def test_old_figures_are_deleted_by_their_length() -> None:
    now = datetime.now(UTC)
    for length, ages in ((5, (2, 4)), (60, (24 * 61, 24 * 63)), (1440, (24 * 3650, 24 * 3670))):
        for age in ages:
            Figures.objects.create(
                scope="platform", scope_id=PLATFORM, length=length, begins_at=now - timedelta(hours=age), rolled_up=True
            )
    roll_up()
    assert sorted(Figures.objects.values_list("length", flat=True)) == [5, 60, 1440]
