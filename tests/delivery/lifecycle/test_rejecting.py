"""Endpoints that reject most deliveries are reported once and then every week, and when they accept again."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from delivery.lifecycle import sweep
from delivery.lifecycle.rejecting import report_rejecting
from delivery.models import Event, HourlyStats, Lane
from subscriptions.models import Endpoint, HttpSettings
from tests.factories import make_endpoint, make_subscription
from webhooks.wire.cloudevents.json_format import read_structured

pytestmark = pytest.mark.django_db


@pytest.fixture
def endpoint() -> Endpoint:
    """Make an endpoint whose operational events go to another endpoint of its tenant."""
    endpoint = make_endpoint()
    make_subscription(make_endpoint(endpoint.tenant), event_types=["waypost.endpoint.*"])
    Lane.objects.create(endpoint=endpoint, tenant=endpoint.tenant)
    return endpoint


def count(endpoint: Endpoint, attempts: int, delivered: int, rejected: int, hours_ago: int = 0) -> None:
    hour = timezone.now().replace(minute=0, second=0, microsecond=0) - timedelta(hours=hours_ago)
    numbers = {"attempts": attempts, "delivered": delivered, "rejected": rejected}
    HourlyStats.objects.create(endpoint=endpoint, begins_at=hour, latencies=[], last_status=422, **numbers)


def published() -> list[tuple[str, dict[str, Any]]]:
    rows = Event.objects.filter(type__startswith="waypost.").order_by("id")
    return [(row.type, read_structured(bytes(row.body)).document()["data"]) for row in rows]


def test_endpoint_that_rejects_most_deliveries_is_reported_once(endpoint: Endpoint) -> None:
    count(endpoint, 960, 60, 900)
    for _ in range(3):
        sweep.sweep()
    ((kind, data),) = published()
    lane = Lane.objects.get()
    assert lane.rejecting_since is not None
    assert kind == "waypost.endpoint.rejecting"
    assert data == {
        "endpoint": endpoint.public_id,
        "url": endpoint.address,
        "rejecting_since": lane.rejecting_since.isoformat(),
        "rejected_percent": 94,
        "rejected": 900,
        "attempts": 960,
        "last_status": 422,
        "message": "The endpoint rejects 94 %: 900 of 960 attempts in the last 24 hours, the latest with 422. It "
        "responds, so nothing is paused; what it rejects is tried again by its retry plan.",
    }


@pytest.mark.parametrize(
    ("counts", "is_reported"),
    [
        ([(20, 0, 20, 0)], True),
        ([(19, 0, 19, 0)], False),  # too few
        ([(100, 51, 49, 0)], False),
        ([(100, 0, 0, 0)], False),  # an outage
        ([(5, 0, 5, 1), (15, 0, 15, 8)], True),  # few, and for long
        ([(100, 0, 100, 3)], False),  # not any more
        ([(100, 90, 10, 0), (900, 0, 900, 5)], False),  # less by now
        ([(40, 0, 40, 0), (1_000, 1_000, 0, 5)], False),  # of the whole day few
    ],
)
def test_endpoint_is_reported_if_it_rejects_much_today_and_now(
    endpoint: Endpoint, counts: list[tuple[int, int, int, int]], is_reported: bool
) -> None:
    for each in counts:
        count(endpoint, *each)
    report_rejecting()
    assert bool(published()) == is_reported


def test_endpoint_is_reported_again_after_a_week(endpoint: Endpoint) -> None:
    count(endpoint, 100, 0, 100)
    report_rejecting()
    since = timezone.now() - timedelta(days=7, minutes=1)
    Lane.objects.update(rejecting_since=since, rejecting_warned_at=since)
    report_rejecting()
    report_rejecting()
    assert [kind for kind, _ in published()] == ["waypost.endpoint.rejecting"] * 2
    assert published()[1][1]["rejecting_since"] == since.isoformat()


def test_endpoint_that_accepts_again_is_reported_as_recovered(endpoint: Endpoint) -> None:
    Lane.objects.update(rejecting_since=timezone.now(), rejecting_warned_at=timezone.now())
    count(endpoint, 100, 80, 20)
    count(endpoint, 900, 0, 900, hours_ago=5)
    for _ in range(2):
        report_rejecting()
    ((kind, data),) = published()
    assert (kind, data["from"]) == ("waypost.endpoint.recovered", "rejecting")
    assert Lane.objects.get().rejecting_since is None


@pytest.mark.parametrize("counts", [(0, 0, 0), (10, 0, 0), (100, 60, 40)])
def test_endpoint_that_does_not_clearly_accept_again_is_still_rejecting(
    endpoint: Endpoint, counts: tuple[int, int, int]
) -> None:
    Lane.objects.update(rejecting_since=timezone.now(), rejecting_warned_at=timezone.now())
    count(endpoint, *counts)
    report_rejecting()
    assert Lane.objects.get().rejecting_since is not None


def test_attempts_to_a_former_url_do_not_count(endpoint: Endpoint) -> None:
    count(endpoint, 100, 0, 100, hours_ago=1)
    HttpSettings.objects.filter(endpoint=endpoint).update(url_changed_at=timezone.now())
    report_rejecting()
    assert published() == []
