"""Translate EventBridge names into CloudEvents names: ``detail-type`` is ``type``, ``detail`` is ``data``.

Other names are the same in both, or extension attributes (``account``, ``region``, ``resources``). These functions
rename, so that patterns, transformers and events for EventBridge can be used; the pattern and template languages do not
know the EventBridge names.

``detail`` with a list as its value is not renamed: EventBridge's is always an object, and a CloudEvent may have an
extension attribute of that name.
"""

import json
import re
from datetime import UTC, datetime
from typing import Any

from webhooks.wire.errors import InvalidEvent, did_you_mean
from webhooks.wire.patterns import InvalidPattern

NAMES = {"detail-type": "type", "detail": "data"}
_PATH_IN_TEMPLATE = re.compile(r'<(\$[^<>\s"]*)>')
_ENTRY_NAMES = {
    "Source": "source",
    "Time": "time",
    "DetailType": "detail-type",
    "Detail": "detail",
    "Resources": "resources",
}
_EVENTBRIDGE_ONLY = ("version", "EventBusName", "TraceHeader")
_REQUIRED = ("Source", "DetailType", "Detail")
_ENTRY_MEMBERS = frozenset({*_ENTRY_NAMES, "EventBusName", "TraceHeader"})
_FIRST_STEP = re.compile(r"(?<=^\$\.)(?:detail-type|detail)(?=$|[.\[])")


class UnknownMember(InvalidEvent):
    """An entry of PutEvents has a member that entries do not have; ``attribute`` is its name there."""


def pattern_from_eventbridge(pattern: dict[str, Any]) -> dict[str, Any]:
    """Translate a pattern over an EventBridge event into one over a CloudEvent.

    Names inside ``$or`` at the top level are names of the envelope too. Raises InvalidPattern if a name is given in
    both forms. ``Pattern`` finds other errors.
    """
    try:
        return _renamed_members(pattern)
    except RecursionError:
        raise InvalidPattern("", "nested too deeply") from None


def event_from_eventbridge(event: dict[str, Any]) -> dict[str, Any]:
    """Rename the members of an event to CloudEvents names, for matching; ``specversion`` is not added."""
    return {_renamed(name): value for name, value in event.items()}


def is_eventbridge(event: dict[str, Any]) -> bool:
    """Return whether an event in the plain form has EventBridge's names: of events, or of the entries of PutEvents."""
    return "type" not in event and ("detail-type" in event or "DetailType" in event)


def plain_from_eventbridge(entry: dict[str, Any]) -> dict[str, Any]:
    """Return an EventBridge event as one in the plain form.

    Both spellings are read: of events (``detail-type``, ``detail``), and of the entries of PutEvents (``DetailType``,
    ``Detail``), whose detail is the JSON text of an object: it becomes bytes. A time may be a number of seconds since
    1970, as SDKs of AWS send it. ``resources`` become an attribute, separated by commas; what only EventBridge uses
    (``version``, the name of a bus) is left out. Raises InvalidEvent, which names the member of the entry.
    """
    event = {_ENTRY_NAMES.get(name, name): value for name, value in entry.items() if name not in _EVENTBRIDGE_ONLY}
    if "Detail" in entry:
        event["detail"] = _json_object(entry["Detail"])
    for name in ("Time", "time"):
        if isinstance(entry.get(name), int | float):
            event["time"] = _time(name, entry[name])
    if isinstance(resources := event.get("resources"), list):
        event["resources"] = ",".join(map(str, resources)) or None
    return event_from_eventbridge(event)


def check_entry(entry: dict[str, Any]) -> None:
    """Check the members of an entry of PutEvents: their names, and those that EventBridge requires.

    Raises UnknownMember or InvalidEvent. The names of an event (``detail``, ``id``) are unknown in an entry: one
    beside ``Detail`` would take its place.
    """
    for name in entry:
        if name not in _ENTRY_MEMBERS:
            meant = did_you_mean(name, _ENTRY_MEMBERS - entry.keys()) or "an entry has no attributes of your own"
            members = ", ".join(sorted(_ENTRY_MEMBERS))
            raise UnknownMember(name, f"is not a member of an entry; {meant} (members: {members})")
    for name in _REQUIRED:
        if not isinstance(entry.get(name), str) or not entry[name]:
            raise InvalidEvent(name, "must be a string that is not empty")
    resources = entry.get("Resources")
    if resources is not None and not (isinstance(resources, list) and all(isinstance(it, str) for it in resources)):
        raise InvalidEvent("Resources", "must be a list of strings")


def path_from_eventbridge(path: str) -> str:
    """Translate an input path of a transformer, e.g. ``$.detail.state`` into ``$.data.state``."""
    return _FIRST_STEP.sub(lambda step: NAMES[step[0]], path, count=1)


def template_from_eventbridge(template: str) -> str:
    """Translate the paths in the template of a transformer, e.g. ``<$.detail.state>`` into ``<$.data.state>``."""
    return _PATH_IN_TEMPLATE.sub(lambda found: f"<{path_from_eventbridge(found[1])}>", template)


def is_put_events(document: object) -> bool:
    """Return whether a JSON value has the form of a request of PutEvents: an object with a list of entries."""
    return isinstance(document, dict) and "Entries" in document and not document.keys() & {"type", "detail-type"}


def member_of_entry(attribute: str) -> str:
    """Return the name that an attribute has in an entry of PutEvents."""
    return {"type": "DetailType", "data": "Detail", **{new: old for old, new in _ENTRY_NAMES.items()}}.get(
        attribute, attribute
    )


def _json_object(detail: object) -> bytes:
    try:
        is_object = isinstance(detail, str) and isinstance(json.loads(detail), dict)
    except (ValueError, RecursionError):
        is_object = False
    if not is_object:
        raise InvalidEvent("Detail", "must be the JSON text of an object")
    return str(detail).encode("utf-8", "surrogatepass")


def _time(name: str, seconds: float) -> str:
    try:
        if isinstance(seconds, bool):
            raise ValueError(seconds)
        return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        raise InvalidEvent(name, "must be a time, or the seconds since 1970") from None


def _renamed_members(pattern: dict[str, Any]) -> dict[str, Any]:
    renamed: dict[str, Any] = {}
    for name, value in pattern.items():
        if name == "$or" and isinstance(value, list):
            renamed[name] = [_renamed_members(each) if isinstance(each, dict) else each for each in value]
            continue
        new = name if name == "detail" and isinstance(value, list) else _renamed(name)
        if new in renamed:
            raise InvalidPattern(f"/{new}", "has both an EventBridge and a CloudEvents name; keep one")
        renamed[new] = value
    return renamed


def _renamed(name: str) -> str:
    first, dot, rest = name.partition(".")
    return NAMES.get(first, first) + dot + rest
