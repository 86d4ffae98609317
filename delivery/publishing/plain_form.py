"""Read the attributes of an event in the plain form: known members only, and extensions in an object of their own.

A misspelt member would otherwise be published as an extension attribute, and the data would be missing.
"""

from collections.abc import Mapping
from datetime import datetime
from itertools import islice
from typing import Any

from webhooks.wire.cloudevents import attributes as rules
from webhooks.wire.cloudevents.grammar import timestamp
from webhooks.wire.errors import Fault, InvalidAttributes, InvalidEvent, did_you_mean

EXTENSIONS = "extensions"
DELIVER_AT = "deliver_at"  # of a request that publishes: see delivery_time, which takes it out before
MEMBERS = frozenset({*rules.CORE, "data", EXTENSIONS})
NO_EXTENSIONS = 'must be an object such as {"partitionkey": "A-17"}'
MAX_UNKNOWN = 10  # members that are named: finding what each resembles takes about 0.1 ms
_NO_ATTRIBUTES = frozenset({"data", EXTENSIONS})


def read_attributes(plain: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of an event, extensions among them, without those that are None.

    Raises InvalidEvent for the first fault; ``all_faults`` finds the others.
    """
    if not plain.keys() <= MEMBERS:
        raise InvalidAttributes(unknown_members(plain))
    given = {
        name: _attribute(name, value)
        for name, value in plain.items()
        if value is not None and name not in _NO_ATTRIBUTES
    }
    if plain.get(EXTENSIONS) is not None:
        given.update(_extensions(plain[EXTENSIONS]))
    return given


def all_faults(plain: Mapping[str, Any]) -> dict[str, Fault]:
    """Return what is wrong with each member of an event that was refused, extensions by their paths."""
    core = {name: plain[name] for name in rules.CORE & plain.keys() if not isinstance(plain[name], datetime)}
    required = ("type",) if plain.get("type") is None else ()
    found = {**unknown_members(plain), **rules.all_faults(core, required)}
    extensions = plain.get(EXTENSIONS)
    if extensions is not None and not isinstance(extensions, Mapping):
        return {**found, EXTENSIONS: Fault(NO_EXTENSIONS)}
    for name, value in (extensions or {}).items():
        reason = _objection_to_name(name)
        faults = {"": Fault(reason)} if reason else rules.all_faults({name: value}, ())
        found.update({f"{EXTENSIONS}.{rules.shown(str(name))}": fault for fault in faults.values()})
    return found


def unknown_members(plain: Mapping[str, Any]) -> dict[str, Fault]:
    """Return what is wrong with the names of the first unknown members.

    The time of delivery is one that is taken out before.
    """
    unknown = islice((str(name) for name in plain if name not in MEMBERS), MAX_UNKNOWN)
    return {name: Fault(_objection(name), "unknown") for name in unknown}


def _objection(name: str) -> str:
    if name == DELIVER_AT:
        return "cannot be given here"
    known = MEMBERS | {DELIVER_AT}
    meant = did_you_mean(name, known) or f"attributes of your own go into {EXTENSIONS}"
    return f"is not a member of an event; {meant} (members: {', '.join(sorted(known))})"


def _extensions(extensions: Any) -> dict[str, Any]:
    """Return the extension attributes. Raises InvalidEvent with their path."""
    if not isinstance(extensions, Mapping):
        raise InvalidEvent(EXTENSIONS, NO_EXTENSIONS)
    for name in extensions:
        if reason := _objection_to_name(name):
            raise InvalidEvent(f"{EXTENSIONS}.{rules.shown(str(name))}", reason)
    return {name: _attribute(name, value) for name, value in extensions.items() if value is not None}


def _objection_to_name(name: Any) -> str:
    """Return why this cannot be the name of an extension; empty if it can."""
    if name in MEMBERS:
        return "is a member of the event itself; give it beside extensions"
    return "" if rules.is_extension_name(name) else rules.NAME_RULE


def _attribute(name: str, value: Any) -> Any:
    """Write a datetime as CloudEvents writes a time. Raises InvalidEvent without a time zone."""
    if not isinstance(value, datetime):
        return value
    if value.tzinfo is None:
        raise InvalidEvent(name, "is a datetime without a time zone")
    return timestamp(value)
