"""Endpoints that are deleted when their time is over."""

from datetime import timedelta

import pytest
from django.utils import timezone

from delivery.lifecycle.sweep import sweep
from delivery.models import DeadLetter, Delivery
from subscriptions.endpoints.endpoints import change_endpoint
from subscriptions.errors import Invalid
from subscriptions.models import Endpoint
from tests.delivery.pulling.factories import make_pulled, publish_orders, pull_ids

pytestmark = pytest.mark.django_db(transaction=True)


def test_endpoint_is_deleted_when_its_time_is_over_and_what_waits_is_cancelled() -> None:
    now = timezone.now()
    over, later, never = (
        make_pulled(expires_at=now - timedelta(seconds=1)),
        make_pulled(expires_at=now + timedelta(days=1)),
        make_pulled(),
    )
    for endpoint in (over, later, never):
        publish_orders(endpoint, 3)
    pull_ids(over, 1)
    sweep()
    assert set(Endpoint.objects.filter(deleted_at=None)) == {later, never}
    assert not over.subscriptions.exists()
    states = Delivery.objects.filter(endpoint=over).values_list("state", "cancelled_by")
    assert set(states) == {("cancelled", "expires_at")}
    assert set(Delivery.objects.exclude(endpoint=over).values_list("state", flat=True)) == {"pending"}
    assert not DeadLetter.objects.exists()


def test_time_in_the_past_is_refused() -> None:
    endpoint = make_pulled()
    with pytest.raises(Invalid, match="in the future"):
        change_endpoint(endpoint, {"expires_at": timezone.now() - timedelta(seconds=1)})
    until = timezone.now() + timedelta(hours=1)
    assert change_endpoint(endpoint, {"expires_at": until}).expires_at == until
