"""Check matching of one event with one branch: lists, absence, dotted names, hostile events."""

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.webhooks.wire.patterns import reference
from webhooks.wire.patterns.branches import PatternBranch, compile_branches
from webhooks.wire.patterns.matching import BranchSet

ABSENT: Any = {"exists": False}
PRESENT: Any = {"exists": True}


def matches(pattern: dict[str, Any], event: Any) -> bool:
    return BranchSet(compile_branches(pattern)).matching(event) != 0


@pytest.mark.parametrize(
    ("pattern", "event", "expected"),
    [
        # one matching element of a list is enough, at any depth
        ({"a": ["x"]}, {"a": ["y", "x"]}, True),
        ({"a": ["x"]}, {"a": [["y"], [["x"]]]}, True),
        ({"a": ["x"]}, {"a": []}, False),
        ({"a": [None]}, {"a": []}, False),
        ({"a": [{"anything-but": "x"}]}, {"a": ["x", "y"]}, True),
        ({"a": [{"anything-but": "x"}]}, {"a": ["x"]}, False),
        ({"a": [{"anything-but": "x"}]}, {"a": []}, False),
        # a field is a scalar: objects have none
        ({"a": [PRESENT]}, {"a": {"b": 1}}, False),
        ({"a": [PRESENT]}, {"a": {}}, False),
        ({"a": [PRESENT]}, {"a": [{"b": 1}]}, False),
        ({"a": [PRESENT]}, {"a": [{"b": 1}, 0]}, True),
        ({"a": [PRESENT]}, {"a": None}, True),
        ({"a": [PRESENT]}, {"a": [[]]}, False),
        ({"a": [{"anything-but": "x"}]}, {"a": {"b": 1}}, False),
        ({"a": {"b": [PRESENT]}}, {"a": "b"}, False),
        ({"A": ["x"]}, {"a": "x"}, False),
        # absence
        ({"a": [ABSENT]}, {}, True),
        ({"a": [ABSENT]}, {"a": {}}, True),
        ({"a": [ABSENT]}, {"a": []}, True),
        ({"a": [ABSENT]}, {"a": [{}, []]}, True),
        ({"a": [ABSENT]}, {"a": None}, False),
        ({"a": [ABSENT]}, {"a": [None]}, False),
        ({"a": [ABSENT, "x"]}, {"a": "x"}, True),
        ({"a": [ABSENT, "x"]}, {"a": "y"}, False),
        ({"a": [ABSENT, "x"]}, {"b": "y"}, True),
        ({"a": {"b": [ABSENT]}}, {"a": "x"}, True),
        ({"a": {"b": [ABSENT]}}, {"a": []}, True),
        ({"a": {"b": {"c": [ABSENT]}}}, {}, True),
        ({"a": {"b": {"c": [ABSENT]}}}, {"a": {"b": {"c": 0}}}, False),
        # one element satisfies all fields below a name
        ({"d": {"a": [1], "b": [2]}}, {"d": [{"a": 1}, {"b": 2}]}, False),
        ({"d": {"a": [1], "b": [2]}}, {"d": [{"a": 1}, {"b": 2, "a": 1}]}, True),
        ({"d": {"a": [1], "b": [2]}}, {"d": [[{"a": 1}], [{"b": 2}]]}, False),
        ({"d": {"a": [1], "b": [2]}}, {"d": [[{"a": 0}], [[{"b": 2, "a": 1}]]]}, True),
        ({"d": {"a": [1], "e": {"b": [2]}}}, {"d": [{"a": 1}, {"e": {"b": 2}}]}, False),
        ({"d": {"a": [1], "e": {"b": [2]}}}, {"d": [{"a": 1, "e": [{"b": 0}, {"b": 2}]}]}, True),
        ({"d": {"a": [1], "b": [2]}}, {"d": ["x", 1, {"a": 1, "b": 2}]}, True),
        ({"d": {"a": [1]}, "e": {"a": [2]}}, {"d": [{"a": 0}, {"a": 1}], "e": [{"a": 2}, {"a": 0}]}, True),
        # which is also the element from which an absent field must be absent
        ({"d": {"a": [1], "b": [ABSENT]}}, {"d": [{"a": 1}, {"b": 2}]}, True),
        ({"d": {"a": [1], "b": [ABSENT]}}, {"d": [{"a": 1, "b": 2}, {}]}, False),
        ({"d": {"b": [1], "a": [ABSENT]}}, {"d": [{"b": 1}, {"a": 2}]}, True),
        ({"d": {"a": [1], "e": {"b": [ABSENT]}}}, {"d": [{"a": 1, "e": [{"b": 0}, {}]}]}, False),
        ({"d": {"a": [1], "e": {"b": [ABSENT]}}}, {"d": [{"a": 1, "e": []}, {"e": [{"b": 0}]}]}, True),
        # if the pattern says nothing else about a list, no element may have the field
        ({"d": {"b": [ABSENT]}}, {"d": [{"a": 1}, {"b": 2}]}, False),
        ({"d": {"b": [ABSENT]}}, {"d": [{"a": 1}, {"a": 2}]}, True),
        ({"d": {"b": [ABSENT, 2]}}, {"d": [{"b": 1}, {"b": 2}]}, True),
        ({"d": {"b": [ABSENT, 2]}}, {"d": [{"b": 1}, {"a": 2}]}, False),
    ],
    ids=ascii,
)
def test_matcher_follows_the_rules_for_lists_and_absence(pattern: dict[str, Any], event: Any, expected: bool) -> None:
    assert matches(pattern, event) is expected


@pytest.mark.parametrize(
    ("pattern", "event", "expected"),
    [
        ({"a": {"b": [1]}}, {"a.b": 1}, True),
        ({"a.b": [1]}, {"a": {"b": 1}}, True),
        ({"a": {"b": {"c": [1]}}}, {"a": {"b.c": 1}}, True),
        ({"a": {"b": {"c": [1]}}}, {"a.b": {"c": 1}}, True),
        ({"a": {"b": {"c": [1]}}}, {"a.b.c": 1}, True),
        ({"a.b": {"b": [1]}}, {"a": {"b": 1}}, False),
        ({"a": {"b": [1]}}, {"a.b": {"b": 1}}, False),
        ({"a": {"b": [1]}}, {"a.b.c": 1}, False),
        ({"": [1]}, {"": 1}, True),
        ({"a.": [1]}, {"a": {"": 1}}, True),
        # one path in several spellings: objects merge
        ({"a": {"b": [1], "c": [2]}}, {"a.b": 1, "a": {"c": 2}}, True),
        ({"a": {"b": {"c": [1], "d": [2], "e": [3]}}}, {"a.b.c": 1, "a.b": {"d": 2}, "a": {"b": {"e": 3}}}, True),
        ({"a": {"b": [ABSENT], "c": [2]}}, {"a.b": 1, "a": {"c": 2}}, False),
        ({"a": {"b": [ABSENT]}}, {"a.b": 1}, False),
        # several spellings of one field: values are alternatives
        ({"a": {"b": [1]}}, {"a.b": 1, "a": {"b": 2}}, True),
        ({"a": {"b": [2]}}, {"a.b": 1, "a": {"b": 2}}, True),
        ({"a": {"b": [3]}}, {"a.b": 1, "a": {"b": 2}}, False),
        ({"a": {"b": [1]}}, {"a": "text", "a.b": 1}, True),
        ({"a": {"b": [1], "c": [2]}}, {"a.b": 1, "a": [{"c": 2}]}, False),
        ({"a": {"b": [1], "c": [2]}}, {"a.b": 1, "a": [{"b": 1, "c": 2}]}, True),
        # a name that is both a field and has fields below
        ({"a": ["x"], "a.b": [1]}, {"a": "x", "a.b": 1}, True),
        ({"a": ["x"], "a.b": [ABSENT]}, {"a": "x"}, True),
        ({"a": ["x"], "a.b": [ABSENT]}, {"a": "x", "a.b": 1}, False),
        ({"a": ["x"], "a.b": [1]}, {"a": ["x", {"b": 1}]}, True),
        ({"a": ["x"], "a.b": [1]}, {"a": {"b": 1}}, False),
        ({"a": ["x"], "a.b": [1]}, {"a": "x"}, False),
        ({"a": [ABSENT], "a.b": [1]}, {"a": {"b": 1}}, True),
        ({"d": {"a": [ABSENT], "a.b": [1]}}, {"d": [{"a": {"b": 1}}, {"a": "x"}]}, True),
        ({"d": {"a": [ABSENT], "a.b": [ABSENT]}}, {"d": [{"c": 1}, {"a": "x"}]}, False),
    ],
    ids=ascii,
)
def test_matcher_treats_dotted_and_nested_names_alike(pattern: dict[str, Any], event: Any, expected: bool) -> None:
    assert matches(pattern, event) is expected


# The same rules by brute force: choose a value for every field, or its absence, all within the same elements.

Place = tuple[str, Any, dict[int, int]]


def places(value: Any, path: str, within: dict[int, int], lists: Iterator[int]) -> Iterator[Place]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from places(inner, f"{path}.{name}" if path else name, within, lists)
    elif isinstance(value, list):
        this = next(lists)
        for index, inner in enumerate(value):
            inside = within | {this: index} if isinstance(inner, (dict, list)) else within
            yield from places(inner, path, inside, lists)
    else:
        yield path, value, within


def are_together(one: dict[int, int], other: dict[int, int]) -> bool:
    return all(other.get(which, index) == index for which, index in one.items())


def matches_by_brute_force(branch: PatternBranch, event: Any) -> bool:
    everything = list(places(event, "", {}, iter(range(1_000))))
    choices: list[list[Place | None]] = []
    for path, matcher in branch.items():
        accepted: list[Place | None] = [
            place
            for place in everything
            if place[0] == ".".join(path) and any(entry(place[1]) for entry in matcher.entries)
        ]
        choices.append(accepted + [None] * matcher.accepts_absent)
    return any(is_possible(choice, list(branch), everything) for choice in product(*choices))


def is_possible(choice: tuple[Place | None, ...], paths: list[Any], everything: list[Place]) -> bool:
    where: dict[int, int] = {}
    for place in choice:
        if place is not None:
            if not are_together(where, place[2]):
                return False
            where |= place[2]
    absent = {".".join(path) for path, place in zip(paths, choice, strict=True) if place is None}
    return not any(path in absent and are_together(where, within) for path, _, within in everything)


names = st.sampled_from("ab")
events = st.recursive(
    st.sampled_from(["x", "y", None]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=2),
    max_leaves=9,
)
fields = st.sampled_from([["x"], ["y"], [ABSENT], [PRESENT], ["x", ABSENT], [{"anything-but": "x"}], [None]])
patterns = st.dictionaries(
    names,
    st.recursive(fields, lambda inner: st.dictionaries(names, inner, min_size=1, max_size=2), max_leaves=4),
    min_size=1,
    max_size=2,
)


@given(patterns, st.dictionaries(names, events, max_size=2))
def test_matcher_agrees_with_brute_force(pattern: dict[str, Any], event: dict[str, Any]) -> None:
    (branch,) = compile_branches(pattern)
    assert bool(BranchSet([branch]).matching(event)) is matches_by_brute_force(branch, event)


def flattened(value: Any, path: str, dotted: Iterator[bool]) -> dict[str, Any]:
    """Return the same event with some names joined by dots; objects in lists are unchanged."""
    joined: dict[str, Any] = {}
    for name, inner in value.items():
        key = f"{path}.{name}" if path else name
        if isinstance(inner, dict) and inner and next(dotted):
            joined |= flattened(inner, key, dotted)
        else:
            joined[key] = flattened(inner, "", dotted) if isinstance(inner, dict) else inner
    return joined


@given(patterns, st.dictionaries(names, events, max_size=2), st.lists(st.booleans(), min_size=40, max_size=40))
def test_matcher_ignores_the_spelling_of_names_in_the_event(
    pattern: dict[str, Any], event: dict[str, Any], choices: list[bool]
) -> None:
    assert matches(pattern, flattened(event, "", iter(choices))) is matches(pattern, event)


def nested(depth: int, make: Any, inner: Any) -> Any:
    for _ in range(depth):
        inner = make(inner)
    return inner


HOSTILE: list[Callable[[], dict[str, Any]]] = [  # made when they are needed: they are large
    lambda: {"a": nested(100_000, lambda inner: [inner], "x")},
    lambda: {"a": nested(100_000, lambda inner: [inner], {"b": "x"})},
    lambda: {"a": nested(100_000, lambda inner: {"a": inner}, "x")},
    lambda: {"a": nested(100_000, lambda inner: {"b": [inner]}, "x")},
    lambda: {"a.b": nested(50_000, lambda inner: {"b.b": inner, "b": inner}, "x")},
    lambda: {"a": [{"b": "y", "c": "y"}] * 100_000},
    lambda: {"a": [["y"] * 10] * 10_000},
    lambda: {"a": "a" * 1_000_000, "b": "ab" * 500_000},
    lambda: {f"a.{index}": index for index in range(100_000)},
]
PATTERNS = [
    {"a": ["x"]},
    {"a": {"b": ["x"], "c": ["x"]}},
    {"a": {"b": {"b": {"b": ["x"]}}}},
    {"a": {"b": [ABSENT]}},
    {"a": [{"wildcard": "*a*a*a*a*a*a*a*a*a*a*b"}], "b": [{"wildcard": "*a*b*a*b*a*b*c"}]},
    {"a": [{"prefix": {"equals-ignore-case": "aaaaaaaab"}}]},
]


@pytest.mark.parametrize("make_event", HOSTILE, ids=range(len(HOSTILE)))
def test_matcher_handles_hostile_events(make_event: Callable[[], dict[str, Any]]) -> None:
    event = make_event()
    for pattern in PATTERNS:
        assert matches(pattern, event) in (True, False), pattern


# The same by a simple matcher that tries one branch and one entry at a time, for many branches with all operators.

dotted = st.sampled_from(["a", "b", "a.b", "b.a", "a.a.b", "a."])
scalars = st.sampled_from(["x", "xy", "X", "yx", "", 0, 1, 2.5, True, False, None, "10.0.0.1", "::ffff:10.0.0.9"])
rich_events = st.dictionaries(
    dotted,
    st.recursive(
        scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(dotted, inner, max_size=3), max_leaves=9
    ),
    max_size=3,
)
entries = st.one_of(
    scalars,
    st.builds(lambda name, text: {name: text}, st.sampled_from(["prefix", "suffix"]), st.sampled_from(["x", "xy", ""])),
    st.builds(
        lambda name, text: {name: {"equals-ignore-case": text}},
        st.sampled_from(["prefix", "suffix"]),
        st.sampled_from(["x", "Y", ""]),
    ),
    st.builds(lambda text: {"equals-ignore-case": text}, st.sampled_from(["x", "XY", ""])),
    st.builds(lambda text: {"wildcard": text}, st.sampled_from(["*", "x*", "*x", "x*y", "*x*", "*y*x*", "x"])),
    st.builds(lambda value: {"anything-but": value}, st.sampled_from(["x", ["x", "xy"], 1, [0, 2.5]])),
    st.builds(lambda text: {"anything-but": {"prefix": text}}, st.sampled_from(["x", ["y", "X"]])),
    st.builds(lambda text: {"anything-but": {"wildcard": text}}, st.sampled_from(["*y*", ["x", "*X"]])),
    st.builds(
        lambda sign, bound: {"numeric": [sign, bound]},
        st.sampled_from(["=", "<", "<=", ">", ">="]),
        st.sampled_from([0, 1, 2.5]),
    ),
    st.sampled_from([{"numeric": [">", 0, "<=", 2]}, {"cidr": "10.0.0.0/29"}, {"cidr": "::/0"}, PRESENT, ABSENT]),
)
rich_patterns = st.dictionaries(
    dotted,
    st.recursive(
        st.lists(entries, min_size=1, max_size=3),
        lambda inner: st.dictionaries(dotted, inner, min_size=1, max_size=2),
        max_leaves=4,
    ),
    min_size=1,
    max_size=2,
)


@given(st.lists(rich_patterns, min_size=1, max_size=12), rich_events)
def test_branch_set_agrees_with_a_simple_matcher_for_each_branch(made: list[Any], event: dict[str, Any]) -> None:
    branches = [branch for pattern in made for branch in compile_branches(pattern)]
    expected = sum(reference.branch_matches(branch, event) << number for number, branch in enumerate(branches))
    assert BranchSet(branches).matching(event) == expected


@given(st.lists(rich_patterns, min_size=1, max_size=6), rich_events, st.integers(0, 63))
def test_branch_set_reports_only_wanted_branches(made: list[Any], event: dict[str, Any], wanted: int) -> None:
    branches = BranchSet([branch for pattern in made for branch in compile_branches(pattern)])
    assert branches.matching(event, wanted & branches.everything) == branches.matching(event) & wanted


wide_names = st.sampled_from([f"n{number}" for number in range(14)])
wide = st.dictionaries(wide_names, st.sampled_from([["x"], ["y"], [ABSENT], ["x", ABSENT]]), min_size=1, max_size=3)


@given(
    st.lists(wide, min_size=1, max_size=30),
    st.lists(st.dictionaries(wide_names, st.sampled_from("xy"), max_size=14), max_size=3),
)
def test_branch_set_with_many_names_agrees_with_a_simple_matcher(made: list[Any], objects: list[Any]) -> None:
    branches = [branch for pattern in made for branch in compile_branches({"d": pattern})]
    expected = sum(reference.branch_matches(branch, {"d": objects}) << number for number, branch in enumerate(branches))
    assert BranchSet(branches).matching({"d": objects}) == expected


@given(patterns | rich_patterns, st.dictionaries(names, events, max_size=2))
def test_simple_matcher_agrees_with_brute_force(pattern: dict[str, Any], event: dict[str, Any]) -> None:
    (branch,) = compile_branches(pattern)
    assert reference.branch_matches(branch, event) is matches_by_brute_force(branch, event)
