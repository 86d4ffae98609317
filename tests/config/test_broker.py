"""Test that a channel to the broker uses one client, of the connections that it has now."""

from collections.abc import Iterator
from typing import Any

import pytest
from kombu import connection, entity

from config.broker import OneClientChannel
from config.celery import app

Connection: Any = connection.Connection
Queue: Any = entity.Queue


@pytest.fixture
def channel() -> Iterator[OneClientChannel]:
    with Connection(app.conf.broker_url) as broker:
        yield broker.channel()


def test_channel_of_the_broker_uses_one_client_for_all_commands(channel: OneClientChannel) -> None:
    assert isinstance(channel, OneClientChannel)
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


def test_messages_arrive_in_order(channel: OneClientChannel) -> None:
    queue = Queue("broker-clients", channel=channel)
    queue.declare()
    producer = app.amqp.Producer(channel, auto_declare=False)
    for number in range(3):
        producer.publish({"number": number}, routing_key="broker-clients")
    found = [queue.get(no_ack=True) for _ in range(3)]
    queue.delete()
    assert [it.payload["number"] for it in found] == [0, 1, 2]
