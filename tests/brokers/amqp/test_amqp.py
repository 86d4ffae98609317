"""Test queues of a real RabbitMQ: read once each, whatever dies, with properties, TLS, and errors by their setting."""

import json
import socket
from typing import Any
from uuid import uuid4

import amqp
import pytest
from amqp.transport import TCPTransport

from delivery.models import Event
from tests.brokers.amqp.server import PASSWORD, USER, VIRTUAL_HOST, RabbitMq
from tests.factories import make_key, make_tenant
from tests.threads import ClosingThreads
from tests.webhooks.sources.kinds.guides import Guide
from tests.webhooks.sources.kinds.reading import (
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
from webhooks.outgoing.brokers.amqp_broker import USER_TIMEOUT, _socket_settings
from webhooks.processing.process import process_due
from webhooks.sources.kinds.kind import InvalidSettings, SourceUnavailable
from webhooks.sources.kinds.rabbitmq import amqp_queue, connecting
from webhooks.sources.kinds.rabbitmq.amqp_queue import Amqp

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("reading")]
KIND = Amqp()
KILLS = 21
CREDENTIALS = {"password": PASSWORD}


@pytest.fixture
def queue(channel: Any) -> str:
    """Return the name of a new durable queue."""
    name = f"orders-{uuid4().hex[:8]}"
    channel.queue_declare(name, durable=True, auto_delete=False)
    return name


def settings_of(rabbitmq: RabbitMq, queue: str, **changes: Any) -> dict[str, Any]:
    settings = {"host": f"127.0.0.1:{rabbitmq.port}", "tls": False, "virtual_host": VIRTUAL_HOST, "username": USER}
    return {**settings, "queue": queue, **changes}


def publish(channel: Any, queue: str, *bodies: bytes | str, **properties: Any) -> None:
    for body in bodies:
        channel.basic_publish(amqp.Message(body, delivery_mode=2, **properties), routing_key=queue)


def count(channel: Any, queue: str) -> int:
    return int(channel.queue_declare(queue, passive=True).message_count)


def test_messages_become_receipts_with_their_properties_and_are_acknowledged(
    rabbitmq: RabbitMq, channel: Any, queue: str
) -> None:
    read_source("amqp", settings_of(rabbitmq, queue), CREDENTIALS)
    headers = {"Über": "a\nb", "n": 7, "table": {"a": [1, "x"]}, "cloudEvents:type": "order.paid", "none": None}
    properties = {"content_type": "application/json", "content_encoding": "utf-8", "correlation_id": "c1"}
    publish(channel, queue, '{"é": 1}', message_id="m1", type="order.paid", application_headers=headers, **properties)
    publish(channel, queue, b"\x00\xff")
    first, second = read_until(2)
    assert (first.message_id, first.event_type, first.read()) == ("m1", "order.paid", '{"é": 1}'.encode())
    found = {name: first.headers.get(name) for name in ("-ber", "n", "table", "ce-type", "content-type", "none")}
    assert found == {
        "-ber": "a b",
        "n": "7",
        "table": '{"a":[1,"x"]}',
        "ce-type": "order.paid",
        "content-type": "application/json",
        "none": None,
    }
    assert (first.headers["amqp-routing-key"], first.headers["amqp-redelivered"]) == (queue, "false")
    assert (first.headers["amqp-correlation-id"], first.headers["amqp-content-encoding"]) == ("c1", "utf-8")
    assert (second.read(), second.message_id.startswith("sha256:")) == (b"\x00\xff", True)
    assert (count(channel, queue), SourcePartition.objects.get().lag_records, errors()) == (0, 0, [])


def test_message_that_is_delivered_again_is_a_duplicate(rabbitmq: RabbitMq, channel: Any, queue: str) -> None:
    reader = KIND.open(connection_to(KIND, settings_of(rabbitmq, queue), CREDENTIALS), "", None)
    publish(channel, queue, b"1", b"2", message_id="")
    publish(channel, queue, b"3", message_id="m3")
    first = reader.fetch(10, 1.0)
    reader.close()
    reader = KIND.open(connection_to(KIND, settings_of(rabbitmq, queue), CREDENTIALS), "", None)
    again = reader.fetch(10, 1.0)
    assert [it.id for it in first] == [it.id for it in again]
    assert len({it.id for it in again}) == 3
    assert again[0].headers["amqp-redelivered"] == "true"
    reader.acknowledge(again)
    assert reader.fetch(10, 0.0) == []
    reader.close()


def test_fetch_takes_as_many_as_are_wanted_and_few_that_are_large(
    rabbitmq: RabbitMq, channel: Any, queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(amqp_queue, "MAX_BYTES", 100_000)
    reader = KIND.open(connection_to(KIND, settings_of(rabbitmq, queue), CREDENTIALS), "", None)
    publish(channel, queue, *([b"x"] * 60), *([b"y" * 50_000] * 5))
    for limit, found in ((20, 20), (500, 45), (500, 2), (500, 2), (500, 1)):
        records = reader.fetch(limit, 1.0)
        reader.acknowledge(records) if records else None
        assert abs(len(records) - found) <= 5
    assert reader.lag().records is not None
    reader.close()


def test_large_messages_beyond_a_fetch_are_given_back_and_come_once_in_order(
    rabbitmq: RabbitMq, channel: Any, queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(amqp_queue, "MAX_BYTES", 200_000)
    reader = KIND.open(connection_to(KIND, settings_of(rabbitmq, queue), CREDENTIALS), "", None)
    publish(channel, queue, *(b"%d" % number + b"x" * 99_999 for number in range(9)))
    found: list[bytes] = []
    while len(found) < 9:
        records = reader.fetch(500, 1.0)
        reader.acknowledge(records)
        assert 0 < len(records) <= 3
        found += [record.body[:1] for record in records]
    assert found == [b"%d" % number for number in range(9)]
    assert (reader.fetch(500, 0.0), count(channel, queue)) == ([], 0)
    reader.close()


def test_message_that_is_too_large_is_a_record_with_the_reason_and_blocks_nothing(
    rabbitmq: RabbitMq, channel: Any, queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connecting, "MAX_MESSAGE", 300_000)
    reader = KIND.open(connection_to(KIND, settings_of(rabbitmq, queue), CREDENTIALS), "", None)
    publish(channel, queue, b"a", b"x" * 400_000, b"b")
    records = reader.fetch(500, 1.0)
    assert [record.body for record in records] == [b"a", b"", b"b"]
    assert [record.problem for record in records] == ["", connecting.TOO_LARGE, ""]
    reader.close()


@pytest.mark.django_db(transaction=True)
def test_no_message_is_lost_or_twice_when_workers_are_killed_between_the_steps(
    rabbitmq: RabbitMq, channel: Any, queue: str
) -> None:
    read_source("amqp", settings_of(rabbitmq, queue), CREDENTIALS)
    publish(channel, queue, *(b'{"n": %d}' % number for number in range(KILLS * 10)))
    for number in range(KILLS):
        assert read_in_child_that_dies(POINTS[number % 3])
    read_until(KILLS * 10)
    while count(channel, queue):
        make_due()
        read_once(0.2)
    assert sorted(json.loads(it.read())["n"] for it in Receipt.objects.all()) == list(range(KILLS * 10))


def test_connection_with_tls_checks_the_certificate(rabbitmq: RabbitMq, channel: Any, queue: str) -> None:
    given = settings_of(rabbitmq, queue, host=f"localhost:{rabbitmq.tls_port}", tls=True)
    with pytest.raises(SourceUnavailable, match="trusted TLS") as raised:
        KIND.test(connection_to(KIND, given, CREDENTIALS))
    assert raised.value.setting == "settings.host"
    trusted = {**CREDENTIALS, "ca_certificate": rabbitmq.authority.pem}
    assert "0 messages" in KIND.test(connection_to(KIND, given, trusted)).message


@pytest.mark.parametrize(
    ("changes", "credentials", "setting"),
    [
        ({}, {"password": "wrong"}, "credentials.password"),
        ({"username": "outsider"}, CREDENTIALS, "settings.virtual_host"),
        ({"virtual_host": "missing"}, CREDENTIALS, "settings.virtual_host"),
        ({"queue": "missing"}, CREDENTIALS, "settings.queue"),
        ({"host": "127.0.0.1:1025"}, CREDENTIALS, "settings.host"),
        ({"host": "10.0.0.1:5672"}, CREDENTIALS, "settings.host"),
    ],
)
def test_what_is_wrong_is_said_with_its_setting_and_no_password(
    rabbitmq: RabbitMq, queue: str, changes: dict[str, Any], credentials: dict[str, str], setting: str
) -> None:
    with pytest.raises(SourceUnavailable) as raised:
        KIND.test(connection_to(KIND, {**settings_of(rabbitmq, queue), **changes}, credentials))
    assert raised.value.setting == setting
    assert credentials["password"] not in str(raised.value)


def test_test_leaves_messages_as_they_are(rabbitmq: RabbitMq, channel: Any, queue: str) -> None:
    publish(channel, queue, b"1")
    KIND.test(connection_to(KIND, settings_of(rabbitmq, queue), CREDENTIALS))
    assert channel.basic_get(queue).delivery_info["redelivered"] is False


def test_properties_that_cannot_be_read_make_a_dead_receipt_and_block_nothing(
    rabbitmq: RabbitMq, channel: Any, queue: str
) -> None:
    read_source("amqp", settings_of(rabbitmq, queue), CREDENTIALS)
    message = amqp.Message(b"1", correlation_id="x")
    message._serialize_properties = lambda: b"\x04\x00\x02\xff\xfe"  # a correlation_id that is not UTF-8
    channel.basic_publish(message, routing_key=queue)
    publish(channel, queue, b"2")
    read_until(2)
    dead = Receipt.objects.get(dead_at__isnull=False)
    assert (dead.read(), dead.last_error, count(channel, queue)) == (b"1", connecting.UNREADABLE, 0)


def test_queue_that_is_deleted_while_it_is_read_is_said(rabbitmq: RabbitMq, channel: Any, queue: str) -> None:
    read_source("amqp", settings_of(rabbitmq, queue), CREDENTIALS)
    publish(channel, queue, b"1")
    read_until(1)
    channel.queue_delete(queue)
    make_due()
    read_once()
    assert [setting for setting, _ in errors()] == ["settings.queue"]


def test_options_of_a_connection_are_set_though_the_broker_has_spoken_first() -> None:
    """The library would set the size of segments that it reads then, which the system refuses."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as connection,
        listener.accept()[0] as accepted,
    ):
        accepted.sendall(b"first")
        connection.recv(5, socket.MSG_PEEK)
        transport = TCPTransport("127.0.0.1", 1.0)
        transport.sock = connection
        transport._set_socket_options(_socket_settings())
        assert connection.getsockopt(socket.SOL_TCP, socket.TCP_USER_TIMEOUT) == USER_TIMEOUT


def test_broker_that_hangs_in_a_frame_ends_the_fetch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webhooks.outgoing.brokers.amqp_broker.CONNECT_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as listener, ClosingThreads() as threads:

        def drip() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"\x01\x00\x00\x00\x00\xff\xff")  # a frame of 65,535 bytes, which do not follow
                connection.settimeout(5)
                while connection.recv(1000):
                    pass

        served = threads.submit(drip)
        given = {"host": f"127.0.0.1:{listener.getsockname()[1]}", "tls": False, "queue": "q", "username": "u"}
        with pytest.raises(SourceUnavailable, match="in time"):
            KIND.test(connection_to(KIND, given, CREDENTIALS))
        served.result()


@pytest.mark.parametrize(
    ("changes", "problems"),
    [
        ({"host": "rabbit:port"}, {"settings.host"}),
        ({"username": None}, {"settings.username"}),
        ({"queue": "q" * 256}, {"settings.queue"}),
    ],
)
def test_bad_settings_are_found_without_connecting(changes: dict[str, Any], problems: set[str]) -> None:
    given = {"host": "rabbit.example.com", "queue": "q", "username": "u", **changes}
    with pytest.raises(InvalidSettings) as raised:
        connection_to(KIND, given, CREDENTIALS)
    assert raised.value.problems.keys() == problems


def test_connection_without_tls_needs_the_operators_consent(settings: Any) -> None:
    settings.WAYPOST_ALLOW_HTTP = False
    with pytest.raises(InvalidSettings, match="WAYPOST_ALLOW_HTTP"):
        connection_to(KIND, {"host": "rabbit", "queue": "q", "username": "u", "tls": False}, CREDENTIALS)


@pytest.mark.django_db(transaction=True)
def test_guide_reads_a_queue_and_publishes(rabbitmq: RabbitMq, channel: Any, live_server: Any, queue: str) -> None:
    replaced = {
        '"rabbitmq.example.com"': f'"127.0.0.1:{rabbitmq.port}", "tls": false, "virtual_host": "{VIRTUAL_HOST}"',
        '"queue": "orders"': f'"queue": "{queue}"',
        '"waypost"': f'"{USER}"',
        "correct horse battery staple": PASSWORD,
    }
    guide = Guide("read-amqp", f"{live_server.url}/api/v1", make_key(make_tenant())[1], replaced)
    assert guide.run(0)["kind"] == "amqp"
    publish(channel, queue, b'{"type": "order.paid", "data": {"n": 1}}', message_id="m1")
    read_until(1)
    process_due()
    assert [event.type for event in Event.objects.all()] == ["order.paid"]


def test_broker_that_was_restarted_goes_on_where_it_was(rabbitmq: RabbitMq, channel: Any, queue: str) -> None:
    read_source("amqp", settings_of(rabbitmq, queue), CREDENTIALS)
    publish(channel, queue, b"1", message_id="m1")
    read_until(1)
    connection = rabbitmq.connect()
    confirmed = connection.channel()
    confirmed.confirm_select()
    confirmed.basic_publish_confirm(amqp.Message(b"2", delivery_mode=2, message_id="m2"), routing_key=queue)
    rabbitmq.stop()
    connection.transport.close()
    make_due()
    read_once()
    assert [setting for setting, _ in errors()] == ["settings.host"]
    rabbitmq.start()
    assert [it.message_id for it in read_until(2)] == ["m1", "m2"]
    assert errors() == []
