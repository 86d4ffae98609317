"""Write a message in one of the content modes of CloudEvents: attributes and body, for destinations with attributes.

In structured mode the body is the event as JSON. In binary mode the body is its data, and each attribute of the event
is an attribute of the message, with a prefix that each protocol has: ``ce_`` (Kafka), ``cloudEvents_`` (AMQP). What a
transformer rendered is sent as it is in both, unless it is a CloudEvent. The signature is that of what is sent.

PURE.
"""

from delivery.transports.message import CONTENT_TYPE, SIGNATURE, Message
from webhooks.kit.kinds.setting import Setting

STRUCTURED, BINARY = "structured", "binary"
CONTENT_MODE = Setting(
    "content_mode",
    "Content mode",
    "`structured`: the message is the event as JSON. `binary`: the message is the event's data, and its attributes are "
    "headers.",
    default=STRUCTURED,
    choices=(STRUCTURED, BINARY),
)


def content_of(message: Message, mode: str, prefix: str) -> tuple[dict[str, str], bytes]:
    """Return the attributes of a message, content type included unless it has none, and its body."""
    event = message.event if mode == BINARY else None
    if event is None:
        return message.attributes, message.body
    body = event.data or b""
    attributes = {**message.attributes, SIGNATURE: message.sign(body)}
    content_type = event.attributes.get("datacontenttype") or ("application/json" if event.is_json else "")
    del attributes[CONTENT_TYPE]
    if content_type:
        attributes[CONTENT_TYPE] = content_type
    named = {f"{prefix}{name}": value for name, value in event.attributes.items() if name != "datacontenttype"}
    return {**attributes, **named}, body
