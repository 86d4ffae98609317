"""Test finding a message's id, event type and order key in its body and headers."""

import hashlib
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhooks import schemes
from webhooks.sources.message_labels import find_labels, parse_events, read_path, redact_credentials, storable_label

CLOUD_EVENT = b'{"specversion":"1.0","id":"7","source":"/shop","type":"order.paid","data":{"total":3}}'


@dataclass(frozen=True)
class Paths:
    message_id_path: str = ""
    event_type_path: str = ""
    order_key_path: str = ""


def labels(body: bytes | None, headers: dict[str, str] | None = None, scheme: str = "none", **at: str):
    return find_labels(Paths(**at), schemes.get(scheme), headers or {}, body)


@pytest.mark.parametrize(
    ("body", "headers", "scheme", "at", "expected"),
    [
        (b"plain", {}, "none", {}, ""),
        (b"{}", {"webhook-id": "m1"}, "standard", {}, "m1"),
        (b"{}", {"x-github-delivery": "g1"}, "github", {}, "g1"),
        (CLOUD_EVENT, {"content-type": "application/cloudevents+json"}, "none", {}, "/shop 7"),
        (CLOUD_EVENT, {"content-type": "application/json"}, "none", {}, ""),
        (b"x", {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "s", "ce-type": "t"}, "none", {}, "s 1"),
        (b'{"a":{"id":"deep"}}', {}, "none", {"message_id_path": "body:/a/id"}, "deep"),
        (b'{"a":[{"id":5}]}', {}, "none", {"message_id_path": "body:/a/0/id"}, "5"),
        (b'{"a/b":"x"}', {}, "none", {"message_id_path": "body:/a~1b"}, "x"),
        (b'{"a":{}}', {}, "none", {"message_id_path": "body:/a"}, ""),
        (b"{}", {"x-id": "h", "webhook-id": "w"}, "standard", {"message_id_path": "header:X-Id"}, "h"),
        (None, {}, "none", {"message_id_path": "body:/id"}, ""),
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


def test_order_key_is_read_only_from_the_path_of_the_source() -> None:
    assert labels(b'{"customer":9}', order_key_path="body:/customer").order_key == "9"
    assert labels(b'{"customer":9}').order_key == ""


def test_parse_events_returns_a_cloud_event_as_it_is() -> None:
    found = parse_events("src", "t", "m", {"content-type": "application/cloudevents+json"}, CLOUD_EVENT)
    assert found[0]["source"] == "/shop"
    assert found[0]["data"] == {"total": 3}


def test_parse_events_returns_every_event_of_a_batch() -> None:
    body = b"[" + CLOUD_EVENT + b"," + CLOUD_EVENT.replace(b'"7"', b'"8"') + b"]"
    found = parse_events("src", "", "m", {"content-type": "application/cloudevents-batch+json"}, body)
    assert [event["id"] for event in found] == ["7", "8"]


def test_parse_events_wraps_other_json_in_one_event() -> None:
    assert parse_events("src", "t", "m", {}, b'{"a":1}') == [
        {"id": "m", "source": "src", "type": "t", "data": {"a": 1}}
    ]
    assert parse_events("src", "t", "m", {}, b"<xml/>") == [{"id": "m", "source": "src", "type": "t"}]


@given(st.text())
def test_storable_label_fits_its_column_and_keeps_values_distinct(value: str) -> None:
    tidied = storable_label(value)
    assert len(tidied) <= 256
    assert "\0" not in tidied
    tidied.encode()
    assert storable_label(value + "x") != tidied


@given(
    st.text(),
    st.recursive(st.none() | st.text() | st.integers(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)),
)
def test_read_path_with_any_path_and_document_never_raises(place: str, document: object) -> None:
    assert isinstance(read_path("body:" + place, {}, document), str)


@pytest.mark.parametrize(
    "name", ["authorization", "proxy-authorization", "cookie", "x-gitlab-token", "x-api-key", "client-secret"]
)
def test_redact_credentials_removes_headers_that_authenticate(name: str) -> None:
    assert redact_credentials({name: "x"}) == {name: "[removed]"}


def test_redact_credentials_bounds_the_size_of_headers() -> None:
    redacted = redact_credentials({f"x-{number}": "v" * 10_000 for number in range(1000)})
    assert sum(len(name) + len(value) for name, value in redacted.items()) <= 16 * 1024


def test_storable_label_of_a_long_value_is_its_sha256() -> None:
    assert storable_label("a" * 300) == "sha256:" + hashlib.sha256(b"a" * 300).hexdigest()
