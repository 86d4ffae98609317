"""Read the events in a received message, for the patterns of its handlers.

A message in an envelope (``webhooks.wire.envelopes``), such as a CloudEvent, has the events in that envelope; any other
message becomes one event with ``id``, ``source``, ``type`` and, if the body is JSON or a form, ``data``. Of a large or
compressed body only the fields that the patterns name are read, unless an envelope has to be opened.
"""

import json
from collections.abc import Mapping, Sequence
from typing import IO, Any

from webhooks.kit.bodies.message_body import parse_exact_numbers, read_decoded, select_document
from webhooks.sources.inner_labels import recognizable_part
from webhooks.wire.bodies.json_selection import TOO_LONG, RepeatedName, SelectionTooLarge, Wanted
from webhooks.wire.cloudevents import http_modes
from webhooks.wire.envelopes import AUTO, NONE, Message, is_recognized, open_message
from webhooks.wire.envelopes.cloudevents import is_cloud_event
from webhooks.wire.envelopes.opening import MAX_BYTES
from webhooks.wire.errors import InvalidEvent, UnopenedEnvelope, UnreadableBody
from webhooks.wire.patterns.dotted_names import NamedNode

EventDocument = dict[str, Any]
Headers = Mapping[str, str]


def parse_events(unopened: EventDocument, headers: Headers, body: bytes, envelope: str = AUTO) -> list[EventDocument]:
    """Return the events in a message whose body is small and plain (``message_body.is_plain``).

    ``unopened``: the id, source and type of the event that a message becomes if it is not opened; ``envelope`` as the
    source has it. Raises UnopenedEnvelope.
    """
    opened = open_message(envelope, Message(headers, body, unopened["id"], unopened["source"]))
    if opened is not None:
        return [event.document() for event in opened]
    document = parse_exact_numbers(headers, body)
    return [unopened if document is None else {**unopened, "data": document}]


def select_events(
    unopened: EventDocument,
    headers: Headers,
    file: IO[bytes],
    names: Sequence[Mapping[str, NamedNode]],
    envelope: str = AUTO,
) -> list[EventDocument]:
    """Return the events in a message whose body is in a file, reduced to the fields that patterns name.

    ``names``: for each pattern, the fields of an event that it names. Raises SelectionTooLarge if these have too many
    values, and UnopenedEnvelope. CloudEvents are read at any size; other envelopes are opened in memory, up to a limit.
    """
    in_data = Wanted(lists=True)
    of_data = [it["data"] for it in names if "data" in it]
    for node in of_data:
        in_data.add_names(node.children)
    try:
        if is_cloud_event(headers) and envelope in (AUTO, "cloudevents"):
            try:
                return _cloud_events(headers, file, in_data)
            except InvalidEvent as error:
                if envelope != AUTO:
                    raise UnopenedEnvelope(f"is not opened as CloudEvents: {error}") from error
                file.seek(0)  # an invalid CloudEvent is stored like any other message, and so it is matched like one
        elif envelope != NONE and (events := _opened(unopened, headers, file, envelope)) is not None:
            return events
        data = select_document(headers, file, in_data) if of_data else None
    except (SelectionTooLarge, UnopenedEnvelope):
        raise
    except UnreadableBody:
        data = None
    return [unopened if data is None else {**unopened, "data": _whole(data)}]


def _opened(unopened: EventDocument, headers: Headers, file: IO[bytes], envelope: str) -> list[EventDocument] | None:
    """Return the events in an envelope, or None if the message has none that is recognized. Raises UnopenedEnvelope."""
    opened = None
    if envelope != AUTO or is_recognized(headers, recognizable_part(headers, file)):
        body = read_decoded(headers, file, MAX_BYTES)
        opened = open_message(envelope, Message(headers, body, unopened["id"], unopened["source"]))
    file.seek(0)
    return None if opened is None else [event.document() for event in opened]


def _cloud_events(headers: Headers, file: IO[bytes], in_data: Wanted) -> list[EventDocument]:
    """Return the CloudEvents in a file. Raises InvalidEvent, UnreadableBody."""
    if http_modes.content_mode(headers) == "binary":
        (event,) = http_modes.read(headers, b"")
        return [{**event.document(), "data": _whole(select_document(headers, file, in_data))}]
    try:
        document = select_document(headers, file, Wanted({"data": in_data}, scalars=True, unique=True))
    except RepeatedName as error:
        raise InvalidEvent("", str(error)) from None
    events = document if isinstance(document, list) else [document]
    for event in events:
        if isinstance(event, dict):
            for name in [name for name, value in event.items() if value is TOO_LONG]:
                del event[name]
    body = json.dumps(document, default=_float).encode()
    read = [event.document() for event in http_modes.read(headers, body)]
    for whole, exact in zip(read, events, strict=True):
        if "data" in exact:
            whole["data"] = exact["data"]
    return read


def _whole(selected: Any) -> Any:
    """Return a selection. Raises SelectionTooLarge if it has a string that was cut."""
    rest = [selected]
    while rest:
        value = rest.pop()
        if isinstance(value, dict | list):
            rest.extend(value.values() if isinstance(value, dict) else value)
        elif value is TOO_LONG:
            _float(value)
    return selected


def _float(value: Any) -> float:
    if value is TOO_LONG:
        raise SelectionTooLarge("has a string that is too long in a field that a pattern names")
    return float(value)
