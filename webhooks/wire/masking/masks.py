"""Compile masks, and apply them to an event: each value is visited once, whatever the number of masks.

Where several masks are for one value the first in the list applies, and a mask for a value applies instead of those for
its members. The data is always written anew, so that nothing stays of what JSON allows and parsers drop, such as the
first of two members of one name.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from webhooks.wire.cloudevents.attributes import REQUIRED
from webhooks.wire.cloudevents.event import Event, declares_json
from webhooks.wire.eventbridge import path_from_eventbridge
from webhooks.wire.json_numbers import raw
from webhooks.wire.masking.values import MaskingKeys, encrypted, hashed
from webhooks.wire.step_budget import UNLIMITED, StepBudget
from webhooks.wire.transform.errors import InvalidTransformer
from webhooks.wire.transform.paths import PathNode, PathStep, parse_path

REMOVE, MASK, HASH, ENCRYPT = "remove", "mask", "hash", "encrypt"
ACTIONS = (REMOVE, MASK, HASH, ENCRYPT)
MAX_MASKS = 50
MASKED = "***"
KEPT_ATTRIBUTES = {*REQUIRED, "time", "datacontenttype", "dataschema", "data_base64"}
STEPS = {REMOVE: 1, MASK: 1, HASH: 25, ENCRYPT: 80}  # of one value
WRITTEN_PER_STEP = 25  # bytes of data that is parsed and written anew
_REMOVED: Any = object()


class InvalidMask(ValueError):
    """A list of masks is invalid. ``path`` is a JSON pointer (RFC 6901) into it."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}" if path else reason)
        self.path = path
        self.reason = reason


class CannotMask(ValueError):
    """The data of this event is not JSON, so that no member of it can be found."""


class Masks:
    """A list of masks, each an object with ``path`` and ``action``. Raises InvalidMask."""

    __slots__ = ("_attributes", "_data", "actions", "needs_keys")

    def __init__(self, written: Any) -> None:
        if not isinstance(written, Sequence) or isinstance(written, str) or len(written) > MAX_MASKS:
            raise InvalidMask("", f'must be an array of at most {MAX_MASKS} masks: {{"path": "$.data.email", ...}}')
        self.actions: list[str] = []
        self._attributes: dict[str, int] = {}
        self._data = PathNode[int]()
        for position, rule in enumerate(written):
            steps, action = _read(rule, f"/{position}")
            self.actions.append(action)
            if steps[0] != "data":
                self._attributes.setdefault(str(steps[0]), position)
            else:
                self._data.add(steps[1:], position)
        self.needs_keys = not {HASH, ENCRYPT}.isdisjoint(self.actions)

    def apply(
        self,
        event: Event,
        keys: Callable[[], MaskingKeys],
        budget: StepBudget = UNLIMITED,
        counts: dict[int, int] | None = None,
    ) -> Event:
        """Return the event with its values masked. ``keys`` is called if one is hashed or encrypted.

        ``counts``: receives how many values each mask was applied to, by its position. Raises CannotMask if members of
        data that is not JSON are to be masked, and BudgetExceeded.
        """
        run = _Run(self.actions, keys, budget, {} if counts is None else counts)
        attributes, typed = dict(event.attributes), dict(event.typed)
        for name, position in self._attributes.items():
            if name not in attributes:
                continue
            masked = run.act(position, typed.get(name, attributes[name]))
            typed.pop(name, None)
            if masked is _REMOVED:
                del attributes[name]
            else:
                attributes[name] = masked
        if event.data is None or self._is_empty:
            return replace(event, attributes=attributes, typed=typed)
        budget.spend(1 + len(event.data) // WRITTEN_PER_STEP)
        if not (declares_json(event.attributes) and event.is_json):
            if not self._data.ends or self.actions[self._data.ends[0]] != REMOVE:
                raise CannotMask("must be JSON, because members of it are masked")
            run.count(self._data.ends[0])
            return _without_data(attributes, typed)
        value = run.masked([self._data], event.value)
        if value is _REMOVED:
            return _without_data(attributes, typed)
        return replace(event, attributes=attributes, typed=typed, data=orjson.dumps(value, default=raw), _value=value)

    @property
    def _is_empty(self) -> bool:
        """Whether no mask is for the data."""
        return len(self._attributes) == len(self.actions)


@dataclass(slots=True)
class _Run:
    """Mask the values of one event."""

    actions: list[str]
    keys: Callable[[], MaskingKeys]
    budget: StepBudget
    counts: dict[int, int]

    def count(self, position: int) -> None:
        self.counts[position] = self.counts.get(position, 0) + 1

    def act(self, position: int, value: Any) -> Any:
        """Return what the mask at this position makes of a value."""
        action = self.actions[position]
        self.count(position)
        self.budget.spend(STEPS[action])
        if action == REMOVE:
            return _REMOVED
        if action == MASK:
            return MASKED
        if isinstance(value, (dict, list, str)):
            self.budget.spend(len(value))
        keys = self.keys()
        return hashed(value, keys.hashing) if action == HASH else encrypted(value, keys)

    def masked(self, nodes: list[PathNode[int]], value: Any) -> Any:
        """Return a value masked by the paths of which it is at these nodes; the value itself is not changed."""
        positions = [node.ends[0] for node in nodes if node.ends]
        if positions:
            return self.act(min(positions), value)
        if isinstance(value, dict):
            self.budget.spend(1 + len(value))
            return self._masked_object(nodes, value)
        if isinstance(value, list):
            self.budget.spend(1 + len(value))
            items = [
                item if not (inner := _at_index(nodes, index)) else self.masked(inner, item)
                for index, item in enumerate(value)
            ]
            return [item for item in items if item is not _REMOVED]
        return value

    def _masked_object(self, nodes: list[PathNode[int]], value: Mapping[str, Any]) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for name, member in value.items():
            inner = _at_name(nodes, name)
            new = self.masked(inner, member) if inner else member
            if new is not _REMOVED:
                result[name] = new
        return result


def _at_name(nodes: list[PathNode[int]], name: str) -> list[PathNode[int]]:
    found = [node.names[name] for node in nodes if name in node.names]
    return found + [node.members for node in nodes if node.members is not None]


def _at_index(nodes: list[PathNode[int]], index: int) -> list[PathNode[int]]:
    found = [node.indices[index] for node in nodes if index in node.indices]
    return found + [node.members for node in nodes if node.members is not None]


def _without_data(attributes: dict[str, str], typed: dict[str, bool | int]) -> Event:
    """Return an event without data, and without the attributes that describe data."""
    kept = {name: text for name, text in attributes.items() if name not in ("datacontenttype", "dataschema")}
    return Event(kept, typed=typed)


def _read(rule: Any, at: str) -> tuple[tuple[PathStep, ...], str]:
    """Return the path and the action of one mask. Raises InvalidMask."""
    if not isinstance(rule, Mapping) or set(rule) != {"path", "action"}:
        raise InvalidMask(at, 'must be an object with path and action: {"path": "$.data.email", "action": "mask"}')
    if rule["action"] not in ACTIONS:
        raise InvalidMask(f"{at}/action", f"must be one of {', '.join(ACTIONS)}")
    path = rule["path"]
    try:
        steps = parse_path(path_from_eventbridge(path) if isinstance(path, str) else path, f"{at}/path")
    except InvalidTransformer as error:
        raise InvalidMask(error.path, error.reason) from None
    if not steps or not isinstance(steps[0], str):
        raise InvalidMask(f"{at}/path", "must lead to data or an attribute, like $.data.email or $.subject")
    if steps[0] != "data" and (steps[0] in KEPT_ATTRIBUTES or len(steps) > 1):
        raise InvalidMask(f"{at}/path", "must lead into data, or to subject or an extension attribute")
    if steps[0] != "data" and rule["action"] == ENCRYPT:
        raise InvalidMask(f"{at}/action", "must be remove, mask or hash for an attribute")
    return steps, str(rule["action"])
