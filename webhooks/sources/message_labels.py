"""Find the labels of a message: its id, type and order key, and the events in it.

The id comes from the first of these that exists: the source's ``message_id_path``, the id that the scheme signs or
sends, the CloudEvent's source and id, the SHA-256 of the body. With the last, two equal bodies are one message: right
for a sender that retries and sends no id, wrong for one that means to repeat itself; such a source needs
``message_id_path``.

A body in storage is not read for this: its labels come from headers, its id also from its digest. Header names are in
lower case throughout this module.
"""

import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import orjson

from webhooks.schemes import Scheme
from webhooks.wire.cloudevents import http_modes
from webhooks.wire.errors import InvalidEvent

MAX_LABEL_LENGTH = 256  # characters of a label; longer ones are replaced by their digest
CREDENTIALS = re.compile("authorization|cookie|token|secret|password|api-?key|credential")
MAX_HEADER_LENGTH = 2048  # characters stored of a name or a value
MAX_HEADERS_LENGTH = 16 * 1024  # characters stored of all headers of a message

EventDocument = dict[str, Any]


class LabelPaths(Protocol):
    """The paths of a source: each ``header:Name``, ``body:/json/pointer`` or empty."""

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
    """The id, type and order key of a message."""

    message_id: str
    event_type: str
    order_key: str


def find_labels(
    places: LabelPaths, scheme: Scheme, headers: Mapping[str, str], body: bytes | None, digest: str
) -> MessageLabels:
    """Find the labels of a message; ``body`` is None if it is in storage."""
    document = parse_json(body)
    named = _cloud_event(headers, body)
    own_id = f"{named['source']} {named['id']}" if named else ""
    scheme_id = scheme.message_id(headers) or _at_pointer(scheme.id_path, document)
    message_id = read_path(places.message_id_path, headers, document) or scheme_id or own_id or digest
    event_type = read_path(places.event_type_path, headers, document) or scheme.event_type(headers)
    event_type = event_type or _at_pointer(scheme.type_path, document)
    event_type = event_type or named.get("type") or _type_in(document)
    return MessageLabels(
        storable_label(message_id),
        storable_label(event_type),
        storable_label(read_path(places.order_key_path, headers, document)),
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
            pass  # signed and stored all the same: treated as any other body
    event: EventDocument = {"id": message_id, "source": source, "type": event_type}
    document = parse_json(body)
    return [event if document is None else {**event, "data": document}]


def read_path(place: str, headers: Mapping[str, str], document: object) -> str:
    """Return the scalar at ``header:Name`` or ``body:/json/pointer`` (RFC 6901), or an empty text."""
    kind, _, path = place.partition(":")
    if kind == "header":
        return headers.get(path.lower(), "")
    if kind == "body":
        return _scalar(_follow(path, document))
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


def redact_credentials(headers: Mapping[str, str], secret: Collection[str] = ()) -> dict[str, str]:
    """Return the headers to store: bounded, with credentials replaced (``secret``: further names, lower case)."""
    kept: dict[str, str] = {}
    room = MAX_HEADERS_LENGTH
    for name, value in headers.items():
        hidden = name in secret or _is_credential(name)
        kept_name, kept_value = _plain(name), "[removed]" if hidden else _plain(value)
        room -= len(kept_name) + len(kept_value)
        if room < 0:
            break
        kept[kept_name] = kept_value
    return kept


@lru_cache(maxsize=1024)
def _is_credential(name: str) -> bool:
    return CREDENTIALS.search(name) is not None


def _plain(text: str) -> str:
    """Return text that jsonb can store: cut, without NUL and unpaired surrogates."""
    cut = text[:MAX_HEADER_LENGTH]
    if cut.isascii() and "\0" not in cut:
        return cut
    return cut.replace("\0", "").encode("utf-8", "replace").decode()


def _is_cloud_event(headers: Mapping[str, str]) -> bool:
    return headers.get("content-type", "").lower().startswith("application/cloudevents") or (
        "ce-specversion" in headers
    )


def _cloud_event(headers: Mapping[str, str], body: bytes | None) -> dict[str, str]:
    """Return the attributes of a message that is one CloudEvent, or an empty dict."""
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
    if isinstance(value, bool) or value is None:
        return ""
    return str(value) if isinstance(value, (str, int, float)) else ""


def _at_pointer(pointer: str, document: object) -> str:
    """Return the scalar at a scheme's JSON pointer, or an empty text."""
    return _scalar(_follow(pointer, document)) if pointer else ""


def _follow(pointer: str, document: object) -> object:
    for step in pointer.split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        if isinstance(document, dict):
            document = document.get(key)
        elif isinstance(document, list) and key.isascii() and key.isdigit() and int(key) < len(document):
            document = document[int(key)]
        else:
            return None
    return document
