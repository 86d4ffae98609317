"""Read and write an event as a JSON object, and read a batch, an array of them (CloudEvents JSON format 1.0.2).

JSON data is kept as it was written, white space inside included; text is written as a JSON string, everything else as
base64. Duplicate names are rejected in the envelope, because two parsers could read two different events. Inside data
they are allowed; patterns read the last one.
"""

from base64 import b64encode
from typing import Any

import orjson

from webhooks.wire import base64_text, json_text
from webhooks.wire.cloudevents import attributes as rules
from webhooks.wire.cloudevents.event import Event, declares_json, text_of
from webhooks.wire.errors import InvalidAttributes, InvalidEvent

MAX_BATCH = 1000  # events

_ORDER = (*rules.REQUIRED, *rules.OPTIONAL)


def read_structured(body: bytes) -> Event:
    """Read an event from one JSON object (section 3). Raises InvalidEvent."""
    try:
        item = json_text.read_object(body, keep="data")
    except json_text.InvalidJson as error:
        raise InvalidEvent("", str(error)) from None
    return _event(item)


def read_batch(body: bytes) -> list[Event | InvalidEvent]:
    """Read the items of a batch (section 4): for each an Event, or the InvalidEvent that it raised.

    Raises InvalidEvent if the body is not a JSON array or has more than MAX_BATCH items.
    """
    try:
        items = json_text.read_array(body, keep="data", most=MAX_BATCH)
    except json_text.InvalidJson as error:
        raise InvalidEvent("", str(error)) from None
    if items is None:
        raise InvalidEvent("", "must be a batch: a JSON array of events")
    if len(items) > MAX_BATCH:
        raise InvalidEvent("", f"is in a batch of more than {MAX_BATCH} events; send smaller batches")
    results: list[Event | InvalidEvent] = []
    for index, item in enumerate(items):
        try:
            results.append(_event(item))
        except InvalidEvent as error:
            error.index = index
            results.append(error)
    return results


def write_structured(event: Event) -> bytes:
    """Write an event as compact JSON, the same event always to the same bytes.

    Core attributes come in the order of the standard, then extensions by name, then data.
    """
    attributes = event.attributes
    document: dict[str, object] = {name: attributes[name] for name in _ORDER if name in attributes}
    for name in sorted(attributes.keys() - rules.CORE):
        document[name] = event.typed.get(name, attributes[name])
    if event.data is None:
        pass
    elif event.is_json:
        document["data"] = orjson.Fragment(event.data.strip(b" \t\n\r"))
    elif (text := event.text()) is not None:
        document["data"] = text
    else:
        document["data_base64"] = b64encode(event.data).decode()
    return orjson.dumps(document)


def _event(item: json_text.ParsedObject) -> Event:
    if isinstance(item, json_text.ObjectError):
        raise InvalidEvent("", item.value)
    try:
        return _read(item)
    except InvalidEvent as error:
        faults = {**error.faults, **rules.all_faults(item)}
        raise InvalidAttributes(faults) if len(faults) > 1 else error from None


def _read(item: dict[str, Any]) -> Event:
    """Return the event of a JSON object, of which data are taken out. Raises InvalidEvent."""
    data: bytes | None = item.pop("data", None)
    encoded = item.pop("data_base64", None)
    attributes, typed = rules.read_values(item)
    if encoded is not None and data is not None:
        raise InvalidEvent("data_base64", "must not be given together with data")
    if encoded is not None:
        return Event.with_bytes(attributes, _from_base64(encoded), typed)
    if data is None:
        return Event(attributes, typed=typed)
    if declares_json(attributes):
        return Event.with_json(attributes, data, typed)
    return Event(attributes, text_of(attributes["datacontenttype"], data), typed=typed)


def _from_base64(value: object) -> bytes:
    """Decode binary data (section 3.1.2)."""
    if not isinstance(value, str):
        raise InvalidEvent("data_base64", "is not a string")
    try:
        return base64_text.decode(value)
    except ValueError:
        raise InvalidEvent("data_base64", "is not base64") from None
