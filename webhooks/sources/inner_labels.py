"""Read the id and the type of the event in an envelope, so that a receipt has the labels that its handlers match.

A message with several events has no such labels, since theirs differ. The message id is the event's source and id.
"""

from collections.abc import Mapping
from typing import IO, NamedTuple

from webhooks.kit.bodies.message_body import read_decoded, select_document
from webhooks.wire.bodies.form_document import is_form, is_multipart
from webhooks.wire.envelopes import (
    AUTO,
    NONE,
    Message,
    has_inner_labels,
    is_recognized,
    members_to_recognize,
    open_message,
)
from webhooks.wire.envelopes.cloudevents import is_cloud_event
from webhooks.wire.envelopes.opening import MAX_BYTES
from webhooks.wire.errors import UnopenedEnvelope, UnreadableBody

_NO_ID, _NO_SOURCE = "(no id)", "urn:no-source"  # given to openers; kept by an event that has none of its own

Headers = Mapping[str, str]


class InnerLabels(NamedTuple):
    """The id and type of the event in an envelope; both are empty if there is none."""

    message_id: str = ""
    event_type: str = ""


_NOTHING = InnerLabels()


def find_inner_labels(envelope: str, headers: Headers, document: object, body: bytes) -> InnerLabels:
    """Return the labels in a small body that is not compressed; ``document``: the JSON value of the body."""
    if envelope == NONE or not has_inner_labels(document):
        return _NOTHING
    return _opened(envelope, headers, body)


def find_inner_labels_in_file(envelope: str, headers: Headers, file: IO[bytes]) -> InnerLabels:
    """Return the labels in a body in a file, of any size; only a recognized envelope up to MAX_BYTES is opened."""
    if envelope == NONE or is_cloud_event(headers):
        return _NOTHING
    document = recognizable_part(headers, file)
    if not has_inner_labels(document) or (envelope == AUTO and not is_recognized(headers, document)):
        return _NOTHING
    try:
        return _opened(envelope, headers, read_decoded(headers, file, MAX_BYTES))
    except UnreadableBody:
        return _NOTHING
    finally:
        file.seek(0)


def recognizable_part(headers: Headers, file: IO[bytes]) -> object:
    """Return the scalars of a body by which envelopes are recognized; None for a form, and for what is not JSON."""
    content_type = headers.get("content-type", "")
    if is_form(content_type) or is_multipart(content_type):
        return None
    try:
        return select_document(headers, file, members_to_recognize())
    except UnreadableBody:
        return None
    finally:
        file.seek(0)


def _opened(envelope: str, headers: Headers, body: bytes) -> InnerLabels:
    try:
        events = open_message(envelope, Message(headers, body, _NO_ID, _NO_SOURCE)) or []
    except UnopenedEnvelope:
        return _NOTHING
    if len(events) != 1:
        return _NOTHING
    own = events[0].attributes
    if own["id"] == _NO_ID or not own["id"].strip():
        return InnerLabels("", own["type"])
    has_source = own["source"] != _NO_SOURCE
    return InnerLabels(f"{own['source']} {own['id']}" if has_source else own["id"], own["type"])
