"""Read from a received message its labels (id, type, order key), its events, and the headers to store.

The id comes from the first of these that exists: the source's ``message_id_path``, the id that the scheme signs or
sends, the CloudEvent's source and id.

A body in object storage (a claim check) is not read: its labels come from the headers only. Header names are in lower
case throughout this module.
"""

import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import orjson

from webhooks.kit.caches.short_text_cache import short_text_cache
from webhooks.schemes import Scheme
from webhooks.wire.cloudevents import http_modes
from webhooks.wire.errors import InvalidEvent

MAX_LABEL_LENGTH = 256  # characters; a longer label is replaced by its SHA-256
# A header whose name contains one of these words holds a credential.
CREDENTIAL_NAMES = re.compile("authorization|cookie|token|secret|password|api-?key|credential")
MAX_HEADER_LENGTH = 2048  # characters stored of the name of a header, and of its value
MAX_HEADERS_LENGTH = 16 * 1024  # characters stored of the names and values of all headers of a message

EventDocument = dict[str, Any]


class LabelPaths(Protocol):
    """The paths by which a source finds labels: each is ``header:Name``, ``body:/json/pointer`` or empty."""

    @property
    def message_id_path(self) -> str:
        """Return the path of the message id."""
        ...

    @property
    def event_type_path(self) -> str:
        """Return the path of the event type."""
        ...

    @property
    def order_key_path(self) -> str:
        """Return the path of the order key."""
        ...


@dataclass(frozen=True, slots=True)
class MessageLabels:
    """The id, type and order key of a message; each is empty if the message has none."""

    message_id: str
    event_type: str
    order_key: str


def find_labels(paths: LabelPaths, scheme: Scheme, headers: Mapping[str, str], body: bytes | None) -> MessageLabels:
    """Find the labels of a message. ``body``: None if it is in object storage."""
    document = parse_json(body)
    attributes = _cloud_event(headers, body)
    cloud_event_id = f"{attributes['source']} {attributes['id']}" if attributes else ""
    scheme_id = scheme.message_id(headers) or _at_pointer(scheme.id_path, document)
    message_id = read_path(paths.message_id_path, headers, document) or scheme_id or cloud_event_id
    event_type = read_path(paths.event_type_path, headers, document) or scheme.event_type(headers)
    event_type = event_type or _at_pointer(scheme.type_path, document)
    event_type = event_type or attributes.get("type") or _type_in(document)
    return MessageLabels(
        storable_label(message_id),
        storable_label(event_type),
        storable_label(read_path(paths.order_key_path, headers, document)),
    )


def parse_events(
    source: str, event_type: str, message_id: str, headers: Mapping[str, str], body: bytes
) -> list[EventDocument]:
    """Return the events in a message for matching with patterns.

    A CloudEvent is returned as it is; any other message becomes one event with ``id``, ``source``, ``type`` and, if
    the body is JSON, ``data``.
    """
    if _is_cloud_event(headers):
        try:
            return [event.document() for event in http_modes.read(headers, body)]
        except InvalidEvent:
            pass  # an invalid CloudEvent is stored like any other message, and so it is matched like one
    event: EventDocument = {"id": message_id, "source": source, "type": event_type}
    document = parse_json(body)
    return [event if document is None else {**event, "data": document}]


def read_path(path: str, headers: Mapping[str, str], document: object) -> str:
    """Return the scalar at ``header:Name`` or ``body:/json/pointer`` (RFC 6901), or an empty string."""
    part, _, name_or_pointer = path.partition(":")
    if part == "header":
        return headers.get(name_or_pointer.lower(), "")
    if part == "body":
        return _scalar(_follow(name_or_pointer, document))
    return ""


def parse_json(body: bytes | None) -> object:
    """Parse a body as JSON; return None if it is not JSON."""
    if not body:
        return None
    try:
        return orjson.loads(body)
    except ValueError:
        return None


def storable_label(value: str) -> str:
    """Return the value, or its SHA-256 if it is too long to index or not printable."""
    if len(value) <= MAX_LABEL_LENGTH and value.isprintable():
        return value
    return "sha256:" + hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()


def redact_credentials(headers: Mapping[str, str], credential_headers: Collection[str] = ()) -> dict[str, str]:
    """Return the headers to store: without the values of credentials, and at most MAX_HEADERS_LENGTH characters.

    ``credential_headers``: names of headers to redact beside those that CREDENTIAL_NAMES finds.
    """
    kept: dict[str, str] = {}
    room = MAX_HEADERS_LENGTH
    for name, value in headers.items():
        hidden = name in credential_headers or _is_credential(name)
        kept_name, kept_value = _storable_text(name), "[removed]" if hidden else _storable_text(value)
        room -= len(kept_name) + len(kept_value)
        if room < 0:
            break
        kept[kept_name] = kept_value
    return kept


@short_text_cache(1024)
def _is_credential(name: str) -> bool:
    return CREDENTIAL_NAMES.search(name) is not None


def _storable_text(text: str) -> str:
    """Return text that jsonb can store: without NUL and unpaired surrogates, cut to MAX_HEADER_LENGTH."""
    cut = text[:MAX_HEADER_LENGTH]
    if cut.isascii() and "\0" not in cut:
        return cut
    return cut.replace("\0", "").encode("utf-8", "replace").decode()


def _is_cloud_event(headers: Mapping[str, str]) -> bool:
    return headers.get("content-type", "").lower().startswith("application/cloudevents") or (
        "ce-specversion" in headers
    )


def _cloud_event(headers: Mapping[str, str], body: bytes | None) -> dict[str, str]:
    """Return the attributes of a message that is a single CloudEvent; an empty dict for all others and for batches."""
    if body is None or not _is_cloud_event(headers):
        return {}
    try:
        found = http_modes.read(headers, body)
    except InvalidEvent:
        return {}
    return dict(found[0].attributes) if len(found) == 1 else {}


def _type_in(document: object) -> str:
    """Return the top-level ``type`` that Standard Webhooks, Stripe and many others put into the body."""
    return _scalar(document.get("type")) if isinstance(document, dict) else ""


def _scalar(value: object) -> str:
    """Return a string or a number as text; an empty string for all other values."""
    if isinstance(value, bool) or value is None:
        return ""
    return str(value) if isinstance(value, (str, int, float)) else ""


def _at_pointer(pointer: str, document: object) -> str:
    """Return the scalar at a scheme's JSON pointer; an empty string if there is none, or if the pointer is empty."""
    return _scalar(_follow(pointer, document)) if pointer else ""


def _follow(pointer: str, document: object) -> object:
    """Return the value at a JSON pointer (RFC 6901), or None."""
    for step in pointer.split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        if isinstance(document, dict):
            document = document.get(key)
        elif isinstance(document, list) and key.isascii() and key.isdigit() and int(key) < len(document):
            document = document[int(key)]
        else:
            return None
    return document
