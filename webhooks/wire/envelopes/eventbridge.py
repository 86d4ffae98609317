"""Amazon EventBridge: its events, one or a list of them, entries of its PutEvents, and whole requests of it.

https://docs.aws.amazon.com/eventbridge/latest/ref/overiew-event-structure.html. ``detail-type`` becomes the type and
``detail`` the data, as in patterns that are written for EventBridge (``webhooks.wire.eventbridge``).
"""

from collections.abc import Iterator, Mapping
from typing import Any

from webhooks.wire import json_text
from webhooks.wire.cloudevents.event import Event
from webhooks.wire.envelopes.message import Message, OpenInner, event_with_data, first_item, is_text, read_objects
from webhooks.wire.errors import InvalidEvent
from webhooks.wire.eventbridge import is_eventbridge, is_put_events, plain_from_eventbridge

MEMBERS = ("/type", "/detail-type", "/source", "/DetailType", "/Source", "/Entries/0/DetailType", "/Entries/0/Source")
NAMES = ("detail-type", "DetailType", "Entries")


def is_envelope(_headers: Mapping[str, str], document: object) -> bool:
    """Return whether the body has the names of EventBridge."""
    item = first_item(document)
    if is_put_events(document):
        item = first_item(item["Entries"])
    names = ("detail-type", "source") if "detail-type" in item else ("DetailType", "Source")
    return is_eventbridge(item) and is_text(*(item.get(name) for name in names))


def open_events(message: Message, _open_inner: OpenInner) -> list[Event]:
    """Return the events in a message. Raises InvalidEvent."""
    events = []
    for index, item in enumerate(_items(message.body)):
        if not is_eventbridge(item):
            raise InvalidEvent("detail-type", "is missing")
        plain = plain_from_eventbridge(item)
        data = plain.pop("data", None)
        own_id = message.id if index == 0 else f"{message.id}.{index}"
        attributes = {"id": own_id, "source": message.source, **plain}
        events.append(event_with_data(attributes, data.encode() if isinstance(data, str) else data))
    return events


def _items(body: bytes) -> Iterator[dict[str, Any]]:
    """Yield the events, or the entries of a request of PutEvents. Raises InvalidEvent."""
    if b'"Entries"' in body:
        try:
            request = json_text.read_object(body, "Entries")
        except json_text.InvalidJson as error:
            raise InvalidEvent("", str(error)) from None
        if is_put_events(request) and isinstance(request, dict):
            body = request["Entries"]
    yield from read_objects(body, "detail")
