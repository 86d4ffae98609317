"""Test that a worker stopped past its lease and claims settles nothing when it continues."""

import signal

from delivery.models import Attempt, Delivery, Lane
from tests import receiver as scripts
from tests.journeys.conftest import Workers
from tests.journeys.deliveries import delivered, history, publish_to, subscribed_endpoint
from tests.receiver import Receiver
from tests.waiting import wait_until


def test_stalled_worker_settles_nothing_and_its_attempts_are_recorded(workers: Workers, receiver: Receiver) -> None:
    """The first five requests hang. Their worker is stopped before its timeout of a second, after which it would
    reschedule them if its claims still held.
    """
    endpoint = subscribed_endpoint(receiver.script("/", *[scripts.hang] * 5, 200), max_in_flight=5)
    workers.start("beat")
    (stalled,) = workers.start_delivery_workers(1)
    publish_to(endpoint, 5)
    receiver.wait_for(5)
    stalled.signal(signal.SIGSTOP)
    try:
        owner = Lane.objects.get().owner
        assert set(Delivery.objects.values_list("state", flat=True)) == {"sending"}
        workers.start("deliver", "work")
        wait_until(lambda: delivered(endpoint) == 5, "another worker to take over")
        assert Lane.objects.get().owner != owner
        settled = list(Delivery.objects.order_by("id").values())
    finally:
        stalled.signal(signal.SIGCONT)
    wait_until(lambda: Attempt.objects.count() == 15, "the late attempts to be recorded")
    assert list(Delivery.objects.order_by("id").values()) == settled
    assert {tuple(history(row["id"])) for row in settled} == {("timeout", "unknown", "")}
    assert set(receiver.counts().values()) == {2}
