"""One event: checked attributes and the bytes of its data. An Event that exists is a valid CloudEvent."""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import orjson

from webhooks.wire import json_text
from webhooks.wire.cloudevents import attributes as rules
from webhooks.wire.cloudevents.grammar import media_type
from webhooks.wire.errors import InvalidEvent

MAX_DEPTH = 128  # levels of nesting in data; far from every recursion limit, and from every honest payload


class JsonStatus(Enum):
    """What is known of the data as JSON when it has no value."""

    UNREAD = "nobody has looked yet"
    NOT_JSON = "it is text or binary, or does not parse"


@dataclass(frozen=True, slots=True)
class Event:
    """A CloudEvent 1.0.

    `attributes` holds all context attributes, extensions included, in their canonical string form. `data` is
    the payload as bytes: the JSON text as it was written if the content type is JSON (or absent and the data
    came as JSON), else the bytes themselves. `data=b"null"` is a payload, `data=None` is none.

    Raises InvalidEvent if an attribute breaks a rule; the data is not looked at.
    """

    attributes: dict[str, str]
    data: bytes | None = None
    # The value of the data, once known. Never compared: it follows from the rest.
    _value: Any = field(default=JsonStatus.UNREAD, repr=False, compare=False, kw_only=True)

    def __post_init__(self) -> None:
        rules.check(self.attributes)

    @classmethod
    def of(cls, attributes: Mapping[str, str | int | bool | None], value: Any = JsonStatus.UNREAD) -> "Event":
        """An event from plain values; None leaves an attribute out. `value` becomes JSON; without it the event
        has no data. `specversion` may be left out. Raises InvalidEvent."""
        named = {name: rules.canonical(name, it) for name, it in attributes.items() if it is not None}
        named.setdefault("specversion", rules.SPECVERSION)
        if value is JsonStatus.UNREAD:
            return cls(named)
        try:
            return cls(named, orjson.dumps(value), _value=value)
        except orjson.JSONEncodeError as error:
            raise InvalidEvent("data", "cannot be written as JSON") from error

    @classmethod
    def with_json(cls, attributes: dict[str, str], data: bytes) -> "Event":
        """An event whose data has to be JSON text. Raises InvalidEvent."""
        try:
            return cls(attributes, data, _value=json_text.parse_value(data, MAX_DEPTH))
        except json_text.InvalidJson as error:
            raise InvalidEvent("data", str(error)) from None

    @classmethod
    def with_bytes(cls, attributes: dict[str, str], data: bytes) -> "Event":
        """An event whose data came as bytes: JSON only if the content type says so, nothing is implied."""
        if "datacontenttype" in attributes:
            return cls(attributes, data)
        return cls(attributes, data, _value=JsonStatus.NOT_JSON)

    @property
    def has_data(self) -> bool:
        return self.data is not None

    @property
    def is_json(self) -> bool:
        """Is there data, declared to be JSON, that is JSON?"""
        return self.data is not None and self._read() is not JsonStatus.NOT_JSON

    @property
    def value(self) -> Any:
        """The data as a JSON value, parsed once; do not change it. Raises InvalidEvent if it is not JSON."""
        if not self.is_json:
            raise InvalidEvent("data", "is not JSON")
        return self._read()

    def text(self) -> str | None:
        """The data as a string, if the content type is text and the bytes are; else None."""
        declared = media_type(self.attributes.get("datacontenttype", ""))
        if self.data is None or declared is None or not declared.is_text:
            return None
        try:
            return self.data.decode()
        except UnicodeDecodeError:
            return None

    def document(self) -> dict[str, Any]:
        """The event as the object its structured form holds: what patterns match and templates read."""
        document: dict[str, Any] = dict(self.attributes)
        if self.data is None:
            return document
        if self.is_json:
            document["data"] = self._read()
        elif (text := self.text()) is not None:
            document["data"] = text
        else:
            document["data_base64"] = b64encode(self.data).decode()
        return document

    def _read(self) -> Any:
        if self._value is JsonStatus.UNREAD:
            object.__setattr__(self, "_value", self._parsed())
        return self._value

    def _parsed(self) -> Any:
        if self.data is None or not declares_json(self.attributes):
            return JsonStatus.NOT_JSON
        try:
            return json_text.parse_value(self.data, MAX_DEPTH)
        except json_text.InvalidJson:
            return JsonStatus.NOT_JSON


def declares_json(attributes: Mapping[str, str]) -> bool:
    """Is the data declared to be JSON? Without a content type it is, by implication (JSON format section 3.1.1)."""
    declared = attributes.get("datacontenttype")
    media = media_type(declared) if declared is not None else None
    return declared is None or (media is not None and media.is_json)
