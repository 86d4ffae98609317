"""Find the branches that accept a scalar in one field: one lookup for all branches that have this field.

Exact values, also those that ``anything-but`` names, are compared by hash, ranges by binary search, networks by hash
for each length of a mask, and text operators as in text_lookup.py.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from webhooks.wire.json_numbers import exact
from webhooks.wire.patterns.arguments import Number, Predicate
from webhooks.wire.patterns.masks import RangeMasks
from webhooks.wire.patterns.operators.anything_but import AnythingBut
from webhooks.wire.patterns.operators.cidr import Network, SameAddress, parse_address
from webhooks.wire.patterns.operators.constants import EXISTS, OneOfConstants
from webhooks.wire.patterns.operators.numeric import OneOfNumbers, Range
from webhooks.wire.patterns.operators.strings import OneOf
from webhooks.wire.patterns.operators.text_lookup import text_finders
from webhooks.wire.step_budget import StepBudget

MAX_KEPT_POSITIONS = 65
PARSE_STEPS = 20  # for the text of an IP address


class FieldLookup:
    """The entries that many branches have for one field, each with the mask of its branches."""

    __slots__ = ("_always", "_anything_but", "_constants", "_excluded", "_numbers", "_others", "_ranges", "_strings",
                 "_texts", "_uncommon")  # fmt: skip

    def __init__(self, entries: Iterable[tuple[Predicate, int]]) -> None:
        self._strings: dict[str, int] = {}
        self._numbers: dict[Number, int] = {}
        self._constants: dict[bool | None, int] = {}
        self._anything_but = 0
        excluded: list[tuple[Predicate, int]] = []
        operators: dict[Predicate, int] = defaultdict(int)
        for entry, mask in entries:
            if isinstance(entry, OneOf):
                _add(self._strings, entry.strings, mask)
            elif isinstance(entry, OneOfNumbers):
                _add(self._numbers, entry.numbers, mask)
            elif isinstance(entry, OneOfConstants):
                _add(self._constants, entry.constants, mask)
            elif isinstance(entry, AnythingBut) and not mask & self._anything_but:
                self._anything_but |= mask
                excluded += ((predicate, mask) for predicate in entry.excluded)
            else:
                operators[entry] |= mask
        self._excluded = FieldLookup(excluded) if excluded else None
        self._always = operators.pop(EXISTS, 0)
        self._ranges = RangeLookup({it: mask for it, mask in operators.items() if isinstance(it, Range)})
        self._texts = text_finders(operators)
        if addresses := {it: mask for it, mask in operators.items() if isinstance(it, (Network, SameAddress))}:
            self._texts.append(AddressLookup(addresses).find)
        # A second anything-but of the same branch: it is an alternative to the first.
        self._others = [(it, mask) for it, mask in operators.items() if isinstance(it, AnythingBut)]
        self._uncommon = bool(self._always or self._anything_but)

    @property
    def only_strings(self) -> dict[str, int] | None:
        """Return the masks by exact string if strings have no other operators."""
        return None if self._texts or self._uncommon else self._strings

    def find(self, scalar: Any, budget: StepBudget) -> int:
        """Return the mask of the branches that accept the scalar. Raises BudgetExceeded."""
        if isinstance(scalar, str):
            found = self._strings.get(scalar, 0)
            for find in self._texts:
                found |= find(scalar, budget)
        elif scalar is None or isinstance(scalar, bool):
            found = self._constants.get(scalar, 0)
        else:
            found = self._find_number(exact(scalar), budget) if self._numbers or self._ranges else 0
        return found | self._find_uncommon(scalar, budget) if self._uncommon else found

    def _find_number(self, number: Number, budget: StepBudget) -> int:
        found = self._numbers.get(number, 0)
        return found | self._ranges.find(number, budget) if self._ranges else found

    def _find_uncommon(self, scalar: Any, budget: StepBudget) -> int:
        """Return the mask of the branches that accept every scalar, or every scalar but some."""
        found = self._always
        if self._excluded is not None:
            budget.spend(2)
            found |= self._anything_but & ~self._excluded.find(scalar, budget)
        for predicate, mask in self._others:
            if mask & ~found:
                budget.spend(3)
                found |= mask if predicate(scalar) else 0
        return found


def _add(masks: dict[Any, int], keys: Iterable[Any], mask: int) -> None:
    for key in keys:
        masks[key] = masks.get(key, 0) | mask


class RangeLookup:
    """Ranges of numbers with their masks.

    Position 2n + 1 is the n-th bound, the even positions are the gaps between bounds. The masks of few positions are
    all kept; those of more are combined when they are read, because they would take the square of the memory.
    """

    __slots__ = ("_bounds", "_mask_at", "_steps")

    def __init__(self, ranges: Mapping[Range, int]) -> None:
        self._bounds = sorted({bound for it in ranges for bound in (it.low, it.high) if bound is not None})
        positions = 2 * len(self._bounds) + 1
        masks = RangeMasks(positions)
        for it, mask in ranges.items():
            start = 0 if it.low is None else self._position(it.low) + (not it.has_low)
            end = positions if it.high is None else self._position(it.high) + it.has_high
            masks.add(start, end, mask)
        self._steps = 2 + positions.bit_length() // 2
        is_small = positions <= MAX_KEPT_POSITIONS
        self._mask_at = [masks.at(it) for it in range(positions)].__getitem__ if is_small else masks.at

    def __bool__(self) -> bool:
        """Return whether there are ranges."""
        return bool(self._bounds)

    def find(self, number: Number, budget: StepBudget) -> int:
        """Return the mask of the branches with a range that has this number. NaN is in no range."""
        budget.spend(self._steps)
        return self._mask_at(self._position(number)) if number == number else 0  # noqa: PLR0124 (false for NaN)

    def _position(self, number: Number) -> int:
        index = bisect_left(self._bounds, number)
        return 2 * index + (index < len(self._bounds) and self._bounds[index] == number)


class AddressLookup:
    """Networks and addresses with their masks, by version and number of host bits."""

    __slots__ = ("_networks",)

    def __init__(self, operators: Mapping[Network | SameAddress, int]) -> None:
        self._networks: dict[tuple[int, int], dict[int, int]] = defaultdict(dict)
        for it, mask in operators.items():
            if isinstance(it, Network):
                self._networks[it.version, it.shift][it.bits] = mask
            elif isinstance(it, SameAddress):
                self._networks[it.address.version, 0][int(it.address)] = mask

    def find(self, text: str, budget: StepBudget) -> int:
        """Return the mask of the branches with an address or a network that has this text as an address."""
        address, found = parse_address(text), 0
        if address is not None:
            bits = int(address)
            budget.spend(PARSE_STEPS + len(self._networks))
            for (version, shift), masks in self._networks.items():
                if version == address.version:
                    found |= masks.get(bits >> shift, 0)
        return found
