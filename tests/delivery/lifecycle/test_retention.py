"""Retention deletes old events with everything below them, and keeps what is unfinished or was replayed."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from delivery.lifecycle import retention
from delivery.lifecycle.retention import DeletedRows, apply_retention
from delivery.models import Attempt, Broadcast, DeadLetter, Delivery, Event, Replay
from delivery.replaying.replays import ReplayFilter, run_slices, start
from delivery.sql.claim import ClaimRequest, claim_deliveries
from delivery.sql.settle import Settlement, settle_attempts
from subscriptions.models import Endpoint, Tenant
from tests.clock import time_of_test
from tests.delivery.factories import make_attempt, make_dead_letter, make_delivery, make_event, make_replay
from tests.factories import make_endpoint, make_subscription, make_tenant
from tests.threads import in_threads
from webhooks.wire.ids import new_id

pytestmark = pytest.mark.django_db


def old() -> datetime:
    return time_of_test() - timedelta(days=31)


def young() -> datetime:
    return time_of_test() - timedelta(days=29)


@pytest.fixture
def endpoint() -> Endpoint:
    return make_endpoint(make_tenant(retention_days=30))


def make_old_delivery(
    endpoint: Endpoint, state: str = "delivered", created_at: datetime | None = None, **changes: Any
) -> Delivery:
    event = make_event(endpoint.tenant, created_at=created_at or old())
    delivery = make_delivery(event, endpoint, state=state, **changes)
    make_attempt(delivery)
    return delivery


def remaining() -> tuple[int, ...]:
    return tuple(model.objects.count() for model in (Event, Delivery, Attempt, DeadLetter))


def test_retention_deletes_old_events_with_everything_below_them(endpoint: Endpoint) -> None:
    make_old_delivery(endpoint)
    make_old_delivery(endpoint, "cancelled")
    make_dead_letter(make_old_delivery(endpoint), failed_at=old())
    make_event(endpoint.tenant, created_at=old())  # without deliveries
    kept = make_old_delivery(endpoint, created_at=young())
    assert apply_retention() == DeletedRows(events=4, deliveries=3, attempts=3, dead_letters=1)
    assert Delivery.objects.get() == kept
    assert remaining() == (1, 1, 1, 0)
    assert apply_retention() == DeletedRows()


@pytest.mark.parametrize("state", ["pending", "sending"])
def test_retention_keeps_unfinished_deliveries_of_any_age(endpoint: Endpoint, state: str) -> None:
    make_old_delivery(endpoint, state)
    assert apply_retention() == DeletedRows()
    assert remaining() == (1, 1, 1, 0)


def test_retention_keeps_deliveries_replayed_or_dead_lettered_since(endpoint: Endpoint) -> None:
    make_old_delivery(endpoint, started_at=young())
    make_dead_letter(make_old_delivery(endpoint), failed_at=young())
    assert apply_retention() == DeletedRows()


def test_retention_keeps_an_event_while_one_of_its_deliveries_stays(endpoint: Endpoint) -> None:
    ended = make_old_delivery(endpoint)
    make_delivery(ended.event, make_endpoint(endpoint.tenant), state="pending")
    assert apply_retention() == DeletedRows(deliveries=1, attempts=1)
    assert remaining() == (1, 1, 0, 0)
    Delivery.objects.update(state="delivered")
    assert apply_retention() == DeletedRows(events=1, deliveries=1)


def test_retention_is_that_of_each_tenant(endpoint: Endpoint) -> None:
    longer = make_endpoint(make_tenant(retention_days=365))
    make_old_delivery(endpoint)
    kept = make_old_delivery(longer)
    apply_retention()
    assert Delivery.objects.get() == kept


def test_retention_continues_in_batches_past_rows_that_stay(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "EVENT_BATCH", 2)
    monkeypatch.setattr(retention, "DELIVERY_BATCH", 3)
    for state in ["pending", "delivered", "pending", "pending", "delivered", "delivered", "delivered"]:
        make_old_delivery(endpoint, state)
    crowd = make_event(endpoint.tenant, created_at=old())
    for _ in range(7):
        make_delivery(crowd, make_endpoint(endpoint.tenant), state="delivered")
    assert apply_retention()[:2] == (5, 11)
    assert {*Delivery.objects.values_list("state", flat=True)} == {"pending"}


def test_retention_beyond_its_budget_continues_with_the_next_call(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "EVENT_BATCH", 2)
    monkeypatch.setattr(retention, "BUDGET", 0.0)
    for _ in range(5):
        make_old_delivery(endpoint)
    assert [apply_retention().events for _ in range(4)] == [2, 2, 1, 0]


def test_retention_deletes_ended_replays_and_keeps_running_ones(endpoint: Endpoint) -> None:
    long_ago = timezone.now() - timedelta(days=200)
    make_replay(endpoint.tenant, state="finished", finished_at=old())
    make_replay(None, state="cancelled", finished_at=long_ago)
    kept = [
        make_replay(endpoint.tenant, created_at=long_ago),
        make_replay(endpoint.tenant, state="finished", finished_at=young()),
        make_replay(None, state="finished", finished_at=young()),
    ]
    assert apply_retention() == DeletedRows(replays=2)
    assert {*Replay.objects.all()} == {*kept}


def deliver_all(endpoint: Endpoint) -> int:
    """Claim and deliver pending deliveries until none is left."""
    count = 0
    while True:
        token = new_id()
        claimed = claim_deliveries(token, [ClaimRequest(endpoint.id, 5, datetime.fromtimestamp(0, UTC), 30.0)])
        if not claimed:
            return count
        count += len(claimed)
        with transaction.atomic():
            settle_attempts(
                [
                    Settlement(
                        *(it.id, token, it.endpoint_id, "delivered", 0.0, "", new_id(), it.attempts + 1),
                        *(timezone.now(), 3, 200, "", None),
                    )
                    for it in claimed
                ]
            )


@pytest.mark.django_db(transaction=True)
def test_retention_beside_drains_and_replays_loses_no_delivery(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deliveries replayed while their retention ends are either deleted before, or sent after."""
    monkeypatch.setattr(retention, "EVENT_BATCH", 3)
    tenant: Tenant = make_tenant(retention_days=30)
    endpoint = make_endpoint(tenant)
    make_subscription(endpoint)
    for number in range(60):
        make_old_delivery(endpoint, ("delivered", "pending")[number % 2])
        make_event(tenant, created_at=old())
    row = start(tenant, ReplayFilter(scope="events"), rate=10_000, by="ops")
    works: list[Callable[[], Any]] = [
        apply_retention,
        apply_retention,
        run_slices,
        lambda: deliver_all(endpoint),
        lambda: deliver_all(endpoint),
    ]
    results = in_threads(*works)
    assert [it for it in results if isinstance(it, Exception)] == []
    sent = results[3] + results[4] + deliver_all(endpoint)
    row.refresh_from_db()
    assert sent == 30 + row.replayed
    assert not Delivery.objects.exclude(state="delivered").exists()
    assert Delivery.objects.filter(event__isnull=True).count() == 0
    assert not Delivery.objects.exclude(event__in=Event.objects.all()).exists()
    assert not Attempt.objects.exclude(delivery__in=Delivery.objects.all()).exists()


@pytest.mark.parametrize(
    ("state", "days", "left"), [("finished", 91, 0), ("cancelled", 91, 0), ("finished", 89, 1), ("running", None, 1)]
)
def test_retention_deletes_broadcasts_that_ended_90_days_ago(state: str, days: int | None, left: int) -> None:
    finished_at = None if days is None else timezone.now() - timedelta(days=days)
    Broadcast.objects.create(type="a", body=b"", event_id="1", source="/", state=state, finished_at=finished_at)
    assert apply_retention() == DeletedRows(broadcasts=1 - left)
    assert Broadcast.objects.count() == left
