"""Test finding a message's id, event type and order key in its body and headers."""

import gzip
import hashlib
import json
from dataclasses import dataclass
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.webhooks.wire.envelopes import samples
from webhooks import schemes
from webhooks.sources.message_labels import (
    MessageLabels,
    find_labels,
    find_labels_in_file,
    read_exactly,
    read_in_file,
    storable_label,
)

CLOUD_EVENT = b'{"specversion":"1.0","id":"7","source":"/shop","type":"order.paid","data":{"total":3}}'


FORM = {"content-type": "application/x-www-form-urlencoded"}


@dataclass(frozen=True)
class Paths:
    message_id_path: str = ""
    event_type_path: str = ""
    order_key_path: str = ""
    envelope: str = "auto"


def labels(body: bytes, headers: dict[str, str] | None = None, scheme: str = "none", **at: str) -> MessageLabels:
    """Return the labels of a small body, which must be those of the same body in a file, and of it compressed."""
    paths, loaded, headers = Paths(**at), schemes.get(scheme), headers or {}
    found = find_labels(paths, loaded, headers, body)
    assert find_labels_in_file(paths, loaded, headers, BytesIO(body)) == found
    packed = {**headers, "content-encoding": "gzip"}
    assert find_labels_in_file(paths, loaded, packed, BytesIO(gzip.compress(body))) == found
    return found


@pytest.mark.parametrize(
    ("body", "headers", "scheme", "at", "expected"),
    [
        (b"plain", {}, "none", {}, ""),
        (b"{}", {"webhook-id": "m1"}, "standard", {}, "m1"),
        (b"{}", {"x-github-delivery": "g1"}, "github", {}, "g1"),
        (CLOUD_EVENT, {"content-type": "application/cloudevents+json"}, "none", {}, "/shop 7"),
        (CLOUD_EVENT, {"content-type": "application/json"}, "none", {}, "/shop 7"),
        (CLOUD_EVENT, {"content-type": "application/json"}, "none", {"envelope": "none"}, ""),
        (b"x", {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "s", "ce-type": "t"}, "none", {}, "s 1"),
        (b'{"a":{"id":"deep"}}', {}, "none", {"message_id_path": "body:/a/id"}, "deep"),
        (b'{"a":[{"id":5}]}', {}, "none", {"message_id_path": "body:/a/0/id"}, "5"),
        (b'{"a/b":"x"}', {}, "none", {"message_id_path": "body:/a~1b"}, "x"),
        (b'{"a":{}}', {}, "none", {"message_id_path": "body:/a"}, ""),
        (b"{}", {"x-id": "h", "webhook-id": "w"}, "standard", {"message_id_path": "header:X-Id"}, "h"),
        (b'{"id":18446744073709551617}', {}, "none", {"message_id_path": "body:/id"}, "18446744073709551617"),
        (b'{"id":1.10}', {}, "none", {"message_id_path": "body:/id"}, "1.10"),
        (b'{"id":7,"x":NaN}', {}, "none", {"message_id_path": "body:/id"}, "7"),
        (b'{"id":7,"x":"\\ud800"}', {}, "none", {"message_id_path": "body:/id"}, "7"),
        (b'\xef\xbb\xbf{"id":7}', {}, "none", {"message_id_path": "body:/id"}, "7"),
        ('{"id":"\u00e4"}'.encode("utf-16"), {}, "none", {"message_id_path": "body:/id"}, "\u00e4"),
        ('{"id":"\u00e4"}'.encode("utf-16-be"), {}, "none", {"message_id_path": "body:/id"}, "\u00e4"),
        (b"id=tr_7&a=1", FORM, "none", {"message_id_path": "body:/id"}, "tr_7"),
        (b"a=1&a=2", FORM, "none", {"message_id_path": "body:/a/1"}, "2"),
        (b"payload=%7B%22id%22%3A5%7D", FORM, "none", {"message_id_path": "body:/payload/id"}, "5"),
    ],
)
def test_message_id_is_read_from_path_header_or_event(body, headers, scheme, at, expected) -> None:
    assert labels(body, headers, scheme, **at).message_id == expected


@pytest.mark.parametrize(
    ("body", "headers", "scheme", "at", "expected"),
    [
        (b'{"type":"a.b"}', {}, "none", {}, "a.b"),
        (b'{"type":{"x":1}}', {}, "none", {}, ""),
        (b"[1]", {}, "none", {}, ""),
        (CLOUD_EVENT, {"content-type": "application/cloudevents+json"}, "none", {}, "order.paid"),
        (b'{"type":"no"}', {"x-github-event": "push"}, "github", {}, "push"),
        (b'{"type":"no","kind":"yes"}', {}, "none", {"event_type_path": "body:/kind"}, "yes"),
    ],
)
def test_event_type_is_read_from_path_header_event_or_body(body, headers, scheme, at, expected) -> None:
    assert labels(body, headers, scheme, **at).event_type == expected


@pytest.mark.parametrize("blank", ["", " ", "\t\n", "\u00a0", "\u3000"])
def test_id_type_and_order_key_of_blanks_are_none(blank: str) -> None:
    body = json.dumps({"id": blank, "type": blank, "o": blank}).encode()
    at = {"message_id_path": "body:/id", "order_key_path": "body:/o"}
    assert labels(body, **at) == MessageLabels("", "", "")
    assert labels(b"{}", {"x-id": blank}, message_id_path="header:X-Id").message_id == ""
    assert labels(b"{}", {"x-github-delivery": blank}, "github").message_id == ""
    event = json.dumps({"specversion": "1.0", "id": " ", "source": "/s", "type": "t"}).encode()
    assert labels(event).message_id == ""
    assert labels(event, {"content-type": "application/cloudevents+json"}).message_id == ""


def test_order_key_is_read_only_from_the_path_of_the_source() -> None:
    assert labels(b'{"customer":9}', order_key_path="body:/customer").order_key == "9"
    assert labels(b'{"customer":9}').order_key == ""


def _json(document: object) -> bytes:
    return json.dumps(document).encode()


IN_SNS = {**samples.SNS, "Message": json.dumps(samples.S3)}
CONFIRMATION = {**samples.SNS, "Type": "SubscriptionConfirmation"}
WITHOUT_TOPIC = [{**samples.EVENT_GRID[0], "topic": ""}]
EC2, EC2_ID = "EC2 Instance State-change Notification", f"aws.ec2 {samples.EVENTBRIDGE['id']}"
SNS_ID = samples.SNS["MessageId"]
PUBSUB_ID = f"//pubsub.googleapis.com/{samples.PUBSUB['subscription']} {samples.PUBSUB['message']['messageId']}"
REGION = {"event_type_path": "body:/region"}


@pytest.mark.parametrize(
    ("document", "scheme", "at", "expected"),
    [
        (samples.EVENTBRIDGE, "none", {}, (EC2_ID, EC2)),
        (samples.EVENTBRIDGE, "none", {"envelope": "eventbridge"}, (EC2_ID, EC2)),
        (samples.EVENTBRIDGE, "none", {"envelope": "none"}, ("", "")),
        (samples.EVENTBRIDGE, "none", {"envelope": "sns"}, ("", "")),
        (samples.EVENTBRIDGE, "none", REGION, (EC2_ID, "us-west-1")),
        ({"Source": "shop", "DetailType": "order.paid", "Detail": "{}"}, "none", {}, ("", "order.paid")),
        (IN_SNS, "sns", {}, (SNS_ID, "com.amazonaws.s3.ObjectCreated:Put")),
        (samples.SNS, "sns", {}, (SNS_ID, "com.amazonaws.sns.Notification")),
        (CONFIRMATION, "sns", {}, (SNS_ID, "SubscriptionConfirmation")),
        (samples.PUBSUB, "none", {}, (PUBSUB_ID, "google.cloud.pubsub.topic.v1.messagePublished")),
        (samples.EVENT_GRID * 2, "none", {}, ("", "")),
        (WITHOUT_TOPIC, "none", {}, (WITHOUT_TOPIC[0]["id"], "Microsoft.Storage.BlobCreated")),
        (samples.STANDARD, "standard", {}, ("", "contact.created")),
    ],
)
def test_labels_of_a_message_in_an_envelope_are_those_of_its_event(document, scheme, at, expected) -> None:
    found = labels(_json(document), {}, scheme, **at)
    assert (found.message_id, found.event_type) == expected


def test_labels_of_a_large_message_in_an_envelope_are_those_of_its_event() -> None:
    body = _json({**samples.EVENTBRIDGE, "detail": {"file": "x" * 300_000}})
    found = find_labels_in_file(Paths(), schemes.get("none"), {}, BytesIO(body))
    assert found.event_type == EC2


@given(st.text())
def test_storable_label_fits_its_column_and_keeps_values_distinct(value: str) -> None:
    tidied = storable_label(value)
    assert len(tidied) <= 256
    assert "\0" not in tidied
    tidied.encode()
    assert storable_label(value + "x") != tidied


DOCUMENTS = st.recursive(
    st.none() | st.text() | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    lambda it: st.lists(it) | st.dictionaries(st.text(), it),
)


@given(st.text(), DOCUMENTS)
def test_value_at_a_path_is_the_same_at_any_size(place: str, document: object) -> None:
    body = json.dumps(document).encode()
    assert read_exactly("body:" + place, {}, body) == read_in_file("body:" + place, {}, BytesIO(body))


def test_labels_are_read_from_a_body_of_any_size() -> None:
    body = b'{"type":"a.b","file":"' + b"x" * 2_000_000 + b'","id":"m1","customer":9}'
    paths = Paths(message_id_path="body:/id", order_key_path="body:/customer")
    found = find_labels_in_file(paths, schemes.get("none"), {}, BytesIO(body))
    assert found == MessageLabels("m1", "a.b", "9")


def test_labels_of_a_long_text_are_empty_since_two_texts_may_begin_alike() -> None:
    body = b'{"id":"' + b"x" * 2_000_000 + b'"}'
    found = find_labels_in_file(Paths(message_id_path="body:/id"), schemes.get("none"), {}, BytesIO(body))
    assert found.message_id == ""


@pytest.mark.parametrize("mode", ["structured", "binary"])
def test_labels_of_a_large_cloud_event_are_its_attributes(mode: str) -> None:
    headers, body = {"content-type": "application/cloudevents+json"}, b"x" * 300_000
    if mode == "binary":
        headers = {"ce-specversion": "1.0", "ce-id": "7", "ce-source": "/shop", "ce-type": "order.paid"}
    else:
        body = b'{"data":"' + body + b'",' + CLOUD_EVENT[1:]
    found = find_labels_in_file(Paths(), schemes.get("none"), headers, BytesIO(body))
    assert (found.message_id, found.event_type) == ("/shop 7", "order.paid")


def test_storable_label_of_a_long_value_is_its_sha256() -> None:
    assert storable_label("a" * 300) == "sha256:" + hashlib.sha256(b"a" * 300).hexdigest()
