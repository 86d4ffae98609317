"""An endpoint fails until its plan is used up; the dead letter is brought back when it is well again."""

from delivery.models import DeadLetter, Delivery, Replay
from tests.factories import make_client
from tests.journeys.conftest import Crew
from tests.journeys.owed import delivered, history, publish_to, subscribed
from tests.receiver import Receiver
from tests.waiting import wait_until


def test_what_died_of_failures_is_brought_back_by_a_replay_in_the_same_bytes(crew: Crew, receiver: Receiver) -> None:
    endpoint = subscribed(receiver.script("/", 500, 503, 200), retry_plan=[1])
    crew.start("beat", "deliver", "work")
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
    assert letter.replayed_at is not None
    assert Replay.objects.get().replayed == 1
    assert history(letter.delivery_id) == ["status", "status", ""]
    assert len({(it.message_id, it.body) for it in receiver.arrivals}) == 1
    assert len(receiver.arrivals) == 3
