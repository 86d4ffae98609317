"""Retrying the queues of endpoints that work again, in the admin."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from delivery.models import Lane
from tests.delivery.admin.rows import operator
from tests.factories import make_endpoint

pytestmark = pytest.mark.django_db

LIST = reverse("admin:delivery_lane_changelist")


def make_open_lane(**endpoint: Any) -> Lane:
    """Make a lane whose breaker is open for a quarter of an hour."""
    made, until = make_endpoint(**endpoint), timezone.now() + timedelta(minutes=15)
    return Lane.objects.create(
        endpoint=made, tenant=made.tenant, due_at=until, circuit_open_until=until, open_count=3, failing_since=until
    )


def retry(client: Client, lane: Lane) -> str:
    response = client.post(LIST, {"action": "retry_now", "_selected_action": [str(lane.pk)]}, follow=True)
    return response.content.decode()


def test_queue_is_retried_and_the_operator_logged(django_capture_on_commit_callbacks: Any) -> None:
    lane = make_open_lane()
    with django_capture_on_commit_callbacks(execute=True):
        retry(operator("change_delivery"), lane)
    lane.refresh_from_db()
    assert lane.due_at is not None
    assert lane.due_at <= timezone.now()
    assert LogEntry.objects.get().object_id == str(lane.pk)


def test_queue_shows_the_health_of_its_endpoint() -> None:
    lane = make_open_lane()
    Lane.objects.update(failures=57, failing_since=timezone.now(), warnings_sent=2)
    client, url = operator(), reverse("admin:delivery_lane_change", args=[lane.pk])
    page = client.get(url).content.decode()
    assert "57 failures in a row" in page
    assert "Its owner was warned 2 times." in page
    Lane.objects.update(wait_until=timezone.now() + timedelta(hours=1), wait_status=503)
    page = client.get(url).content.decode()
    assert "responded with 503 and Retry-After" in page


def test_queue_is_named_by_its_endpoint_where_that_was_read() -> None:
    lane = make_open_lane(description="Warehouse")
    assert str(Lane.objects.select_related("endpoint").get()) == "queue of Warehouse"
    assert str(Lane.objects.get()) == f"queue of {lane.endpoint.public_id}"


def test_queue_of_a_paused_endpoint_is_refused_with_the_reason() -> None:
    lane = make_open_lane(state="paused")
    assert "set its state to active" in retry(operator("change_delivery"), lane)
    lane.refresh_from_db()
    assert lane.circuit_open_until is not None
    assert lane.circuit_open_until > timezone.now()


def test_retry_without_permission_changes_nothing() -> None:
    lane = make_open_lane()
    retry(operator(), lane)
    lane.refresh_from_db()
    assert lane.due_at is not None
    assert lane.due_at > timezone.now()
