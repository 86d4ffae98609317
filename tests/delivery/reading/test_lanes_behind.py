"""Check which lanes are behind, and why."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from delivery.models import Delivery
from delivery.reading.lanes_behind import BehindBecause, lane_behind, lanes_behind
from tests.clock import from_now
from tests.delivery.factories import make_delivery, make_event
from tests.delivery.factories_load import make_lane_behind
from webhooks.wire.ids import new_id

pytestmark = pytest.mark.django_db


def leased(**changes: Any) -> dict[str, Any]:
    return {"owner": new_id(), "due_at": timedelta(seconds=8), **changes}


def test_lane_with_deliveries_due_for_less_than_the_limit_is_not_behind() -> None:
    lane = make_lane_behind(2)
    assert lanes_behind() == []
    assert lane_behind(lane.pk) is None


def test_lane_of_an_inactive_endpoint_is_not_behind() -> None:
    make_lane_behind(60, lane={"due_at": None, "endpoint_inactive": True})
    assert lanes_behind() == []


def test_lanes_are_sorted_by_how_far_they_are_behind() -> None:
    lanes = [make_lane_behind(seconds) for seconds in (60, 300, 120)]
    behind = lanes_behind(limit=2)
    assert [it.endpoint.pk for it in behind] == [lanes[1].pk, lanes[2].pk]
    assert behind[0].seconds == pytest.approx(300, abs=30)
    assert behind[0].due_since == Delivery.objects.get(endpoint=lanes[1].pk).next_attempt_at


@pytest.mark.parametrize(
    ("lane", "endpoint", "because"),
    [
        ({"circuit_open_until": timedelta(hours=1), "open_count": 3}, {}, BehindBecause.CIRCUIT_OPEN),
        ({"circuit_open_until": timedelta(hours=-1), "open_count": 3}, {}, BehindBecause.PROBING),
        ({"wait_until": timedelta(hours=1), "open_count": 3}, {}, BehindBecause.PAUSE_REQUESTED),
        ({"wait_until": timedelta(hours=-1)}, {}, BehindBecause.NO_DRAIN),
        (leased(next_slot_at=timedelta(hours=1)), {"rate_limit": 5}, BehindBecause.RATE_LIMIT),
        (leased(next_slot_at=timedelta(hours=-1)), {"rate_limit": 5}, BehindBecause.DRAIN_BUSY),
        ({}, {}, BehindBecause.NO_DRAIN),
        (leased(), {}, BehindBecause.DRAIN_BUSY),
        (leased(concurrency=1), {}, BehindBecause.WINDOW_FULL),
        (leased(), {"max_in_flight": 1}, BehindBecause.WINDOW_FULL),
    ],
)
def test_reason_is_the_first_that_applies(lane: dict[str, Any], endpoint: dict[str, Any], because: str) -> None:
    row = make_lane_behind(lane=from_now(lane), **endpoint)
    if because == BehindBecause.WINDOW_FULL:
        event = make_event(row.tenant)
        make_delivery(event, row.endpoint, state="sending", claimed_until=timezone.now() + timedelta(seconds=30))
    found = lane_behind(row.pk)
    assert found is not None
    assert (found.because, found.blocker) == (because, None)
    assert found.explanation


def test_reason_of_an_ordered_lane_is_the_failed_delivery_that_blocks_it() -> None:
    row = make_lane_behind(60, lane=from_now(leased()), ordering="endpoint")
    Delivery.objects.update(order_key="")
    event = make_event(row.tenant, created_at=timezone.now() - timedelta(seconds=90))  # the oldest
    retry_at = timezone.now() + timedelta(minutes=5)
    head = make_delivery(event, row.endpoint, order_key="", attempts=2, next_attempt_at=retry_at, last_status=500)
    (found,) = lanes_behind()
    assert found.because is BehindBecause.BLOCKED
    assert found.blocker is not None
    assert (found.blocker.delivery_id, found.blocker.last_status) == (head.pk, 500)
