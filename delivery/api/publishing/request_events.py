"""Read the events of a request.

``POST /events/`` has one of five forms, which the headers tell apart:

    application/cloudevents-batch+json   batch         up to 1,000 events, each with a result of its own
    application/cloudevents+json         structured    one
    anything, with ce- headers           binary        one; the body is its data
    application/json                     plain         one; id, source and time are filled in where they are missing; an
                                                       event of EventBridge (detail-type, detail) is one, too
    application/x-amz-json-1.1           entries       a request of EventBridge's PutEvents, whose response it gets; as
                                                       application/json it is recognized by its member Entries

``POST /events/batch/`` accepts a batch: the first form, or a JSON array of events in the last one.

CloudEvents HTTP binding 1.0.2, section 3. All forms keep the data as it was written.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from rest_framework.exceptions import UnsupportedMediaType

from webhooks.kit.rest.limited_body import read_body
from webhooks.wire import json_text
from webhooks.wire.cloudevents import http_modes
from webhooks.wire.cloudevents.event import RawJson
from webhooks.wire.cloudevents.grammar import media_type
from webhooks.wire.cloudevents.http_modes import BATCH, MAX_BATCH, STRUCTURED, Event
from webhooks.wire.errors import InvalidEvent, UnsupportedFormat
from webhooks.wire.eventbridge import check_entry, is_eventbridge, is_put_events, plain_from_eventbridge

PLAIN = "application/json"
ACCEPTED_FORMS = f"Send {STRUCTURED}, {BATCH}, {PLAIN}, or any content type with the headers ce-id, ce-source, ce-type."
BATCH_FORMS = f"Send a JSON array of events as {PLAIN}, or of CloudEvents as {BATCH}."
ATTRIBUTE_HEADERS = ("ce-id", "ce-source", "ce-type", "ce-specversion")
AMAZON_JSON = ("application/x-amz-json-1.0", "application/x-amz-json-1.1")
EVENTBRIDGE_EXTENSIONS = ("account", "region", "resources")

Item = Event | InvalidEvent | dict[str, Any]


@dataclass(frozen=True, slots=True)
class Limits:
    """The maximum size of one event and of a batch, in bytes."""

    event: int
    batch: int


@dataclass(frozen=True, slots=True)
class RequestEvents:
    """The events of a request, in order; one in the plain form is a dict. ``entries``: they are those of PutEvents."""

    items: list[Item]
    batch: bool
    entries: bool = False


def read_events(request: HttpRequest, limits: Limits) -> RequestEvents:
    """Return the events of this request.

    Raises InvalidEvent if the whole, or its one event, cannot be read; what ``read_body`` raises; and
    UnsupportedMediaType (415).
    """
    form = form_of(request.headers)
    if form == "batch":
        return RequestEvents([*http_modes.read_batch(read_body(request, limits.batch))], batch=True)
    if form == "entries":
        return RequestEvents(read_entries(read_body(request, limits.batch)), batch=True, entries=True)
    body = read_body(request, limits.event)
    if form == "plain" and (entries := find_entries(body)) is not None:
        return RequestEvents(entries, batch=True, entries=True)
    return RequestEvents([read_event(form, request.headers, body)], batch=False)


def read_batch_events(request: HttpRequest, limits: Limits) -> RequestEvents:
    """Return the events of a request that is a batch. Raises as ``read_events`` does."""
    declared = request.headers.get("content-type", "")
    if _is_plain(declared):
        body = read_body(request, limits.batch)
        if (entries := find_entries(body)) is not None:
            return RequestEvents(entries, batch=True, entries=True)
        return RequestEvents([*read_plain_batch(body)], batch=True)
    if declared.lower().startswith(BATCH) and form_of(request.headers) == "batch":
        return RequestEvents([*http_modes.read_batch(read_body(request, limits.batch))], batch=True)
    raise UnsupportedMediaType(declared, BATCH_FORMS)


def read_event(form: str, headers: Mapping[str, str], body: bytes) -> Item:
    """Return the one event of a request in this form (``form_of``). Raises InvalidEvent."""
    if form == "binary":
        return _as_json(http_modes.read_binary(headers, body))
    return http_modes.read_structured(body) if form == "structured" else read_plain(body)


def _as_json(event: Event) -> Event:
    """Return an event without a content type with its data read as JSON, if they are JSON.

    SDKs leave the content type out for JSON, which the structured form assumes then, too.
    """
    if event.data is None or "datacontenttype" in event.attributes:
        return event
    try:
        return Event.with_json(event.attributes, event.data, event.typed)
    except InvalidEvent:
        return event


def read_plain(body: bytes) -> dict[str, Any]:
    """Return the members of an event in the plain form, its data as JSON text. Raises InvalidEvent."""
    try:
        plain = json_text.read_object(body, keep="data")
    except json_text.InvalidJson as error:
        raise InvalidEvent("", str(error)) from None
    if plain is json_text.ObjectError.NOT_AN_OBJECT:
        raise InvalidEvent("", "is not a JSON object; POST several events to /events/batch/")
    if isinstance(plain, json_text.ObjectError):
        raise InvalidEvent("", plain.value)
    if is_eventbridge(plain):
        native = json_text.read_object(body, keep="detail")
        plain = _from_eventbridge(native) if isinstance(native, dict) else plain
    return _with_raw_data(plain)


def find_entries(body: bytes) -> list[Item] | None:
    """Return the entries of a body that has the form of a request of PutEvents; None for any other body.

    Raises InvalidEvent as ``read_entries`` does.
    """
    if b'"Entries"' not in body:
        return None
    try:
        request = json_text.read_object(body, keep="Entries")
    except json_text.InvalidJson:
        return None
    return _entries_of(request) if is_put_events(request) else None


def read_entries(body: bytes) -> list[Item]:
    """Return each entry of a request of PutEvents in the plain form, or its InvalidEvent.

    Raises InvalidEvent if the body is no such request, or has no entry or more than MAX_BATCH.
    """
    try:
        return _entries_of(json_text.read_object(body, keep="Entries"))
    except json_text.InvalidJson as error:
        raise InvalidEvent("", str(error)) from None


def _entries_of(request: json_text.ParsedObject) -> list[Item]:
    if not isinstance(request, dict) or not isinstance(request.get("Entries"), bytes):
        raise InvalidEvent("Entries", "is missing: a request of PutEvents has a list of entries")
    entries = json_text.read_array(request["Entries"], keep="detail", most=MAX_BATCH)
    if not entries:
        raise InvalidEvent("Entries", "must be a list with one entry or more")
    if len(entries) > MAX_BATCH:
        raise InvalidEvent("Entries", f"must have at most {MAX_BATCH} entries; send several requests")
    return [_entry(index, entry) for index, entry in enumerate(entries)]


def _entry(index: int, entry: json_text.ParsedObject) -> Item:
    """Return an entry of PutEvents, which must have all that EventBridge requires, in the plain form."""
    if isinstance(entry, json_text.ObjectError):
        return InvalidEvent("", entry.value, index)
    try:
        check_entry(entry)
        return _with_raw_data(_from_eventbridge(entry))
    except InvalidEvent as error:
        error.index = index
        return error


def read_plain_batch(body: bytes) -> list[Item]:
    """Return the members of each event of an array in the plain form, or its InvalidEvent.

    Raises InvalidEvent if the body is not a JSON array or has more than MAX_BATCH items.
    """
    found = _read_array(body, keep="data")
    natives = found
    if any(isinstance(plain, dict) and is_eventbridge(plain) for plain in found):
        natives = _read_array(body, keep="detail")
    return [_plain_item(index, *both) for index, both in enumerate(zip(found, natives, strict=True))]


def _read_array(body: bytes, keep: str) -> list[json_text.ParsedObject]:
    try:
        found = json_text.read_array(body, keep=keep, most=MAX_BATCH)
    except json_text.InvalidJson as error:
        raise InvalidEvent("", str(error)) from None
    if found is None:
        raise InvalidEvent("", "must be a batch: a JSON array of events; POST one event to /events/")
    if len(found) > MAX_BATCH:
        raise InvalidEvent("", f"is in a batch of more than {MAX_BATCH} events; send smaller batches")
    return found


def _plain_item(index: int, plain: json_text.ParsedObject, native: json_text.ParsedObject) -> Item:
    if isinstance(plain, json_text.ObjectError):
        return InvalidEvent("", plain.value, index)
    if is_eventbridge(plain) and isinstance(native, dict):
        try:
            plain = _from_eventbridge(native)
        except InvalidEvent as error:
            error.index = index
            return error
    return _with_raw_data(plain)


def _from_eventbridge(native: dict[str, Any]) -> dict[str, Any]:
    """Return an event of EventBridge in the plain form; members that only its envelope has become extensions."""
    plain = plain_from_eventbridge(native)
    extensions = {name: plain.pop(name) for name in EVENTBRIDGE_EXTENSIONS if name in plain}
    return {**plain, "extensions": extensions}


def _with_raw_data(plain: dict[str, Any]) -> dict[str, Any]:
    """Mark the data of an event in the plain form as JSON text."""
    if isinstance(plain.get("data"), bytes):
        plain["data"] = RawJson(plain["data"])
    return plain


def form_of(headers: Mapping[str, str]) -> str:
    """Return the form of a request, one of the five above. Raises UnsupportedMediaType."""
    declared = headers.get("content-type", "")
    if declared.partition(";")[0].strip().lower() in AMAZON_JSON:
        return "entries"
    try:
        form = http_modes.content_mode({"content-type": declared})
    except UnsupportedFormat:
        raise UnsupportedMediaType(declared, ACCEPTED_FORMS) from None
    if form != "binary" or any(name in headers for name in ATTRIBUTE_HEADERS):
        return form
    if not _is_plain(declared):
        raise UnsupportedMediaType(declared, ACCEPTED_FORMS)
    return "plain"


def _is_plain(declared: str) -> bool:
    media = media_type(declared)
    return media is not None and media.name == PLAIN and media.is_utf8
