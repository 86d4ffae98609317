"""Find values in an event by input paths, such as ``$.data.lines[0].sku``, all paths in one pass.

The grammar is that of EventBridge (user guide, "Input transformation"). After the root ``$`` come steps:

    .name        a member of an object; the name consists of letters, digits, ``-``, ``_`` and ``/``
    [0]          an item of a list
    .* or [*]    all members or items

A JSONPath library (RFC 9535) does not fit: it accepts filters, slices, recursive descent and functions, and rejects
names that begin with a digit or contain a slash.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from webhooks.wire.step_budget import StepBudget
from webhooks.wire.transform.errors import InvalidTransformer

MAX_LENGTH = 256  # characters
MISSING: Any = object()  # the result of a path that leads to no value
VALUES_PER_STEP = 2  # that a path goes through

_STEP = re.compile(r"\.(?P<name>[\w/-]+)|\[(?P<index>[0-9]+)\]|\.\*|\[\*\]")
_ALL_MEMBERS = None  # the step .* or [*]

PathStep = str | int | None
"""A name, an index, or _ALL_MEMBERS."""


def parse_path(text: str, at: str) -> tuple[PathStep, ...]:
    """Parse an input path. ``at``: its JSON pointer in the transformer, for the error. Raises InvalidTransformer."""
    if not isinstance(text, str) or not text.startswith("$"):
        raise InvalidTransformer(at, "a path is a string that begins with $, like $.data.id")
    if len(text) > MAX_LENGTH:
        raise InvalidTransformer(at, f"a path has at most {MAX_LENGTH} characters")
    steps: list[PathStep] = []
    position = 1
    while position < len(text):
        step = _STEP.match(text, position)
        if step is None:
            raise InvalidTransformer(
                at, f"cannot parse {text[position:]!r}; after the $ a path has only .name, [0], .* and [*]"
            )
        name, index = step["name"], step["index"]
        steps.append(name if name else int(index) if index else _ALL_MEMBERS)
        position = step.end()
    return tuple(steps)


E = TypeVar("E")


@dataclass(slots=True)
class PathNode(Generic[E]):
    """A node of a tree of paths: what stands for the paths that end here, in the order they were added; next steps."""

    ends: list[E] = field(default_factory=list)
    names: dict[str, "PathNode[E]"] = field(default_factory=dict)
    indices: dict[int, "PathNode[E]"] = field(default_factory=dict)
    members: "PathNode[E] | None" = None

    def add(self, steps: Iterable[PathStep], end: E) -> None:
        """Add a path below this node; ``end`` stands for it."""
        node = self
        for step in steps:
            node = node._next(step)
        node.ends.append(end)

    def _next(self, step: PathStep) -> "PathNode[E]":
        """Return the node of the next step; it is created if it does not exist."""
        if isinstance(step, str):
            return self.names.setdefault(step, PathNode())
        if isinstance(step, int):
            return self.indices.setdefault(step, PathNode())
        self.members = self.members or PathNode()
        return self.members


class InputPaths:
    """Named input paths; those with ``*`` form a tree, so that each value of an event is visited once for all."""

    __slots__ = ("_plain", "_root", "_with_members")

    def __init__(self, paths: Mapping[str, tuple[PathStep, ...]]) -> None:
        self._plain = [(name, steps) for name, steps in paths.items() if _ALL_MEMBERS not in steps]
        self._with_members = [name for name, steps in paths.items() if _ALL_MEMBERS in steps]
        self._root = PathNode[str]()
        for name in self._with_members:
            self._root.add(paths[name], name)

    def find(self, event: Any, budget: StepBudget) -> dict[str, Any]:
        """Return the value at each path, or MISSING if there is none. Raises BudgetExceeded.

        A path with ``*`` returns the list of all values that it matches. The list may be empty, but if the value before
        the first ``*`` is missing, or neither an object nor a list, the result is MISSING.
        """
        values = {name: _value_at(event, steps) for name, steps in self._plain}
        if self._with_members:
            values |= dict.fromkeys(self._with_members, MISSING)
            _find(self._root, [event], values, budget, has_wildcard=False)
        return values


def _value_at(event: Any, steps: tuple[PathStep, ...]) -> Any:
    """Return the value at a path without ``*``."""
    value = event
    for step in steps:
        if isinstance(step, str):
            value = value.get(step, MISSING) if isinstance(value, dict) else MISSING
        else:
            value = value[step] if isinstance(value, list) and step is not None and step < len(value) else MISSING
    return value


def _find(
    node: PathNode[str], found: list[Any], values: dict[str, Any], budget: StepBudget, *, has_wildcard: bool
) -> None:
    """Set the values of the paths that go through this node, where these values were found."""
    budget.spend(1 + len(found) // VALUES_PER_STEP)
    for name in node.ends:
        values[name] = found
    for child, members in _named(node.names, found, budget) + _indexed(node.indices, found, budget):
        _find(child, members, values, budget, has_wildcard=has_wildcard)
    if node.members is not None:
        containers = [value for value in found if isinstance(value, (dict, list))]
        if containers or has_wildcard:
            budget.spend(sum(map(len, containers)) // VALUES_PER_STEP)
            items = [item for value in containers for item in (value.values() if isinstance(value, dict) else value)]
            _find(node.members, items, values, budget, has_wildcard=True)


def _named(
    names: dict[str, PathNode[str]], found: list[Any], budget: StepBudget
) -> list[tuple[PathNode[str], list[Any]]]:
    """Return the members of the objects by name, in the time of the smaller of both: the object and the names."""
    members: dict[str, list[Any]] = {name: [] for name in names}
    if names:
        for value in found:
            if isinstance(value, dict):
                shorter = names if len(names) < len(value) else value
                budget.spend(1 + len(shorter) // VALUES_PER_STEP)
                for name in shorter:
                    if name in members and name in value:
                        members[name].append(value[name])
    return [(names[name], each) for name, each in members.items()]


def _indexed(
    indices: dict[int, PathNode[str]], found: list[Any], budget: StepBudget
) -> list[tuple[PathNode[str], list[Any]]]:
    """Return the items of the lists by index; the indices beyond the end of a list are not tried."""
    items: dict[int, list[Any]] = {index: [] for index in sorted(indices)}
    if indices:
        for value in found:
            if isinstance(value, list):
                for index, each in items.items():
                    budget.spend(1)
                    if index >= len(value):
                        break
                    each.append(value[index])
    return [(indices[index], each) for index, each in items.items()]
