"""Test what a drain changes in batches."""

import pytest

from delivery.lanes import lane_batches
from delivery.lanes.clock import Clock
from delivery.lanes.lane_batches import LaneBatches
from delivery.models import Delivery
from tests.delivery.sql.factories import HOUR, make_deliveries, now
from tests.factories import make_endpoint


@pytest.mark.django_db
def test_delivery_that_becomes_pending_behind_the_slices_is_dead_lettered_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lane_batches, "DEAD_LETTER_BATCH", 1)
    endpoint = make_endpoint()
    first, second = [make_deliveries(endpoint, next_attempt_at=now() - n * HOUR)[0] for n in (3, 2)]
    batches = LaneBatches(Clock(), {})
    batches.dead_letter({endpoint.id: "endpoint_deleted"})
    batches.run()
    assert set(Delivery.objects.filter(state="dead")) == {first}
    make_deliveries(endpoint, next_attempt_at=now() - 9 * HOUR)
    batches.dead_letter({endpoint.id: "endpoint_deleted"})  # the lane is leased again
    batches.run()
    assert set(Delivery.objects.filter(state="dead")) == {first, second}
    while batches:
        batches.run()
    assert set(Delivery.objects.values_list("state", flat=True)) == {"dead"}
