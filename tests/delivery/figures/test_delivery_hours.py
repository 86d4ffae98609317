"""Deliveries of an hour are counted from their rows: by endpoint, and by the subscription that they are for."""

from bisect import bisect_left
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from delivery.figures import delivery_hours
from delivery.figures.delivery_hours import BOUNDS, count_deliveries
from delivery.figures.hour_stats import delivery_stats, total_of
from delivery.models import Attempt, CountedHour, Delivery, DeliveryHour, Figures
from delivery.sending.attempt_stats import percentile
from delivery.sql.figures.delivery_hours import LAST_HOUR
from subscriptions.models import Endpoint, Subscription, Tenant
from tests.delivery.factories import make_attempt, make_delivery, make_event
from tests.factories import make_client, make_endpoint, make_subscription, make_tenant
from tests.threads import in_threads
from webhooks.kit.sql import run

pytestmark = pytest.mark.django_db


def last_hour() -> datetime:
    """Return the latest hour that is counted: the same one during a transaction."""
    [[hour]] = run(f"SELECT {LAST_HOUR}", {})
    return hour


def bucket_of(milliseconds: int) -> int:
    """Return the number of the bucket in which a time is counted."""
    return min(bisect_left(BOUNDS, milliseconds), len(BOUNDS) - 1)


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant()


def has_deliveries(tenant: Tenant, hour: datetime) -> None:
    """Let the figures say that deliveries of the tenant were created in the hour."""
    Figures.objects.get_or_create(
        scope="tenant", scope_id=tenant.pk, tenant_id=tenant.pk, length=60, begins_at=hour, defaults={"deliveries": 1}
    )


def delivered(
    endpoint: Endpoint, waits: Sequence[float] = (0.05,), *, minute: float = 10, state: str = "delivered", **of: Any
) -> Delivery:
    """Create a delivery with an attempt after each of these seconds; the last one delivers if the state says so."""
    created_at = of.pop("created_at", None) or last_hour() + timedelta(minutes=minute)
    has_deliveries(endpoint.tenant, created_at.replace(minute=0, second=0, microsecond=0))
    delivery = make_delivery(make_event(endpoint.tenant, created_at=created_at, **of), endpoint, state=state)
    for number, wait in enumerate(waits, 1):
        is_success = state == "delivered" and number == len(waits)
        result = {"status": 200, "error": ""} if is_success else {"status": 500, "error": "status"}
        make_attempt(delivery, started_at=created_at + timedelta(seconds=wait), duration_ms=100, **result)
    return delivery


def counted(scope: Endpoint | Subscription, hour: datetime | None = None) -> dict[str, int]:
    row = DeliveryHour.objects.filter(scope_id=scope.pk, begins_at=hour or last_hour()).first()
    names = ("matched", "created", "attempts", "retries", "throttled", "failed", "delivered", "dead")
    return {name: getattr(row, name) for name in names} if row else {}


def numbers(*values: int) -> dict[str, int]:
    names = ("matched", "created", "attempts", "retries", "throttled", "failed", "delivered", "dead")
    return dict(zip(names, values, strict=True))


def test_hour_is_counted_by_endpoint_and_subscription(tenant: Tenant) -> None:
    subscription = make_subscription(make_endpoint(tenant))
    endpoint = subscription.endpoint
    delivered(endpoint)
    delivered(endpoint, (0.5, 5.5, 300))
    delivered(endpoint, (1, 6), state="dead")
    throttled = delivered(endpoint, (1,), state="pending")
    Attempt.objects.filter(delivery=throttled).update(status=429)
    delivered(endpoint, (), state="cancelled")
    delivered(endpoint, created_at=last_hour() - timedelta(seconds=1))
    delivered(endpoint, created_at=last_hour() + timedelta(hours=1))
    assert count_deliveries() == 1
    assert counted(endpoint) == counted(subscription) == numbers(5, 5, 7, 3, 1, 5, 2, 1)
    row = DeliveryHour.objects.get(scope_id=subscription.pk)
    first = {place: count for place, count in enumerate(row.first_attempts) if count}
    assert first == {bucket_of(50): 1, bucket_of(500): 1, bucket_of(1000): 2}
    assert {place for place, count in enumerate(row.deliveries) if count} == {bucket_of(150), bucket_of(300_100)}


@pytest.mark.parametrize("ms", [0, 1, 2, 3, 4, 5, 6, 11, 12, 91, 1024, 1025, 15_000, 345_600_000, 10**10])
def test_database_finds_the_bucket_that_python_finds(tenant: Tenant, ms: int) -> None:
    endpoint = make_endpoint(tenant)
    delivered(endpoint, (ms / 1000,))
    count_deliveries()
    row = DeliveryHour.objects.get(scope_id=endpoint.pk)
    assert row.first_attempts.index(1) == bucket_of(ms)
    assert len(row.first_attempts) == len(BOUNDS)


def test_attempt_before_the_creation_took_no_time(tenant: Tenant) -> None:
    endpoint = make_endpoint(tenant)
    delivered(endpoint, (-0.5,))
    count_deliveries()
    assert DeliveryHour.objects.get(scope_id=endpoint.pk).first_attempts[0] == 1


class TestSubscriptions:
    """Which subscription a delivery belongs to."""

    def test_types_tell_subscriptions_of_an_endpoint_apart(self, tenant: Tenant) -> None:
        endpoint = make_endpoint(tenant)
        orders = make_subscription(endpoint, event_types=["order.*"])
        invoices = make_subscription(endpoint, event_types=["invoice.sent"])
        delivered(endpoint)
        for _ in range(2):
            delivered(endpoint, type="invoice.sent")
        count_deliveries()
        assert [counted(it)["created"] for it in (orders, invoices, endpoint)] == [1, 2, 3]

    def test_patterns_tell_them_apart_and_the_oldest_match_takes_it(self, tenant: Tenant, monkeypatch: Any) -> None:
        monkeypatch.setattr(delivery_hours, "PAGE", 2)
        endpoint = make_endpoint(tenant)
        large = make_subscription(
            endpoint, event_types=["order.*"], pattern={"data": {"total": [{"numeric": [">", 100]}]}}
        )
        all_of_them = make_subscription(endpoint, event_types=["order.*"])
        latest = make_subscription(endpoint, event_types=["*"])
        for total in (500, 5, 50, 101, 7):
            delivered(endpoint, data={"total": total})
        delivered(endpoint, type="invoice.sent")
        count_deliveries()
        assert [counted(it).get("created", 0) for it in (large, all_of_them, latest)] == [2, 3, 1]

    def test_labels_select_endpoints_and_an_event_matches_once(self, tenant: Tenant) -> None:
        endpoints = [make_endpoint(tenant, labels={"env": "prod"}) for _ in range(2)]
        other = make_endpoint(tenant, labels={"env": "dev"})
        subscription = make_subscription(endpoints[0], event_types=["order.*"])
        Subscription.objects.update(endpoint=None, endpoint_labels={"env": "prod"})
        for _ in range(3):
            event = delivered(endpoints[0]).event
            make_delivery(event, endpoints[1], state="delivered")
        delivered(other)
        count_deliveries()
        found = counted(subscription)
        assert (found["matched"], found["created"]) == (3, 6)

    def test_delivery_of_no_subscription_counts_for_its_endpoint(self, tenant: Tenant) -> None:
        endpoint = make_endpoint(tenant)
        subscription = make_subscription(endpoint, event_types=["invoice.*"])
        inactive = make_subscription(endpoint, event_types=["order.*"], active=False)
        delivered(endpoint)
        count_deliveries()
        assert counted(endpoint)["created"] == 1
        assert counted(subscription) == counted(inactive) == {}

    def test_tenants_are_counted_apart(self, tenant: Tenant) -> None:
        mine, other = make_subscription(make_endpoint(tenant)), make_subscription(make_endpoint(make_tenant()))
        delivered(mine.endpoint)
        delivered(other.endpoint, (1, 2))
        assert count_deliveries() == 2
        assert [counted(it)["attempts"] for it in (mine, other)] == [1, 2]


class TestPasses:
    """An hour is counted when it is over, and again when its retries have ended."""

    def again(self) -> None:
        CountedHour.objects.filter(begins_at=last_hour()).update(due_at=timezone.now() - timedelta(hours=1))
        count_deliveries()

    def test_second_pass_counts_what_came_later(self, tenant: Tenant) -> None:
        subscription = make_subscription(make_endpoint(tenant))
        delivery = delivered(subscription.endpoint, (1,), state="pending")
        count_deliveries()
        assert counted(subscription) == numbers(1, 1, 1, 0, 0, 1, 0, 0)
        make_attempt(delivery, started_at=last_hour() + timedelta(hours=10), status=200, error="")
        Delivery.objects.update(state="delivered")
        assert count_deliveries() == 0
        self.again()
        assert counted(subscription) == numbers(1, 1, 2, 1, 0, 1, 1, 0)
        row = CountedHour.objects.get(begins_at=last_hour())
        assert (row.passes, row.due_at) == (2, last_hour() + timedelta(days=4))
        self.again()
        assert CountedHour.objects.get(begins_at=last_hour()).passes == 2

    def test_second_pass_keeps_to_the_subscriptions_of_the_first(self, tenant: Tenant) -> None:
        subscription = make_subscription(make_endpoint(tenant))
        delivered(subscription.endpoint)
        count_deliveries()
        Subscription.objects.filter(pk=subscription.pk).update(active=False)
        later = make_subscription(subscription.endpoint)
        self.again()
        assert counted(subscription)["created"] == 1
        assert counted(later) == {}

    def test_second_pass_leaves_what_retention_has_deleted(self, tenant: Tenant) -> None:
        subscription = make_subscription(make_endpoint(tenant))
        delivered(subscription.endpoint)
        kept = delivered(subscription.endpoint)
        count_deliveries()
        Delivery.objects.exclude(pk=kept.pk).delete()
        self.again()
        assert counted(subscription)["created"] == 2

    def test_hours_of_a_downtime_follow_for_a_day(self, tenant: Tenant) -> None:
        endpoint = make_endpoint(tenant)
        CountedHour.objects.create(begins_at=last_hour() - timedelta(days=3), passes=2, due_at=timezone.now())
        for back in (0, 5, 23, 30):
            delivered(endpoint, created_at=last_hour() + timedelta(minutes=5) - timedelta(hours=back))
        assert count_deliveries() == 3
        assert CountedHour.objects.filter(passes=1).count() == 25

    def test_rows_end_after_62_days(self, tenant: Tenant) -> None:
        endpoint = make_endpoint(tenant)
        delivered(endpoint)
        count_deliveries()
        DeliveryHour.objects.update(begins_at=last_hour() - timedelta(days=63))
        CountedHour.objects.create(begins_at=last_hour() - timedelta(days=63), passes=2, due_at=timezone.now())
        count_deliveries()
        assert not DeliveryHour.objects.exists()
        assert CountedHour.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_processes_side_by_side_count_each_tenant_once() -> None:
    endpoints, hour = [make_endpoint(make_tenant()) for _ in range(5)], last_hour()
    CountedHour.objects.create(begins_at=hour, passes=0, due_at=timezone.now())  # counted even if another is last now
    for endpoint in endpoints:
        delivered(endpoint, created_at=hour)
    results = in_threads(*[count_deliveries] * 3)
    assert [it for it in results if isinstance(it, Exception)] == []
    assert sum(results) == 5
    assert [counted(it, hour)["created"] for it in endpoints] == [1] * 5


def test_failure_of_one_tenant_leaves_out_only_that(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    endpoints = [make_endpoint(it) for it in (tenant, make_tenant(), make_tenant())]
    for endpoint in endpoints:
        delivered(endpoint)
    write, broken = delivery_hours.write_hours, endpoints[1].tenant_id

    def write_or_fail(tenant_id: Any, *arguments: Any) -> None:
        write(tenant_id, *arguments)
        if tenant_id == broken:
            raise RuntimeError

    monkeypatch.setattr(delivery_hours, "write_hours", write_or_fail)
    assert count_deliveries() == 2
    assert [bool(counted(it)) for it in endpoints] == [True, False, True]
    assert CountedHour.objects.get().passes == 1


def test_hours_add_up_and_say_whether_they_are_counted(tenant: Tenant) -> None:
    endpoint = make_endpoint(tenant)
    delivered(endpoint, (0.1,))
    delivered(endpoint, (0.4,))
    count_deliveries()
    hours = delivery_stats([endpoint.pk], 5, timezone.now())
    total = total_of(hours, hours[0].begins_at)
    assert [it.begins_at for it in hours if it.is_counted] == [last_hour()]
    assert (total.is_counted, total.numbers["created"], sum(total.first_attempt.counts)) == (True, 2, 2)
    assert percentile(total.first_attempt.counts, 1.0, BOUNDS) == pytest.approx(400, rel=0.3)
    assert [it.count for it in total.first_attempt.buckets] == [1, 1]
    assert not any(it.is_counted for it in delivery_stats([endpoint.pk], 1, timezone.now()))


def test_statistics_over_rest(tenant: Tenant) -> None:
    subscription = make_subscription(make_endpoint(tenant, uid="main"), uid="orders")
    delivered(subscription.endpoint, (0.1, 2))
    count_deliveries()
    client = make_client(tenant)
    for path in ("endpoints/main", "subscriptions/orders"):
        shown = client.get(f"/api/v1/{path}/delivery-stats/?hours=4").json()
        total = shown["total"]
        assert (len(shown["data"]), total["is_counted"], total["matched"], total["retries"]) == (4, True, 1, 1)
        assert total["first_attempt_ms"]["buckets"] == [{"up_to_ms": BOUNDS[bucket_of(100)], "count": 1}]
        assert total["delivered_ms"]["p50"] == pytest.approx(2100, rel=0.3)
        assert shown["data"][-1]["is_counted"] is False
        assert make_client(make_tenant()).get(f"/api/v1/{path}/delivery-stats/").status_code == 404
    assert client.get("/api/v1/subscriptions/orders/delivery-stats/?hours=0").status_code == 400
