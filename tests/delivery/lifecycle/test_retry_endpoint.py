"""Retrying all that waits for an endpoint which works again. How a drain does it: tests/delivery/sending."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from delivery.lifecycle.retry_endpoint import retry_after_successful_test, retry_endpoint
from delivery.models import Lane
from subscriptions.endpoints.state import pause
from subscriptions.errors import StateConflict
from subscriptions.models import Endpoint
from tests.clock import from_now
from tests.factories import make_endpoint

pytestmark = pytest.mark.django_db


def make_open_lane(endpoint: Endpoint, **changes: Any) -> None:
    """Make a lane whose breaker is open for a quarter of an hour."""
    now = timezone.now()
    until = now + timedelta(minutes=15)
    fields = {"due_at": until, "circuit_open_until": until, "open_count": 3, "failing_since": now}
    Lane.objects.create(endpoint=endpoint, tenant=endpoint.tenant, **{**fields, **changes})


def is_due() -> bool:
    due_at = Lane.objects.get().due_at
    return due_at is not None and due_at <= timezone.now()


def test_lane_with_an_open_breaker_is_due_at_once(django_capture_on_commit_callbacks: Any) -> None:
    endpoint = make_endpoint()
    make_open_lane(endpoint)
    with django_capture_on_commit_callbacks(execute=True):
        retry_endpoint(endpoint)
    assert is_due()
    endpoint.refresh_from_db()
    assert endpoint.repaired_at is not None


def test_lane_whose_endpoint_asked_for_a_pause_is_due_at_once(django_capture_on_commit_callbacks: Any) -> None:
    endpoint, until = make_endpoint(), timezone.now() + timedelta(hours=1)
    make_open_lane(endpoint, due_at=until, wait_until=until, circuit_open_until=None)
    with django_capture_on_commit_callbacks(execute=True):
        retry_endpoint(endpoint)
    assert is_due()


def test_successful_test_does_not_end_a_pause_that_the_endpoint_asked_for() -> None:
    endpoint = make_endpoint()
    make_open_lane(endpoint, wait_until=timezone.now() + timedelta(hours=1))
    retry_after_successful_test(endpoint)
    assert not is_due()


@pytest.mark.parametrize("changes", [{"state": "paused"}, {"state": "disabled"}, {"deleted_at": timedelta()}])
def test_endpoint_that_is_not_active_is_refused(changes: dict[str, Any]) -> None:
    endpoint = make_endpoint(**from_now(changes))
    make_open_lane(endpoint)
    with pytest.raises(StateConflict):
        retry_endpoint(endpoint)
    assert not is_due()


def test_successful_test_retries_what_waits_for_a_failing_endpoint(django_capture_on_commit_callbacks: Any) -> None:
    endpoint = make_endpoint()
    make_open_lane(endpoint)
    with django_capture_on_commit_callbacks(execute=True):
        retry_after_successful_test(endpoint)
    assert is_due()


def test_successful_test_of_an_endpoint_that_does_not_fail_changes_nothing() -> None:
    endpoint = make_endpoint()
    make_open_lane(endpoint, failing_since=None)
    retry_after_successful_test(endpoint)
    assert not is_due()


def test_successful_test_of_a_paused_endpoint_changes_nothing() -> None:
    endpoint = make_endpoint()
    make_open_lane(endpoint)
    pause(endpoint)
    retry_after_successful_test(endpoint)
    assert not is_due()
