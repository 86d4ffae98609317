"""Test that messages are opened as their senders' documentation shows them, by name and by what they look like."""

import json
from base64 import b64encode
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.hostile_json import hostile_values, nested
from tests.webhooks.wire.envelopes import samples
from webhooks.wire.cloudevents.event import Event
from webhooks.wire.envelopes import AUTO, NONE, OPENERS, Message, open_message
from webhooks.wire.envelopes.opening import MAX_BYTES
from webhooks.wire.errors import UnopenedEnvelope
from webhooks.wire.eventbridge import pattern_from_eventbridge
from webhooks.wire.patterns import Pattern

MAX_MESSAGE = 1_000  # characters, whatever the message says
SVIX = {"svix-id": "msg_p5jXN8AQM9LWM0D4loKWxJek", "content-type": "application/json"}
SAMPLES: dict[str, tuple[dict[str, str], Any, dict[str, Any]]] = {
    "eventbridge": (
        {},
        samples.EVENTBRIDGE,
        {
            "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718",
            "type": "EC2 Instance State-change Notification",
            "source": "aws.ec2",
            "time": "2017-12-22T18:43:48Z",
            "region": "us-west-1",
            "data": samples.EVENTBRIDGE["detail"],
        },
    ),
    "s3": (
        {},
        samples.S3,
        {
            "type": "com.amazonaws.s3.ObjectCreated:Put",
            "source": "aws:s3.us-west-2.mybucket",
            "subject": "HappyFace.jpg",
            "time": "1970-01-01T00:00:00.000Z",
            "data": samples.S3_RECORD,
        },
    ),
    "sns": (
        {"content-type": "text/plain; charset=UTF-8"},
        samples.SNS,
        {
            "id": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
            "type": "com.amazonaws.sns.Notification",
            "source": "arn:aws:sns:us-west-2:123456789012:MyTopic",
            "subject": "My First Message",
            "time": "2012-05-02T00:54:06.655Z",
            "datacontenttype": "text/plain",
            "data": "Hello world!",
        },
    ),
    "event_grid": (
        {"aeg-event-type": "Notification"},
        samples.EVENT_GRID,
        {
            "id": "831e1650-001e-001b-66ab-eeb76e069631",
            "type": "Microsoft.Storage.BlobCreated",
            "subject": samples.EVENT_GRID[0]["subject"],
            "time": "2017-06-26T18:41:00.9584103Z",
            "data": samples.EVENT_GRID[0]["data"],
        },
    ),
    "pubsub": (
        {},
        samples.PUBSUB,
        {
            "id": "2070443601311540",
            "type": "google.cloud.pubsub.topic.v1.messagePublished",
            "source": "//pubsub.googleapis.com/projects/myproject/subscriptions/mysubscription",
            "time": "2021-02-26T19:13:55.749Z",
            "key": "value",
            "data": "Hello Cloud Pub/Sub! Here is my message!",
        },
    ),
    "standard": (
        SVIX,
        samples.STANDARD,
        {
            "id": "m",
            "type": "contact.created",
            "source": "urn:s",
            "time": "2022-11-03T20:26:10.344522Z",
            "data": samples.STANDARD["data"],
        },
    ),
    "cloudevents": (
        {"content-type": "application/cloudevents+json"},
        samples.CLOUD_EVENT,
        {
            "id": "C234-1234-1234",
            "type": "com.example.someevent",
            "comexampleothervalue": 5,
            "data": samples.CLOUD_EVENT["data"],
        },
    ),
}


def opened(envelope: str, headers: dict[str, str], document: Any) -> list[Event]:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    events = open_message(envelope, Message(headers, body, "m", "urn:s"))
    assert events is not None
    return events


def is_unopened(headers: dict[str, str], document: Any) -> bool:
    return open_message(AUTO, Message(headers, json.dumps(document).encode(), "m", "urn:s")) is None


def test_every_envelope_has_a_sample() -> None:
    assert SAMPLES.keys() == OPENERS.keys()


@pytest.mark.parametrize("name", SAMPLES)
def test_documented_sample_is_opened_by_its_name_and_by_what_it_looks_like(name: str) -> None:
    headers, document, expected = SAMPLES[name]
    for envelope in (name, AUTO):
        (event,) = opened(envelope, headers, document)
        assert event.document().items() >= expected.items()
    assert open_message(NONE, Message(headers, json.dumps(document).encode(), "m", "urn:s")) is None


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b"[1]", b'"x"', b"\xff\x00", b"<xml/>", b"[[{}]]"])
def test_other_bodies_are_an_error_by_name_and_stay_closed_by_what_they_look_like(name: str, body: bytes) -> None:
    assert open_message(AUTO, Message({}, body, "m", "urn:s")) is None
    if body == b"[]" and name == "cloudevents":
        return  # a batch of no events
    with pytest.raises(UnopenedEnvelope, match=r"^the body is not opened as"):
        open_message(name, Message({}, body, "m", "urn:s"))


@pytest.mark.parametrize("name", SAMPLES)
def test_sample_of_another_envelope_is_an_error(name: str) -> None:
    for other, (headers, document, _) in SAMPLES.items():
        if other != name and not (name == "standard" and other == "cloudevents"):
            with pytest.raises(UnopenedEnvelope):
                open_message(name, Message(headers, json.dumps(document).encode(), "m", "urn:s"))


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from(["detail-type", "source", "Records", "message"]), inner)
        ),
    ),
    st.sampled_from([*OPENERS, AUTO]),
)
def test_any_document_is_opened_or_an_error_with_its_reason(document: Any, envelope: str) -> None:
    message = Message({}, json.dumps(document).encode(), "m", "urn:s")
    found: object = None
    try:
        found = open_message(envelope, message)
    except UnopenedEnvelope as error:
        found = [str(error)]
    assert found is None or isinstance(found, list)


class TestEventBridge:
    @pytest.mark.parametrize(
        "pattern",
        [
            {"source": ["aws.ec2"], "detail-type": ["EC2 Instance State-change Notification"]},
            {"detail": {"state": ["terminated"], "instance-id": [{"prefix": "i-"}]}},
            {"account": ["111122223333"], "region": [{"anything-but": "eu-west-1"}]},
        ],
    )
    def test_pattern_that_is_written_for_eventbridge_matches(self, pattern: dict[str, Any]) -> None:
        (event,) = opened(AUTO, {}, samples.EVENTBRIDGE)
        assert Pattern(pattern_from_eventbridge(pattern)).matches(event.document())

    def test_numbers_of_the_detail_stay_as_they_were_written(self) -> None:
        body = b'{"detail-type":"t","source":"s","id":"1","detail":{"n":1.10,"m":18446744073709551617}}'
        assert opened(AUTO, {}, body)[0].data == b'{"n":1.10,"m":18446744073709551617}'

    def test_list_of_events_is_opened_one_by_one(self) -> None:
        events = opened(AUTO, {}, [samples.EVENTBRIDGE, {**samples.EVENTBRIDGE, "id": "2"}])
        assert [it.attributes["id"] for it in events] == [samples.EVENTBRIDGE["id"], "2"]

    def test_entry_of_putevents_has_the_id_of_the_message(self) -> None:
        (event,) = opened(AUTO, {}, {"Source": "my.shop", "DetailType": "order.paid", "Detail": '{"total": 42}'})
        assert (event.attributes["id"], event.attributes["type"], event.value) == ("m", "order.paid", {"total": 42})

    def test_source_that_is_no_uri_is_an_error_by_name(self) -> None:
        with pytest.raises(UnopenedEnvelope, match="source is not a URI-reference"):
            opened("eventbridge", {}, {**samples.EVENTBRIDGE, "source": "my shop"})
        assert is_unopened({}, {**samples.EVENTBRIDGE, "source": "my shop"})


class TestS3:
    def test_each_record_is_an_event_with_an_id_of_its_own(self) -> None:
        other = {**samples.S3_RECORD, "s3": {**samples.S3_RECORD["s3"], "object": {"key": "in%2Fa+b.jpg"}}}
        events = opened(AUTO, {}, {"Records": [samples.S3_RECORD, other]})
        assert [it.attributes["subject"] for it in events] == ["HappyFace.jpg", "in/a b.jpg"]
        assert len({it.attributes["id"] for it in events}) == 2
        assert [it.attributes["id"] for it in opened("s3", {}, samples.S3)] == [events[0].attributes["id"]]

    def test_test_message_is_an_event(self) -> None:
        (event,) = opened(AUTO, {}, samples.S3_TEST)
        assert (event.attributes["type"], event.attributes["id"]) == ("com.amazonaws.s3.TestEvent", "5582815E1AEA5ADF")


class TestSns:
    @pytest.mark.parametrize("name", ["eventbridge", "s3", "cloudevents"])
    def test_envelope_in_the_message_is_opened_too(self, name: str) -> None:
        _, document, expected = SAMPLES[name]
        for envelope in ("sns", AUTO):
            (event,) = opened(envelope, {}, {**samples.SNS, "Message": json.dumps(document)})
            assert event.document().items() >= expected.items()

    def test_json_in_the_message_is_the_data(self) -> None:
        attributes = {"Tier": {"Type": "String", "Value": "gold"}, "id": {"Type": "String", "Value": "7"}}
        (event,) = opened(AUTO, {}, {**samples.SNS, "Message": '{"n": 1.10}', "MessageAttributes": attributes})
        assert (event.data, event.attributes["tier"], event.attributes["snsid"]) == (b'{"n": 1.10}', "gold", "7")

    def test_confirmation_is_not_opened(self) -> None:
        confirmation = {**samples.SNS, "Type": "SubscriptionConfirmation", "Token": "t"}
        assert is_unopened({}, confirmation)
        with pytest.raises(UnopenedEnvelope, match="Type is not Notification"):
            opened("sns", {}, confirmation)

    def test_levels_of_envelopes_are_limited(self) -> None:
        document: dict[str, Any] = samples.SNS
        for _ in range(5):
            document = {**samples.SNS, "Message": json.dumps(document)}
        (event,) = opened(AUTO, {}, document)
        assert event.value["Type"] == "Notification"


class TestEventGrid:
    def test_topic_becomes_the_source_as_a_uri(self) -> None:
        (event,) = opened(AUTO, {}, samples.EVENT_GRID)
        assert event.attributes["source"].startswith("/subscriptions/%7Bsubscription-id%7D/resourceGroups/")
        assert "dataversion" not in event.attributes

    def test_single_event_is_opened_like_a_list(self) -> None:
        (event,) = opened(AUTO, {}, {**samples.EVENT_GRID[0], "dataVersion": "2"})
        assert (event.attributes["id"], event.attributes["dataversion"]) == (samples.EVENT_GRID[0]["id"], "2")

    def test_time_without_a_zone_is_an_error_by_name(self) -> None:
        with pytest.raises(UnopenedEnvelope, match="time is not a timestamp"):
            opened("event_grid", {}, [{**samples.EVENT_GRID[0], "eventTime": "2017-06-26 18:41"}])


class TestPubSub:
    @staticmethod
    def pushed(data: bytes | None, **changes: Any) -> dict[str, Any]:
        encoded = {} if data is None else {"data": b64encode(data).decode()}
        return {**samples.PUBSUB, "message": {"messageId": "1", **encoded, **changes}}

    def test_json_is_the_data_and_the_ordering_key_the_partition_key(self) -> None:
        (event,) = opened(
            AUTO, {}, self.pushed(b'{"n": 1.10}', orderingKey="k", attributes={"eventType": "X", "id": "9"})
        )
        assert event.data == b'{"n": 1.10}'
        found = {name: event.attributes.get(name) for name in ("partitionkey", "eventtype", "pubsubid", "id")}
        assert found == {"partitionkey": "k", "eventtype": "X", "pubsubid": "9", "id": "1"}

    def test_other_bytes_are_binary_data(self) -> None:
        (event,) = opened(AUTO, {}, self.pushed(b"\x00\xff"))
        assert event.document()["data_base64"] == "AP8="

    def test_message_without_data_is_an_event_without_data(self) -> None:
        (event,) = opened(AUTO, {}, self.pushed(None, attributes={"a": "b"}))
        assert (event.has_data, event.attributes["a"]) == (False, "b")

    def test_cloudevent_in_binary_mode_is_opened_from_the_attributes(self) -> None:
        attributes = {"ce-specversion": "1.0", "ce-id": "7", "ce-source": "/s", "ce-type": "t.u"}
        message = self.pushed(b'{"n":1}', attributes={**attributes, "Content-Type": "application/json"})
        (event,) = opened("pubsub", {}, message)
        assert (event.attributes["type"], event.value) == ("t.u", {"n": 1})

    def test_data_that_is_not_base64_is_an_error_by_name(self) -> None:
        with pytest.raises(UnopenedEnvelope, match="data is not base64"):
            opened("pubsub", {}, {**samples.PUBSUB, "message": {"messageId": "1", "data": "?"}})


class TestStandardWebhooks:
    def test_time_in_milliseconds_and_other_scalars_are_attributes(self) -> None:
        body = {
            "data": {"id": "u"},
            "object": "event",
            "timestamp": 1654012591835,
            "type": "user.created",
            "test": True,
        }
        (event,) = opened(AUTO, SVIX, body)
        found = {name: event.attributes[name] for name in ("type", "time", "object", "test")}
        assert found == {
            "type": "user.created",
            "time": "2022-05-31T15:56:31.835000Z",
            "object": "event",
            "test": "true",
        }

    @pytest.mark.parametrize("extra", [{"links": []}, {"meta": {"a": 1}}])
    def test_body_with_more_than_data_is_not_opened(self, extra: dict[str, Any]) -> None:
        assert is_unopened(SVIX, {**samples.STANDARD, **extra})

    def test_message_without_the_headers_is_opened_by_name_only(self) -> None:
        assert is_unopened({}, samples.STANDARD)
        assert opened("standard", {}, {"type": "a", "data": 1})[0].value == 1


class TestCloudEvents:
    def test_all_content_modes_are_opened(self) -> None:
        text = json.dumps(samples.CLOUD_EVENT)
        binary = {"ce-specversion": "1.0", "ce-id": "7", "ce-source": "/s", "ce-type": "t", "content-type": "text/csv"}
        for headers, body, count in (
            ({"content-type": "application/cloudevents+json; charset=utf-8"}, text, 1),
            ({"content-type": "application/cloudevents-batch+json"}, f"[{text},{text}]", 2),
            ({"content-type": "application/json"}, text, 1),
            ({"content-type": "application/json"}, f"[{text},{text}]", 2),
            (binary, "a,b", 1),
        ):
            for envelope in ("cloudevents", AUTO):
                assert len(opened(envelope, headers, body.encode())) == count

    def test_invalid_event_is_an_error_by_name(self) -> None:
        with pytest.raises(UnopenedEnvelope, match="type is missing"):
            opened(
                "cloudevents",
                {"content-type": "application/cloudevents+json"},
                {"specversion": "1.0", "id": "1", "source": "/"},
            )


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_json_in_another_encoding_is_opened(encoding: str) -> None:
    body = json.dumps(samples.EVENTBRIDGE).encode(encoding)
    assert [it.attributes["source"] for it in opened(AUTO, {}, body)] == ["aws.ec2"]


def test_body_beyond_the_limit_is_not_opened() -> None:
    body = json.dumps({**samples.EVENTBRIDGE, "detail": "x" * MAX_BYTES}).encode()
    assert open_message(AUTO, Message({}, body, "m", "urn:s")) is None
    with pytest.raises(UnopenedEnvelope, match="more than 16 MiB"):
        open_message("eventbridge", Message({}, body, "m", "urn:s"))


def test_request_of_putevents_is_opened_into_its_entries() -> None:
    entries = [{"Source": "shop", "DetailType": name, "Detail": '{"n": 1.10}'} for name in ("a", "b")]
    for envelope in ("auto", "eventbridge"):
        events = open_message(envelope, Message({}, orjson.dumps({"Entries": entries}), "m", "urn:s"))
        assert events is not None
        assert [(it.attributes["type"], it.data) for it in events] == [("a", b'{"n": 1.10}'), ("b", b'{"n": 1.10}')]


@pytest.mark.parametrize("detail", ["no JSON", "[1]", 7])
def test_entry_whose_detail_is_no_object_is_not_opened(detail: object) -> None:
    body = orjson.dumps({"Source": "shop", "DetailType": "a", "Detail": detail})
    assert open_message("auto", Message({}, body, "m", "urn:s")) is None
    with pytest.raises(UnopenedEnvelope, match="Detail must be the JSON text of an object"):
        open_message("eventbridge", Message({}, body, "m", "urn:s"))


@pytest.mark.parametrize("name", OPENERS)
def test_hostile_member_of_an_envelope_is_refused_or_opened(name: str) -> None:
    """By the name of the envelope, and by what it looks like."""
    headers, document, _ = SAMPLES[name]
    for _, changed in hostile_values(document, nested(300)):
        message = Message(headers, json.dumps(changed).encode(), "m", "urn:s")
        for envelope in (name, AUTO):
            try:
                events = open_message(envelope, message) or []
            except UnopenedEnvelope as error:
                text = str(error)
            else:
                text = "".join(it.attributes["type"][:10] for it in events)
            assert len(text) < MAX_MESSAGE
