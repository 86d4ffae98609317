"""Test that a dead letter is delivered by a replay once its endpoint works again."""

from delivery.models import DeadLetter, Delivery, Replay
from tests.factories import make_client
from tests.journeys.conftest import Workers
from tests.journeys.deliveries import delivered, history, publish_to, subscribed_endpoint
from tests.receiver import Receiver
from tests.waiting import wait_until


def test_dead_letter_is_delivered_by_a_replay_with_the_same_bytes(workers: Workers, receiver: Receiver) -> None:
    endpoint = subscribed_endpoint(receiver.script("/", 500, 503, 200), retry_plan=[1])
    workers.start("deliver", "work")
    publish_to(endpoint)
    letter = wait_until(lambda: DeadLetter.objects.first(), "the dead letter")
    assert (letter.cause, letter.last_status, letter.attempts) == ("exhausted", 503, 2)
    assert Delivery.objects.get().state == "dead"

    client = make_client(endpoint.tenant)
    made = client.post("/api/v1/replays/", {"filter": {"endpoint": endpoint.public_id}}, format="json")
    assert (made.status_code, made.json()["total"]) == (201, 1)
    wait_until(lambda: delivered(endpoint) == 1, "the delivery")
    wait_until(lambda: Replay.objects.get().state == "finished", "the replay to end")
    letter.refresh_from_db()
    assert letter.closed_at is not None
    assert Replay.objects.get().replayed == 1
    assert history(letter.delivery_id) == ["status", "status", ""]
    assert len({(it.message_id, it.body) for it in receiver.arrivals}) == 1
    assert len(receiver.arrivals) == 3
