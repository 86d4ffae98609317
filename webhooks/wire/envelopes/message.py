"""Define Message, what an opener reads, and the functions that several openers share."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from webhooks.wire import json_text
from webhooks.wire.cloudevents import attributes as rules
from webhooks.wire.cloudevents.event import Event
from webhooks.wire.cloudevents.json_format import MAX_BATCH
from webhooks.wire.errors import InvalidEvent

_NOT_IN_NAMES = re.compile(r"[^a-z0-9]")
_IN_URIS = "/:@!$&'()*+,;=-._~%?"  # characters that are not encoded; those of a URI-reference without a fragment


@dataclass(frozen=True, slots=True)
class Message:
    """A received message: names of headers in lower case, body decompressed.

    ``id`` and ``source`` (a URI-reference) are given to an event whose envelope has none.
    """

    headers: Mapping[str, str]
    body: bytes
    id: str
    source: str

    @property
    def content_type(self) -> str:
        """Return the content type; empty if there is none."""
        return self.headers.get("content-type", "")


OpenInner = Callable[[Message], list[Event] | None]
"""Open a message that was in another; None if it has no known envelope."""


def read_objects(body: bytes, keep: str) -> Iterator[dict[str, Any]]:
    """Yield the objects of a JSON text: one, or those of an array; the member ``keep`` of each is its text, as bytes.

    Raises InvalidEvent, also for more than MAX_BATCH objects.
    """
    try:
        items = json_text.read_array(body, keep, MAX_BATCH)
        found = [json_text.read_object(body, keep)] if items is None else items
    except json_text.InvalidJson as error:
        raise InvalidEvent("", str(error)) from None
    if not found:
        raise InvalidEvent("", "is missing: the list is empty")
    if len(found) > MAX_BATCH:
        raise InvalidEvent("", f"is one of more than {MAX_BATCH} in a message")
    for item in found:
        if isinstance(item, json_text.ObjectError):
            raise InvalidEvent("", item.value)
        yield item


def event_with_data(attributes: Mapping[str, Any], data: bytes | None, content_type: str = "") -> Event:
    """Return an event whose data are these bytes: of this content type; without one JSON, else text, else binary.

    Attributes that are None or empty are left out. Raises InvalidEvent.
    """
    given = {name: value for name, value in attributes.items() if value not in (None, "")}
    named, typed = rules.read_values({"specversion": rules.SPECVERSION, **given})
    if data is None:
        return Event(named, typed=typed)
    if content_type:
        return Event.with_bytes({**named, "datacontenttype": content_type}, data, typed)
    try:
        return Event.with_json(named, data, typed)
    except InvalidEvent as error:
        if error.attribute != "data":
            raise
    try:
        data.decode()
    except UnicodeDecodeError:
        return Event.with_bytes(named, data, typed)
    return Event.with_bytes({**named, "datacontenttype": "text/plain"}, data, typed)


def extensions_from(given: Mapping[str, Any], prefix: str) -> dict[str, str]:
    """Return attributes of a sender as extension attributes: names in lower case, of letters and digits.

    Those that would be an attribute of CloudEvents get the prefix.
    """
    extensions: dict[str, str] = {}
    for written, value in given.items():
        name = _NOT_IN_NAMES.sub("", written.lower())
        if name in rules.CORE or name in ("data", "dataref", "hopcount"):
            name = prefix + name
        if name and isinstance(value, str):
            extensions.setdefault(name, value)
    return extensions


def as_uri(text: str) -> str:
    """Return a name as a URI-reference: other characters are percent-encoded."""
    return quote(text, safe=_IN_URIS)


def is_text(*values: object) -> bool:
    """Return whether all values are strings that are not empty."""
    return all(isinstance(value, str) and value for value in values)


def first_item(document: object) -> dict[str, Any]:
    """Return an object, or the first element of a list if it is one; else an empty one."""
    found = document[0] if isinstance(document, list) and document else document
    return found if isinstance(found, dict) else {}
