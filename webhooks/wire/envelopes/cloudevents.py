"""CloudEvents in every content mode: structured, binary, batch, and JSON of these forms without their content type."""

from collections.abc import Mapping

from webhooks.wire.cloudevents import http_modes
from webhooks.wire.cloudevents.attributes import SPECVERSION
from webhooks.wire.cloudevents.event import Event
from webhooks.wire.envelopes.message import Message, OpenInner, first_item, is_text
from webhooks.wire.errors import InvalidEvent

MEMBERS = ("/specversion", "/id", "/source", "/type")
NAMES = ("specversion",)


def is_cloud_event(headers: Mapping[str, str]) -> bool:
    """Return whether the headers say that a message is a CloudEvent or a batch of them."""
    return headers.get("content-type", "").lower().startswith("application/cloudevents") or "ce-specversion" in headers


def is_envelope(headers: Mapping[str, str], document: object) -> bool:
    """Return whether the headers or the members of the body say that a message is a CloudEvent, or a batch of them."""
    item = first_item(document)
    is_json = item.get("specversion") == SPECVERSION and is_text(item.get("id"), item.get("source"), item.get("type"))
    return is_cloud_event(headers) or is_json


def open_events(message: Message, _open_inner: OpenInner) -> list[Event]:
    """Return the CloudEvents in a message. Raises InvalidEvent."""
    if is_cloud_event(message.headers):
        return http_modes.read(message.headers, message.body)
    if not message.body.lstrip().startswith(b"["):
        return [http_modes.read_structured(message.body)]
    events = []
    for item in http_modes.read_batch(message.body):
        if isinstance(item, InvalidEvent):
            raise item
        events.append(item)
    return events
