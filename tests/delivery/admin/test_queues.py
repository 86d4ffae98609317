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
