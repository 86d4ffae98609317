"""A credential that goes into the body, and a body that cannot have it: dead at once, until one of them is changed."""

from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from delivery import notify
from delivery.models import Attempt, DeadLetter, Delivery, Lane, Replay
from delivery.publishing.publisher import publish
from delivery.replaying import replays
from delivery.replaying.replay_filter import ReplayFilter
from delivery.sending.drain import deliver_due
from subscriptions.endpoints.endpoints import change_endpoint
from subscriptions.models import Subscription
from tests.factories import make_client, make_endpoint, make_subscription
from tests.receiver import Receiver

pytestmark = pytest.mark.django_db(transaction=True)

AUTH = {"type": "body", "name": "key", "value": "s3cret-1"}
DATA = {"n": 5}
TEXT = {"template": "order <$.data.n>"}


@pytest.fixture(autouse=True)
def loopback(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.WAYPOST_ALLOW_HTTP, settings.WAYPOST_ALLOW_NETWORKS = True, ["127.0.0.0/8"]
    for starter in (notify.drain_starter, notify.replay_starter):
        monkeypatch.setattr(starter, "notify", lambda: None)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as it:
        yield it


def deliver() -> None:
    deliver_due(idle_timeout=0.1, seconds=60.0, stopping=lambda: False)


@pytest.fixture
def dead(receiver: Receiver) -> Subscription:
    """A subscription whose delivery is dead: its transformer makes a text."""
    endpoint = make_endpoint(url=receiver.url("/"), auth=AUTH)
    subscription = make_subscription(endpoint, transformer=TEXT)
    publish(endpoint.tenant, [{"type": "order.created", "data": DATA}])
    deliver()
    return subscription


def replayed(subscription: Subscription, scope: str = Replay.Scope.DEAD_LETTERS) -> int:
    row = replays.start(subscription.tenant, ReplayFilter(scope=scope), by="ops")
    replays.run_slices()
    row.refresh_from_db()
    deliver()
    return int(row.replayed)


def bodies(receiver: Receiver) -> list[Any]:
    return [orjson.loads(it.body) for it in receiver.arrivals]


def test_delivery_is_dead_after_one_attempt_with_the_reason_and_what_to_do(
    dead: Subscription, receiver: Receiver
) -> None:
    letter, attempt = DeadLetter.objects.get(), Attempt.objects.get()
    assert (letter.cause, letter.attempts, letter.last_error) == ("body_not_object", 1, "body_not_object")
    assert "Have the transformer make an object, or give the credential in a header" in letter.reason
    assert (attempt.error, bytes(attempt.response or b"").decode()) == ("body_not_object", letter.reason)
    assert receiver.arrivals == []
    assert Delivery.objects.get().state == "dead"
    assert Lane.objects.get(endpoint=dead.endpoint).failing_since is None
    shown = make_client(dead.tenant).get("/api/v1/dead-letters/?cause=body_not_object").json()["data"]
    assert [(it["cause"], it["reason"], it["last_error"]) for it in shown] == [
        ("body_not_object", letter.reason, "body_not_object")
    ]
    assert "s3cret-1" not in str(shown)


@pytest.mark.parametrize("scope", [Replay.Scope.DEAD_LETTERS, Replay.Scope.EVENTS])
def test_replay_sends_what_the_corrected_transformer_makes(dead: Subscription, receiver: Receiver, scope: str) -> None:
    Subscription.objects.filter(pk=dead.pk).update(transformer={"template": '{"order": <$.data.n>}'})
    assert replayed(dead, scope) == 1
    assert bodies(receiver) == [{"key": "s3cret-1", "order": 5}]
    assert Delivery.objects.get().state == "delivered"


def test_replay_sends_the_whole_event_if_the_transformer_was_removed(dead: Subscription, receiver: Receiver) -> None:
    Subscription.objects.filter(pk=dead.pk).update(transformer=None)
    assert replayed(dead) == 1
    (body,) = bodies(receiver)
    assert (body["key"], body["data"], body["type"]) == ("s3cret-1", DATA, "order.created")


def test_replay_sends_the_same_body_if_the_credential_is_a_header_now(dead: Subscription, receiver: Receiver) -> None:
    change_endpoint(dead.endpoint, {"auth": {"type": "header", "name": "x-key", "value": "s3cret-1"}})
    assert replayed(dead) == 1
    (arrival,) = receiver.arrivals
    assert (arrival.body, arrival.headers["x-key"]) == (b"order 5", "s3cret-1")


def test_replay_sends_the_same_body_if_no_subscription_matches_any_more(dead: Subscription, receiver: Receiver) -> None:
    change_endpoint(dead.endpoint, {"auth": {"type": "header", "name": "x-key", "value": "s3cret-1"}})
    Subscription.objects.all().delete()
    assert replayed(dead) == 1
    assert receiver.arrivals[0].body == b"order 5"


def test_replay_of_what_is_unchanged_is_a_dead_letter_again(dead: Subscription, receiver: Receiver) -> None:
    assert replayed(dead) == 1
    assert [it.cause for it in DeadLetter.objects.filter(closed_at=None)] == ["body_not_object"]
    assert receiver.arrivals == []


def test_transformer_that_fails_now_leaves_it_dead(dead: Subscription) -> None:
    Subscription.objects.filter(pk=dead.pk).update(transformer={"template": "{<$.data.n>: 1}"})
    assert replayed(dead) == 0
    letter = DeadLetter.objects.get()
    response = make_client(dead.tenant).post(f"/api/v1/dead-letters/{letter.public_id}/replay/")
    assert response.status_code == 409
    assert "its transformation fails" in response.json()["detail"] + str(response.json().get("errors"))


def test_test_of_the_endpoint_names_the_failure(dead: Subscription) -> None:
    Subscription.objects.filter(pk=dead.pk).update(transformer=TEXT, event_types=["*"])
    path = f"/api/v1/endpoints/{dead.endpoint.public_id}/test/"
    shown = make_client(dead.tenant).post(path, {"type": "order.created", "data": DATA}, format="json").json()
    assert shown["error"] == "body_not_object"
