"""CloudEvents 1.0.2 over HTTP: three content modes in, three out, and nothing that breaks the standard.

The `cloudevents` SDK does not do this work: it fills in required attributes that are missing, turns `time` and
data into values (so the bytes that leave are not those that came), replaces invalid UTF-8 instead of refusing
it, checks neither URIs nor the values of headers, and knows no batches. In the tests it is the other party:
it has to read what we write, and we what it writes.
"""

from collections.abc import Mapping

from webhooks.wire import header_values
from webhooks.wire.cloudevents.event import MAX_DEPTH, Event, declares_json
from webhooks.wire.cloudevents.grammar import media_type
from webhooks.wire.cloudevents.json_format import (
    MAX_BATCH,
    read_batch,
    read_structured,
    write_batch,
    write_structured,
)
from webhooks.wire.errors import InvalidEvent, UnsupportedFormat

__all__ = [
    "BATCH",
    "MAX_BATCH",
    "MAX_DEPTH",
    "STRUCTURED",
    "Event",
    "content_mode",
    "read",
    "read_batch",
    "read_binary",
    "read_structured",
    "write_batch",
    "write_binary",
    "write_structured",
]

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"

_FAMILY = "application/cloudevents"
_PREFIX = "ce-"


def read(headers: Mapping[str, str], body: bytes) -> list[Event]:
    """The events of an HTTP message in any content mode (HTTP binding section 3).

    Raises InvalidEvent for the first event that is not valid; UnsupportedFormat for a format other than JSON."""
    how = content_mode(headers)
    if how == "structured":
        return [read_structured(body)]
    if how == "binary":
        return [read_binary(headers, body)]
    events = []
    for item in read_batch(body):
        if isinstance(item, InvalidEvent):
            raise item
        events.append(item)
    return events


def content_mode(headers: Mapping[str, str]) -> str:
    """How the message carries its events: "structured", "batch" or "binary". Raises UnsupportedFormat."""
    declared = header_values.lowered(headers).get("content-type", "").strip()
    if not declared.lower().startswith(_FAMILY):
        return "binary"
    media = media_type(declared)
    if media is None or media.name not in (STRUCTURED, BATCH) or not media.is_utf8:
        raise UnsupportedFormat("", "comes in a format we do not read; we read JSON in UTF-8")
    return "batch" if media.name == BATCH else "structured"


def read_binary(headers: Mapping[str, str], body: bytes) -> Event:
    """The event whose attributes are headers and whose data is the body (HTTP binding section 3.1).

    An empty body is no data; a body declared to be JSON has to be JSON. Raises InvalidEvent."""
    found = header_values.lowered(headers)
    attributes = {
        name.removeprefix(_PREFIX): _decoded(name.removeprefix(_PREFIX), value)
        for name, value in found.items()
        if name.startswith(_PREFIX)
    }
    if "datacontenttype" in attributes:
        raise InvalidEvent("datacontenttype", "belongs into Content-Type, not into a header of its own")
    if declared := found.get("content-type", "").strip():
        attributes["datacontenttype"] = declared
    if not body:
        return Event(attributes)
    if declared and declares_json(attributes):
        return Event.with_json(attributes, body)
    return Event.with_bytes(attributes, body)


def write_binary(event: Event) -> tuple[dict[str, str], bytes]:
    """Headers and body of the event in binary mode. JSON without a content type is declared now (JSON format
    section 3.1.2). What the mode cannot say: an event with empty data looks like one without."""
    headers = {
        _PREFIX + name: header_values.encode(value)
        for name, value in event.attributes.items()
        if name != "datacontenttype"
    }
    declared = event.attributes.get("datacontenttype")
    if declared is None and event.is_json:
        declared = "application/json"
    if declared is not None:
        headers["content-type"] = declared
    return headers, event.data or b""


def _decoded(name: str, value: str) -> str:
    try:
        return header_values.decode(value)
    except ValueError as error:
        raise InvalidEvent(name, str(error)) from None
