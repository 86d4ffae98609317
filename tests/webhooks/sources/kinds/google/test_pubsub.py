"""Test messages of Pub/Sub over HTTP, on a server that speaks its documented REST API."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from delivery.models import Event
from tests.factories import make_key, make_tenant
from tests.webhooks.sources.kinds.google.pubsub_server import SUBSCRIPTION, PubSubServer, pubsub_server
from tests.webhooks.sources.kinds.guides import Guide
from tests.webhooks.sources.kinds.reading import (
    KILLS,
    POINTS,
    connection_to,
    errors,
    make_due,
    read_in_child_that_dies,
    read_once,
    read_source,
    read_until,
)
from webhooks.models import Receipt, SourcePartition
from webhooks.processing.process import process_due
from webhooks.readers.partitions import seek
from webhooks.sources.kinds.google import pubsub as module
from webhooks.sources.kinds.google.access_tokens import clear_tokens
from webhooks.sources.kinds.google.pubsub import PubSub
from webhooks.sources.kinds.kind import InvalidSettings, SourceUnavailable

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("reading")]
KIND = PubSub()


@pytest.fixture
def server() -> Iterator[PubSubServer]:
    clear_tokens()
    with pubsub_server() as it:
        yield it


def settings_of(server: PubSubServer, **changes: str) -> tuple[dict[str, Any], dict[str, str]]:
    settings = {"subscription": SUBSCRIPTION, "endpoint_url": server.url, **changes}
    return settings, {"service_account": server.key_file()}


def bodies() -> list[Any]:
    return [json.loads(it.read()) for it in Receipt.objects.order_by("id")]


def test_messages_become_receipts_with_their_attributes_and_are_acknowledged(server: PubSubServer) -> None:
    read_source("pubsub", *settings_of(server))
    attributes = {"content-type": "application/json", "Über": "a\nb", "ce-type": "x"}
    server.publish(b'{"type": "order.paid"}', orderingKey="customer 7", attributes=attributes)
    server.publish(b"\x00\xff")
    receipts = read_until(2)
    first = next(it for it in receipts if it.order_key)
    assert (first.message_id, first.order_key, first.read()) == ("1000", "customer 7", b'{"type": "order.paid"}')
    assert (first.headers["content-type"], first.headers["-ber"], first.headers["ce-type"]) == (
        "application/json",
        "a b",
        "x",
    )
    assert first.headers["gcp-pubsub-ordering-key"] == "customer 7"
    assert (server.left, server.deadlines, errors()) == (0, [90], [])


def test_token_is_requested_once_for_many_calls(server: PubSubServer) -> None:
    read_source("pubsub", *settings_of(server))
    for number in range(3):
        server.publish(b"%d" % number)
        read_until(number + 1)
    assert len(server.tokens) == 1


def test_message_that_is_delivered_again_is_a_duplicate(server: PubSubServer) -> None:
    read_source("pubsub", *settings_of(server))
    server.publish(b"1")
    read_until(1)
    server.messages[0].is_acknowledged, server.messages[0].visible_at = False, 0.0
    make_due()
    read_once()
    assert (server.left, Receipt.objects.count(), SourcePartition.objects.get().records) == (0, 1, 2)


def test_messages_that_were_not_stored_are_given_back_at_once(server: PubSubServer) -> None:
    reader = KIND.open(connection_to(KIND, *settings_of(server)), "", None)
    server.publish(b"1", b"2")
    assert len(reader.fetch(10, 0.0)) == 2
    assert reader.fetch(10, 0.0) == []
    reader.close()
    assert [it.headers["gcp-pubsub-delivery-attempt"] for it in reader.fetch(10, 0.0)] == ["2", "2"]
    assert server.deadlines == [90, 0, 90]


def test_acknowledgement_that_fails_is_tried_again_and_then_says_why(server: PubSubServer) -> None:
    reader = KIND.open(connection_to(KIND, *settings_of(server)), "", None)
    server.publish(b"1", b"2")
    server.fails["acknowledge"] = [503]
    reader.acknowledge(reader.fetch(1, 0.0))
    assert server.left == 1
    server.fails["acknowledge"] = [403, 403]
    with pytest.raises(SourceUnavailable, match=r"status 403: No acknowledge\.") as raised:
        reader.acknowledge(reader.fetch(1, 0.0))
    assert raised.value.setting == "credentials.service_account"


@pytest.mark.django_db(transaction=True)
def test_no_message_is_lost_or_twice_when_workers_are_killed_between_the_steps(server: PubSubServer) -> None:
    read_source("pubsub", *settings_of(server))
    server.deadline = 0.5
    server.publish(*(b'{"n": %d}' % number for number in range(KILLS * 10)))
    for number in range(KILLS):
        assert read_in_child_that_dies(POINTS[number % 3])
    while server.left:
        make_due()
        read_once(0.2)
    assert sorted(it["n"] for it in bodies()) == list(range(KILLS * 10))


def test_pull_of_large_messages_is_repeated_with_fewer(server: PubSubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_RESPONSE", 10_000)
    reader = KIND.open(connection_to(KIND, *settings_of(server)), "", None)
    server.publish(*([b"x" * 1000] * 20))
    server.pulled_for = 0.0
    assert len(reader.fetch(20, 0.0)) == 2


def test_seek_moves_the_subscription_and_makes_no_doubles(server: PubSubServer) -> None:
    source = read_source("pubsub", *settings_of(server))
    server.publish(b'{"n": 1}', b'{"n": 2}')
    server.messages[0].at -= timedelta(days=2)
    read_until(2)
    seek(source, "earliest")
    assert server.left == 2
    seek(source, datetime.now(UTC) - timedelta(days=1))
    assert server.left == 1
    make_due()
    read_once()
    assert (bodies(), server.left) == ([{"n": 1}, {"n": 2}], 0)
    seek(source, "earliest")
    seek(source, "latest")
    assert server.left == 0


def test_data_that_is_no_base64_is_a_dead_receipt_and_blocks_nothing(server: PubSubServer) -> None:
    read_source("pubsub", *settings_of(server))
    server.publish(b"1", b"2")
    server.messages[0].fields["data"] = "*"
    read_until(2)
    dead = Receipt.objects.get(dead_at__isnull=False)
    assert (dead.last_error, dead.read(), server.left) == ("The data of the message is not base64.", b"*", 0)


def test_test_says_what_was_found_and_pulls_nothing(server: PubSubServer) -> None:
    server.publish(b"1")
    for named in (SUBSCRIPTION, "orders"):
        sample = KIND.test(connection_to(KIND, *settings_of(server, subscription=named)))
        assert sample.message.startswith(f"Found the subscription {SUBSCRIPTION}.")
    assert server.messages[0].attempts == 0


def test_missing_subscription_and_missing_role_name_the_subscription(server: PubSubServer) -> None:
    for changes, permissions in (({"subscription": "projects/shop/subscriptions/none"}, None), ({}, [])):
        server.permissions = server.permissions if permissions is None else permissions
        with pytest.raises(SourceUnavailable, match="lacks the role") as raised:
            KIND.test(connection_to(KIND, *settings_of(server, **changes)))
        assert raised.value.setting == "settings.subscription"
    read_source("pubsub", *settings_of(server, subscription="projects/shop/subscriptions/none"))
    read_once()
    assert errors() == [("settings.subscription", "The service responded with status 404: Resource not found.")]


def test_key_of_another_account_is_said_without_the_key(server: PubSubServer) -> None:
    settings, _ = settings_of(server)
    credentials = {"service_account": server.key_file(client_email="other@shop.example")}
    with pytest.raises(SourceUnavailable, match="invalid_grant") as raised:
        KIND.test(connection_to(KIND, settings, credentials))
    assert raised.value.setting == "credentials.service_account"
    assert "PRIVATE" not in str(raised.value)


@pytest.mark.parametrize(
    ("given", "key", "problems"),
    [
        ({"subscription": SUBSCRIPTION}, None, {"credentials.service_account"}),
        ({"subscription": SUBSCRIPTION}, "{}", {"credentials.service_account"}),
        ({"subscription": SUBSCRIPTION}, "nonsense", {"credentials.service_account"}),
        ({"subscription": "a/b", "endpoint_url": "http://127.0.0.1:8085"}, None, {"settings.subscription"}),
        ({"subscription": "orders", "endpoint_url": "http://127.0.0.1:8085"}, None, {"settings.subscription"}),
        ({"subscription": SUBSCRIPTION, "endpoint_url": "ftp://x"}, None, {"settings.endpoint_url"}),
    ],
)
def test_bad_settings_are_found_without_connecting(given: dict[str, Any], key: str | None, problems: set[str]) -> None:
    with pytest.raises(InvalidSettings) as raised:
        connection_to(KIND, given, {} if key is None else {"service_account": key})
    assert raised.value.problems.keys() == problems


def test_private_key_that_is_none_is_found_without_connecting(server: PubSubServer) -> None:
    settings, _ = settings_of(server)
    with pytest.raises(InvalidSettings, match="RSA key"):
        connection_to(KIND, settings, {"service_account": server.key_file(private_key="-----BEGIN-----")})


def test_service_that_is_slow_down_or_hangs_while_waiting_brings_nothing(
    server: PubSubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PULL_SECONDS", 0.05)
    server.waits = 1.0
    reader = KIND.open(connection_to(KIND, *settings_of(server)), "", None)
    assert reader.fetch(10, 0.1) == []
    server.fails["pull"] = [429]
    server.publish(b"1")
    assert reader.fetch(10, 0.0) == []
    server.fails["pull"] = [500]
    with pytest.raises(SourceUnavailable, match="status 500"):
        reader.fetch(10, 0.0)


@pytest.mark.django_db(transaction=True)
def test_guide_reads_a_subscription_and_publishes(server: PubSubServer, live_server: Any, tmp_path: Any) -> None:
    key_file = tmp_path / "key.json"
    key_file.write_text(server.key_file())
    replaced = {
        '"projects/my-project/subscriptions/orders"': f'"{SUBSCRIPTION}", "endpoint_url": "{server.url}"',
        "key.json": str(key_file),
    }
    guide = Guide("read-pubsub", f"{live_server.url}/api/v1", make_key(make_tenant())[1], replaced)
    assert guide.run(0)["kind"] == "pubsub"
    server.publish(b'{"type": "order.paid", "data": {"n": 1}}')
    read_until(1)
    process_due()
    assert [event.type for event in Event.objects.all()] == ["order.paid"]
    guide.run(1)
