"""Test sources against Apache Kafka: transactions, compaction, retention, partitions, SASL, and a broker that dies."""

import time
from contextlib import closing
from datetime import UTC, datetime

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import NewPartitions

from tests.brokers.kafka.conftest import Client, source_of
from tests.brokers.kafka.server import PASSWORD, USER
from tests.pki import Authority
from tests.waiting import wait_until
from tests.webhooks.sources.kinds.reading import (
    connection_to,
    errors,
    make_due,
    read_in_child_that_dies,
    read_once,
    read_until,
)
from webhooks.models import Receipt, SourcePartition
from webhooks.readers.open_readers import close_readers
from webhooks.readers.partitions import seek
from webhooks.sources.kinds.kafka.source import Kafka
from webhooks.sources.kinds.kind import SourceUnavailable

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("reading")]


def bodies() -> list[bytes]:
    return [it.read() for it in Receipt.objects.order_by("id")]


def partition(name: str = "0") -> SourcePartition:
    return SourcePartition.objects.get(name=name)


def read_some(wait: float = 1.0) -> None:
    make_due()
    read_once(wait)


def test_only_committed_transactions_are_read_and_their_markers_are_no_lag(cluster: Client):
    topic = cluster.topic()
    source_of(cluster, topic)
    producer = cluster.producer(**{"transactional.id": topic})
    producer.init_transactions(30)
    for value, ends in ((b"1", producer.commit_transaction), (b"2", producer.abort_transaction)):
        producer.begin_transaction()
        producer.produce(topic, value)
        producer.flush(30)
        ends(30)
    read_until(1)
    wait_until(lambda: read_some(0.6) or partition().position == {"offset": 4}, "the position behind the markers")
    assert (bodies(), partition().lag_records) == ([b"1"], 0)
    producer.begin_transaction()
    producer.produce(topic, b"3")
    producer.flush(30)
    wait_until(lambda: read_some(0.6) or partition().lag_records == 1, "the lag of an open transaction")
    assert bodies() == [b"1"]
    producer.commit_transaction(30)
    read_until(2)
    assert bodies() == [b"1", b"3"]


def test_compacted_topic_has_gaps_and_the_latest_value_of_each_key(cluster: Client):
    options = {"segment_ms": "100", "min_cleanable_dirty_ratio": "0.01", "max_compaction_lag_ms": "100"}
    topic = cluster.topic(cleanup_policy="compact", delete_retention_ms="0", **options)
    for number in range(20):
        cluster.send(topic, b"%d" % number, key=b"%d" % (number % 2))

    def is_compacted() -> bool:
        time.sleep(0.2)
        cluster.send(topic, b"end", key=b"end")  # begins another segment
        consumer = Consumer({"bootstrap.servers": cluster.server.servers, "group.id": "look"})
        with closing(consumer):
            consumer.assign([TopicPartition(topic, 0, 0)])
            first = consumer.poll(10)
            return first is not None and first.offset() >= 18

    wait_until(is_compacted, "compaction")
    source_of(cluster, topic)
    read_until(3)
    wait_until(lambda: read_some(0.6) or partition().lag_records == 0, "the end of the topic")
    assert {b"18", b"19", b"end"} == set(bodies())
    assert errors() == []


def test_records_deleted_by_retention_stop_the_source_until_a_seek(cluster: Client):
    topic = cluster.topic()
    source = source_of(cluster, topic)
    cluster.send(topic, b"1")
    read_until(1)
    seek(source, "earliest")
    cluster.send(topic, b"2", b"3")
    place = TopicPartition(topic, 0, 2)
    cluster.admin.delete_records([place])[place].result(30)
    read_some()
    assert [setting for setting, _ in errors()] == ["settings.on_position_lost"]
    assert "offset 0" in errors()[0][1]
    assert "2 to 3" in errors()[0][1]
    seek(source, "earliest")
    read_until(2)
    assert bodies() == [b"1", b"3"]


def test_records_deleted_under_an_open_reader_are_a_lost_position(cluster: Client):
    topic = cluster.topic()
    source_of(cluster, topic)
    cluster.send(topic, b"1")
    read_until(1)
    cluster.admin.delete_topics([topic])[topic].result(30)
    wait_until(lambda: topic not in cluster.admin.list_topics(timeout=10).topics, "the end of the topic")
    wait_until(lambda: read_some() or errors(), "an error")
    assert errors()[0][0] in ("settings.topic", "settings.on_position_lost")
    cluster.create(topic)
    wait_until(lambda: read_some() or "settings.on_position_lost" in dict(errors()), "the lost position")


def test_topic_that_was_made_anew_has_other_records_with_the_same_offsets(cluster: Client):
    topic = cluster.topic()
    source = source_of(cluster, topic)
    cluster.send(topic, b"old")
    read_until(1)
    close_readers()
    cluster.admin.delete_topics([topic])[topic].result(30)
    wait_until(lambda: topic not in cluster.admin.list_topics(timeout=10).topics, "the end of the topic")
    cluster.create(topic)
    cluster.send(topic, b"new")
    seek(source, "earliest")
    read_until(2)
    assert bodies() == [b"old", b"new"]


def test_partition_that_is_added_is_found_and_read_from_its_beginning(cluster: Client):
    topic = cluster.topic()
    source_of(cluster, topic, start="latest")
    read_some()
    cluster.admin.create_partitions([NewPartitions(topic, 2)])[topic].result(30)
    wait_until(lambda: len(cluster.admin.list_topics(topic, timeout=10).topics[topic].partitions) == 2, "the partition")
    cluster.send(topic, b"new", partition=1)
    assert [it.read() for it in read_until(1)] == [b"new"]


def test_times_are_found_at_the_start_and_by_seeking(cluster: Client):
    topic = cluster.topic(retention_ms="-1")
    for day in (1, 2, 3):
        moment = datetime(2026, 1, day, tzinfo=UTC)
        cluster.send(topic, b"%d" % day, timestamp=int(moment.timestamp() * 1000))
    source = source_of(cluster, topic, start="2026-01-02T00:00:00Z")
    read_until(2)
    assert bodies() == [b"2", b"3"]
    seek(source, datetime(2026, 1, 3, tzinfo=UTC))
    assert partition().position == {"offset": 2}
    seek(source, datetime(2030, 1, 3, tzinfo=UTC))
    assert partition().position == {"offset": 3}


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256"])
def test_user_is_let_in_with_the_password_and_told_when_it_is_wrong(cluster: Client, mechanism: str):
    topic = cluster.topic()
    cluster.send(topic, b"1")
    settings = {"bootstrap_servers": cluster.server.sasl_servers, "topic": topic, "tls": False}
    settings |= {"sasl_mechanism": mechanism, "username": USER}
    sample = Kafka().test(connection_to(Kafka(), settings, {"password": PASSWORD}))
    assert sample.record is not None
    with pytest.raises(SourceUnavailable, match="refuse the credentials") as caught:
        Kafka().test(connection_to(Kafka(), settings, {"password": "wrong-password"}))
    assert caught.value.setting == "credentials.password"
    assert "wrong-password" not in str(caught.value)


def test_tls_verifies_the_broker_and_presents_a_client_certificate(cluster: Client):
    topic = cluster.topic()
    issued = cluster.server.authority.issue("waypost")
    settings = {"bootstrap_servers": cluster.server.tls_servers, "topic": topic}
    client = {"client_certificate": issued.pem, "client_key": issued.key}
    trusted = {"ca_certificate": cluster.server.authority.pem}
    assert Kafka().test(connection_to(Kafka(), settings, trusted | client)).message.startswith(f"Topic {topic}")
    for credentials in (client, trusted, {"ca_certificate": Authority().pem} | client):
        with pytest.raises(SourceUnavailable) as caught:
            Kafka().test(connection_to(Kafka(), settings, credentials))
        assert caught.value.setting in ("settings.tls", "settings.bootstrap_servers")
        assert "PRIVATE KEY" not in str(caught.value)


def test_mechanism_that_brokers_lack_is_named(cluster: Client):
    settings = {"bootstrap_servers": cluster.server.sasl_servers, "topic": "t", "tls": False}
    settings |= {"sasl_mechanism": "SCRAM-SHA-512", "username": USER}
    with pytest.raises(SourceUnavailable) as caught:
        Kafka().test(connection_to(Kafka(), settings, {"password": PASSWORD}))
    assert caught.value.setting in ("settings.sasl_mechanism", "credentials.password")


def test_broker_that_dies_and_comes_back_loses_and_doubles_nothing(cluster: Client):
    topic = cluster.topic()
    source_of(cluster, topic)
    cluster.send(topic, *(b"%d" % it for it in range(50)))
    read_until(50)
    cluster.server.kill()
    wait_until(lambda: read_some() or errors(), "an error")
    assert errors()[0][0] == "settings.bootstrap_servers"
    cluster.server.start()
    cluster.send(topic, *(b"%d" % it for it in range(50, 100)))
    read_until(100)
    assert bodies() == [b"%d" % it for it in range(100)]
    assert errors() == []


def test_broker_that_hangs_is_a_failure_and_reading_goes_on_after_it(cluster: Client):
    topic = cluster.topic()
    source_of(cluster, topic)
    cluster.send(topic, b"1")
    read_until(1)
    cluster.server.suspend()
    try:
        wait_until(lambda: read_some(0.5) or errors(), "an error")
        assert errors()[0][0] == "settings.bootstrap_servers"
    finally:
        cluster.server.resume()
    cluster.send(topic, b"2")
    read_until(2)
    assert errors() == []


def test_members_of_the_same_group_take_nothing_from_the_source(cluster: Client):
    topic = cluster.topic(2)
    source_of(cluster, topic, group=f"shared-{topic}")
    other = Consumer({"bootstrap.servers": cluster.server.servers, "group.id": f"shared-{topic}", "log_level": 0})
    other.subscribe([topic])
    with closing(other):
        for number in range(10):
            cluster.send(topic, b"%d" % number, partition=number % 2)
            other.poll(0.2)
            read_some(0.2)
        read_until(10)
    assert errors() == []


@pytest.mark.django_db(transaction=True)
def test_reader_that_is_killed_loses_nothing_and_doubles_nothing(cluster: Client):
    topic = cluster.topic(2)
    source_of(cluster, topic)
    sent = [b"%d" % number for number in range(60)]
    for number, value in enumerate(sent):
        cluster.send(topic, value, partition=number % 2)
    for point in ("before the commit", "after the commit", "after the acknowledgement"):
        read_in_child_that_dies(point, 7)
    read_until(60)
    assert sorted(bodies()) == sorted(sent)
