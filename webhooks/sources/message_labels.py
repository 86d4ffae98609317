"""What a message calls itself: its id, its type, the key it is ordered by, the events in it.

The id is looked for in this order: where the source says it stands, what the scheme signs or sends as id, the
CloudEvent's source and id, the SHA-256 of the body. The last makes two equal bodies one message, which is right
for a sender that retries and says nothing about itself, and wrong for one that means to say the same thing twice:
such a source needs ``message_id_path``.

A body that lies in storage is not read for this: its values come from headers, or the id from its digest.
Header names are in lower case everywhere in here.
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

LONGEST = 256  # characters of an id, a type or a key; what is longer goes by its digest
CREDENTIALS = re.compile("authorization|cookie|token|secret|password|api-?key|credential")
LONGEST_HEADER = 2048  # characters of a name or a value that are kept
MOST_OF_HEADERS = 16 * 1024  # characters of all that are kept of a message

EventDocument = dict[str, Any]


class LabelPaths(Protocol):
    """The part of a source that says where things stand: ``header:Name``, ``body:/json/pointer`` or nothing."""

    @property
    def message_id_path(self) -> str: ...
    @property
    def event_type_path(self) -> str: ...
    @property
    def order_key_path(self) -> str: ...


@dataclass(frozen=True, slots=True)
class MessageLabels:
    message_id: str
    event_type: str
    order_key: str


def find_labels(
    places: LabelPaths, scheme: Scheme, headers: Mapping[str, str], body: bytes | None, digest: str
) -> MessageLabels:
    """Find the labels of a message; ``body`` is None if it lies in storage."""
    document = parse_json(body)
    named = _cloud_event(headers, body)
    own_id = f"{named['source']} {named['id']}" if named else ""
    scheme_id = scheme.message_id(headers) or _pointed(scheme.id_path, document)
    message_id = read_path(places.message_id_path, headers, document) or scheme_id or own_id or digest
    event_type = read_path(places.event_type_path, headers, document) or scheme.event_type(headers)
    event_type = event_type or _pointed(scheme.type_path, document)
    event_type = event_type or named.get("type") or _type_in(document)
    return MessageLabels(
        storable_label(message_id),
        storable_label(event_type),
        storable_label(read_path(places.order_key_path, headers, document)),
    )


def parse_events(
    source: str, event_type: str, message_id: str, headers: Mapping[str, str], body: bytes
) -> list[EventDocument]:
    """The events in a message as patterns see them. A CloudEvent is itself; anything else becomes one event with
    ``id``, ``source``, ``type`` and, if the body is JSON, ``data``."""
    if _says_cloud_event(headers):
        try:
            return [event.document() for event in http_modes.read(headers, body)]
        except InvalidEvent:
            pass  # signed and kept all the same: it is what it is, a body
    event: EventDocument = {"id": message_id, "source": source, "type": event_type}
    document = parse_json(body)
    return [event if document is None else {**event, "data": document}]


def read_path(place: str, headers: Mapping[str, str], document: object) -> str:
    """The value at ``header:Name`` or ``body:/json/pointer`` (RFC 6901); empty if there is none that is a scalar."""
    kind, _, path = place.partition(":")
    if kind == "header":
        return headers.get(path.lower(), "")
    if kind == "body":
        return _scalar(_follow(path, document))
    return ""


def parse_json(body: bytes | None) -> object:
    """The JSON in a body, or None."""
    if not body:
        return None
    try:
        return orjson.loads(body)
    except ValueError:
        return None


def storable_label(value: str) -> str:
    """A value fit to be stored and compared: as it is, or its SHA-256 if it is too long or not printable."""
    if len(value) <= LONGEST and value.isprintable():
        return value
    return "sha256:" + hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()


def redact_credentials(headers: Mapping[str, str], secret: Collection[str] = ()) -> dict[str, str]:
    """Headers to keep: few, short, and none that proves who somebody is (``secret``: more of those, lower case)."""
    kept: dict[str, str] = {}
    room = MOST_OF_HEADERS
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
    """Text a jsonb column takes: neither NUL nor a lone surrogate."""
    cut = text[:LONGEST_HEADER]
    if cut.isascii() and "\0" not in cut:
        return cut
    return cut.replace("\0", "").encode("utf-8", "replace").decode()


def _says_cloud_event(headers: Mapping[str, str]) -> bool:
    return headers.get("content-type", "").lower().startswith("application/cloudevents") or (
        "ce-specversion" in headers
    )


def _cloud_event(headers: Mapping[str, str], body: bytes | None) -> dict[str, str]:
    """The attributes of the one CloudEvent a message is, or nothing."""
    if body is None or not _says_cloud_event(headers):
        return {}
    try:
        found = http_modes.read(headers, body)
    except InvalidEvent:
        return {}
    return dict(found[0].attributes) if len(found) == 1 else {}


def _type_in(document: object) -> str:
    """The top-level ``type`` that Standard Webhooks, Stripe and many others put into the body."""
    return _scalar(document.get("type")) if isinstance(document, dict) else ""


def _scalar(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return ""
    return str(value) if isinstance(value, (str, int, float)) else ""


def _pointed(pointer: str, document: object) -> str:
    """The scalar a scheme points at, if it points anywhere."""
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
