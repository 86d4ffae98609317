"""Read CloudEvents 1.0.2 over HTTP in the structured, binary and batched mode; write the first two.

The `cloudevents` SDK does not fit: it adds missing required attributes, parses `time` and data (so the sent bytes
differ from the received ones), replaces invalid UTF-8, checks neither URIs nor header values, and has no batches.
"""

from collections.abc import Mapping

from webhooks.wire import header_values
from webhooks.wire.cloudevents.event import MAX_DEPTH, Event, declares_json
from webhooks.wire.cloudevents.grammar import media_type
from webhooks.wire.cloudevents.json_format import MAX_BATCH, read_batch, read_structured, write_structured
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
    "write_binary",
    "write_structured",
]

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"

_FAMILY = "application/cloudevents"
_PREFIX = "ce-"


def read(headers: Mapping[str, str], body: bytes) -> list[Event]:
    """Read the events of an HTTP message in any content mode (HTTP binding section 3).

    Raises InvalidEvent for the first invalid event; UnsupportedFormat for a format other than JSON.
    """
    mode = content_mode(headers)
    if mode == "structured":
        return [read_structured(body)]
    if mode == "binary":
        return [read_binary(headers, body)]
    events = []
    for item in read_batch(body):
        if isinstance(item, InvalidEvent):
            raise item
        events.append(item)
    return events


def content_mode(headers: Mapping[str, str]) -> str:
    """Return the content mode of a message: "structured", "batch" or "binary". Raises UnsupportedFormat."""
    declared = header_values.lowered(headers).get("content-type", "").strip()
    if not declared.lower().startswith(_FAMILY):
        return "binary"
    media = media_type(declared)
    if media is None or media.name not in (STRUCTURED, BATCH) or not media.is_utf8:
        raise UnsupportedFormat("", "has an unsupported format; send JSON in UTF-8")
    return "batch" if media.name == BATCH else "structured"


def read_binary(headers: Mapping[str, str], body: bytes) -> Event:
    """Read an event whose attributes are headers and whose data is the body (HTTP binding section 3.1).

    An empty body is no data; a body that is declared as JSON must be JSON. Raises InvalidEvent.
    """
    fields = header_values.lowered(headers)
    attributes = {
        name.removeprefix(_PREFIX): _decoded(name.removeprefix(_PREFIX), value)
        for name, value in fields.items()
        if name.startswith(_PREFIX)
    }
    if "datacontenttype" in attributes:
        raise InvalidEvent("datacontenttype", "must be sent as Content-Type, not in a header of its own")
    if declared := fields.get("content-type", "").strip():
        attributes["datacontenttype"] = declared
    if not body:
        return Event(attributes)
    if declared and declares_json(attributes):
        return Event.with_json(attributes, body)
    return Event.with_bytes(attributes, body)


def write_binary(event: Event) -> tuple[dict[str, str], bytes]:
    """Return the headers and the body of an event in binary mode.

    JSON without a content type is declared as application/json (JSON format section 3.1.2). In this mode an event with
    empty data looks like one without data.
    """
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
