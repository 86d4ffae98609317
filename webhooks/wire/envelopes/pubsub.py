"""Google Cloud Pub/Sub push: the decoded data of a message, which may be another envelope (a CloudEvent).

https://cloud.google.com/pubsub/docs/push. The attributes of a message become extension attributes, its ordering key
becomes ``partitionkey``. A CloudEvent has its content type and, in binary mode, its attributes there (CloudEvents
binding for Pub/Sub).
"""

from collections.abc import Mapping
from typing import Any

import orjson

from webhooks.wire import base64_text
from webhooks.wire.bodies.json_selection import follow
from webhooks.wire.cloudevents.event import Event
from webhooks.wire.envelopes.message import Message, OpenInner, as_uri, event_with_data, extensions_from, is_text
from webhooks.wire.errors import InvalidEvent

MEMBERS = ("/subscription", "/message/messageId", "/message/message_id")
NAMES = ("subscription",)
TYPE = "google.cloud.pubsub.topic.v1.messagePublished"  # as Eventarc has it


def is_envelope(_headers: Mapping[str, str], document: object) -> bool:
    """Return whether the body is a message of a subscription."""
    subscription, identity, older = (follow(pointer, document) for pointer in MEMBERS)
    return is_text(subscription, identity or older)


def open_events(message: Message, open_inner: OpenInner) -> list[Event]:
    """Return the events in the data of a message. Raises InvalidEvent."""
    try:
        document = orjson.loads(message.body)
    except ValueError:
        raise InvalidEvent("", "is not JSON") from None
    fields, subscription = follow("/message", document), follow("/subscription", document)
    if not isinstance(fields, dict) or not isinstance(subscription, str):
        raise InvalidEvent("", "has no message or subscription")
    data, written = _data(fields), fields.get("attributes")
    given = {name: it for name, it in written.items() if isinstance(it, str)} if isinstance(written, dict) else {}
    identity = str(fields.get("messageId") or fields.get("message_id") or message.id)
    headers = {name.lower(): value for name, value in given.items()}
    source = as_uri(f"//pubsub.googleapis.com/{subscription}")
    inner = Message(headers, data or b"", identity, source)
    events = open_inner(inner)
    if events is not None:
        return events
    extensions = extensions_from({name: it for name, it in given.items() if name.lower() != "content-type"}, "pubsub")
    attributes = {
        **extensions,
        "id": identity,
        "source": source,
        "type": TYPE,
        "time": fields.get("publishTime") or fields.get("publish_time"),
        "partitionkey": fields.get("orderingKey") or extensions.get("partitionkey"),
    }
    return [event_with_data(attributes, data, inner.content_type)]


def _data(fields: Mapping[str, Any]) -> bytes | None:
    data = fields.get("data")
    if data is None:
        return None
    if not isinstance(data, str):
        raise InvalidEvent("data", "is not a string")
    try:
        return base64_text.decode(data)
    except ValueError:
        raise InvalidEvent("data", "is not base64") from None
