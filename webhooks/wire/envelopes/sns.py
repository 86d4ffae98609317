"""Amazon SNS: the message of a notification, JSON in JSON, which may be another envelope (S3, EventBridge).

https://docs.aws.amazon.com/sns/latest/dg/http-notification-json.html. A message without an envelope is the data of one
event, with the attributes of the CloudEvents adapter for SNS. Confirmations carry no message, and are not opened.
"""

from collections.abc import Mapping
from typing import Any

from webhooks.wire.bodies.json_selection import follow
from webhooks.wire.cloudevents.event import Event
from webhooks.wire.envelopes.message import (
    Message,
    OpenInner,
    as_uri,
    event_with_data,
    extensions_from,
    is_text,
    read_objects,
)
from webhooks.wire.errors import InvalidEvent

MEMBERS = ("/Type", "/MessageId", "/TopicArn")
NAMES = ("TopicArn",)
_NOTIFICATION = "Notification"


def is_envelope(_headers: Mapping[str, str], document: object) -> bool:
    """Return whether the body is a notification."""
    kind, identity, topic = (follow(pointer, document) for pointer in MEMBERS)
    return kind == _NOTIFICATION and is_text(identity, topic)


def open_events(message: Message, open_inner: OpenInner) -> list[Event]:
    """Return the events in the message of a notification. Raises InvalidEvent."""
    (fields,) = read_objects(message.body, "") if not message.body.lstrip().startswith(b"[") else ({},)
    text, topic = fields.get("Message"), fields.get("TopicArn")
    if fields.get("Type") != _NOTIFICATION or not isinstance(text, str) or not isinstance(topic, str):
        raise InvalidEvent("", "has no Message and TopicArn, or its Type is not Notification")
    inner = Message({}, _encoded(text), str(fields.get("MessageId") or message.id), as_uri(topic))
    events = open_inner(inner)
    if events is not None:
        return events
    attributes = {
        **extensions_from(_attributes(fields.get("MessageAttributes")), "sns"),
        "id": inner.id,
        "source": inner.source,
        "type": f"com.amazonaws.sns.{_NOTIFICATION}",
        "subject": fields.get("Subject"),
        "time": fields.get("Timestamp"),
    }
    return [event_with_data(attributes, inner.body)]


def _attributes(written: Any) -> dict[str, Any]:
    """Return the values of message attributes by name: {"name": {"Type": "String", "Value": "..."}}."""
    found = written if isinstance(written, dict) else {}
    return {name: it.get("Value") for name, it in found.items() if isinstance(it, dict) and it.get("Type") != "Binary"}


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise InvalidEvent("Message", "has an unpaired surrogate") from None
