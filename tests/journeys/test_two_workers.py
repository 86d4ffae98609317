"""Two workers share what is owed, and repeat none of it."""

from delivery.models import Attempt
from tests.journeys.conftest import Crew
from tests.journeys.owed import delivered, publish_to, subscribed
from tests.receiver import Receiver
from tests.waiting import wait_until


def test_with_two_workers_at_it_every_event_arrives_exactly_once(crew: Crew, receiver: Receiver) -> None:
    endpoints = [subscribed(receiver.url(f"/{number}")) for number in range(10)]
    crew.start("beat")
    crew.start_deliverers(2)
    for _ in range(3):
        for endpoint in endpoints:
            publish_to(endpoint, 10)
    wait_until(lambda: sum(map(delivered, endpoints)) == 300, "300 deliveries")
    assert len(receiver.arrivals) == len(receiver.counts()) == Attempt.objects.count() == 300
