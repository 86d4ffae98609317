"""What an object of a pattern means: fields, $or, names with dots; and how large it may grow."""

from typing import Any

import pytest

from webhooks.wire.patterns.arguments import InvalidPattern
from webhooks.wire.patterns.branches import MAX_BRANCHES, MAX_DEPTH, RESERVED, compile_branches


def read(pattern: Any) -> list[dict[str, tuple[Any, ...]]]:
    return [{".".join(path): wanted.values for path, wanted in branch.items()} for branch in compile_branches(pattern)]


def refused(pattern: Any) -> InvalidPattern:
    with pytest.raises(InvalidPattern) as caught:
        compile_branches(pattern)
    return caught.value


def alternatives(count: int, name: str) -> list[dict[str, Any]]:
    return [{name: [f"{name}{index}"]} for index in range(count)]


def nested(depth: int, inner: Any) -> Any:
    for _ in range(depth):
        inner = {"a": inner}
    return inner


def test_names_lead_to_lists() -> None:
    assert read({"a": ["x"], "b": {"c": [1], "d": {"e": [None]}}}) == [{"a": ("x",), "b.c": (1,), "b.d.e": (None,)}]


def test_dots_in_names_are_steps() -> None:
    assert read({"a.b": {"c.d": [1]}}) == read({"a": {"b": {"c": {"d": [1]}}}})


def test_of_two_spellings_of_one_field_the_last_counts() -> None:
    assert read({"a": {"b": [1]}, "a.b": [2]}) == [{"a.b": (2,)}]


def test_or_makes_branches_with_the_fields_around_it() -> None:
    pattern = {"a": [1], "$or": [{"b": [2]}, {"c": [3], "d": [4]}]}
    assert read(pattern) == [{"a": (1,), "b": (2,)}, {"a": (1,), "c": (3,), "d": (4,)}]


def test_or_below_a_name_stays_below_it() -> None:
    assert read({"a": {"$or": [{"b": [1]}, {"c": {"d": [2]}}]}}) == [{"a.b": (1,)}, {"a.c.d": (2,)}]


def test_several_or_multiply() -> None:
    pattern = {"$or": [{"a": [1]}, {"b": [2]}], "x": {"$or": [{"c": [3]}, {"d": [4]}]}}
    assert [sorted(branch) for branch in read(pattern)] == [["a", "x.c"], ["b", "x.c"], ["a", "x.d"], ["b", "x.d"]]


def test_or_inside_or_multiplies_its_own_object_only() -> None:
    pattern = {"$or": [{"a": [1], "$or": [{"b": [2]}, {"c": [3]}]}, {"d": [4]}]}
    assert [sorted(branch) for branch in read(pattern)] == [["a", "b"], ["a", "c"], ["d"]]


@pytest.mark.parametrize("outer_first", [True, False])
def test_a_field_inside_or_overrides_the_one_outside_whatever_the_order(outer_first: bool) -> None:
    outer, inner = {"a": [1]}, {"$or": [{"a": [2]}, {"b": [3]}]}
    pattern = outer | inner if outer_first else inner | outer
    assert read(pattern) == [{"a": (2,)}, {"a": (1,), "b": (3,)}]


@pytest.mark.parametrize(
    ("pattern", "place"),
    [
        (None, ""),
        ([], ""),
        ("a", ""),
        ({}, ""),
        ({"a": {}}, "/a"),
        ({"a": []}, "/a"),
        ({"a": "x"}, "/a"),
        ({"a": 1}, "/a"),
        ({"a": None}, "/a"),
        ({"a": {"b": True}}, "/a/b"),
        ({"a": ["x", ["y"]]}, "/a/1"),
        ({"a": [{"x": 2}]}, "/a/0"),
        ({"x/y~z": {"b": 1}}, "/x~1y~0z/b"),
        ({1: ["a"]}, ""),
        ({"$or": {"a": [1]}}, "/$or"),
        ({"$or": "a"}, "/$or"),
        ({"$or": []}, "/$or"),
        ({"$or": [{"a": [1]}]}, "/$or"),
        ({"$or": [{"a": [1]}, [{"b": [2]}]]}, "/$or/1"),
        ({"$or": [{"a": [1]}, "b"]}, "/$or/1"),
        ({"$or": [{"a": [1]}, {}]}, "/$or/1"),
        ({"a": {"$or": [{"b": [1]}, {"c": {"d": 2}}]}}, "/a/$or/1/c/d"),
        ({"$or": [{"a": [1]}, {"b": {"numeric": [">", 1]}}]}, "/$or/1/b/numeric"),
    ],
    ids=ascii,
)
def test_what_is_no_pattern_is_refused_with_its_place(pattern: Any, place: str) -> None:
    assert refused(pattern).path == place


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_names_of_operators_are_fields_outside_or_and_refused_inside(name: str) -> None:
    assert read({name: ["x"]}) == [{name: ("x",)}]
    assert refused({"$or": [{"a": [1]}, {name: ["x"]}]}).path == f"/$or/1/{name}"


def test_a_thousand_combinations_are_allowed_and_no_more() -> None:
    pattern = {"$or": alternatives(10, "a"), "x": {"$or": alternatives(10, "b")}}
    assert len(compile_branches(pattern | {"y": {"$or": alternatives(10, "c")}})) == MAX_BRANCHES
    assert "1000 combinations" in refused(pattern | {"y": {"$or": alternatives(11, "c")}}).reason
    assert refused({"$or": alternatives(1001, "a")}).path == "/$or"


def test_combinations_are_refused_before_they_are_made() -> None:
    bomb: dict[str, Any] = {"z": ["z"]}
    for index in range(60):
        bomb = {"$or": [bomb, bomb], f"x{index}": {"$or": alternatives(100, "a")}}
    assert "combinations" in refused(bomb).reason


def test_depth_is_limited_in_every_spelling() -> None:
    compile_branches(nested(MAX_DEPTH, ["x"]))
    compile_branches({".".join("a" * MAX_DEPTH): ["x"]})
    assert "levels deep" in refused(nested(MAX_DEPTH + 1, ["x"])).reason
    assert "levels deep" in refused(nested(100_000, ["x"])).reason
    assert "levels deep" in refused({".".join("a" * 100_000): ["x"]}).reason


def test_or_inside_or_is_limited_too() -> None:
    pattern: Any = {"a": ["x"]}
    for _ in range(100_000):
        pattern = {"$or": [pattern, {"b": ["x"]}]}
    assert "levels deep" in refused(pattern).reason


@pytest.mark.parametrize(
    "pattern",
    [
        {"a": [{"wildcard": "*a" * 30_000}]},
        {"a": [{"anything-but": {"wildcard": ["*a" * 3_000] * 10}}]},
        {"a": [{"prefix": str(index)} for index in range(300_000)]},
        {".".join("a" * MAX_DEPTH) + str(index): ["x"] for index in range(1_000)},
        {"a": [{"wildcard": "*a" * 30}], "$or": alternatives(1_000, "b")},
    ],
    ids=["stars", "stars in a list", "operators", "deep names", "stars in every branch"],
)
def test_a_pattern_that_would_cost_too_much_is_refused(pattern: Any) -> None:
    assert "too much work" in refused(pattern).reason


def test_long_lists_of_plain_values_are_cheap() -> None:
    assert len(compile_branches({"a": [f"id-{index}" for index in range(100_000)]})) == 1
