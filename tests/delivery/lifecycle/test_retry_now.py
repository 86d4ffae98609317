"""Sending a pending delivery now, ahead of its retry plan."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from delivery.lifecycle.retry_now import retry_now
from delivery.models import Delivery, Lane
from delivery.sql.claim import claim_deliveries
from subscriptions.models import Endpoint
from tests.delivery.factories import make_delivery, make_event
from tests.delivery.sql.factories import claim_request
from tests.factories import make_endpoint
from webhooks.wire.ids import new_id

pytestmark = pytest.mark.django_db


@pytest.fixture
def endpoint() -> Endpoint:
    return make_endpoint()


def make_pending(endpoint: Endpoint, **changes: Any) -> Delivery:
    return make_delivery(make_event(endpoint.tenant), endpoint, **changes)


def test_retry_now_makes_the_delivery_due_and_keeps_its_step(
    endpoint: Endpoint, django_capture_on_commit_callbacks: Any
) -> None:
    delivery = make_pending(endpoint, step=4, next_attempt_at=timezone.now() + timedelta(hours=5))
    Lane.objects.create(endpoint=endpoint, tenant=endpoint.tenant, due_at=timezone.now() + timedelta(hours=5))
    for _ in range(2):
        with django_capture_on_commit_callbacks(execute=True):
            assert retry_now(delivery)
    assert Lane.objects.get().due_at <= timezone.now()
    assert [(it.id, it.step) for it in claim_deliveries(new_id(), [claim_request(endpoint)])] == [(delivery.id, 4)]


def test_retry_now_makes_a_lane_with_an_open_breaker_due(
    endpoint: Endpoint, django_capture_on_commit_callbacks: Any
) -> None:
    delivery = make_pending(endpoint)
    soon = timezone.now() + timedelta(minutes=15)
    Lane.objects.create(endpoint=endpoint, tenant=endpoint.tenant, due_at=soon, circuit_open_until=soon, open_count=3)
    with django_capture_on_commit_callbacks(execute=True):
        assert retry_now(delivery)
    lane = Lane.objects.get()
    assert lane.open_count == 3
    assert lane.due_at is not None
    assert lane.due_at <= timezone.now()


def test_retry_now_does_not_end_a_pause_that_the_endpoint_asked_for(
    endpoint: Endpoint, django_capture_on_commit_callbacks: Any
) -> None:
    until = timezone.now() + timedelta(hours=1)
    Lane.objects.create(endpoint=endpoint, tenant=endpoint.tenant, due_at=until, wait_until=until)
    with django_capture_on_commit_callbacks(execute=True):
        assert retry_now(make_pending(endpoint))
    assert Lane.objects.get().due_at == until


@pytest.mark.parametrize(("state", "is_unfinished"), [("sending", True), ("delivered", False), ("dead", False)])
def test_retry_now_leaves_other_deliveries_unchanged(endpoint: Endpoint, state: str, is_unfinished: bool) -> None:
    delivery = make_pending(endpoint, state=state)
    assert retry_now(delivery) is is_unfinished
    delivery.refresh_from_db()
    assert delivery.state == state
