"""Test deliveries that are committed after a drain has looked for them."""

from django.db import transaction

from delivery.models import Delivery, Lane
from tests.journeys.conftest import Workers
from tests.journeys.deliveries import delivered, publish_to, subscribed_endpoint
from tests.receiver import Receiver
from tests.threads import in_threads
from tests.waiting import wait_until


def test_event_committed_after_its_lane_was_released_is_delivered(workers: Workers, receiver: Receiver) -> None:
    endpoint = subscribed_endpoint(receiver.url())
    workers.start("beat")
    workers.start_delivery_workers(1)
    publish_to(endpoint)
    receiver.wait_for(1)
    with transaction.atomic():
        publish_to(endpoint)
        lane = Lane.objects.filter(endpoint=endpoint, owner=None, due_at=None)
        wait_until(lane.exists, "the lane to be found empty and released")
        assert len(receiver.arrivals) == 1
    wait_until(lambda: delivered(endpoint) == 2, "what was committed late")
    assert set(receiver.counts().values()) == {1}


def test_event_committed_below_the_low_water_mark_is_delivered(workers: Workers, receiver: Receiver) -> None:
    endpoint = subscribed_endpoint(receiver.url())
    workers.start("beat")
    workers.start_delivery_workers(1)
    with transaction.atomic():
        (late,) = publish_to(endpoint)
        due_at = Delivery.objects.get(event=late).next_attempt_at

        def is_passed_by() -> bool:
            in_threads(lambda: publish_to(endpoint))
            return Lane.objects.filter(endpoint=endpoint, low_water_mark__gt=due_at).exists()

        wait_until(is_passed_by, "the mark to pass what is not committed", every=0.5)
    wait_until(lambda: Delivery.objects.get(event=late).state == "delivered", "what was committed late")
    wait_until(lambda: delivered(endpoint) == Delivery.objects.count(), "the others")
    assert set(receiver.counts().values()) == {1}
