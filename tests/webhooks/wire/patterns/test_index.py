"""Check that an index finds the same patterns as evaluating each of them, and evaluates only candidates."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.webhooks.wire.test_patterns import events, objects
from webhooks.wire.patterns import Pattern, PatternIndex, StepBudget


class CountingPattern:
    """A pattern that counts its evaluations in a class attribute."""

    evaluations = 0

    def __init__(self, pattern: dict[str, Any]) -> None:
        self._pattern = Pattern(pattern)
        self.branches = self._pattern.branches

    def matches(self, event: dict[str, Any], /, budget: StepBudget | None = None) -> bool:
        CountingPattern.evaluations += 1
        return self._pattern.matches(event, budget)


def index(*patterns: dict[str, Any]) -> PatternIndex[int]:
    return PatternIndex((CountingPattern(pattern), number) for number, pattern in enumerate(patterns))


def evaluations(patterns: PatternIndex[int], event: dict[str, Any]) -> int:
    CountingPattern.evaluations = 0
    list(patterns.find(event))
    return CountingPattern.evaluations


@given(st.lists(objects, max_size=6), events)
def test_find_agrees_with_evaluating_every_pattern(patterns: list[dict[str, Any]], event: dict[str, Any]) -> None:
    matching = {number for number, pattern in enumerate(patterns) if Pattern(pattern).matches(event)}
    assert sorted(index(*patterns).find(event)) == sorted(matching)


@given(st.lists(objects, min_size=2, max_size=4), st.lists(objects, max_size=3), events)
def test_find_with_or_agrees_with_evaluating_every_pattern(
    branches: list[Any], others: list[Any], event: dict[str, Any]
) -> None:
    patterns = [{"$or": branches}, *others]
    matching = {number for number, pattern in enumerate(patterns) if Pattern(pattern).matches(event)}
    assert set(index(*patterns).find(event)) == matching


def test_find_in_many_patterns_evaluates_only_candidates() -> None:
    many = index(*({"data": {"customer": [f"c{n}"], "kind": ["invoice"]}} for n in range(1_000)))
    event = {"data": {"customer": "c7", "kind": "invoice"}}
    assert (list(many.find(event)), evaluations(many, event)) == ([7], 1)


def test_index_uses_the_field_whose_values_the_fewest_patterns_share() -> None:
    many = index(*({"data": {"region": ["eu"], "customer": [n]}} for n in range(100)))
    assert evaluations(many, {"data": {"region": "eu", "customer": 3}}) == 1
    assert evaluations(many, {"data": {"region": "eu"}}) == 0


@pytest.mark.parametrize(
    "event",
    [
        {"data.customer": "c1"},
        {"data": [{"customer": "c0"}, {"customer": [["c1"]]}]},
        {"data": {"customer": ["x", "c1"]}},
    ],
    ids=ascii,
)
def test_find_reads_values_in_lists_and_under_dotted_names(event: dict[str, Any]) -> None:
    assert list(index({"data": {"customer": ["c1"]}}, {"data.customer": ["c2"]}).find(event)) == [0]


def test_find_evaluates_a_pattern_with_many_items_once() -> None:
    shared = CountingPattern({"data": {"total": [{"numeric": [">", 5]}]}})
    many = PatternIndex((shared, number) for number in range(1_000))
    assert (len(list(many.find({"data": {"total": 6}}))), evaluations(many, {})) == (1_000, 1)


def test_find_always_evaluates_patterns_without_exact_values() -> None:
    many = index({"a": [{"prefix": "x"}]}, {"a": ["x", {"exists": False}]}, {"a": ["10.0.0.1"]})
    assert evaluations(many, {}) == 3
    assert list(many.find({"a": "::ffff:10.0.0.1"})) == [2]


def test_find_always_evaluates_a_pattern_with_too_many_branches() -> None:
    wide = {"$or": [{"a": [n]} for n in range(40)]}
    assert evaluations(index(wide), {}) == 1
    assert list(index(wide).find({"a": 39})) == [0]
