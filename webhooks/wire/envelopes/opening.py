"""Open a message by the name of its envelope, or by what its body looks like.

An envelope may be in another one: a notification of S3 in one of SNS, a CloudEvent in a message of Pub/Sub. What is in
an envelope is opened only if it is recognized; otherwise it is the data of an event.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import ModuleType

import orjson

from webhooks.wire.bodies.charset import text_of
from webhooks.wire.bodies.json_selection import Wanted
from webhooks.wire.cloudevents.attributes import SPECVERSION
from webhooks.wire.cloudevents.event import Event
from webhooks.wire.envelopes import cloudevents, event_grid, eventbridge, pubsub, s3, sns, standard
from webhooks.wire.envelopes.message import Message, OpenInner, first_item
from webhooks.wire.errors import InvalidEvent, UnopenedEnvelope, UnreadableBody

NONE = "none"  # the body is the data of one event
AUTO = "auto"  # the envelope that is recognized, or none
MAX_BYTES = 16 * 1024**2  # of a body that is opened; more than the largest message of any of these products
DEFAULT_TYPE = "webhook.received"  # type of an event whose message has no type
_MAX_LEVELS = 3  # envelopes that are opened inside one another


@dataclass(frozen=True, slots=True)
class Opener:
    """The functions of one envelope.

    ``members``: JSON pointers of the scalars by which it is recognized; ``names``: one of these is at its top.
    """

    label: str
    members: tuple[str, ...]
    names: tuple[str, ...]
    is_envelope: Callable[[Mapping[str, str], object], bool]
    open_events: Callable[[Message, OpenInner], list[Event]]


def _opener(label: str, module: ModuleType) -> Opener:
    return Opener(label, module.MEMBERS, module.NAMES, module.is_envelope, module.open_events)


OPENERS: Mapping[str, Opener] = {
    "cloudevents": _opener("CloudEvents", cloudevents),
    "eventbridge": _opener("Amazon EventBridge", eventbridge),
    "sns": _opener("Amazon SNS", sns),
    "s3": _opener("Amazon S3 event notifications", s3),
    "event_grid": _opener("Azure Event Grid", event_grid),
    "pubsub": _opener("Google Cloud Pub/Sub", pubsub),
    "standard": _opener("Standard Webhooks, Svix", standard),
}
"""By name; the first that recognizes a message opens it."""
_NAMES_WITH_LABELS = frozenset(name for key, it in OPENERS.items() if key != "standard" for name in it.names)


def open_message(envelope: str, message: Message) -> list[Event] | None:
    """Return the events in a message, or None if its body is the data of one event.

    ``envelope``: NONE, AUTO or a name in OPENERS. With a name, a message that does not have that envelope raises
    UnopenedEnvelope; with AUTO, one that has none or an invalid one is the data of one event.
    """
    if envelope == NONE:
        return None
    if len(message.body) > MAX_BYTES and not cloudevents.is_cloud_event(message.headers):
        if envelope == AUTO:
            return None
        raise _unopened(envelope, InvalidEvent("", f"has more than {MAX_BYTES // 1024**2} MiB"))
    if envelope == AUTO:
        return _open_recognized(message, 1)
    opener = OPENERS[envelope]
    try:
        return opener.open_events(_in_utf8(message), _inside(1))
    except InvalidEvent as error:
        raise _unopened(envelope, error) from error


def wrap_message(message: Message, event_type: str) -> Event:
    """Return the event whose data is the body of a message without an envelope. Raises InvalidEvent."""
    attributes = {
        "specversion": SPECVERSION,
        "id": message.id,
        "source": message.source,
        "type": event_type or DEFAULT_TYPE,
    }
    if message.content_type:
        attributes["datacontenttype"] = message.content_type
    return Event.with_bytes(attributes, message.body)


def is_recognized(headers: Mapping[str, str], document: object) -> bool:
    """Return whether AUTO opens a message, by its headers and the scalars of ``members_to_recognize`` in its body."""
    return _recognized(headers, document) is not None


def has_inner_labels(document: object) -> bool:
    """Return whether a message may have its id and type where only its opener finds them; True is only a hint.

    False for Standard Webhooks, whose id and type are where every source looks for them.
    """
    return not _NAMES_WITH_LABELS.isdisjoint(first_item(document))


def members_to_recognize() -> Wanted:
    """Return the part of a body by which envelopes are recognized."""
    wanted = Wanted()
    for opener in OPENERS.values():
        for pointer in opener.members:
            wanted.add(step for step in pointer.split("/")[1:] if not step.isdigit())
    return wanted


def _open_recognized(message: Message, level: int) -> list[Event] | None:
    encoded = _in_utf8(message)
    document = None if cloudevents.is_cloud_event(message.headers) else _document(encoded.body)
    opener = _recognized(message.headers, document)
    if opener is None:
        return None
    try:
        return opener.open_events(encoded, _inside(level))
    except InvalidEvent:
        return None


def _inside(level: int) -> OpenInner:
    """Return the function that opens what is in an envelope of this level."""
    return lambda message: _open_recognized(message, level + 1) if level < _MAX_LEVELS else None


def _recognized(headers: Mapping[str, str], document: object) -> Opener | None:
    return next((it for it in OPENERS.values() if it.is_envelope(headers, document)), None)


def _unopened(envelope: str, error: InvalidEvent) -> UnopenedEnvelope:
    return UnopenedEnvelope(f"is not opened as {OPENERS[envelope].label}: {error}")


def _in_utf8(message: Message) -> Message:
    """Return the message with its JSON text in UTF-8; unchanged if it is in UTF-8, or if it is no text."""
    if cloudevents.is_cloud_event(message.headers):
        return message
    try:
        message.body.decode()
        if not message.body.startswith(b"\xef\xbb\xbf") and b"\0" not in message.body[:4]:
            return message
    except UnicodeDecodeError:
        pass
    try:
        return replace(message, body=text_of(message.body, message.content_type).encode())
    except (UnreadableBody, UnicodeEncodeError):
        return message


def _document(body: bytes) -> object:
    try:
        return orjson.loads(body)
    except ValueError:
        return None
