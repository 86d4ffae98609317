"""Test streams of a real NATS server: read once each, whatever dies, with headers, TLS, and errors by their setting."""

import json
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from nats.js.api import AckPolicy, ConsumerConfig
from nats.js.errors import NotFoundError

from delivery.models import Event
from tests.brokers.nats.conftest import Vendor
from tests.brokers.nats.server import PASSWORD, SEED, USER, NatsServer
from tests.factories import make_key, make_tenant
from tests.pki import Authority
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
from webhooks.processing.process import process_due
from webhooks.readers.partitions import seek
from webhooks.readers.slices import run
from webhooks.sources.kinds.kind import InvalidSettings, SourceUnavailable
from webhooks.sources.kinds.nats import jetstream
from webhooks.sources.kinds.nats.jetstream import Nats
from webhooks.sources.sources import delete_source

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("reading")]
KIND = Nats()
KILLS = 21
CREDENTIALS = {"password": PASSWORD}


def settings_of(server: NatsServer, stream: str, **changes: Any) -> dict[str, Any]:
    given = {"host": f"127.0.0.1:{server.port}", "tls": False, "username": USER, "stream": stream, "start": "earliest"}
    return {**given, **changes}


def numbers() -> list[int]:
    return [json.loads(it.read())["n"] for it in Receipt.objects.order_by("id")]


def test_messages_become_receipts_with_their_headers_and_are_acknowledged(
    nats_server: NatsServer, vendor: Vendor, stream: str
) -> None:
    source = read_source("nats", settings_of(nats_server, stream), CREDENTIALS)
    vendor.publish(f"{stream}.paid", b'{"type": "order.paid"}', Nats_Msg_Id="m1", content_type="application/json")
    vendor.publish(f"{stream}.raw", b"\x00\xff")
    first, second = read_until(2)
    assert (first.event_type, first.content_type, second.read()) == ("order.paid", "application/json", b"\x00\xff")
    assert first.message_id.startswith(f"{stream}@")
    assert (first.message_id[-2:], second.message_id[-2:]) == (":1", ":2")
    names = ("nats-subject", "nats-sequence", "nats-msg-id", "nats-deliveries")
    assert [first.headers[name] for name in names] == [f"{stream}.paid", "1", "m1", "1"]
    info = vendor.run(vendor.api.consumer_info(stream, f"waypost-{source.public_id}"))
    assert (info.num_ack_pending, info.ack_floor.stream_seq, errors()) == (0, 2, [])
    assert SourcePartition.objects.get().position == {"after": 2}


def test_more_messages_than_one_fetch_are_read_in_order(nats_server: NatsServer, vendor: Vendor, stream: str) -> None:
    read_source("nats", settings_of(nats_server, stream), CREDENTIALS)
    vendor.publish(f"{stream}.a", *(b'{"n": %d}' % number for number in range(300)))
    read_until(300)
    assert numbers() == list(range(300))
    assert SourcePartition.objects.get().lag_records == 0


def test_fetch_of_large_messages_takes_few(
    nats_server: NatsServer, vendor: Vendor, stream: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jetstream, "MAX_BYTES", 3_000_000)
    monkeypatch.setattr(jetstream, "MAX_PULL_BYTES", 1024**2)  # one message, if it is as large as the server allows
    vendor.publish(f"{stream}.a", *([b"x" * 1_000_000] * 5))
    reader = KIND.open(connection_to(KIND, settings_of(nats_server, stream), CREDENTIALS), "", None)
    assert [len(reader.fetch(500, 1.0)) for _ in range(2)] == [3, 2]
    reader.close()


def test_messages_that_were_not_stored_are_delivered_again_at_once_with_the_same_id(
    nats_server: NatsServer, vendor: Vendor, stream: str
) -> None:
    vendor.publish(f"{stream}.a", b"1", b"2")
    ids = []
    for _ in range(2):
        reader = KIND.open(connection_to(KIND, settings_of(nats_server, stream), CREDENTIALS), "", None)
        ids.append([it.id for it in reader.fetch(10, 1.0)])
        reader.close()
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == 2


@pytest.mark.django_db(transaction=True)
def test_no_message_is_lost_or_twice_when_workers_are_killed_between_the_steps(
    nats_server: NatsServer, vendor: Vendor, stream: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jetstream, "ACK_WAIT", 1.0)
    source = read_source("nats", settings_of(nats_server, stream), CREDENTIALS)
    vendor.publish(f"{stream}.a", *(b'{"n": %d}' % number for number in range(KILLS * 10)))
    for number in range(KILLS):
        assert read_in_child_that_dies(POINTS[number % 3])
    read_until(KILLS * 10)
    name = f"waypost-{source.public_id}"
    while vendor.run(vendor.api.consumer_info(stream, name)).num_ack_pending:
        make_due()
        read_once(0.2)
    assert sorted(numbers()) == list(range(KILLS * 10))


def test_consumer_that_was_deleted_is_created_behind_what_was_read(
    nats_server: NatsServer, vendor: Vendor, stream: str
) -> None:
    source = read_source("nats", settings_of(nats_server, stream), CREDENTIALS)
    vendor.publish(f"{stream}.a", b'{"n": 1}')
    read_until(1)
    vendor.run(vendor.api.delete_consumer(stream, f"waypost-{source.public_id}"))
    vendor.publish(f"{stream}.a", b'{"n": 2}')
    read_until(2)
    assert (numbers(), SourcePartition.objects.get().records) == ([1, 2], 2)


def test_seek_reads_again_without_doubles_and_skips_to_the_end(
    nats_server: NatsServer, vendor: Vendor, stream: str
) -> None:
    source = read_source("nats", settings_of(nats_server, stream), CREDENTIALS)
    vendor.publish(f"{stream}.a", b'{"n": 1}', b'{"n": 2}')
    read_until(2)
    for target in ("earliest", datetime.now(UTC) - timedelta(hours=1)):
        seek(source, target)  # type: ignore[arg-type]
        make_due()
        read_once(0.3)
    assert (numbers(), SourcePartition.objects.get().records) == ([1, 2], 6)
    vendor.publish(f"{stream}.a", b'{"n": 3}')
    seek(source, "latest")
    make_due()
    read_once(0.3)
    assert numbers() == [1, 2]


def test_new_source_begins_at_the_latest_message_and_reads_one_subject(
    nats_server: NatsServer, vendor: Vendor, stream: str
) -> None:
    vendor.publish(f"{stream}.a", b'{"n": 1}')
    given = settings_of(nats_server, stream, start="latest", subject=f"{stream}.a")
    read_source("nats", given, CREDENTIALS)
    read_once()
    vendor.publish(f"{stream}.b", b'{"n": 2}')
    vendor.publish(f"{stream}.a", b'{"n": 3}')
    read_until(1)
    assert numbers() == [3]


def test_existing_consumer_is_read_and_stays_when_the_source_is_deleted(
    nats_server: NatsServer, vendor: Vendor, stream: str
) -> None:
    config = ConsumerConfig(durable_name="shared", ack_policy=AckPolicy.EXPLICIT)
    vendor.run(vendor.api.add_consumer(stream, config))
    shared = read_source("nats", settings_of(nats_server, stream, consumer="shared"), CREDENTIALS)
    vendor.publish(f"{stream}.a", b'{"n": 1}')
    read_until(1)
    with pytest.raises(InvalidSettings, match="cannot seek"):
        seek(shared, "earliest")
    own = read_source("nats", settings_of(nats_server, stream), CREDENTIALS)
    make_due()
    read_once()
    for source in (shared, own):
        delete_source(source)
    run()
    vendor.run(vendor.api.consumer_info(stream, "shared"))
    with pytest.raises(NotFoundError):
        vendor.run(vendor.api.consumer_info(stream, f"waypost-{own.public_id}"))


def test_test_shows_the_latest_message_and_delivers_none(nats_server: NatsServer, vendor: Vendor, stream: str) -> None:
    vendor.publish(f"{stream}.a", b"1", b"2")
    sample = KIND.test(connection_to(KIND, settings_of(nats_server, stream), CREDENTIALS))
    assert sample.message == f"Found the stream {stream} with 2 messages."
    assert sample.record is not None
    assert sample.record.body == b"2"
    assert vendor.run(vendor.api.consumers_info(stream)) == []


def test_nkey_signs_in_without_a_password(nats_server: NatsServer, stream: str) -> None:
    given = settings_of(nats_server, stream)
    del given["username"]
    assert KIND.test(connection_to(KIND, given, {"nkey_seed": SEED})).record is None


def test_connection_with_tls_checks_the_certificate(tmp_path: Path) -> None:
    authority = Authority()
    server = NatsServer(tmp_path, authority)
    server.start()
    try:
        given = settings_of(server, "ORDERS", host=f"localhost:{server.port}", tls=True)
        with pytest.raises(SourceUnavailable) as raised:
            KIND.test(connection_to(KIND, given, CREDENTIALS))
        assert raised.value.setting == "settings.host"
        trusted = {**CREDENTIALS, "ca_certificate": authority.pem}
        with pytest.raises(SourceUnavailable, match="stream") as raised:
            KIND.test(connection_to(KIND, given, trusted))
        assert raised.value.setting == "settings.stream"
    finally:
        server.stop()


def test_server_without_tls_gets_no_password(stream: str) -> None:
    received = bytearray()
    with socket.create_server(("127.0.0.1", 0)) as listener, ClosingThreads() as threads:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(
                    b'INFO {"server_id":"x","version":"2.9.10","max_payload":1000,"auth_required":true}\r\n'
                )
                connection.settimeout(5)
                while data := connection.recv(1000):
                    received.extend(data)

        served = threads.submit(serve)
        given = {"host": f"localhost:{listener.getsockname()[1]}", "username": USER, "stream": "ORDERS"}
        with pytest.raises(SourceUnavailable, match="does not offer TLS") as raised:
            KIND.test(connection_to(KIND, given, CREDENTIALS))
        served.result()
    assert raised.value.setting == "settings.tls"
    assert PASSWORD.encode() not in received


@pytest.mark.parametrize(
    ("changes", "credentials", "setting"),
    [
        ({}, {"password": "wrong"}, "credentials.password"),
        ({"stream": "MISSING"}, CREDENTIALS, "settings.stream"),
        ({"consumer": "missing"}, CREDENTIALS, "settings.stream"),
        ({"host": "127.0.0.1:1025"}, CREDENTIALS, "settings.host"),
        ({"host": "10.0.0.1"}, CREDENTIALS, "settings.host"),
    ],
)
def test_what_is_wrong_is_said_with_its_setting_and_no_password(
    nats_server: NatsServer, stream: str, changes: dict[str, Any], credentials: dict[str, str], setting: str
) -> None:
    with pytest.raises(SourceUnavailable) as raised:
        KIND.test(connection_to(KIND, {**settings_of(nats_server, stream), **changes}, credentials))
    assert raised.value.setting == setting
    assert credentials["password"] not in str(raised.value)


@pytest.mark.parametrize(
    ("changes", "credentials", "problems"),
    [
        ({"host": "nats:port"}, {}, {"settings.host"}),
        ({"stream": "a.b"}, {}, {"settings.stream"}),
        ({"consumer": "c", "subject": "s"}, {}, {"settings.subject"}),
        ({"username": "u"}, {}, {"credentials.password"}),
        ({}, {"token": "t", "nkey_seed": "s"}, {"credentials.nkey_seed"}),
        ({"start": "soon"}, {}, {"settings.start"}),
    ],
)
def test_bad_settings_are_found_without_connecting(
    changes: dict[str, Any], credentials: dict[str, str], problems: set[str]
) -> None:
    with pytest.raises(InvalidSettings) as raised:
        connection_to(KIND, {"host": "nats.example.com", "stream": "ORDERS", **changes}, credentials)
    assert raised.value.problems.keys() == problems


@pytest.mark.django_db(transaction=True)
def test_guide_reads_a_stream_and_publishes(
    nats_server: NatsServer, vendor: Vendor, stream: str, live_server: Any
) -> None:
    replaced = {
        '"nats.example.com"': f'"127.0.0.1:{nats_server.port}", "tls": false',
        '"ORDERS"': f'"{stream}", "start": "earliest"',
        '"waypost"': f'"{USER}"',
        "correct horse battery staple": PASSWORD,
        "orders.paid": f"{stream}.paid",
    }
    guide = Guide("read-nats", f"{live_server.url}/api/v1", make_key(make_tenant())[1], replaced)
    assert guide.run(0)["kind"] == "nats"
    vendor.publish(f"{stream}.paid", b'{"type": "order.paid", "data": {"n": 1}}')
    read_until(1)
    process_due()
    assert [event.type for event in Event.objects.all()] == ["order.paid"]
    assert guide.run(1)["data"][0]["position"] == {"after": 0}


def test_server_that_was_restarted_goes_on_where_it_was(nats_server: NatsServer, vendor: Vendor, stream: str) -> None:
    read_source("nats", settings_of(nats_server, stream), CREDENTIALS)
    vendor.publish(f"{stream}.a", b'{"n": 1}')
    read_until(1)
    vendor.publish(f"{stream}.a", b'{"n": 2}')
    nats_server.stop()
    make_due()
    read_once(0.2)
    assert [setting for setting, _ in errors()] == ["settings.host"]
    nats_server.start()
    read_until(2)
    assert (numbers(), errors()) == ([1, 2], [])
