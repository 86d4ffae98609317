"""Groups of messages that share a request."""

from datetime import UTC, datetime

from delivery.sql.claim import Claimed
from delivery.transports.https.groups import Entry, Groups
from delivery.transports.https.kind import HttpsClient
from delivery.transports.in_flight import InFlight
from delivery.transports.message import Message
from subscriptions.endpoints.batch import Batch
from subscriptions.routing.targets import DeliveryTarget
from tests.delivery.transports.sockets.scripted import make_target
from webhooks.wire.ids import new_id


class Client(HttpsClient):
    max_entries = 3
    max_bytes = 100


def add(groups: Groups, target: DeliveryTarget, client: HttpsClient, texts: str, size: int = 1) -> None:
    """Add a message for each letter; letters in upper case have a batch key of their own, the letter."""
    for text in texts:
        message = Message(text, text.encode(), "text/plain", False, None, 1, "v1,x")
        claimed = Claimed(new_id(), target.endpoint_id, new_id(), 0, 0, datetime.now(UTC), message.body, rendered=True)
        attempt = InFlight(claimed, new_id(), (), new_id(), target.address, target.kind)
        groups.add(attempt, Entry(message, target, client, size, text if text.isupper() else None), 10.0)


def taken(groups: Groups, now: float) -> list[str]:
    return ["".join(it.id for it in group.messages) for group in groups.take(now)]


def test_messages_are_divided_by_the_limits_of_the_client() -> None:
    groups, client = Groups(), Client()
    add(groups, make_target(), client, "abcde")
    assert taken(groups, 10.0) == ["abc", "de"]
    add(groups, make_target(), client, "abc", size=50)
    assert taken(groups, 10.0) == ["ab", "c"]
    add(groups, make_target(), client, "ab", size=500)
    assert taken(groups, 10.0) == ["a", "b"]


def test_messages_share_a_request_only_with_those_of_the_same_key() -> None:
    groups = Groups()
    add(groups, make_target(), Client(), "AaBbAaBA")
    assert sorted(taken(groups, 10.0)) == ["AAA", "BB", "aba"]


def test_open_groups_of_every_key_wait_for_the_window_of_the_batch() -> None:
    groups, target = Groups(), make_target(batch=Batch(2, 10_000, 5.0))
    add(groups, target, Client(), "AaAB")
    assert taken(groups, 10.0) == ["AA"]
    assert groups.next_due_at() == 15.0
    assert taken(groups, 14.9) == []
    assert taken(groups, 15.0) == ["a", "B"]
    assert groups.next_due_at() is None


def test_client_of_changed_settings_has_requests_of_its_own() -> None:
    groups, target = Groups(), make_target()
    add(groups, target, Client(), "a")
    add(groups, target, Client(), "b")
    assert taken(groups, 10.0) == ["a", "b"]
