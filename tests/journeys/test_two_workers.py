"""Test that two delivery workers send nothing twice."""

from delivery.models import Attempt
from tests.journeys.conftest import Workers
from tests.journeys.deliveries import delivered, publish_to, subscribed_endpoint
from tests.receiver import Receiver
from tests.waiting import wait_until


def test_two_workers_deliver_every_event_once(workers: Workers, receiver: Receiver) -> None:
    endpoints = [subscribed_endpoint(receiver.url(f"/{number}")) for number in range(10)]
    workers.start("beat")
    workers.start_delivery_workers(2)
    for _ in range(3):
        for endpoint in endpoints:
            publish_to(endpoint, 10)
    wait_until(lambda: sum(map(delivered, endpoints)) == 300, "300 deliveries")
    assert len(receiver.arrivals) == len(receiver.counts()) == Attempt.objects.count() == 300
