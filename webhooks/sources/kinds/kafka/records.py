"""Make a record of a Kafka message: its id and position, headers, key, and the form that the source wants.

CloudEvents are recognized as in the Kafka protocol binding 1.0.2: in binary mode headers ``ce_*`` are attributes, which
become the headers ``ce-*`` of the HTTP binding; in structured mode the value is the event.
"""

import base64
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
from confluent_kafka import TIMESTAMP_CREATE_TIME, TIMESTAMP_LOG_APPEND_TIME, Message

from webhooks.sources.kinds.kafka.values import JSON, Undecodable, Value, ValueDecoder
from webhooks.sources.kinds.kind import Connection, Record
from webhooks.wire import header_values

MAX_HEADERS = 500  # of one record; the rest is left out
TOMBSTONE = "kafka-tombstone"

_TIMESTAMP_TYPES = {TIMESTAMP_CREATE_TIME: "CreateTime", TIMESTAMP_LOG_APPEND_TIME: "LogAppendTime"}
_NOT_IN_NAMES = re.compile(r"[^!#$%&'*+.^_`|~0-9a-z-]")
_Headers = Sequence[tuple[str, bytes | None]]


class RecordMaker:
    """Make the records of a source."""

    def __init__(self, connection: Connection) -> None:
        settings = connection.settings
        self._decoder = ValueDecoder(connection)
        self._is_whole = settings["envelope_form"] == "record"
        self._keeps_tombstones = settings["tombstones"] == "keep"
        self._is_ordered = settings["order_by_key"]

    def make(self, message: Message) -> Record | None:
        """Return a record; None for a tombstone that the source leaves out. Raises SourceUnavailable."""
        data, key, headers = message.value(), _as_bytes(message.key()), _headers_of(message)
        if data is None and not self._keeps_tombstones:
            return None
        fields = _fields(message, headers, key, is_tombstone=data is None)
        problem, value = "", Value(b"", "")
        try:
            value = self._value(data, headers, fields)
        except Undecodable as error:
            problem, value = f"The value cannot be decoded: {error}", Value(data or b"", "")
        body, content_type, event_type = value.body, value.content_type, ""
        if self._is_whole and not problem:
            fields = {name: it for name, it in fields.items() if name.startswith("kafka-")}
            body, content_type = self._whole(message, headers, key, value), JSON
            event_type = f"kafka-connect-{message.topic()}"
        return Record(
            id=_place(message),
            body=body,
            position={"offset": (message.offset() or 0) + 1},
            headers=fields,
            content_type=content_type,
            time=time_of(message),
            event_type=event_type,
            order_key=_text(key) if key and self._is_ordered else "",
            problem=problem,
        )

    def _value(self, data: bytes | None, headers: _Headers, fields: dict[str, str]) -> Value:
        """Return the value with its content type, which leaves ``fields``. Raises Undecodable, SourceUnavailable."""
        declared = fields.pop("content-type", "")
        is_event = "ce-specversion" in fields
        if data is None:
            return Value(b"", declared) if is_event else Value(b"null", JSON)
        if declared.lower().startswith("application/cloudevents"):
            return Value(data, declared)
        value = self._decoder.decode(data, _raw(headers))
        return value if not declared or not self._decoder.is_plain else Value(data, declared)

    def _whole(self, message: Message, headers: _Headers, key: bytes | None, value: Value) -> bytes:
        """Return a record as the EventBridge connector for Kafka Connect writes it."""
        kind, milliseconds = message.timestamp()
        head = {
            "topic": message.topic(),
            "partition": message.partition(),
            "offset": message.offset(),
            "timestamp": milliseconds if kind in _TIMESTAMP_TYPES else None,
            "timestampType": _TIMESTAMP_TYPES.get(kind, "NoTimestampType"),
            "headers": [{name: None if it is None else _text(it)} for name, it in headers],
        }
        inner = value.body if _is_json(value) else orjson.dumps(_text(value.body))
        members = [orjson.dumps(head, default=str)[:-1], b',"key":', self._key(key, headers), b',"value":', inner, b"}"]
        return b"".join(members)

    def _key(self, key: bytes | None, headers: _Headers) -> bytes:
        """Return a key as JSON: decoded if it has a schema, else a string."""
        if key is None:
            return b"null"
        if not self._decoder.is_plain:
            try:
                return self._decoder.decode(key, _raw(headers), "key").body
            except Undecodable:
                pass  # keys are often plain where values are not
        return orjson.dumps(_text(key))


def _place(message: Message) -> str:
    """Return the id of a record: its place, and its time, which differs if the topic was deleted and made anew."""
    return f"{message.topic()}:{message.partition()}:{message.offset()}:{message.timestamp()[1]}"


def time_of(message: Message) -> datetime | None:
    """Return the time of a record; None if it has none, or one that no calendar has."""
    kind, milliseconds = message.timestamp()
    if kind not in _TIMESTAMP_TYPES:
        return None
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _headers_of(message: Message) -> _Headers:
    found: Any = message.headers() or []
    pairs = found.items() if isinstance(found, dict) else found
    return [(str(name), None if it is None else _as_bytes(it)) for name, it in list(pairs)[:MAX_HEADERS]]


def _fields(message: Message, headers: _Headers, key: bytes | None, *, is_tombstone: bool) -> dict[str, str]:
    """Return the headers of a receipt: those of the record, and its place."""
    is_event = any(name.lower() == "ce_specversion" for name, _ in headers)
    fields: dict[str, str] = {}
    for written, value in headers:
        name, text = _NOT_IN_NAMES.sub("_", written.lower()) or "_", "" if value is None else _text(value)
        if is_event and name.startswith("ce_"):
            name, text = f"ce-{name.removeprefix('ce_')}", header_values.encode(text)
        fields[name] = f"{fields[name]}, {text}" if name in fields else text
    fields["kafka-topic"] = str(message.topic())
    fields["kafka-partition"] = str(message.partition())
    fields["kafka-offset"] = str(message.offset())
    if key is not None:
        fields["kafka-key"] = _text(key)
    if (moment := time_of(message)) is not None:
        fields["kafka-timestamp"] = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if is_tombstone:
        fields[TOMBSTONE] = "true"
    return fields


def _raw(headers: _Headers) -> dict[str, bytes]:
    return {name.lower(): value for name, value in headers if value is not None}


def _is_json(value: Value) -> bool:
    if value.content_type != JSON:
        return False
    try:
        orjson.loads(value.body)
    except orjson.JSONDecodeError:
        return False
    return True


def _as_bytes(value: Any) -> bytes | None:
    return value.encode() if isinstance(value, str) else value


def _text(data: bytes) -> str:
    """Return bytes as text if they are, else in base64."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = "\0"
    if any(ord(character) < 32 and character not in "\t\r\n" for character in text):
        return "base64:" + base64.b64encode(data).decode()
    return text
