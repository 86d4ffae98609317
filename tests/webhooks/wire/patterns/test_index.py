"""Check that an index finds the same patterns as evaluating each of them, and evaluates only candidates."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.webhooks.wire.test_patterns import events, objects
from webhooks.wire.patterns import BudgetExceeded, CompiledGroup, Pattern, PatternGroup, PatternIndex, StepBudget
from webhooks.wire.patterns.index import MAX_UNINDEXED


class Evaluations:
    """The sizes of the groups that an index evaluates; each is compiled once."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self._compiled: dict[Any, CompiledGroup] = {}

    def compiled(self, group: PatternGroup, _: StepBudget) -> CompiledGroup:
        self.sizes.append(len(group.patterns))
        return self._compiled.get(group.key) or self._compiled.setdefault(group.key, group.compile())


def index(*patterns: dict[str, Any]) -> PatternIndex[int]:
    return PatternIndex((Pattern(pattern), number) for number, pattern in enumerate(patterns))


def evaluated(patterns: list[dict[str, Any]], event: dict[str, Any]) -> list[int]:
    counted = Evaluations()
    many = PatternIndex([(Pattern(pattern), number) for number, pattern in enumerate(patterns)], counted.compiled)
    many.find(event)
    return counted.sizes


FILLING: list[dict[str, Any]] = [{"filling": [number]} for number in range(MAX_UNINDEXED)]


@given(st.lists(objects, max_size=6), st.booleans(), events)
def test_find_agrees_with_evaluating_every_pattern(
    patterns: list[dict[str, Any]], is_indexed: bool, event: dict[str, Any]
) -> None:
    matching = [number for number, pattern in enumerate(patterns) if Pattern(pattern).matches(event)]
    assert sorted(index(*patterns, *(FILLING if is_indexed else [])).find(event)) == matching


@given(st.lists(objects, min_size=2, max_size=4), st.lists(objects, max_size=3), events)
def test_find_with_or_agrees_with_evaluating_every_pattern(
    branches: list[Any], others: list[Any], event: dict[str, Any]
) -> None:
    patterns = [{"$or": branches}, *others]
    matching = {number for number, pattern in enumerate(patterns) if Pattern(pattern).matches(event)}
    assert set(index(*patterns, *FILLING).find(event)) == matching


@given(st.lists(objects, max_size=6), st.integers(0, 3), st.integers(0, 30), events)
def test_find_among_some_entries_finds_no_others(
    patterns: list[dict[str, Any]], start: int, size: int, event: dict[str, Any]
) -> None:
    made = [Pattern(pattern) for pattern in (*patterns, *FILLING)]
    many = PatternIndex((made[number % len(made)], number) for number in range(2 * len(made)))  # each pattern twice
    among = range(start, min(start + size, 2 * len(made)))
    assert many.find(event, None, among) == [number for number in among if made[number % len(made)].matches(event)]


def test_find_in_many_patterns_evaluates_only_candidates() -> None:
    patterns: list[dict[str, Any]] = [{"data": {"customer": [f"c{n}"], "kind": ["invoice"]}} for n in range(1_000)]
    event = {"data": {"customer": "c7", "kind": "invoice"}}
    assert list(index(*patterns).find(event)) == [7]
    assert evaluated(patterns, event) == [1]


def test_index_uses_the_field_whose_values_the_fewest_patterns_share() -> None:
    patterns: list[dict[str, Any]] = [{"data": {"region": ["eu"], "customer": [n]}} for n in range(100)]
    assert evaluated(patterns, {"data": {"region": "eu", "customer": 3}}) == [1]
    assert evaluated(patterns, {"data": {"region": "eu"}}) == []


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
    assert index({"data": {"customer": ["c1"]}}, {"data.customer": ["c2"]}, *FILLING).find(event) == [0]


def test_find_evaluates_a_pattern_with_many_items_once() -> None:
    shared, counted = Pattern({"data": {"total": [{"numeric": [">", 5]}]}}), Evaluations()
    many = PatternIndex([(shared, number) for number in range(1_000)], counted.compiled)
    assert (len(many.find({"data": {"total": 6}})), counted.sizes) == (1_000, [1])


def test_find_always_evaluates_patterns_without_exact_values() -> None:
    patterns: list[dict[str, Any]] = [{"a": [{"prefix": "x"}]}, {"a": ["x", {"exists": False}]}, {"a": ["10.0.0.1"]}]
    assert sum(evaluated([*patterns, *FILLING], {})) == 3
    assert index(*patterns, *FILLING).find({"a": "::ffff:10.0.0.1"}) == [2]


def test_find_always_evaluates_a_pattern_with_too_many_branches() -> None:
    wide: dict[str, Any] = {"$or": [{"a": [n]} for n in range(40)]}
    assert evaluated([wide, *FILLING], {}) == [1]
    assert index(wide, *FILLING).find({"a": 39}) == [0]


def test_pattern_with_very_many_values_is_not_indexed() -> None:
    few: dict[str, Any] = {"$or": [{"a": [f"{n}-{m}" for m in range(8)]} for n in range(32)]}
    many: dict[str, Any] = {"$or": [{"a": [f"{n}-{m}" for m in range(9)]} for n in range(32)]}
    assert len(Pattern(few).outline().keys) == 32
    assert Pattern(many).outline().keys == ()
    assert index(many, *FILLING).find({"a": "31-8"}) == [0]


def test_find_evaluates_many_candidates_in_groups() -> None:
    patterns: list[dict[str, Any]] = [{"a": ["x"], "b": [{"numeric": [">", n]}]} for n in range(1_000)]
    sizes = evaluated(patterns, {"a": "x", "b": 500})
    assert sum(sizes) == 1_000
    assert len(sizes) < 100


def test_change_of_one_pattern_changes_few_groups() -> None:
    patterns = [Pattern({"a": [{"prefix": str(n)}]}) for n in range(1_000)]
    keys: list[set[Any]] = []
    for made in (patterns, [*patterns[:500], *patterns[501:], Pattern({"b": [1]})]):
        seen: set[Any] = set()

        def compiled(group: PatternGroup, _: StepBudget, seen: set[Any] = seen) -> CompiledGroup:
            seen.add(group.key)
            return group.compile()

        PatternIndex(((pattern, 0) for pattern in made), compiled).find({})
        keys.append(seen)
    assert len(keys[1] - keys[0]) <= 3


def test_index_is_built_in_pieces_when_its_budget_is_exceeded() -> None:
    many = index(*({"a": [n]} for n in range(1_000)))
    attempts = 0
    while True:
        attempts += 1
        try:
            assert many.find({"a": 7}, StepBudget(5_000)) == [7]
            break
        except BudgetExceeded:
            continue
    assert 4 <= attempts <= 20


def test_steps_of_finding_do_not_grow_with_the_number_of_patterns() -> None:
    spent = []
    for size in (100, 1_000):
        many = index(*({"a": [n], "b": ["x"]} for n in range(size)))
        many.find({"a": 7, "b": "x"})
        budget = StepBudget(10**6)
        many.find({"a": 7, "b": "x"}, budget)
        spent.append(budget.spent)
    assert spent[0] == spent[1]
