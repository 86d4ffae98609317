"""A worker that stood still past its lease and its claims comes back: it owns nothing any more, and tells it all."""

import signal

from delivery.models import Attempt, Delivery, Lane
from tests import receiver as scripts
from tests.journeys.conftest import Crew
from tests.journeys.owed import delivered, history, publish_to, subscribed
from tests.receiver import Receiver
from tests.waiting import wait_until


def test_an_owner_that_comes_back_late_settles_nothing_and_its_attempts_are_recorded(
    crew: Crew, receiver: Receiver
) -> None:
    """The first five requests hang: their owner is stopped within the second it would wait for them, and would
    put them off if it still had a say."""
    endpoint = subscribed(receiver.script("/", *[scripts.hang] * 5, 200), max_in_flight=5)
    crew.start("beat")
    (stalled,) = crew.start_deliverers(1)
    publish_to(endpoint, 5)
    receiver.wait_for(5)
    stalled.signal(signal.SIGSTOP)
    try:
        owner = Lane.objects.get().owner
        assert set(Delivery.objects.values_list("state", flat=True)) == {"sending"}
        crew.start("deliver", "work")
        wait_until(lambda: delivered(endpoint) == 5, "another worker to take over")
        assert Lane.objects.get().owner != owner
        settled = list(Delivery.objects.order_by("id").values())
    finally:
        stalled.signal(signal.SIGCONT)
    wait_until(lambda: Attempt.objects.count() == 15, "the late attempts to be recorded")
    assert list(Delivery.objects.order_by("id").values()) == settled
    assert {tuple(history(row["id"])) for row in settled} == {("timeout", "unknown", "")}
    assert set(receiver.counts().values()) == {2}
