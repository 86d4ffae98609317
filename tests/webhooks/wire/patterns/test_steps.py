"""Check that the steps of matching grow with the event plus the pattern, not with their product, and end at a budget.

Steps are counted, never time. A pattern twice as large, and an event twice as large, may each at most double the steps.
"""

from collections.abc import Callable
from typing import Any

import pytest

from webhooks.wire.patterns import BudgetExceeded, Pattern, StepBudget

Make = Callable[[int], dict[str, Any]]


def steps(pattern: dict[str, Any], event: dict[str, Any]) -> float:
    budget = StepBudget(10**9)
    assert not Pattern(pattern).matches(event, budget)
    return budget.spent


def branches(make: Make) -> Make:
    return lambda size: {"$or": [make(number) for number in range(size)]}


def values(make: Callable[[int], Any]) -> Make:
    return lambda size: {"a": [make(number) for number in range(size)]}


def elements(make: Callable[[int], Any]) -> Make:
    return lambda size: {"a": [make(number) for number in range(size)]}


TEXTS = elements(lambda number: f"text{number}")
NUMBERS = elements(lambda number: number + 0.5)
OBJECTS = elements(lambda number: {"b": f"text{number}", "c": number + 0.5})
KINDS: dict[str, tuple[Make, Make]] = {
    "exact values in a list": (values(lambda number: f"x{number}"), TEXTS),
    "exact values in branches": (branches(lambda number: {"a": [f"x{number}"]}), TEXTS),
    "two fields of one element": (branches(lambda number: {"a": {"b": [f"text{number}"], "c": [number]}}), OBJECTS),
    "many names": (
        branches(lambda number: {"a": {f"b{number}": ["x"]}}),
        elements(lambda number: {f"b{number}": "y", "c": 1}),
    ),
    "prefixes": (branches(lambda number: {"a": [{"prefix": f"x{number}"}]}), TEXTS),
    "suffixes": (branches(lambda number: {"a": [{"suffix": f"x{number}x"}]}), TEXTS),
    "text without case": (branches(lambda number: {"a": [{"equals-ignore-case": f"x{number}"}]}), TEXTS),
    "wildcards with a beginning": (branches(lambda number: {"a": [{"wildcard": f"x{number}*x*"}]}), TEXTS),
    "ranges": (branches(lambda number: {"a": [{"numeric": [">", number, "<", number + 0.1]}]}), NUMBERS),
    "networks": (
        values(lambda number: {"cidr": f"10.{number % 200}.0.0/16"}),
        elements(lambda number: f"11.{number % 200}.0.1"),
    ),
    "anything but": (
        branches(lambda number: {"a": {"b": [{"anything-but": [f"text{number}", "x"]}], "d": ["x"]}}),
        OBJECTS,
    ),
    "anything but as alternatives": (
        values(lambda number: {"anything-but": [f"x{number}", "text"]}),
        elements(lambda _: "text"),
    ),
    "absence": (
        branches(lambda number: {"a": {"b": [{"exists": False}, f"x{number}"], "c": [{"exists": False}]}}),
        OBJECTS,
    ),
    "dotted names": (
        branches(lambda number: {f"a.b.c{number}": ["x"]}),
        elements(lambda number: {f"b.c{number}": "y", "b": {"c": 1}}),
    ),
    "lists in lists": (branches(lambda number: {"a": [f"x{number}"]}), elements(lambda number: [[f"text{number}"]])),
}


@pytest.mark.parametrize("kind", KINDS)
def test_steps_do_not_grow_with_the_product_of_pattern_and_event(kind: str) -> None:
    pattern, event = KINDS[kind]
    few_and_few, many_and_many = steps(pattern(50), event(50)), steps(pattern(400), event(400))
    assert many_and_many <= 8 * 2 * few_and_few


@pytest.mark.parametrize("kind", KINDS)
def test_matching_ends_when_the_budget_is_exceeded(kind: str) -> None:
    pattern, event = KINDS[kind]
    budget = StepBudget(100)
    with pytest.raises(BudgetExceeded):
        Pattern(pattern(100)).matches(event(1_000), budget)
    assert budget.spent < 600


@pytest.mark.parametrize("kind", KINDS)
def test_explaining_ends_when_the_budget_is_exceeded(kind: str) -> None:
    pattern, event = KINDS[kind]
    with pytest.raises(BudgetExceeded):
        Pattern(pattern(100)).explain(event(1_000), StepBudget(1_000))
    assert Pattern(pattern(100)).explain(event(1_000), StepBudget(10**9))


@pytest.mark.parametrize("depth", [1, 30])
def test_steps_for_a_dotted_name_grow_with_its_length(depth: int) -> None:
    name = ".".join("a" * depth)
    one = steps({"d": {name: ["x"]}}, {"d": [{name: "y"}] * 10})
    assert steps({"d": {name: ["x"]}}, {"d": [{name: "y"}] * 100}) <= 11 * one


def test_steps_for_a_wildcard_grow_with_the_length_of_the_text() -> None:
    pattern = {"a": [{"wildcard": "x*y*z"}]}
    assert steps(pattern, {"a": "x" * 1_000_000 + "z"}) > 100 * steps(pattern, {"a": "x" * 1_000 + "z"})
