"""An index over many patterns finds what asking each of them would find, and asks few."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.webhooks.wire.test_patterns import events, objects
from webhooks.wire.patterns import Pattern, PatternIndex


def index(*patterns: dict[str, Any]) -> PatternIndex[int]:
    return PatternIndex((Pattern(pattern), number) for number, pattern in enumerate(patterns))


@given(st.lists(objects, max_size=6), events)
def test_it_finds_what_asking_each_would_find(patterns: list[dict[str, Any]], event: dict[str, Any]) -> None:
    matching = {number for number, pattern in enumerate(patterns) if Pattern(pattern).matches(event)}
    assert sorted(index(*patterns).find(event)) == sorted(matching)


@given(st.lists(objects, min_size=2, max_size=4), st.lists(objects, max_size=3), events)
def test_it_finds_what_alternatives_match(branches: list[Any], others: list[Any], event: dict[str, Any]) -> None:
    patterns = [{"$or": branches}, *others]
    matching = {number for number, pattern in enumerate(patterns) if Pattern(pattern).matches(event)}
    assert set(index(*patterns).find(event)) == matching


def test_of_many_patterns_only_those_that_could_match_are_asked() -> None:
    many = index(*({"data": {"customer": [f"c{n}"], "kind": ["invoice"]}} for n in range(1_000)))
    event = {"data": {"customer": "c7", "kind": "invoice"}}
    assert (list(many.find(event)), many.candidate_count(event)) == ([7], 1)


def test_patterns_are_filed_under_the_field_they_share_with_the_fewest() -> None:
    many = index(*({"data": {"region": ["eu"], "customer": [n]}} for n in range(100)))
    assert many.candidate_count({"data": {"region": "eu", "customer": 3}}) == 1
    assert many.candidate_count({"data": {"region": "eu"}}) == 0


@pytest.mark.parametrize(
    "event",
    [
        {"data.customer": "c1"},
        {"data": [{"customer": "c0"}, {"customer": [["c1"]]}]},
        {"data": {"customer": ["x", "c1"]}},
    ],
    ids=ascii,
)
def test_lists_and_dots_in_the_event_do_not_hide_a_value(event: dict[str, Any]) -> None:
    assert list(index({"data": {"customer": ["c1"]}}, {"data.customer": ["c2"]}).find(event)) == [0]


def test_one_pattern_with_many_things_is_asked_once() -> None:
    shared = Pattern({"data": {"total": [{"numeric": [">", 5]}]}})
    many = PatternIndex((shared, number) for number in range(1_000))
    assert (len(list(many.find({"data": {"total": 6}}))), many.candidate_count({})) == (1_000, 1)


def test_what_names_nothing_exactly_is_always_asked() -> None:
    many = index({"a": [{"prefix": "x"}]}, {"a": ["x", {"exists": False}]}, {"a": ["10.0.0.1"]})
    assert many.candidate_count({}) == 3
    assert list(many.find({"a": "::ffff:10.0.0.1"})) == [2]


def test_a_pattern_of_too_many_branches_is_always_asked() -> None:
    wide = {"$or": [{"a": [n]} for n in range(40)]}
    assert index(wide).candidate_count({}) == 1
    assert list(index(wide).find({"a": 39})) == [0]
