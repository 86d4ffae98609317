"""Azure Event Grid's own schema: a list of events, each with ``topic``, ``subject``, ``eventType`` and ``data``.

https://learn.microsoft.com/azure/event-grid/event-schema. The topic becomes the source, as Event Grid itself maps it to
CloudEvents; ``dataVersion`` becomes an extension attribute.
"""

from collections.abc import Mapping

from webhooks.wire.cloudevents.event import Event
from webhooks.wire.envelopes.message import (
    Message,
    OpenInner,
    as_uri,
    event_with_data,
    first_item,
    is_text,
    read_objects,
)
from webhooks.wire.errors import InvalidEvent

MEMBERS = ("/id", "/eventType", "/eventTime", "/subject")
NAMES = ("eventType",)


def is_envelope(_headers: Mapping[str, str], document: object) -> bool:
    """Return whether the body is a list of events, or one event."""
    item = first_item(document)
    return is_text(*(item.get(pointer[1:]) for pointer in MEMBERS))


def open_events(message: Message, _open_inner: OpenInner) -> list[Event]:
    """Return the events in a message. Raises InvalidEvent."""
    return [_event(message, item) for item in read_objects(message.body, "data")]


def _event(message: Message, item: Mapping[str, object]) -> Event:
    identity, kind, topic = item.get("id"), item.get("eventType"), item.get("topic")
    if not isinstance(identity, str) or not isinstance(kind, str):
        raise InvalidEvent("", "has no id or eventType")
    data = item.get("data")
    attributes = {
        "id": identity,
        "source": as_uri(topic) if isinstance(topic, str) and topic else message.source,
        "type": kind,
        "subject": item.get("subject"),
        "time": item.get("eventTime"),
        "dataversion": item.get("dataVersion"),
    }
    return event_with_data(attributes, data if isinstance(data, bytes) else None)
