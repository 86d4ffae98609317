"""The events of the demo: one JSON object each, one on a line or all in one list, kept as it was written.

An event has a ``type``, mostly ``data``, and whatever else of a CloudEvent its author cares to say. What is missing
of ``specversion``, ``id`` and ``source`` is put in front; not a byte of the rest is touched, so that what arrives
can be compared with the file. A publisher that may have to say a thing twice has to name it, hence the id.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

__all__ = ["ORDER", "BadEvents", "Given", "data_of", "large", "read"]

ORDER = Path(__file__).with_name("events.ndjson")
SOURCE = "urn:waypost:demo"
LARGE_ROWS = 900  # of the large event: more than the 64 KiB that a receipt's row holds


class BadEvents(Exception):
    """The file cannot be used; the message is one line that names the place."""


@dataclass(frozen=True, slots=True)
class Given:
    """One event: ``text`` is the CloudEvent as JSON, ``place`` where it stands (``line 3``, ``item 3``)."""

    place: str
    type: str
    source: str
    id: str
    text: str

    @property
    def name(self) -> tuple[str, str]:
        """What identifies it: two events of one name are one event."""
        return self.source, self.id

    @property
    def data(self) -> Any:
        return data_of(self.text)


def read(path: Path) -> list[Given]:
    """The events of a file, in order; an exact repeat is among them again. Raises BadEvents."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise BadEvents(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise BadEvents(f"{path}, line {line}: not UTF-8") from None
    pieces = _items(path, text) if text.lstrip().startswith("[") else _lines(path, text)
    events = [_given(path, place, raw, value) for place, raw, value in pieces]
    if not events:
        raise BadEvents(f"{path}: there is no event in it")
    _refuse_contradictions(path, events)
    return events


def large() -> Given:
    """An event whose body does not fit into a row, so that the receiver takes it as a claim check."""
    rows = [
        {"sku": f"WP-{number:05}", "title": f"Trail sign no. {number}", "stock": number * 7 % 41, "price": "12.90"}
        for number in range(1, LARGE_ROWS + 1)
    ]
    event = {
        "specversion": "1.0",
        "id": "catalogue-2030-06-03",
        "source": SOURCE,
        "type": "catalogue.exported",
        "data": {"exported_at": "2030-06-03T04:00:00Z", "products": rows},
    }
    return Given("the large event", event["type"], SOURCE, event["id"], json.dumps(event))  # type: ignore[arg-type]


def data_of(text: str | bytes) -> Any:
    """The payload of a CloudEvent, to be compared: numbers by the digits they are written with."""
    event = json.loads(text, parse_int=_digits, parse_float=_digits)
    return {name: event[name] for name in ("data", "data_base64") if name in event}


def _digits(number: str) -> tuple[str, str]:
    return ("number", number)


def _lines(path: Path, text: str) -> Iterator[tuple[str, str, Any]]:
    for number, line in enumerate(text.split("\n"), 1):
        if raw := line.strip():
            place = f"line {number}"
            value, end = _decode(path, place, raw, 0)
            if raw[end:].strip():
                _refuse(path, place, "holds more than one JSON value; give each event a line of its own")
            yield place, raw, value


def _items(path: Path, text: str) -> Iterator[tuple[str, str, Any]]:
    """The items of one list, each with its own text."""
    at, number = _skip(text, text.index("[") + 1), 0
    if text[at : at + 1] == "]":
        at += 1
    else:
        while True:
            number += 1
            place = f"item {number}"
            value, end = _decode(path, place, text, at)
            yield place, text[at:end], value
            at = _skip(text, end) + 1
            if text[at - 1 : at] == "]":
                break
            if text[at - 1 : at] != ",":
                _refuse(path, place, "is not followed by a comma or the end of the list")
            at = _skip(text, at)
    if text[at:].strip():
        raise BadEvents(f"{path}: there is something after the end of the list")


def _no_number(name: str) -> NoReturn:
    raise ValueError(name)


_decoder = json.JSONDecoder(parse_constant=_no_number)


def _skip(text: str, at: int) -> int:
    while text[at : at + 1] in (" ", "\t", "\r", "\n"):
        at += 1
    return at


def _decode(path: Path, place: str, text: str, at: int) -> tuple[Any, int]:
    try:
        return _decoder.raw_decode(text, at)
    except json.JSONDecodeError as error:
        _refuse(path, place, f"is not JSON: {error.msg} at character {error.pos - at + 1}")
    except ValueError as error:
        _refuse(path, place, f"is not JSON: {error}")
    except RecursionError:
        _refuse(path, place, "is nested too deep")


def _given(path: Path, place: str, raw: str, event: Any) -> Given:
    if not isinstance(event, dict) or not isinstance(event.get("type"), str) or not event["type"]:
        _refuse(path, place, 'is not an event; one looks like {"type": "order.paid", "data": {...}}')
    for name in ("id", "source"):
        if not isinstance(event.get(name, ""), str):
            _refuse(path, place, f"has no text as its {name}")
    attributes = {"specversion": "1.0", "id": place.replace(" ", "-"), "source": SOURCE}
    missing = {name: value for name, value in attributes.items() if name not in event}
    text = json.dumps(missing)[:-1] + "," + raw[1:] if missing else raw
    named = {**missing, **event}
    return Given(place, event["type"], named["source"], named["id"], text)


def _refuse_contradictions(path: Path, events: list[Given]) -> None:
    seen: dict[tuple[str, str], Given] = {}
    for event in events:
        first = seen.setdefault(event.name, event)
        if first.text != event.text:
            _refuse(path, event.place, f"has the source and id of {first.place}, and other content")


def _refuse(path: Path, place: str, reason: str) -> NoReturn:
    raise BadEvents(f"{path}, {place}: {reason}")
