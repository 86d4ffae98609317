"""Standard Webhooks and Svix: a body with ``type``, ``timestamp`` and ``data``.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md, "Payload structure". Other
members of the body become extension attributes; a body with objects or lists beside the data is not opened, so that
nothing of it is lost.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from webhooks.wire.bodies.json_selection import follow
from webhooks.wire.cloudevents.event import Event
from webhooks.wire.cloudevents.grammar import is_timestamp, timestamp
from webhooks.wire.envelopes.message import (
    Message,
    OpenInner,
    event_with_data,
    extensions_from,
    is_text,
    read_objects,
)
from webhooks.wire.errors import InvalidEvent

MEMBERS = ("/type", "/timestamp")
NAMES = ("timestamp",)
_IDS = ("webhook-id", "svix-id")
_MILLISECONDS_FROM = 10**11  # larger numbers are milliseconds: in seconds, they would be after the year 5138


def is_envelope(headers: Mapping[str, str], document: object) -> bool:
    """Return whether a message has the id of a webhook in its headers, and a type and a time in its body."""
    has_time = follow("/timestamp", document) is not None
    return any(name in headers for name in _IDS) and is_text(follow("/type", document)) and has_time


def open_events(message: Message, _open_inner: OpenInner) -> list[Event]:
    """Return the event in a message. Raises InvalidEvent."""
    if message.body.lstrip().startswith(b"["):
        raise InvalidEvent("", "is not a JSON object")
    (item,) = read_objects(message.body, "data")
    kind, data = item.pop("type", None), item.pop("data", None)
    if not isinstance(kind, str) or not isinstance(data, bytes):
        raise InvalidEvent("", "has no type or data")
    time = _time(item.get("timestamp"))
    if time is not None:
        del item["timestamp"]
    identity = item.pop("id", None)
    nested = [name for name, value in item.items() if isinstance(value, (dict, list))]
    if nested:
        raise InvalidEvent(nested[0][:64], "is neither type, timestamp nor data, and no scalar")
    scalars = {name: _text(value) for name, value in item.items() if value is not None}
    extensions = extensions_from(scalars, "webhook")
    own_id = identity if isinstance(identity, str) and identity else message.id
    attributes = {**extensions, "id": own_id, "source": message.source, "type": kind, "time": time}
    return [event_with_data(attributes, data)]


def _time(written: Any) -> str | None:
    """Return a time in RFC 3339, or a number of seconds or milliseconds, as CloudEvents writes it; else None."""
    if isinstance(written, str):
        return written if is_timestamp(written) else None
    if isinstance(written, bool) or not isinstance(written, (int, float)):
        return None
    try:
        return timestamp(datetime.fromtimestamp(written / 1000 if written >= _MILLISECONDS_FROM else written, UTC))
    except (ValueError, OverflowError, OSError):
        return None


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
