"""Test that a killed delivery worker loses nothing and its attempts are recorded as unknown."""

from delivery.models import Attempt, Delivery
from tests import receiver as scripts
from tests.journeys.conftest import Workers, drains
from tests.journeys.deliveries import delivered, history, publish_to, subscribed_endpoint
from tests.receiver import Receiver
from tests.waiting import wait_until
from webhooks.wire.ids import public


def test_killed_worker_loses_no_event_and_repeats_only_those_in_flight(workers: Workers, receiver: Receiver) -> None:
    endpoint = subscribed_endpoint(receiver.script("/", scripts.slow(0.1)), max_in_flight=10)
    published = publish_to(endpoint, 200)
    workers.start("beat")
    (worker,) = workers.start("deliver")
    receiver.wait_for(50)
    worker.kill()
    wait_until(lambda: drains() == 0, "the database to see that the worker is gone")
    in_flight = set(Delivery.objects.filter(state="sending").values_list("id", "event_id"))
    assert in_flight
    assert delivered(endpoint) + len(in_flight) < 200

    workers.start("deliver", "work")
    wait_until(lambda: delivered(endpoint) == 200, "everything to be delivered")
    counts = receiver.counts()
    assert set(counts) == {public("evt", event_id) for event_id in published}
    assert {name for name, count in counts.items() if count > 1} <= {public("evt", event) for _, event in in_flight}
    assert max(counts.values()) <= 2
    cut = {delivery_id for delivery_id, _ in in_flight}
    assert set(Attempt.objects.filter(error="unknown").values_list("delivery_id", flat=True)) == cut
    assert [history(delivery_id) for delivery_id in cut] == [["unknown", ""]] * len(cut)
    assert Attempt.objects.count() == 200 + len(cut)
