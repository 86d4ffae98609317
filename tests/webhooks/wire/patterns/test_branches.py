"""Check the branches of a pattern: fields, $or, dotted names, limits."""

from typing import Any

import pytest

from webhooks.wire.patterns.arguments import InvalidPattern
from webhooks.wire.patterns.branches import MAX_BRANCHES, MAX_DEPTH, RESERVED, compile_branches


def compiled(pattern: Any) -> list[dict[str, tuple[Any, ...]]]:
    return [
        {".".join(path): matcher.values for path, matcher in branch.items()} for branch in compile_branches(pattern)
    ]


def rejected(pattern: Any) -> InvalidPattern:
    with pytest.raises(InvalidPattern) as caught:
        compile_branches(pattern)
    return caught.value


def alternatives(count: int, name: str) -> list[dict[str, Any]]:
    return [{name: [f"{name}{index}"]} for index in range(count)]


def nested(depth: int, inner: Any) -> Any:
    for _ in range(depth):
        inner = {"a": inner}
    return inner


def test_compile_branches_joins_nested_names_to_paths() -> None:
    assert compiled({"a": ["x"], "b": {"c": [1], "d": {"e": [None]}}}) == [{"a": ("x",), "b.c": (1,), "b.d.e": (None,)}]


def test_compile_branches_splits_dotted_names() -> None:
    assert compiled({"a.b": {"c.d": [1]}}) == compiled({"a": {"b": {"c": {"d": [1]}}}})


def test_compile_branches_keeps_the_last_of_two_spellings_of_a_field() -> None:
    assert compiled({"a": {"b": [1]}, "a.b": [2]}) == [{"a.b": (2,)}]


def test_compile_branches_adds_the_fields_around_or_to_each_branch() -> None:
    pattern = {"a": [1], "$or": [{"b": [2]}, {"c": [3], "d": [4]}]}
    assert compiled(pattern) == [{"a": (1,), "b": (2,)}, {"a": (1,), "c": (3,), "d": (4,)}]


def test_compile_branches_keeps_or_below_its_name() -> None:
    assert compiled({"a": {"$or": [{"b": [1]}, {"c": {"d": [2]}}]}}) == [{"a.b": (1,)}, {"a.c.d": (2,)}]


def test_compile_branches_multiplies_several_or() -> None:
    pattern = {"$or": [{"a": [1]}, {"b": [2]}], "x": {"$or": [{"c": [3]}, {"d": [4]}]}}
    assert [sorted(branch) for branch in compiled(pattern)] == [["a", "x.c"], ["b", "x.c"], ["a", "x.d"], ["b", "x.d"]]


def test_compile_branches_multiplies_nested_or_only_with_its_own_object() -> None:
    pattern = {"$or": [{"a": [1], "$or": [{"b": [2]}, {"c": [3]}]}, {"d": [4]}]}
    assert [sorted(branch) for branch in compiled(pattern)] == [["a", "b"], ["a", "c"], ["d"]]


@pytest.mark.parametrize("outer_first", [True, False])
def test_compile_branches_replaces_a_field_by_the_one_inside_or_in_any_order(outer_first: bool) -> None:
    outer, inner = {"a": [1]}, {"$or": [{"a": [2]}, {"b": [3]}]}
    pattern = outer | inner if outer_first else inner | outer
    assert compiled(pattern) == [{"a": (2,)}, {"a": (1,), "b": (3,)}]


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
def test_compile_branches_rejects_an_invalid_pattern_with_its_path(pattern: Any, place: str) -> None:
    assert rejected(pattern).path == place


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_compile_branches_rejects_operator_names_only_inside_or(name: str) -> None:
    assert compiled({name: ["x"]}) == [{name: ("x",)}]
    assert rejected({"$or": [{"a": [1]}, {name: ["x"]}]}).path == f"/$or/1/{name}"


def test_compile_branches_allows_at_most_1000_combinations() -> None:
    pattern = {"$or": alternatives(10, "a"), "x": {"$or": alternatives(10, "b")}}
    assert len(compile_branches(pattern | {"y": {"$or": alternatives(10, "c")}})) == MAX_BRANCHES
    assert "1000 combinations" in rejected(pattern | {"y": {"$or": alternatives(11, "c")}}).reason
    assert rejected({"$or": alternatives(1001, "a")}).path == "/$or"


def test_compile_branches_rejects_too_many_combinations_before_making_them() -> None:
    bomb: dict[str, Any] = {"z": ["z"]}
    for index in range(60):
        bomb = {"$or": [bomb, bomb], f"x{index}": {"$or": alternatives(100, "a")}}
    assert "combinations" in rejected(bomb).reason


def test_compile_branches_limits_depth_in_every_spelling() -> None:
    compile_branches(nested(MAX_DEPTH, ["x"]))
    compile_branches({".".join("a" * MAX_DEPTH): ["x"]})
    assert "levels deep" in rejected(nested(MAX_DEPTH + 1, ["x"])).reason
    assert "levels deep" in rejected(nested(100_000, ["x"])).reason
    assert "levels deep" in rejected({".".join("a" * 100_000): ["x"]}).reason


def test_compile_branches_limits_nested_or() -> None:
    pattern: Any = {"a": ["x"]}
    for _ in range(100_000):
        pattern = {"$or": [pattern, {"b": ["x"]}]}
    assert "levels deep" in rejected(pattern).reason


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
def test_compile_branches_rejects_a_pattern_over_the_cost_limit(pattern: Any) -> None:
    assert "too much work" in rejected(pattern).reason


def test_compile_branches_accepts_long_lists_of_exact_values() -> None:
    assert len(compile_branches({"a": [f"id-{index}" for index in range(100_000)]})) == 1
