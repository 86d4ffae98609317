"""Translate EventBridge names into CloudEvents names: ``detail-type`` is ``type``, ``detail`` is ``data``.

Other names are the same in both, or extension attributes (``account``, ``region``, ``resources``). These functions
rename, so that patterns, transformers and events for EventBridge can be used; the pattern and template languages do not
know the EventBridge names.

``detail`` with a list as its value is not renamed: EventBridge's is always an object, and a CloudEvent may have an
extension attribute of that name.
"""

import json
import re
from typing import Any

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
_FIRST_STEP = re.compile(r"(?<=^\$\.)(?:detail-type|detail)(?=$|[.\[])")


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
    """Tell whether an event in the plain form has EventBridge's names: of events, or of the entries of PutEvents."""
    return "type" not in event and ("detail-type" in event or "DetailType" in event)


def plain_from_eventbridge(entry: dict[str, Any]) -> dict[str, Any]:
    """Return an EventBridge event as one in the plain form.

    Both spellings are read: of events (``detail-type``, ``detail``), and of the entries of PutEvents (``DetailType``,
    ``Detail``), whose detail is JSON text: it becomes bytes. ``resources`` become an attribute, separated by commas;
    what only EventBridge uses (``version``, the name of a bus) is left out.
    """
    event = {_ENTRY_NAMES.get(name, name): value for name, value in entry.items() if name not in _EVENTBRIDGE_ONLY}
    if isinstance(entry.get("Detail"), str):
        event["detail"] = _json_text(entry["Detail"])
    if isinstance(resources := event.get("resources"), list):
        event["resources"] = ",".join(map(str, resources)) or None
    return event_from_eventbridge(event)


def path_from_eventbridge(path: str) -> str:
    """Translate an input path of a transformer, e.g. ``$.detail.state`` into ``$.data.state``."""
    return _FIRST_STEP.sub(lambda step: NAMES[step[0]], path, count=1)


def template_from_eventbridge(template: str) -> str:
    """Translate the paths in the template of a transformer, e.g. ``<$.detail.state>`` into ``<$.data.state>``."""
    return _PATH_IN_TEMPLATE.sub(lambda found: f"<{path_from_eventbridge(found[1])}>", template)


def _json_text(detail: str) -> bytes | str:
    """Return the detail of an entry as JSON text. Other text stays text."""
    try:
        json.loads(detail)
    except (ValueError, RecursionError):
        return detail
    return detail.encode("utf-8", "surrogatepass")


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
