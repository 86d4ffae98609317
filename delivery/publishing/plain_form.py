"""Read the attributes of an event in the plain form: known members only, and extensions in an object of their own.

A misspelt member would otherwise be published as an extension attribute, and the data would be missing.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from delivery.publishing.results import InvalidMembers
from webhooks.wire.cloudevents import attributes as rules
from webhooks.wire.cloudevents.grammar import timestamp
from webhooks.wire.errors import InvalidEvent, did_you_mean

EXTENSIONS = "extensions"
DELIVER_AT = "deliver_at"  # of a request that publishes: see delivery_time, which takes it out before
MEMBERS = frozenset({*rules.CORE, "data", EXTENSIONS})
_NO_ATTRIBUTES = frozenset({"data", EXTENSIONS})


def read_attributes(plain: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of an event, extensions among them, without those that are None.

    Raises InvalidMembers, which names all unknown members at once, and InvalidEvent for extensions.
    """
    if not plain.keys() <= MEMBERS:
        raise _unknown_members(plain)
    given = {
        name: _attribute(name, value)
        for name, value in plain.items()
        if value is not None and name not in _NO_ATTRIBUTES
    }
    if plain.get(EXTENSIONS) is not None:
        given.update(_extensions(plain[EXTENSIONS]))
    return given


def _unknown_members(plain: Mapping[str, Any]) -> InvalidMembers:
    reasons = {str(name): _objection(str(name)) for name in plain if name not in MEMBERS}
    if plain.get("type") is None:
        reasons["type"] = "is missing"
    return InvalidMembers(reasons)


def _objection(name: str) -> str:
    if name == DELIVER_AT:
        return "cannot be given here"
    known = MEMBERS | {DELIVER_AT}
    meant = did_you_mean(name, known) or f"attributes of your own go into {EXTENSIONS}"
    return f"is not a member of an event; {meant} (members: {', '.join(sorted(known))})"


def _extensions(extensions: Any) -> dict[str, Any]:
    """Return the extension attributes. Raises InvalidEvent with their path."""
    if not isinstance(extensions, Mapping):
        raise InvalidEvent(EXTENSIONS, 'must be an object such as {"partitionkey": "A-17"}')
    for name in extensions:
        if name in MEMBERS:
            raise InvalidEvent(f"{EXTENSIONS}.{name}", "is a member of the event itself; give it beside extensions")
        if not rules.is_extension_name(name):
            raise InvalidEvent(f"{EXTENSIONS}.{rules.shown(str(name))}", rules.NAME_RULE)
    return {name: _attribute(name, value) for name, value in extensions.items() if value is not None}


def _attribute(name: str, value: Any) -> Any:
    """Write a datetime as CloudEvents writes a time. Raises InvalidEvent without a time zone."""
    if not isinstance(value, datetime):
        return value
    if value.tzinfo is None:
        raise InvalidEvent(name, "is a datetime without a time zone")
    return timestamp(value)
