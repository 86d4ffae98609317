"""Test connections to the broker: one client of a channel, no wait at its end, few wake-ups."""

from collections.abc import Iterator
from typing import Any

import pytest
from kombu import connection, entity, messaging
from kombu.asynchronous import Hub

from config.broker import LongPollChannel, LongPollTransport
from config.celery import app

Connection: Any = connection.Connection
Queue: Any = entity.Queue
Consumer: Any = messaging.Consumer


@pytest.fixture
def channel(broker: str) -> Iterator[LongPollChannel]:
    with Connection(broker) as opened:
        yield opened.channel()


def test_channel_of_the_broker_uses_one_client_for_all_commands(channel: LongPollChannel) -> None:
    assert isinstance(channel, LongPollChannel)
    with channel.conn_or_acquire() as first, channel.conn_or_acquire() as second:
        assert first is second
    other = object()
    with channel.conn_or_acquire(other) as given:
        assert given is other


def test_channel_whose_connections_were_closed_uses_new_ones(channel: Any) -> None:
    with channel.conn_or_acquire() as before:
        before.ping()
    channel._disconnect_pools()
    with channel.conn_or_acquire() as after:
        assert after.ping()
    assert after.connection_pool is not before.connection_pool


def test_channel_is_closed_without_waiting_for_a_message(broker: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LongPollTransport, "brpop_timeout", 3_600)
    with Connection(broker, transport_options={"socket_timeout": None}) as opened:
        channel: Any = opened.channel()
        consumer = Consumer(channel, [Queue("broker-closing", channel=channel)])
        consumer.consume()
        opened.transport.cycle._register_BRPOP(channel)
        assert channel._in_poll
        channel.close()


def poll(connection: Any, name: str) -> Any:
    """Return a channel whose BRPOP waits for a message of this queue."""
    channel = connection.channel()
    consumer = Consumer(channel, [Queue(name, channel=channel)], callbacks=[lambda _body, _message: None])
    consumer.consume()
    connection.transport.cycle._register_BRPOP(channel)
    assert channel._in_poll
    return channel


@pytest.fixture
def queue(broker: str, channel: Any) -> Iterator[Any]:
    found = Queue("broker-closing", channel=channel)
    found.declare()
    yield found
    found.delete()


def test_message_that_came_before_the_channel_is_closed_is_not_lost(broker: str, channel: Any, queue: Any) -> None:
    with Connection(broker) as opened:
        closing = poll(opened, queue.name)
        app.amqp.Producer(channel, auto_declare=False).publish({"number": 1}, routing_key=queue.name)
        assert channel._size(queue.name) == 0  # BRPOP has taken it
        closing.close()
    assert queue.get(no_ack=True).payload == {"number": 1}


def test_channel_whose_connection_was_lost_is_closed(broker: str, channel: Any, queue: Any) -> None:
    with Connection(broker) as opened, channel.conn_or_acquire() as client:
        closing = poll(opened, queue.name)
        client.client_kill_filter(_id=closing._poll_id)
        closing.close()
        assert closing.closed


def test_channel_that_polls_on_a_new_connection_unblocks_that_one(
    broker: str, channel: Any, queue: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LongPollTransport, "brpop_timeout", 3_600)
    with Connection(broker, transport_options={"socket_timeout": None}) as opened:
        closing = poll(opened, queue.name)
        first = closing._poll_id
        closing.client.connection.disconnect()
        closing._in_poll = None
        opened.transport.cycle._register_BRPOP(closing)
        assert closing._poll_id != first
        closing.close()


def test_channel_of_a_user_who_may_not_ask_for_the_id_is_closed_all_the_same(
    broker: str, queue: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LongPollTransport, "brpop_timeout", 3_600)
    with Connection(broker, transport_options={"socket_timeout": None}) as opened:
        closing = poll(opened, queue.name)
        closing._poll_id = None
        closing.close()


def test_event_loop_is_not_woken_for_bindings_that_expire(broker: str) -> None:
    hub: Any = Hub()
    try:
        with Connection(broker) as opened:
            opened.transport.register_with_event_loop(opened.connection, hub)
            entries = [it.entry for it in hub.timer._queue if not it.entry.canceled]
            assert entries
            assert [it for it in entries if "binding" in str(it)] == []
            assert opened.transport.brpop_timeout > 1
    finally:
        hub.close()


def test_messages_arrive_in_order(channel: LongPollChannel) -> None:
    queue = Queue("broker-clients", channel=channel)
    queue.declare()
    producer = app.amqp.Producer(channel, auto_declare=False)
    for number in range(3):
        producer.publish({"number": number}, routing_key="broker-clients")
    found = [queue.get(no_ack=True) for _ in range(3)]
    queue.delete()
    assert [it.payload["number"] for it in found] == [0, 1, 2]
