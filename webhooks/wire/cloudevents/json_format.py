"""An event as a JSON object, and a batch as an array of them (CloudEvents JSON format 1.0.2).

Data that is JSON is carried as it was written, the white space inside it included; text becomes a JSON string,
everything else base64. Names that come twice: in the envelope they are refused, because two readers could see
two different events; inside data they are the publisher's own affair (our patterns see the last one).
"""

from base64 import b64encode
from collections.abc import Iterable

import orjson

from webhooks.wire import base64_text, json_text
from webhooks.wire.cloudevents import attributes as rules
from webhooks.wire.cloudevents.event import Event, declares_json
from webhooks.wire.cloudevents.grammar import media_type
from webhooks.wire.errors import InvalidEvent

MAX_BATCH = 1000  # events

_ORDER = (*rules.REQUIRED, *rules.OPTIONAL)


def read_structured(body: bytes) -> Event:
    """The event in one JSON object (section 3). Raises InvalidEvent."""
    try:
        item = json_text.read_object(body, keep="data")
    except json_text.InvalidJson as error:
        raise InvalidEvent("", str(error)) from None
    return _event(item)


def read_batch(body: bytes) -> list[Event | InvalidEvent]:
    """The items of a batch (section 4), each for itself: an Event, or why it is none.

    Raises InvalidEvent if the whole is not a JSON array, or one of more than MAX_BATCH items."""
    try:
        items = json_text.read_array(body, keep="data", most=MAX_BATCH)
    except json_text.InvalidJson as error:
        raise InvalidEvent("", str(error)) from None
    if items is None:
        raise InvalidEvent("", "is not a batch, which is a JSON array")
    if len(items) > MAX_BATCH:
        raise InvalidEvent("", f"is one of a batch of more than {MAX_BATCH}")
    results: list[Event | InvalidEvent] = []
    for index, item in enumerate(items):
        try:
            results.append(_event(item))
        except InvalidEvent as error:
            results.append(InvalidEvent(error.attribute, error.reason, index))
    return results


def write_structured(event: Event) -> bytes:
    """The event as compact JSON: the same event, the same bytes. Core attributes in the order of the standard,
    extensions by name, data last."""
    attributes = event.attributes
    document: dict[str, object] = {name: attributes[name] for name in _ORDER if name in attributes}
    for name in sorted(attributes.keys() - rules.CORE):
        document[name] = attributes[name]
    if event.data is None:
        pass
    elif event.is_json:
        document["data"] = orjson.Fragment(event.data.strip(b" \t\n\r"))
    elif (text := event.text()) is not None:
        document["data"] = text
    else:
        document["data_base64"] = b64encode(event.data).decode()
    return orjson.dumps(document)


def write_batch(events: Iterable[Event]) -> bytes:
    """Several events as one JSON array."""
    return b"[" + b",".join(map(write_structured, events)) + b"]"


def _event(item: json_text.ParsedObject) -> Event:
    if isinstance(item, json_text.ObjectError):
        raise InvalidEvent("", item.value)
    data: bytes | None = item.pop("data", None)
    encoded = item.pop("data_base64", None)
    attributes = {
        name: value if type(value) is str else rules.canonical(name, value)
        for name, value in item.items()
        if value is not None
    }
    if encoded is not None and data is not None:
        raise InvalidEvent("data_base64", "excludes data")
    if encoded is not None:
        return Event.with_bytes(attributes, _from_base64(encoded))
    if data is None:
        return Event(attributes)
    if declares_json(attributes):
        return Event.with_json(attributes, data)
    return Event(attributes, _from_string(attributes["datacontenttype"], data))


def _from_base64(value: object) -> bytes:
    """Section 3.1.2: data that is Binary."""
    if not isinstance(value, str):
        raise InvalidEvent("data_base64", "is not a string")
    try:
        return base64_text.decode(value)
    except ValueError:
        raise InvalidEvent("data_base64", "is not base64") from None


def _from_string(declared: str, text: bytes) -> bytes:
    """Section 3.1.2: data of any other type is a string that holds its text."""
    media = media_type(declared)
    if not text.startswith(b'"'):
        raise InvalidEvent("data", "has to be a string under a content type that is not JSON")
    if media is not None and not media.is_utf8:
        raise InvalidEvent("data", "in a charset other than UTF-8 has to be sent as data_base64")
    try:
        return str(orjson.loads(text)).encode()
    except ValueError:
        raise InvalidEvent("data", "has an unpaired surrogate") from None
