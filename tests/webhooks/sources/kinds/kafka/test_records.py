"""Test what becomes of a Kafka message: CloudEvents, tombstones, the connector's form, and the published event."""

import json
from typing import Any

import pytest

from tests.webhooks.sources.kinds.kafka.conftest import connect, settings_of
from tests.webhooks.sources.kinds.reading import read_source, read_until
from webhooks.models import Receipt
from webhooks.sources.kinds.kafka.source import Kafka
from webhooks.sources.kinds.kind import Record
from webhooks.sources.message_events import parse_events
from webhooks.wire.patterns import Pattern

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("reading")]

BINARY = [
    ("ce_specversion", b"1.0"),
    ("ce_id", b"e 1"),
    ("ce_type", b"order.paid"),
    ("ce_source", b"/shop"),
    ("ce_subject", "žluť".encode()),
    ("ce_partitionkey", b"k"),
    ("content-type", b"application/json"),
]


def records_of(kafka: Any, topic: str, number: int, **settings: Any) -> list[Record]:
    opened = Kafka().open(connect(kafka, topic, **settings), "0", None)
    try:
        return list(opened.fetch(number, 10.0))
    finally:
        opened.close()


def events_of(receipt: Receipt) -> list[dict[str, Any]]:
    headers = {**receipt.headers, "content-type": receipt.content_type}
    unopened = {"specversion": "1.0", "id": receipt.message_id, "source": "/s", "type": receipt.event_type}
    return parse_events(unopened, headers, receipt.read())


def test_binary_cloudevent_is_recognized(kafka, topic):
    read_source("kafka", settings_of(kafka, topic), {})
    kafka.send(topic, b'{"n": 1}', headers=BINARY, key=b"k")
    (receipt,) = read_until(1)
    (event,) = events_of(receipt)
    assert (event["id"], event["type"], event["source"]) == ("e 1", "order.paid", "/shop")
    assert (event["subject"], event["partitionkey"], event["data"]) == ("žluť", "k", {"n": 1})
    assert receipt.event_type == "order.paid"


def test_structured_cloudevent_is_recognized_whatever_the_form_of_values(kafka, topic):
    event = {"specversion": "1.0", "id": "1", "type": "order.paid", "source": "/shop", "data": {"n": 1}}
    read_source("kafka", settings_of(kafka, topic, values="schema", schemas={"*": "string"}), {})
    kafka.send(
        topic, json.dumps(event).encode(), headers=[("content-type", b"application/cloudevents+json; charset=UTF-8")]
    )
    (receipt,) = read_until(1)
    assert events_of(receipt) == [event]
    assert receipt.event_type == "order.paid"


def test_binary_cloudevent_without_a_value_has_no_data(kafka, topic):
    read_source("kafka", settings_of(kafka, topic), {})
    kafka.send(topic, None, headers=BINARY)
    (event,) = events_of(read_until(1)[0])
    assert "data" not in event


def test_id_is_made_of_the_place_and_the_time(kafka, topic):
    kafka.send(topic, b"1", timestamp=1_700_000_000_123)
    assert records_of(kafka, topic, 1)[0].id == f"{topic}:0:0:1700000000123"


def test_tombstone_is_null_or_left_out(kafka, topic):
    kafka.send(topic, None, b"1", key=b"k")
    kept = records_of(kafka, topic, 2)
    assert [(it.body, it.headers.get("kafka-tombstone")) for it in kept] == [(b"null", "true"), (b"1", None)]
    assert [it.body for it in records_of(kafka, topic, 1, tombstones="skip")] == [b"1"]


def test_partition_that_ends_with_what_is_left_out_is_read_to_its_end(kafka, topic):
    kafka.send(topic, b"1", None)
    opened = Kafka().open(connect(kafka, topic, tombstones="skip"), "0", None)
    assert len(opened.fetch(10, 1.0)) == 1
    assert (opened.lag().records, opened.lag().position) == (0, {"offset": 2})
    opened.close()


def test_whole_record_has_the_form_of_the_connector_for_eventbridge(kafka, topic):
    headers = [("a", b"1"), ("b", b"\xff"), ("a", None)]
    kafka.send(topic, b'{"n": 1.10, "big": 9007199254740993}', headers=headers, key=b"7", timestamp=1_700_000_000_123)
    (record,) = records_of(kafka, topic, 1, envelope_form="record")
    assert b'"value":{"n": 1.10, "big": 9007199254740993}}' in record.body
    assert json.loads(record.body) == {
        "topic": topic,
        "partition": 0,
        "offset": 0,
        "timestamp": 1_700_000_000_123,
        "timestampType": "CreateTime",
        "headers": [{"a": "1"}, {"b": "base64:/w=="}, {"a": None}],
        "key": "7",
        "value": {"n": 1.1, "big": 9007199254740993},
    }
    assert (record.event_type, record.content_type) == (f"kafka-connect-{topic}", "application/json")


@pytest.mark.parametrize(
    ("value", "expected"), [(None, None), (b"text", "text"), (b"\xff", "base64:/w=="), (b"{", "{"), (b"", "")]
)
def test_whole_record_has_any_value(kafka, topic, value, expected):
    kafka.send(topic, value)
    (record,) = records_of(kafka, topic, 1, envelope_form="record")
    assert (json.loads(record.body)["value"], json.loads(record.body)["key"]) == (expected, None)


def test_fraud_event_is_caught_by_a_pattern_over_the_whole_record(kafka, topic):
    read_source("kafka", settings_of(kafka, topic, envelope_form="record"), {})
    for reason in (b"FRAUD_CARD", b"OK"):
        kafka.send(topic, b'{"transaction": "t1", "result": "%s", "amount": 950}' % reason, key=b"c7")
    pattern = Pattern(
        {
            "type": [{"prefix": "kafka-connect-"}],
            "data": {"topic": [topic], "value": {"result": [{"prefix": "FRAUD"}], "amount": [{"numeric": [">", 900]}]}},
        }
    )
    caught = [event for receipt in read_until(2) for event in events_of(receipt) if pattern.matches(event)]
    assert [event["data"]["value"]["result"] for event in caught] == ["FRAUD_CARD"]


def test_key_orders_receipts_unless_the_source_says_otherwise(kafka, topic):
    kafka.send(topic, b"1", key=b"\xff")
    kafka.send(topic, b"2")
    assert [it.order_key for it in records_of(kafka, topic, 2)] == ["base64:/w==", ""]
    assert [it.order_key for it in records_of(kafka, topic, 2, order_by_key=False)] == ["", ""]


def test_content_type_of_a_header_is_kept_and_of_decoded_values_is_json(kafka, topic):
    kafka.send(topic, b"\x04ab", headers=[("Content-Type", b"text/csv")])
    assert records_of(kafka, topic, 1)[0].content_type == "text/csv"
    decoded = records_of(kafka, topic, 1, values="schema", schemas={"*": "string"})[0]
    assert (decoded.body, decoded.content_type) == (b'"ab"', "application/json")
