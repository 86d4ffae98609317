"""Check patterns as a whole: vectors, text and objects, properties, and the reference page."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhooks.wire.patterns import InvalidPattern, Pattern, PatternIndex

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "event_patterns.json").read_text())


def name_of(case: dict[str, Any]) -> str:
    return str(case["name"])


@pytest.mark.parametrize("case", VECTORS["cases"], ids=name_of)
def test_vectors(case: dict[str, Any]) -> None:
    event = json.loads(case["event_text"]) if "event_text" in case else case["event"]
    pattern = Pattern(case["pattern_text"] if "pattern_text" in case else case["pattern"])
    assert pattern.matches(event) is case["match"]
    assert (pattern.explain(event) == []) is case["match"]


@pytest.mark.parametrize("case", VECTORS["invalid"], ids=name_of)
def test_invalid_vectors(case: dict[str, Any]) -> None:
    with pytest.raises(InvalidPattern):
        Pattern(case["pattern_text"] if "pattern_text" in case else case["pattern"])


def test_invalid_pattern_is_a_value_error_with_the_path() -> None:
    with pytest.raises(ValueError, match=r"^/data/x~1y/1/prefix: takes a string, not a number$") as caught:
        Pattern({"data": {"x/y": ["a", {"prefix": 3}]}})
    assert isinstance(caught.value, InvalidPattern)
    assert caught.value.path == "/data/x~1y/1/prefix"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "text",
        "{'a': ['x']}",
        '{"a": ["x"]',
        '{"a": ["x"],}',
        '{"a": ["x"]} {"b": ["y"]}',
        '\ufeff{"a": ["x"]}',
        '{"a": ["\\x"]}',
        '{"a": [NaN]}',
        '{"a": [Infinity]}',
        '{"a": [{"numeric": ["<", -Infinity]}]}',
        '{"a": [{"numeric": ["=", 1E309]}]}',
        '{"a": [{"numeric": ["=", 2.0e422]}]}',
        '{"a": [1e-99999999999999999999]}',
        '{"a": [' + "9" * 5_000 + "]}",
        '["a"]',
        '"a"',
        "null",
        "[" * 1_000_000,
        '{"a":' * 1_000_000,
    ],
    ids=lambda text: text[:24],
)
def test_pattern_rejects_invalid_text(text: str) -> None:
    with pytest.raises(InvalidPattern):
        Pattern(text)


@pytest.mark.parametrize(
    "text",
    [
        '{"a": [1E-320]}',
        '{"a": [0e-400]}',
        '{"a": [-0.0E+5]}',
        '{"a": [1e308]}',
    ],
)
def test_pattern_accepts_numbers_at_the_limits_of_a_double(text: str) -> None:
    assert Pattern(text).matches(json.loads(text))


def test_pattern_uses_the_last_of_duplicate_names() -> None:
    pattern = Pattern('{"d": {"a": ["x"]}, "d": {"b": ["y"], "b": ["z"]}}')
    assert pattern.matches({"d": {"b": "z"}})
    assert not pattern.matches({"d": {"a": "x", "b": "y"}})


@pytest.mark.parametrize("event", [None, [], [{"a": 1}], "a", 1, True])
def test_matches_is_false_for_an_event_that_is_no_object(event: Any) -> None:
    assert not Pattern({"a": [{"exists": False}]}).matches(event)


# Properties

json_scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
names = st.sampled_from(["a", "b", "a.b", "type", "$or", "prefix", "numeric", "exists", "anything-but", ""])
anything = st.recursive(
    json_scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=12
)
values = st.lists(
    st.one_of(
        st.sampled_from(["x", "y", 1, 2.5, True, None]),
        st.sampled_from(
            [
                {"prefix": "x"},
                {"suffix": {"equals-ignore-case": "Y"}},
                {"anything-but": ["x", "y"]},
                {"numeric": [">", 0, "<=", 2.5]},
                {"exists": False},
                {"exists": True},
                {"wildcard": "*x*"},
            ]
        ),
    ),
    min_size=1,
    max_size=3,
)
objects = st.recursive(
    st.dictionaries(st.sampled_from("abc"), values, min_size=1, max_size=2),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, min_size=1, max_size=2),
    max_leaves=4,
)
events = st.dictionaries(
    st.sampled_from(["a", "b", "c", "a.b"]),
    st.recursive(
        st.sampled_from(["x", "xy", "Y", 1, 2.5, True, None]),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
        max_leaves=8,
    ),
    max_size=3,
)


def reversed_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: reversed_keys(value[name]) for name in reversed(value)}
    return value


@given(anything)
def test_pattern_accepts_or_rejects_any_json(value: Any) -> None:
    try:
        pattern = Pattern(value)
    except InvalidPattern as error:
        path = error.path
    else:
        path = ""
        assert pattern.matches({}) in (True, False)
    assert path == "" or path.startswith("/")


@given(objects, anything)
def test_matches_never_raises(pattern: dict[str, Any], event: Any) -> None:
    compiled = Pattern(pattern)
    assert compiled.matches(event) is (compiled.explain(event) == [])


@given(objects, events)
def test_matches_ignores_the_order_of_keys(pattern: dict[str, Any], event: dict[str, Any]) -> None:
    expected = Pattern(pattern).matches(event)
    assert Pattern(reversed_keys(pattern)).matches(reversed_keys(event)) is expected


@given(objects, events)
def test_pattern_from_text_equals_pattern_from_object(pattern: dict[str, Any], event: dict[str, Any]) -> None:
    assert Pattern(json.dumps(pattern)).matches(event) is Pattern(pattern).matches(event)


@given(values, values, events)
def test_list_matches_if_either_of_its_parts_matches(one: list[Any], other: list[Any], event: Any) -> None:
    either = Pattern({"a": one}).matches(event) or Pattern({"a": other}).matches(event)
    assert Pattern({"a": one + other}).matches(event) is either


@given(objects, objects, objects, events)
def test_or_matches_if_either_branch_matches(outer: Any, one: Any, other: Any, event: dict[str, Any]) -> None:
    outer = {"outside": outer}
    event = event | {"outside": event}
    either = Pattern(outer | one).matches(event) or Pattern(outer | other).matches(event)
    assert Pattern(outer | {"$or": [one, other]}).matches(event) is either


@given(objects, events, events)
def test_matches_ignores_unknown_names_in_the_event(pattern: dict[str, Any], event: Any, other: Any) -> None:
    assert Pattern(pattern).matches(event | {"unknown": other}) is Pattern(pattern).matches(event)


@given(objects, events)
def test_index_finds_exactly_the_patterns_that_match(pattern: dict[str, Any], event: dict[str, Any]) -> None:
    compiled = Pattern(pattern)
    assert list(PatternIndex([(compiled, "found")]).find(event)) == ["found"] * compiled.matches(event)


# The reference page

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "patterns.md"
QUOTED = re.compile(r"`([^`]*)`")


def rows() -> list[list[Any]]:
    table = PAGE.read_text().partition("| entry |")[2].partition("\n\n")[0]
    cells = [line.strip("|").split(" | ") for line in table.splitlines()[2:]]
    return [[[json.loads(text) for text in QUOTED.findall(cell)] for cell in row] for row in cells]


@pytest.mark.parametrize(("entry", "accepted", "rejected"), rows(), ids=lambda cell: ascii(cell)[:40])
def test_reference_page_entries_match_as_documented(entry: list[Any], accepted: list[Any], rejected: list[Any]) -> None:
    pattern = Pattern({"field": entry})
    assert [value for value in accepted if not pattern.matches({"field": value})] == []
    assert [value for value in rejected if pattern.matches({"field": value})] == []
