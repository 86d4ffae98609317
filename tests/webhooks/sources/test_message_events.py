"""Test the events that patterns match in a message: the same from memory and from a file of any size."""

import gzip
from io import BytesIO
from typing import Any

import orjson
import pytest

from tests.webhooks.wire.envelopes import samples
from webhooks.sources.message_events import parse_events, select_events
from webhooks.wire.bodies.json_selection import MAX_KEPT_VALUES, SelectionTooLarge
from webhooks.wire.errors import UnopenedEnvelope
from webhooks.wire.patterns import Pattern, PatternGroup

CLOUD_EVENT = b'{"specversion":"1.0","id":"7","source":"/shop","type":"order.paid","data":{"total":3}}'
BATCH = b"[" + CLOUD_EVENT + b"," + CLOUD_EVENT.replace(b'"7"', b'"8"') + b"]"
STRUCTURED = {"content-type": "application/cloudevents+json"}
BATCHED = {"content-type": "application/cloudevents-batch+json"}
BINARY = {"ce-specversion": "1.0", "ce-id": "7", "ce-source": "/shop", "ce-type": "order.paid"}
FORM = {"content-type": "application/x-www-form-urlencoded"}
ENVELOPE = {"id": "m", "source": "src", "type": "t"}
NAMES = PatternGroup([Pattern({"type": ["x"], "data": {"total": [3], "a": [1]}})]).compile().names


def selected(headers: dict[str, str], body: bytes, names: Any = NAMES) -> list[dict[str, Any]]:
    return select_events(ENVELOPE, headers, BytesIO(body), [names])


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        (STRUCTURED, CLOUD_EVENT, [("7", "/shop", {"total": 3})]),
        (BATCHED, BATCH, [("7", "/shop", {"total": 3}), ("8", "/shop", {"total": 3})]),
        ({**BINARY, "content-type": "application/json"}, b'{"total":3}', [("7", "/shop", {"total": 3})]),
        (STRUCTURED, b'{"a":1}', [("m", "src", {"a": 1})]),
        ({}, b'{"a":1}', [("m", "src", {"a": 1})]),
        ({}, '\ufeff{"a":1}'.encode("utf-16-le"), [("m", "src", {"a": 1})]),
        ({}, b'{"a":18446744073709551617}', [("m", "src", {"a": 18446744073709551617})]),
        (FORM, b"a=1&total=3", [("m", "src", {"a": "1", "total": "3"})]),
        ({}, b"<xml/>", [("m", "src", None)]),
        ({}, b"", [("m", "src", None)]),
    ],
)
def test_events_of_a_message_are_the_same_at_any_size(headers, body, expected) -> None:
    for events in (
        parse_events(ENVELOPE, headers, body),
        selected(headers, body),
        selected({**headers, "content-encoding": "gzip"}, gzip.compress(body)),
    ):
        assert [(event["id"], event["source"], event.get("data")) for event in events] == expected


@pytest.mark.parametrize(
    ("number", "numeric", "is_matched"),
    [
        ("9007199254740993.0", ["=", 9007199254740993], True),
        ("9007199254740993.0", ["=", 9007199254740992], False),
        ("5.00000000000000000001", ["=", 5], False),
        ("5.00000000000000000001", [">", 5], True),
        ("0.1000000000000000055", [">", 0.1], True),
        ("9007199254740993e0", [">", 9007199254740992], True),
        ("1e-400", [">", 0], True),
        ("5.0", ["=", 5], True),
    ],
)
def test_numbers_are_compared_by_their_exact_value_at_any_size(number: str, numeric: list[Any], is_matched) -> None:
    pattern = Pattern({"data": {"n": [{"numeric": numeric}]}})
    names = PatternGroup([pattern]).compile().names
    plain = f'{{"n":{number}}}'.encode()
    structured = CLOUD_EVENT.replace(b'{"total":3}', plain)
    for headers, body in [({}, plain), ({}, plain.decode().encode("utf-16")), (STRUCTURED, structured)]:
        for events in (parse_events(ENVELOPE, headers, body), selected(headers, body, names)):
            assert [pattern.matches(event) for event in events] == [is_matched]


def test_data_that_no_pattern_looks_at_is_not_read() -> None:
    names = PatternGroup([Pattern({"type": ["x"]})]).compile().names
    assert selected({}, b"never read {", names) == [ENVELOPE]


def test_binary_data_of_a_large_cloud_event_leaves_its_attributes_readable() -> None:
    body = orjson.dumps({**orjson.loads(CLOUD_EVENT), "data_base64": "eA==" * 500_000})
    body = body.replace(b',"data":{"total":3}', b"")
    assert [event["type"] for event in selected(STRUCTURED, body)] == ["order.paid"]


def test_too_many_values_in_a_field_of_a_pattern_are_an_error() -> None:
    with pytest.raises(SelectionTooLarge):
        selected({}, orjson.dumps({"a": [1] * (MAX_KEPT_VALUES + 1)}))


@pytest.mark.parametrize("document", [samples.EVENTBRIDGE, samples.S3, samples.SNS, samples.EVENT_GRID, samples.PUBSUB])
def test_envelope_is_opened_at_any_size(document: Any) -> None:
    body = orjson.dumps(document)
    events = parse_events(ENVELOPE, {}, body)
    assert events[0]["type"] != ENVELOPE["type"]
    assert selected({}, body) == events
    assert selected({"content-encoding": "gzip"}, gzip.compress(body)) == events


def test_envelope_that_the_source_does_not_open_is_data() -> None:
    body = orjson.dumps(samples.EVENTBRIDGE)
    (event,) = parse_events(ENVELOPE, {}, body, "none")
    assert (event["type"], event["data"]["source"]) == ("t", "aws.ec2")
    (large,) = select_events(ENVELOPE, {}, BytesIO(body), [NAMES], "none")
    assert (large["type"], large["data"]) == ("t", {})
    assert parse_events(ENVELOPE, STRUCTURED, CLOUD_EVENT, "none")[0]["type"] == "t"


@pytest.mark.parametrize(
    ("envelope", "headers"), [("eventbridge", {}), ("cloudevents", STRUCTURED), ("sns", STRUCTURED)]
)
def test_message_without_the_envelope_of_its_source_is_an_error_at_any_size(envelope, headers) -> None:
    with pytest.raises(UnopenedEnvelope):
        parse_events(ENVELOPE, headers, b'{"a":1}', envelope)
    with pytest.raises(UnopenedEnvelope):
        select_events(ENVELOPE, headers, BytesIO(b'{"a":1}'), [NAMES], envelope)


def test_large_form_and_other_text_are_not_opened() -> None:
    assert selected(FORM, b"detail-type=a&source=b") == [{**ENVELOPE, "data": {"detail-type": "a", "source": "b"}}]
    assert selected({"content-type": "text/csv"}, b"a,b\n" * 1000) == [ENVELOPE]
