"""Define Event: a valid CloudEvent, with checked attributes and the bytes of its data."""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Any, NamedTuple

import orjson

from webhooks.wire import json_text
from webhooks.wire.cloudevents import attributes as rules
from webhooks.wire.cloudevents.grammar import media_type
from webhooks.wire.errors import InvalidEvent
from webhooks.wire.json_numbers import raw

MAX_DEPTH = 128  # levels of nesting in data; far below every recursion limit, and far above usual data


class RawJson(NamedTuple):
    """Data that is JSON text already, and is sent as it was written."""

    text: bytes


class JsonStatus(Enum):
    """The state of data without a JSON value."""

    UNPARSED = "not parsed yet"
    NOT_JSON = "text, binary or invalid JSON"


@dataclass(frozen=True, slots=True)
class Event:
    """A CloudEvent 1.0.

    Raises InvalidEvent for invalid attributes; the data is not checked.
    """

    attributes: dict[str, str]
    """All context attributes, also extensions, in their canonical string form."""
    data: bytes | None = None
    """The payload: the original JSON text if it is JSON, else its bytes. b"null" is a payload, None is no payload."""
    typed: Mapping[str, bool | int] = field(default_factory=dict, repr=False, compare=False, kw_only=True)
    """The extensions that are no strings in JSON: booleans and integers."""
    # The parsed data; not compared, since it follows from `data` and the content type.
    _value: Any = field(default=JsonStatus.UNPARSED, repr=False, compare=False, kw_only=True)

    def __post_init__(self) -> None:
        rules.check(self.attributes)

    @classmethod
    def of(cls, attributes: Mapping[str, str | int | bool | None], value: Any = JsonStatus.UNPARSED) -> "Event":
        """Make an event from Python values. Raises InvalidEvent.

        Attributes that are None are left out, `specversion` may be missing. `value` is written as JSON, or is JSON text
        already; without it the event has no data.
        """
        named, typed = rules.read_values(attributes)
        named.setdefault("specversion", rules.SPECVERSION)
        if value is JsonStatus.UNPARSED:
            return cls(named, typed=typed)
        if isinstance(value, RawJson):
            return cls.with_json(named, value.text, typed)
        try:
            data = orjson.dumps(value, default=raw)
        except orjson.JSONEncodeError as error:
            raise InvalidEvent("data", "cannot be written as JSON") from error
        return cls._with_value(named, data, value, typed)

    @classmethod
    def with_json(
        cls, attributes: dict[str, str], data: bytes, typed: Mapping[str, bool | int] = MappingProxyType({})
    ) -> "Event":
        """Make an event whose data must be JSON text. Raises InvalidEvent."""
        try:
            value = json_text.parse_value(data, MAX_DEPTH)
        except json_text.InvalidJson as error:
            raise InvalidEvent("data", str(error)) from None
        return cls._with_value(attributes, data, value, typed)

    @classmethod
    def _with_value(
        cls, attributes: dict[str, str], data: bytes, value: Any, typed: Mapping[str, bool | int]
    ) -> "Event":
        event = cls(attributes, data, typed=typed, _value=value)
        if not declares_json(attributes):
            text_of(attributes["datacontenttype"], data)  # raises if the written event could not be read
        return event

    @classmethod
    def with_bytes(
        cls, attributes: dict[str, str], data: bytes, typed: Mapping[str, bool | int] = MappingProxyType({})
    ) -> "Event":
        """Make an event whose data are bytes: JSON only if it has a content type that says so. Raises InvalidEvent."""
        if "datacontenttype" in attributes:
            return cls(attributes, data, typed=typed)
        return cls(attributes, data, typed=typed, _value=JsonStatus.NOT_JSON)

    @property
    def has_data(self) -> bool:
        """Return whether there is data."""
        return self.data is not None

    @property
    def is_json(self) -> bool:
        """Return whether there is data that is declared as JSON and is JSON."""
        return self.data is not None and self._parse_once() is not JsonStatus.NOT_JSON

    @property
    def value(self) -> Any:
        """Return the data as a JSON value, parsed once; do not change it. Raises InvalidEvent if it is not JSON."""
        if not self.is_json:
            raise InvalidEvent("data", "is not JSON")
        return self._parse_once()

    def text(self) -> str | None:
        """Return the data as a string if it is UTF-8 and has a content type for text, else None."""
        declared = media_type(self.attributes.get("datacontenttype", ""))
        if self.data is None or declared is None or not declared.is_text:
            return None
        try:
            return self.data.decode()
        except UnicodeDecodeError:
            return None

    def document(self) -> dict[str, Any]:
        """Return the event as the object of its structured form, which patterns match and templates read."""
        document: dict[str, Any] = {**self.attributes, **self.typed}
        if self.data is None:
            return document
        if self.is_json:
            document["data"] = self._parse_once()
        elif (text := self.text()) is not None:
            document["data"] = text
        else:
            document["data_base64"] = b64encode(self.data).decode()
        return document

    def _parse_once(self) -> Any:
        if self._value is JsonStatus.UNPARSED:
            object.__setattr__(self, "_value", self._parse())
        return self._value

    def _parse(self) -> Any:
        if self.data is None or not declares_json(self.attributes):
            return JsonStatus.NOT_JSON
        try:
            return json_text.parse_value(self.data, MAX_DEPTH)
        except json_text.InvalidJson:
            return JsonStatus.NOT_JSON


def declares_json(attributes: Mapping[str, str]) -> bool:
    """Return whether the data is declared as JSON, which a missing content type implies (JSON format section 3.1.1)."""
    declared = attributes.get("datacontenttype")
    media = media_type(declared) if declared is not None else None
    return declared is None or (media is not None and media.is_json)


def text_of(declared: str, text: bytes) -> bytes:
    """Encode data of a content type other than JSON, which is a JSON string with its text (JSON format section 3.1.2).

    Raises InvalidEvent.
    """
    media = media_type(declared)
    if not text.startswith(b'"'):
        raise InvalidEvent("data", "must be a string if the content type is not JSON")
    if media is not None and not media.is_utf8:
        raise InvalidEvent("data", "must be sent as data_base64 if its charset is not UTF-8")
    try:
        return str(orjson.loads(text)).encode()
    except ValueError:
        raise InvalidEvent("data", "has an unpaired surrogate") from None
