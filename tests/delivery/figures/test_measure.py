"""The backlog as measured agrees with counts over the tables."""

from datetime import datetime, timedelta

import pytest
from django.db.models import Count, Min, Q

from delivery.figures.backlog import waiting
from delivery.figures.measure import measure_backlog, measure_if_due
from delivery.figures.worst import worst_endpoints, worst_tenants
from delivery.models import PLATFORM, Backlog, DeadLetter, Delivery, Figures, Lane
from subscriptions.models import Endpoint
from tests.clock import time_of_test
from tests.delivery.factories import make_dead_letter, make_delivery, make_event
from tests.delivery.figures.bulk import insert_dead_letters, insert_deliveries
from tests.factories import make_endpoint, make_tenant

pytestmark = pytest.mark.django_db


def ago() -> datetime:
    return time_of_test() - timedelta(minutes=17)


def test_backlog_agrees_with_the_tables_with_a_hundred_thousand_deliveries() -> None:
    endpoints, now = [make_endpoint(make_tenant()) for _ in range(4)], time_of_test()
    numbers = {
        "pending": (20_000, 30_000, 9_148, 0),
        "delivered": (10_000, 10_000, 5_000, 0),
        "dead": (0, 0, 0, 11_674),
    }
    for state, by_endpoint in numbers.items():
        for endpoint, number in zip(endpoints, by_endpoint, strict=True):
            insert_deliveries(endpoint.tenant_id, endpoint.pk, state, number, ago())
    insert_deliveries(endpoints[0].tenant_id, endpoints[0].pk, "pending", 4_178, now, due=now + timedelta(hours=1))
    insert_dead_letters([endpoints[3].pk], ago())
    assert Delivery.objects.count() == 100_000
    measure_backlog()
    total = waiting(PLATFORM)
    counted = Delivery.objects.aggregate(
        pending=Count("pk", filter=Q(state="pending")),
        due=Count("pk", filter=Q(state="pending", next_attempt_at__lte=now)),
        oldest=Min("next_attempt_at", filter=Q(state="pending")),
    )
    assert (total.pending, total.due, total.oldest_due_at) == (counted["pending"], counted["due"], counted["oldest"])
    assert total.open_dead_letters == DeadLetter.objects.filter(closed_at=None).count() == 11_674
    assert total.causes == {"exhausted": 11_674}
    by_tenant = {row.scope_id: row for row in Backlog.objects.exclude(pk=PLATFORM)}
    assert [by_tenant[it.pk].pending for it in endpoints[:3]] == [24_178, 30_000, 9_148]
    # None drops out, though it leads by one figure only.
    for order in ("failures", "late", "pending", "dead"):
        assert endpoints[3] in [it for it, _ in worst_endpoints("hour", ago(), now, order)]
        assert endpoints[3].tenant in [it for it, _ in worst_tenants("hour", ago(), now, order)]
    assert worst_endpoints("hour", ago(), now, "dead")[0][0] == endpoints[3]
    assert worst_endpoints("hour", ago(), now, "pending")[0][0] == endpoints[1]
    assert worst_tenants("hour", ago(), now, "pending")[0][1].pending == 30_000


def test_oldest_due_delivery_counts_behind_an_open_breaker() -> None:
    endpoint = make_endpoint(make_tenant())
    later = time_of_test() + timedelta(minutes=10)
    Lane.objects.update_or_create(
        endpoint=endpoint, defaults={"tenant": endpoint.tenant, "circuit_open_until": later, "due_at": later}
    )
    make_delivery(make_event(endpoint.tenant), endpoint, next_attempt_at=ago())
    measure_backlog()
    assert waiting(PLATFORM).oldest_due_at == ago()
    assert waiting(endpoint.tenant_id).oldest_due_at == ago()


def test_deliveries_of_a_paused_endpoint_are_pending_and_not_due() -> None:
    endpoint = make_endpoint(make_tenant())
    make_delivery(make_event(endpoint.tenant), endpoint, next_attempt_at=ago())
    Endpoint.objects.filter(pk=endpoint.pk).update(state="paused")
    measure_backlog()
    now = waiting(endpoint.pk)
    assert (now.pending, now.due, now.oldest_due_at) == (1, 0, None)


def test_replayed_dead_letters_are_not_counted() -> None:
    endpoint = make_endpoint(make_tenant())
    for changes in ({"cause": "responded_410"}, {"cause": "responded_410", "closed_at": ago()}, {"cause": "exhausted"}):
        make_dead_letter(make_delivery(make_event(endpoint.tenant), endpoint), **changes)
    measure_backlog()
    assert waiting(PLATFORM).causes == {"responded_410": 1, "exhausted": 1}


def test_gauge_of_what_no_longer_waits_becomes_zero() -> None:
    endpoint = make_endpoint(make_tenant())
    delivery = make_delivery(make_event(endpoint.tenant), endpoint)
    measure_backlog()
    gauges = Figures.objects.filter(length=5).order_by("scope").values_list("scope", "pending")
    assert list(gauges) == [("endpoint", 1), ("platform", 1), ("tenant", 1)]
    Delivery.objects.filter(pk=delivery.pk).update(state="delivered", next_attempt_at=None)
    measure_backlog()
    latest = Figures.objects.filter(length=5).order_by("-begins_at", "scope").values_list("pending", flat=True)
    assert latest[0] == 0
    assert waiting(endpoint.pk).pending == 0


def test_costly_measurement_is_not_repeated_at_once() -> None:
    measure_if_due()
    first = Backlog.objects.get(pk=PLATFORM).measured_at
    Backlog.objects.update(seconds=60)
    measure_if_due()
    assert Backlog.objects.get(pk=PLATFORM).measured_at == first
    Backlog.objects.update(seconds=0)
    measure_if_due()
    assert Backlog.objects.get(pk=PLATFORM).measured_at > first


def test_nothing_waits_before_the_first_measurement() -> None:
    assert waiting(PLATFORM).measured_at is None
