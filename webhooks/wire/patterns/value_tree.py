"""Look up the values of an event, each once for all patterns that name its field."""

from typing import Any

from webhooks.wire.json_numbers import exact
from webhooks.wire.patterns.branches import FieldPath
from webhooks.wire.patterns.dotted_names import flatten, has_dotted, spellings, without_dots
from webhooks.wire.step_budget import StepBudget

STEPS_PER_OBJECT = 5
STEPS_PER_VALUE = 3
NO_NAMES: frozenset[str] = frozenset()


class ValueTree:
    """A tree of field paths; each field maps exact values to numbers.

    As dictionary keys, true equals 1 and 300 equals 300.0. So more numbers than those of the value may be found.
    """

    __slots__ = ("_is_read", "_spellings", "_values", "children")

    def __init__(self) -> None:
        self.children: dict[str, ValueTree] = {}
        self._values: dict[Any, list[int]] = {}
        self._spellings: frozenset[str] | None = None
        self._is_read = False  # the spellings are made when the tree is first read

    def add(self, path: FieldPath, values: tuple[Any, ...], number: int) -> None:
        """Add a number to these values of a field."""
        node = self
        for name in path:
            node._is_read = False
            node = node.children.setdefault(name, ValueTree())
        for value in values:
            node._values.setdefault(exact(value), []).append(number)

    def find(self, value: Any, found: set[int], budget: StepBudget) -> None:
        """Add the numbers of all values of an event, or a part of it, to those found. Raises BudgetExceeded."""
        if isinstance(value, dict):
            children = self.children
            if not children:
                return
            if not self._is_read:
                self._spellings, self._is_read = spellings(children), True
            if self._spellings != NO_NAMES and has_dotted(value, self._spellings, budget):
                value = without_dots(children, value, budget)
            shorter = value if len(value) < len(children) else children
            budget.spend(STEPS_PER_OBJECT + len(shorter))
            for name in shorter:
                if name in value and name in children:
                    children[name].find(value[name], found, budget)
        elif isinstance(value, list):
            for element in flatten(value, STEPS_PER_VALUE, budget):
                self.find(element, found, budget)
        elif self._values and (numbers := self._values.get(exact(value))):
            budget.spend(len(numbers))
            found.update(numbers)
