"""Read events in which names are joined by dots: ``{"a.b": 1}`` and ``{"a": {"b": 1}}`` are the same event.

So are all mixtures. If an event spells one path in several ways, its objects are merged, and its other values count as
one list. Time stays linear in the event.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from webhooks.wire.patterns.branches import FieldPath
from webhooks.wire.step_budget import BudgetExceeded, StepBudget

MAX_SPELLINGS = 64  # dotted names that are kept for one place; if there are more, names in events are searched for dots
MAX_CHARACTERS = 1_024  # of all these names
STEPS_PER_VALUE = 3  # of one that is visited
NAMES_PER_STEP = 2  # of an object, when all its names are searched


class NamedNode(Protocol):
    """A node of a tree that field paths form."""

    @property
    def children(self) -> Mapping[str, "NamedNode"]:
        """Return the nodes below by the next name of the path."""


Children = Mapping[str, NamedNode]


def spellings(children: Children) -> frozenset[str] | None:
    """Return the dotted names that lead from an object to nodes further below than its children.

    None if they are too many or too long; then every dotted name counts.
    """
    names: set[str] = set()
    characters = 0
    unfinished = list(children.items())
    while unfinished:
        start, node = unfinished.pop()
        for name, child in node.children.items():
            dotted = f"{start}.{name}"
            characters += len(dotted)
            if len(names) == MAX_SPELLINGS or characters > MAX_CHARACTERS:
                return None
            names.add(dotted)
            unfinished.append((dotted, child))
    return frozenset(names)


def has_dotted(value: dict[str, Any], names: frozenset[str] | None, budget: StepBudget) -> bool:
    """Return whether an object has one of these spellings."""
    if names is not None:
        return not value.keys().isdisjoint(names)
    budget.spend(len(value) // NAMES_PER_STEP)
    return any("." in name for name in value)


def without_dots(children: Children, value: dict[str, Any], budget: StepBudget) -> dict[str, Any]:
    """Return the members of an object that lead to these children, under names without dots."""
    return _merged_members(children, [value], budget)


def _merged_members(children: Children, objects: list[dict[str, Any]], budget: StepBudget) -> dict[str, Any]:
    found: dict[str, list[Any]] = {}
    for value in objects:
        budget.spend(10 + 2 * len(value))
        for key, inner in value.items():
            if key in children:
                found.setdefault(key, []).append(inner)
            else:
                name, dot, rest = key.partition(".")
                if dot and name in children:
                    found.setdefault(name, []).append({rest: inner})
    return {name: _merged(children[name].children, values, budget) for name, values in found.items()}


def _merged(children: Children, values: list[Any], budget: StepBudget) -> Any:
    """Merge the values of one place into one, as far as these children need it."""
    objects = [value for value in values if isinstance(value, dict)]
    if len(objects) > 1:
        objects = [_merged_members(children, objects, budget)]
    everything = [value for value in values if not isinstance(value, dict)] + objects
    return everything[0] if len(everything) == 1 else everything


def flatten(values: list[Any], steps: int, budget: StepBudget) -> Iterator[Any]:
    """Yield the elements of a list and of the lists in it, at any depth; spend these steps for each of them."""
    unfinished = [iter(values)]
    while unfinished:
        for value in unfinished[-1]:
            budget.remaining -= steps
            if budget.remaining < 0:
                raise BudgetExceeded
            if isinstance(value, list):
                unfinished.append(iter(value))
                break
            yield value
        else:
            unfinished.pop()


def scalars_at(value: Any, path: FieldPath, budget: StepBudget) -> Iterator[Any]:
    """Yield the scalars of an event at a path: in every element of its lists, in every spelling of the path."""
    for element in flatten([value], STEPS_PER_VALUE, budget):
        if isinstance(element, dict):
            if path:
                budget.spend(len(element) // NAMES_PER_STEP)
                yield from _scalars_below(element, path, budget)
        elif not path:
            yield element


def _scalars_below(value: dict[str, Any], path: FieldPath, budget: StepBudget) -> Iterator[Any]:
    name, rest = path[0], path[1:]
    for key, inner in value.items():
        if key == name:
            yield from scalars_at(inner, rest, budget)
        elif rest and key.startswith(f"{name}."):
            yield from scalars_at({key[len(name) + 1 :]: inner}, rest, budget)
