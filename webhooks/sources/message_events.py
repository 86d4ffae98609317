"""Read the events in a received message, for the patterns of its handlers.

A CloudEvent is returned as it is; any other message becomes one event with ``id``, ``source``, ``type`` and, if the
body is JSON or a form, ``data``. Of a large or compressed body only what the patterns look at is read.
"""

import json
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import IO, Any

from webhooks.kit.bodies.message_body import parse_exact_integers, select_document
from webhooks.sources.message_labels import is_cloud_event
from webhooks.wire.bodies.json_selection import TOO_LONG, SelectionTooLarge, Wanted
from webhooks.wire.cloudevents import http_modes
from webhooks.wire.errors import InvalidEvent, UnreadableBody
from webhooks.wire.patterns.dotted_names import NamedNode

EventDocument = dict[str, Any]
Headers = Mapping[str, str]


def parse_events(envelope: EventDocument, headers: Headers, body: bytes) -> list[EventDocument]:
    """Return the events in a message whose body is small and plain (``message_body.is_plain``).

    ``envelope``: the id, source and type of the event that a message becomes if it is no CloudEvent.
    """
    if is_cloud_event(headers):
        try:
            return [event.document() for event in http_modes.read(headers, body)]
        except InvalidEvent:
            pass  # an invalid CloudEvent is stored like any other message, and so it is matched like one
    document = parse_exact_integers(headers, body)
    return [envelope if document is None else {**envelope, "data": document}]


def select_events(
    envelope: EventDocument, headers: Headers, file: IO[bytes], names: Sequence[Mapping[str, NamedNode]]
) -> list[EventDocument]:
    """Return the events in a message whose body is in a file, reduced to the names that patterns look at.

    ``names``: the names in an event of each pattern. Raises SelectionTooLarge if these have too many values.
    """
    in_data = Wanted(lists=True)
    of_data = [it["data"] for it in names if "data" in it]
    for node in of_data:
        in_data.add_names(node.children)
    try:
        if is_cloud_event(headers):
            try:
                return _cloud_events(headers, file, in_data)
            except InvalidEvent:
                file.seek(0)
        data = select_document(headers, file, in_data) if of_data else None
    except SelectionTooLarge:
        raise
    except UnreadableBody:
        data = None
    return [envelope if data is None else {**envelope, "data": _plain(data)}]


def _cloud_events(headers: Headers, file: IO[bytes], in_data: Wanted) -> list[EventDocument]:
    """Return the CloudEvents in a file. Raises InvalidEvent, UnreadableBody."""
    if http_modes.content_mode(headers) == "binary":
        (event,) = http_modes.read(headers, b"")
        return [{**event.document(), "data": _plain(select_document(headers, file, in_data))}]
    document = select_document(headers, file, Wanted({"data": in_data}, scalars=True))
    events = document if isinstance(document, list) else [document]
    for event in events:
        if isinstance(event, dict):
            for name in [name for name, value in event.items() if value is TOO_LONG]:
                del event[name]
    body = json.dumps(document, default=_float).encode()
    return [event.document() for event in http_modes.read(headers, body)]


def _plain(selected: Any) -> Any:
    """Return a selection with fractions as floats, which patterns compare."""
    return json.load(BytesIO(json.dumps(selected, default=_float).encode()))


def _float(value: Any) -> float:
    if value is TOO_LONG:
        raise SelectionTooLarge("has a string that is too long in a field that a pattern names")
    return float(value)
