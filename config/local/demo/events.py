"""Read the events that the demo publishes: JSON Lines, one event on each line.

An event needs a `type`; `data` and all other attributes of a CloudEvent are optional. Where `specversion`, `id` or
`source` is missing, it is inserted at the beginning of the line. The rest of the line is published unchanged, so that
the data that receivers get can be compared with the file.
"""

import codecs
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

BUILT_IN = Path(__file__).with_name("events.ndjson")
LARGE_ROWS = 900  # products in the large event, so that its body exceeds the 64 KiB that the row of a receipt can store
SOURCE = "urn:waypost:demo"


class InvalidEvents(Exception):
    """The file of events cannot be read or is invalid. The message is one line that names the file and the line."""


@dataclass(frozen=True, slots=True)
class DemoEvent:
    """One event: `text` is the CloudEvent as JSON; `source` and `id` identify it."""

    source: str
    id: str
    text: str


def built_in() -> list[DemoEvent]:
    """Return the built-in events: some shop orders from creation to delivery, and one stored as a claim check."""
    rows = [
        {"sku": f"WP-{number:05}", "title": f"Trail sign no. {number}", "stock": number * 7 % 41, "price": "12.90"}
        for number in range(1, LARGE_ROWS + 1)
    ]
    event = {"id": "catalogue", "type": "catalogue.exported", "data": {"products": rows}}
    return [*read(BUILT_IN), _parse("large event", json.dumps(event).encode())]


def read(path: Path) -> list[DemoEvent]:
    """Return the events of a file in order. An event may be repeated, but only with the same content.

    Raises InvalidEvents.
    """
    try:
        lines = path.read_bytes().removeprefix(codecs.BOM_UTF8).split(b"\n")
    except OSError as error:
        raise InvalidEvents(f"{path}: {error.strerror}") from None
    events = [(number, _parse(f"{path}, line {number}", line)) for number, line in enumerate(lines, 1) if line.strip()]
    if not events:
        raise InvalidEvents(f"{path}: contains no event")
    seen: dict[tuple[str, str], tuple[int, DemoEvent]] = {}
    for number, event in events:
        first_number, first_event = seen.setdefault((event.source, event.id), (number, event))
        if event != first_event:
            raise InvalidEvents(
                f"{path}, line {number}: same source and id as line {first_number}, but different content"
            )
    return [event for _, event in events]


def data_of(text: str | bytes) -> Any:
    """Return the payload of a CloudEvent for comparison. Numbers are equal only if written alike: 1 is not 1.0."""
    event = json.loads(text, parse_int=_digits, parse_float=_digits)
    return {name: event[name] for name in ("data", "data_base64") if name in event}


def _digits(number: str) -> tuple[str, str]:
    """Return a number as written, marked, so that it is not equal to a string of the same characters."""
    return ("number", number)


def _parse(place: str, raw: bytes) -> DemoEvent:
    """Parse one line. ``place`` is where it stands, such as "FILE, line 3"; a missing id becomes "line-3"."""
    try:
        line = raw.decode().strip()
        event = json.loads(line, parse_constant=_refuse_constant)
    except RecursionError:
        raise InvalidEvents(f"{place}: JSON nested too deeply") from None
    except UnicodeDecodeError:
        raise InvalidEvents(f"{place}: not UTF-8") from None
    except ValueError as error:
        raise InvalidEvents(f"{place}: not JSON: {error}") from None
    if not isinstance(event, dict) or not event.get("type") or not isinstance(event["type"], str):
        raise InvalidEvents(
            f'{place}: not an event; write an object with a type, such as {{"type": "order.paid", "data": {{...}}}}'
        )
    if not all(isinstance(event.get(name, ""), str) for name in ("id", "source")):
        raise InvalidEvents(f"{place}: id and source must be strings")
    attributes = {"specversion": "1.0", "id": place.rpartition(", ")[2].replace(" ", "-"), "source": SOURCE}
    missing = {name: value for name, value in attributes.items() if name not in event}
    completed = {**missing, **event}
    text = json.dumps(missing)[:-1] + "," + line[1:] if missing else line
    return DemoEvent(completed["source"], completed["id"], text)


def _refuse_constant(name: str) -> NoReturn:
    """Refuse NaN and Infinity, which Python's parser accepts although JSON does not have them."""
    raise ValueError(name)
