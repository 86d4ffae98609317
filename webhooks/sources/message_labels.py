"""Read from a received message its labels: id, type and order key.

The id comes from the first of these that exists: the source's ``message_id_path``, the id that the scheme signs or
sends, the source and id of the event in an envelope, such as a CloudEvent. The type comes from the source's
``event_type_path``, the scheme's header, the event in an envelope, the scheme's place in the body. Labels mean the same
at any size: those of a body in object storage, or of a compressed one, are read by ``find_labels_in_file``, with memory
that does not grow with the body.

Header names are in lower case throughout this module.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import IO, Protocol

from webhooks.kit.bodies.message_body import parse_document, select_document
from webhooks.schemes import Scheme
from webhooks.sources.inner_labels import InnerLabels, find_inner_labels, find_inner_labels_in_file
from webhooks.wire.bodies.json_document import parse_exactly
from webhooks.wire.bodies.json_selection import TOO_LONG, Wanted, follow
from webhooks.wire.cloudevents import http_modes
from webhooks.wire.envelopes.cloudevents import is_cloud_event
from webhooks.wire.errors import InvalidEvent, UnreadableBody

MAX_LABEL_LENGTH = 256  # characters; a longer label is replaced by its SHA-256
_CLOUD_EVENT_POINTERS = ("/specversion", "/id", "/source", "/type")
_DATA = ("data", "data_base64")  # members of a CloudEvent that are no attributes
_NOTHING = InnerLabels()


class LabelPaths(Protocol):
    """How a source finds labels: paths, each ``header:Name``, ``body:/json/pointer`` or empty, and its envelope."""

    @property
    def envelope(self) -> str:
        """Return the form of the body, as ``webhooks.wire.envelopes`` names it."""
        ...

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


class _Rounded(Exception):
    """A label is a fraction, which was rounded when the document was parsed."""


def find_labels(paths: LabelPaths, scheme: Scheme, headers: Mapping[str, str], body: bytes) -> MessageLabels:
    """Find the labels of a message whose body is small and plain (``message_body.is_plain``)."""
    document = parse_document(headers, body)
    inner = _cloud_event(headers, document)
    if not inner.event_type and _has_inner(paths, scheme, headers):
        inner = find_inner_labels(paths.envelope, headers, document, body)
    try:
        return _labels(paths, scheme, headers, document, inner)
    except _Rounded:
        exact = parse_exactly(body, headers.get("content-type", ""))
        return _labels(paths, scheme, headers, exact, inner)


def find_labels_in_file(
    paths: LabelPaths, scheme: Scheme, headers: Mapping[str, str], file: IO[bytes]
) -> MessageLabels:
    """Find the labels of a message whose body is in a file, of any size; it is read to its end if it has labels."""
    inner = _NOTHING
    if _has_inner(paths, scheme, headers):
        inner = find_inner_labels_in_file(paths.envelope, headers, file)
    pointers = list(_pointers(paths, scheme, headers, inner))
    document: object = None
    if pointers:
        wanted = Wanted(scalars=_is_structured(headers))
        for pointer in pointers:
            wanted.add_pointer(pointer)
        try:
            document = select_document(headers, file, wanted)
        except UnreadableBody:
            pass  # then only the headers have labels
    if is_cloud_event(headers):
        inner = _cloud_event(headers, document)
    return _labels(paths, scheme, headers, document, inner)


def read_path(path: str, headers: Mapping[str, str], document: object) -> str:
    """Return the scalar at ``header:Name`` or ``body:/json/pointer`` (RFC 6901), or an empty string; blanks are none.

    Raises an exception if it is a fraction that was rounded (a float).
    """
    part, _, name_or_pointer = path.partition(":")
    if part == "header":
        return _unless_blank(headers.get(name_or_pointer.lower(), ""))
    if part == "body":
        return _scalar(follow(name_or_pointer, document))
    return ""


def read_exactly(path: str, headers: Mapping[str, str], body: bytes) -> str:
    """Return the scalar at a path in a body that is small and plain, or an empty string."""
    try:
        return read_path(path, headers, parse_document(headers, body))
    except _Rounded:
        return read_path(path, headers, parse_exactly(body, headers.get("content-type", "")))


def read_in_file(path: str, headers: Mapping[str, str], file: IO[bytes]) -> str:
    """Return the scalar at a path in a body in a file, of any size, or an empty string."""
    pointer = path.removeprefix("body:")
    if pointer == path:
        return read_path(path, headers, None)
    wanted = Wanted()
    wanted.add_pointer(pointer)
    try:
        return read_path(path, headers, select_document(headers, file, wanted))
    except UnreadableBody:
        return ""


def storable_label(value: str) -> str:
    """Return the value, or its SHA-256 if it is too long to index or not printable."""
    if len(value) <= MAX_LABEL_LENGTH and value.isprintable():
        return value
    return "sha256:" + hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()


def _labels(
    paths: LabelPaths, scheme: Scheme, headers: Mapping[str, str], document: object, inner: InnerLabels
) -> MessageLabels:
    scheme_id = _unless_blank(scheme.message_id(headers) or "") or _at_pointer(scheme.id_path, document)
    message_id = read_path(paths.message_id_path, headers, document) or scheme_id or inner.message_id
    event_type = read_path(paths.event_type_path, headers, document) or scheme.event_type(headers) or inner.event_type
    event_type = event_type or _at_pointer(scheme.type_path, document) or _type_in(document)
    return MessageLabels(
        storable_label(message_id),
        storable_label(event_type),
        storable_label(read_path(paths.order_key_path, headers, document)),
    )


def _has_inner(paths: LabelPaths, scheme: Scheme, headers: Mapping[str, str]) -> bool:
    """Return whether a label is missing that the event in an envelope may have."""
    has_type = bool(paths.event_type_path or scheme.event_type(headers))
    return not has_type or not (paths.message_id_path or scheme.message_id(headers) or scheme.id_path)


def _pointers(paths: LabelPaths, scheme: Scheme, headers: Mapping[str, str], inner: InnerLabels) -> Iterator[str]:
    """Yield the JSON pointers of labels that neither the headers nor the event in an envelope have."""
    for path in (paths.message_id_path, paths.event_type_path, paths.order_key_path):
        if path.startswith("body:"):
            yield path.removeprefix("body:")
    if scheme.id_path and not scheme.message_id(headers):
        yield scheme.id_path
    if _is_structured(headers):
        yield from _CLOUD_EVENT_POINTERS
    elif not (scheme.event_type(headers) or "ce-type" in headers or paths.event_type_path or inner.event_type):
        yield scheme.type_path or "/type"


def _is_structured(headers: Mapping[str, str]) -> bool:
    return headers.get("content-type", "").lower().startswith("application/cloudevents")


def _cloud_event(headers: Mapping[str, str], document: object) -> InnerLabels:
    """Return the labels of a message that is a single CloudEvent; empty ones for all others and for batches.

    Only the attributes are read, not the data. ``document``: the body, or its scalars.
    """
    if not is_cloud_event(headers):
        return _NOTHING
    items = document if isinstance(document, list) else [document]
    if len(items) != 1:
        return _NOTHING
    attributes = [_without_data(item) for item in items]
    try:
        body = json.dumps(attributes if isinstance(document, list) else attributes[0], default=float).encode()
        (found,) = http_modes.read(headers, body if _is_structured(headers) else b"")
    except InvalidEvent:
        return _NOTHING
    return _identity(found.attributes)


def _without_data(item: object) -> object:
    if not isinstance(item, dict):
        return None
    return {name: it for name, it in item.items() if name not in _DATA and it is not TOO_LONG}


def _identity(attributes: Mapping[str, str]) -> InnerLabels:
    has_id = bool(_unless_blank(attributes["id"]))
    return InnerLabels(f"{attributes['source']} {attributes['id']}" if has_id else "", attributes["type"])


def _type_in(document: object) -> str:
    """Return the top-level ``type`` that Standard Webhooks, Stripe and many others put into the body."""
    return _scalar(document.get("type")) if isinstance(document, dict) else ""


def _scalar(value: object) -> str:
    """Return a string or a number as text; an empty string for all other values. Raises _Rounded for a float."""
    if isinstance(value, bool) or value is None:
        return ""
    if isinstance(value, float):
        raise _Rounded
    return _unless_blank(str(value)) if isinstance(value, (str, int, Decimal)) else ""


def _unless_blank(text: str) -> str:
    return text if text.strip() else ""


def _at_pointer(pointer: str, document: object) -> str:
    """Return the scalar at a scheme's JSON pointer; an empty string if there is none, or if the pointer is empty."""
    return _scalar(follow(pointer, document)) if pointer else ""
