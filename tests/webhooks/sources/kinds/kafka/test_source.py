"""Test that records of a topic become receipts once each, on librdkafka's mock cluster."""

import json
import socket
import threading
import time
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition

from tests.dns_server import Answer, DnsServer
from tests.waiting import wait_until
from tests.webhooks.sources.kinds.kafka.conftest import connect, settings_of
from tests.webhooks.sources.kinds.kafka.mock_cluster import PARTITIONS, MockCluster
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
from webhooks.outgoing.brokers import kafka_cluster
from webhooks.readers.partitions import seek
from webhooks.sources.kinds.kafka import client, reader
from webhooks.sources.kinds.kafka.source import Kafka
from webhooks.sources.kinds.kind import InvalidSettings, PositionLost, SourceUnavailable
from webhooks.sources.snapshot import clear_snapshots
from webhooks.sources.sources import change_source

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("reading")]


def source_of(kafka: MockCluster, topic: str, **settings: Any) -> Any:
    return read_source("kafka", settings_of(kafka, topic, **settings), {})


def rows() -> dict[str, SourcePartition]:
    return {row.name: row for row in SourcePartition.objects.exclude(name="")}


def committed(kafka: MockCluster, topic: str, group: str) -> int:
    consumer = Consumer({"bootstrap.servers": kafka.servers, "group.id": group})
    with closing(consumer):
        return consumer.committed([TopicPartition(topic, 0)], timeout=10)[0].offset


def test_records_of_all_partitions_become_receipts_and_offsets_are_committed(kafka, topic):
    source = source_of(kafka, topic)
    for partition in range(PARTITIONS):
        kafka.send(topic, b'{"type": "order.paid", "n": 9007199254740993}', partition=partition, key=b"customer-7")
    receipts = read_until(PARTITIONS)
    assert {it.message_id.rpartition(":")[0] for it in receipts} == {f"{topic}:{it}:0" for it in range(PARTITIONS)}
    receipt = receipts[0]
    assert receipt.read() == b'{"type": "order.paid", "n": 9007199254740993}'
    assert (receipt.event_type, receipt.order_key) == ("order.paid", "customer-7")
    assert receipt.headers["kafka-topic"] == topic
    assert receipt.headers["kafka-key"] == "customer-7"
    assert receipt.headers["kafka-timestamp"].endswith("Z")
    assert {row.position["offset"] for row in rows().values()} == {1}
    assert {row.lag_records for row in rows().values()} == {0}
    wait_until(lambda: committed(kafka, topic, f"waypost-{source.public_id}") == 1, "the committed offset")


def test_start_at_the_latest_record_reads_what_comes_after_the_creation(kafka, topic):
    kafka.send(topic, b'{"n": 1}')
    source_of(kafka, topic, start="latest")
    read_once()  # lists the partitions
    kafka.send(topic, b'{"n": 2}')
    assert [json.loads(it.read()) for it in read_until(1)] == [{"n": 2}]


def test_partition_that_is_found_later_is_read_from_its_beginning(kafka, topic):
    kafka.send(topic, b'{"n": 1}', partition=1)
    known = {"0": {"offset": 0}}
    found = Kafka().partitions(connect(kafka, topic, start="latest"), known)
    assert found["1"] is None
    with closing(Kafka().open(connect(kafka, topic, start="latest"), "1", found["1"])) as opened:
        assert len(opened.fetch(10, 5.0)) == 1


def test_records_sent_while_a_slice_waits_are_read_at_once(kafka, topic):
    with closing(Kafka().open(connect(kafka, topic), "0", {"offset": 0})) as opened:
        assert opened.fetch(10, 0.0) == []
        sender = threading.Timer(0.1, kafka.send, [topic, b"{}"])
        sender.start()
        assert len(opened.fetch(10, 30.0)) == 1
        sender.join()


def test_fetch_without_waiting_returns_records_that_exist(kafka, topic):
    kafka.send(topic, *[b"{}"] * 700)
    with closing(Kafka().open(connect(kafka, topic), "0", None)) as opened:
        assert [len(opened.fetch(500, 0.0)), len(opened.fetch(500, 0.0))] == [500, 200]
        lag = opened.lag()
        assert (lag.records, lag.position) == (0, {"offset": 700})
        assert opened.fetch(500, 0.0) == []


def test_lag_counts_what_is_left_with_its_age(kafka, topic):
    kafka.send(topic, *[b"{}"] * 30, timestamp=int((time.time() - 100) * 1000))
    with closing(Kafka().open(connect(kafka, topic), "0", None)) as opened:
        assert len(opened.fetch(10, 5.0)) == 10
        lag = opened.lag()
        assert lag.records == 20
        assert lag.seconds > 90


def test_fetch_ends_at_a_number_of_bytes(kafka, topic, monkeypatch):
    monkeypatch.setattr(reader, "MAX_BYTES", 1_000_000)
    kafka.send(topic, *[b'"' + b"x" * 400_000 + b'"'] * 8)
    with closing(Kafka().open(connect(kafka, topic), "0", None)) as opened:
        sizes = []
        while sum(sizes) < 8:
            sizes.append(len(opened.fetch(500, 5.0)))
        assert max(sizes) <= 3


def test_seek_goes_to_the_first_record_and_behind_the_last(kafka, topic):
    source = source_of(kafka, topic)
    kafka.send(topic, b"1", b"2")
    read_until(2)
    seek(source, "earliest", partition="0")
    make_due()
    assert (read_once(0.2), Receipt.objects.count()) == (2, 2)
    kafka.send(topic, b"3")
    seek(source, "latest", partition="0")
    assert rows()["0"].position == {"offset": 3}


def test_start_at_a_time_asks_for_the_offsets_of_that_time(kafka, topic):
    kafka.send(topic, b"1")  # the mock cluster knows no times: nothing is at or after it
    found = Kafka().partitions(connect(kafka, topic, start="2026-01-01T00:00:00Z"), {})
    assert found["0"] == {"offset": 1}
    assert Kafka().seek(connect(kafka, topic), "0", datetime(2026, 1, 1, tzinfo=UTC)) == {"offset": 1}


def test_other_bootstrap_servers_of_the_cluster_keep_the_positions(kafka, topic):
    source = source_of(kafka, topic, start="latest")
    read_once()
    kafka.send(topic, b"1")
    other = ",".join(reversed(kafka.servers.split(",")))
    change_source(source, {"settings": {**source.settings, "bootstrap_servers": other}})
    clear_snapshots()
    assert [it.read() for it in read_until(1)] == [b"1"]


def test_pause_stops_reading_and_resuming_goes_on_where_it_was(kafka, topic):
    source = source_of(kafka, topic)
    kafka.send(topic, b"1")
    read_until(1)
    change_source(source, {"state": "paused"})
    kafka.send(topic, b"2")
    make_due()
    assert read_once(0.2) == 0
    change_source(source, {"state": "active"})
    assert [it.read() for it in read_until(2)] == [b"1", b"2"]


@pytest.mark.parametrize("offset", [50, 3])
def test_lost_position_stops_the_source_until_a_seek(kafka, topic, offset, monkeypatch):
    kafka.send(topic, b"1", b"2")
    if offset == 3:
        kafka.send(topic, b"3", b"4")
        monkeypatch.setattr(client.Cluster, "watermarks", lambda cluster, partition: (4, 4))
    with pytest.raises(PositionLost, match=f"do not have offset {offset}") as caught:
        Kafka().open(connect(kafka, topic), "0", {"offset": offset})
    assert caught.value.setting == "settings.on_position_lost"


@pytest.mark.parametrize(("choice", "expected"), [("earliest", 2), ("latest", 0)])
def test_lost_position_goes_on_where_the_source_chooses_and_is_logged(kafka, topic, choice, expected, caplog):
    kafka.send(topic, b"1", b"2")
    with closing(Kafka().open(connect(kafka, topic, on_position_lost=choice), "0", {"offset": 50})) as opened:
        assert len(opened.fetch(10, 2.0 if expected else 0.2)) == expected
    assert any("offsets 0 to 2, not 50" in record.getMessage() for record in caplog.records)


def test_test_of_the_settings_counts_and_shows_the_latest_record(kafka, topic):
    kafka.send(topic, b'{"n": 1}', timestamp=1_700_000_000_000)
    kafka.send(topic, b'{"n": 2}', partition=2, timestamp=1_800_000_000_000)
    sample = Kafka().test(connect(kafka, topic))
    assert sample.message == f"Topic {topic} has 4 partitions, and 2 offsets."
    assert sample.record is not None
    assert sample.record.body == b'{"n": 2}'


def test_test_of_an_empty_topic_shows_no_record(kafka, topic):
    assert Kafka().test(connect(kafka, topic)).record is None


def test_missing_topic_is_named_with_its_setting(kafka):
    with pytest.raises(SourceUnavailable, match="no topic absent") as caught:
        Kafka().test(connect(kafka, "absent"))
    assert caught.value.setting == "settings.topic"


def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture
def impatient(monkeypatch) -> None:
    """Give up a connection after half a second."""
    monkeypatch.setattr(kafka_cluster, "CONNECT_SECONDS", 0.6)


@pytest.mark.usefixtures("impatient")
def test_unreachable_broker_is_named_with_its_setting_and_logged_once(topic, caplog):
    settings = {"bootstrap_servers": f"127.0.0.1:{unused_port()}", "topic": topic, "tls": False}
    with pytest.raises(SourceUnavailable, match=r"No broker is reached: .*refused") as caught:
        Kafka().test(connection_to(Kafka(), settings, {}))
    assert caught.value.setting == "settings.bootstrap_servers"
    assert len([it for it in caplog.records if it.name.startswith("waypost.kafka")]) <= 3


@pytest.mark.usefixtures("impatient")
def test_broker_that_accepts_and_says_nothing_is_given_up(topic):
    with socket.create_server(("127.0.0.1", 0)) as server:
        settings = {"bootstrap_servers": f"127.0.0.1:{server.getsockname()[1]}", "topic": topic, "tls": False}
        with pytest.raises(SourceUnavailable, match="No broker is reached"):
            Kafka().test(connection_to(Kafka(), settings, {}))


@pytest.mark.usefixtures("impatient")
def test_tls_to_a_broker_without_it_is_named_with_its_setting(kafka, topic):
    with pytest.raises(SourceUnavailable, match="TLS") as caught:
        Kafka().test(connect(kafka, topic, tls=True))
    assert caught.value.setting == "settings.tls"


def test_bootstrap_server_with_an_internal_address_is_refused(kafka, topic, settings, dns: DnsServer):
    settings.WAYPOST_ALLOW_NETWORKS = []
    dns.answers["kafka.example.com"] = Answer(("10.0.0.1",))
    for server in ("127.0.0.1:9092", "kafka.example.com:9092", "localhost"):
        with pytest.raises(SourceUnavailable, match="may not be called") as caught:
            Kafka().test(connect(kafka, topic, bootstrap_servers=server))
        assert caught.value.setting == "settings.bootstrap_servers"


def test_broker_that_the_cluster_advertises_is_checked_before_anything_is_read(kafka, topic, monkeypatch):
    servers, checked = kafka.servers.split(","), []

    def check(host: str, port: int, share: object) -> list[str]:
        checked.append(f"{host}:{port}")
        if f"{host}:{port}" == servers[1]:
            raise kafka_cluster.ForbiddenAddress("address")
        return [host]

    monkeypatch.setattr(kafka_cluster, "check_host", check)
    for use in (lambda it: Kafka().test(it), lambda it: Kafka().open(it, "0", None)):
        with pytest.raises(SourceUnavailable, match="advertises the broker"):
            use(connect(kafka, topic, bootstrap_servers=servers[0]))
    assert servers[1] in checked


def test_name_without_an_address_is_reported_unless_another_server_has_one(kafka, topic, dns: DnsServer):
    with pytest.raises(SourceUnavailable, match=r"absent\.example\.com has no address"):
        Kafka().test(connect(kafka, topic, bootstrap_servers="absent.example.com"))
    both = f"absent.example.com,{kafka.servers}"
    assert Kafka().test(connect(kafka, topic, bootstrap_servers=both)).message


@pytest.mark.parametrize(
    ("changes", "credentials", "problem"),
    [
        ({"bootstrap_servers": "a:0"}, {}, "settings.bootstrap_servers"),
        ({"bootstrap_servers": " , "}, {}, "settings.bootstrap_servers"),
        ({"topic": " orders"}, {}, "settings.topic"),
        ({"start": "yesterday"}, {}, "settings.start"),
        ({"start": "2026-01-01T00:00:00"}, {}, "settings.start"),
        ({"sasl_mechanism": "PLAIN"}, {}, "settings.username"),
        ({"sasl_mechanism": "PLAIN", "username": "u"}, {}, "credentials.password"),
        ({"username": "u"}, {"password": "p"}, "settings.sasl_mechanism"),
        ({"sasl_mechanism": "GSSAPI"}, {}, "settings.sasl_mechanism"),
        ({}, {"client_key": "k"}, "credentials.client_certificate"),
        ({"values": "confluent"}, {}, "settings.registry_url"),
        ({"values": "apicurio", "registry_url": "ftp://a"}, {}, "settings.registry_url"),
        ({"values": "schema"}, {}, "settings.schemas"),
        ({"values": "schema", "schemas": {"*": {"type": "recor"}}}, {}, "settings.schemas"),
        ({"values": "glue", "schemas": {"x": "string"}}, {}, "settings.schemas"),
        ({"values": "schema", "schemas": {"*": "message A {}"}, "protobuf_message": "B"}, {}, "settings.schemas"),
        ({"unknown": 1}, {}, "settings.unknown"),
    ],
)
def test_settings_that_cannot_work_are_named_without_a_connection(changes, credentials, problem):
    settings = {"bootstrap_servers": "kafka.example.com", "topic": "orders", "tls": False, **changes}
    with pytest.raises(InvalidSettings) as caught:
        connection_to(Kafka(), settings, credentials)
    assert problem in caught.value.problems


def test_connection_without_tls_is_refused_where_http_is_not_allowed(settings):
    settings.WAYPOST_ALLOW_HTTP = False
    with pytest.raises(InvalidSettings) as caught:
        connection_to(Kafka(), {"bootstrap_servers": "kafka.example.com", "topic": "orders", "tls": False}, {})
    assert list(caught.value.problems) == ["settings.tls"]


def test_certificate_that_is_none_is_named_with_its_setting(kafka, topic):
    connection = connection_to(Kafka(), settings_of(kafka, topic, tls=True), {"ca_certificate": "nonsense"})
    with pytest.raises(SourceUnavailable) as caught:
        Kafka().test(connection)
    assert caught.value.setting == "credentials.ca_certificate"


@pytest.mark.parametrize("bad", [b"\x00\x01\xff", b"", b"\xef\xbb\xbf{}", b"{" * 100_000])
def test_hostile_values_and_headers_become_receipts(kafka, topic, bad):
    source_of(kafka, topic)
    headers = [("a\0b", b"\xff\0"), ("", b"x"), ("Same", b"1"), ("same", None), ("content-type", b"text/\0")]
    kafka.send(topic, bad, b'{"n": 2}', headers=headers, key=b"\xff\0")
    receipts = read_until(2)
    assert receipts[0].read() == bad
    assert receipts[0].headers["same"] == "1, "
    assert errors() == []


def test_headers_beyond_a_number_are_left_out(kafka, topic):
    source_of(kafka, topic)
    kafka.send(topic, b"1", headers=[(f"h{it}", b"x" * 100) for it in range(5000)])
    assert len(read_until(1)[0].headers) < 600


@pytest.mark.django_db(transaction=True)
def test_reader_that_is_killed_loses_nothing_and_doubles_nothing(kafka, topic):
    source_of(kafka, topic, commit=False)
    sent = [b'{"n": %d}' % number for number in range(60)]
    kafka.send(topic, *sent)
    read_in_child_that_dies("before the commit")  # lists the partitions
    SourcePartition.objects.exclude(name__in=("", "0")).delete()
    SourcePartition.objects.filter(name="").update(next_read_at=None)
    assert sum(read_in_child_that_dies(POINTS[number % 3], 2) for number in range(20)) == 20
    receipts = read_until(len(sent))
    assert sorted(it.read() for it in receipts) == sorted(sent)
