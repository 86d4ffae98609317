"""Check that numbers keep their spelling, and are compared by their exact value."""

import json
import pickle
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhooks.wire.json_numbers import JsonNumber, exact, has_large_float, raw, with_decimals
from webhooks.wire.json_text import parse_value
from webhooks.wire.patterns.index import PatternIndex
from webhooks.wire.patterns.pattern import Pattern
from webhooks.wire.transform.transformer import Transformer

TOKENS = [
    *("0", "-0", "1", "-1", "9223372036854775808", "18446744073709551615", "18446744073709551616"),
    *("-9223372036854775808", "-9223372036854775809", "1" * 400 + ".5", "123456789012345678901234567890"),
    *("0.0", "-0.0", "1.0", "1.10", "100.00", "1e3", "1E3", "1e+3", "1.5e-9", "0.00001", "1e-05", "1e16", "1e22"),
    *("0.1000000000000000055511151231257827", "5e-324", "1.7976931348623157e308"),
]
TOKENS = [it for it in TOKENS if not it.startswith("1" * 400)]
numbers = st.from_regex(r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,2})?", fullmatch=True)


def written(text: str) -> str:
    """Return what a transformer makes of this number, within an object, a list, quotes and text."""
    event = {"data": parse_value(f'{{"a": {text}}}'.encode(), 128)}
    return Transformer({"v": "$.data.a"}, "<v>").render(event).decode()


@pytest.mark.parametrize("token", TOKENS)
def test_transformer_writes_a_number_as_it_was_published(token: str) -> None:
    assert written(token) == token


@given(numbers)
def test_transformer_writes_any_number_as_it_was_published(token: str) -> None:
    assert written(token) == token


@pytest.mark.parametrize("token", TOKENS)
def test_transformer_writes_a_number_within_values_and_text_as_it_was_published(token: str) -> None:
    event: dict[str, Any] = {"data": parse_value(f'{{"a": {{"b": [{token}]}}}}'.encode(), 128)}
    paths = {"o": "$.data.a", "v": "$.data.a.b[0]", "all": "$.data.a.b[*]"}
    rendered = Transformer(paths, '{"o": <o>, "v": <v>, "all": <all>, "q": "n=<v>"}').render(event).decode()
    assert rendered == f'{{"o": {{"b":[{token}]}}, "v": {token}, "all": [{token}], "q": "n={token}"}}'
    assert Transformer(paths, "total <v>").render(event).decode() == f"total {token}"


@pytest.mark.parametrize(
    ("value", "pattern", "is_match"),
    [
        ("18446744073709551617", "[18446744073709551617]", True),
        ("18446744073709551617", "[18446744073709551616]", False),
        ("18446744073709551617", '[{"numeric": [">", 18446744073709551616]}]', True),
        ("18446744073709551616", '[{"numeric": [">", 18446744073709551616]}]', False),
        ("0.1000000000000000055", "[0.1]", False),
        ("0.1000000000000000055", '[{"numeric": [">", 0.1]}]', True),
        ("0.1000000000000000055", "[0.1000000000000000055]", True),
        ("1.10", "[1.1]", True),
        ("100.00", "[100]", True),
        ("1e2", "[100.0]", True),
        ("-0", "[0]", True),
        ("0.3", '[{"numeric": ["=", 0.30]}]', True),
        ("9007199254740993", "[9007199254740992.0]", False),
        ("9007199254740993.0", "[9007199254740993]", True),
        ("1" * 60, '[{"numeric": ["<", ' + "1" * 59 + "2]}]", True),
        ("0.1", '[{"anything-but": [0.10]}]', False),
        ("1e-400", "[1e-400]", True),
        ("1e-400", "[10e-401]", True),
        ("1e-400", "[0]", False),
        ("0", "[1e-400]", False),
        ("2e-400", '[{"numeric": [">", 1e-400]}]', True),
        ("0.1000000000000000055", '[{"anything-but": [0.1]}]', True),
    ],
)
def test_pattern_compares_numbers_by_their_exact_value(value: str, pattern: str, is_match: bool) -> None:
    compiled = Pattern(f'{{"data": {{"n": {pattern}}}}}')
    event = {"data": parse_value(f'{{"n": {value}}}'.encode(), 128)}
    assert compiled.matches(event) is is_match
    assert bool(compiled.explain(event)) is not is_match
    assert PatternIndex([(compiled, 1)]).find(event) == [1] * is_match


@given(numbers, numbers)
def test_range_agrees_with_decimals(bound: str, value: str) -> None:
    event = {"data": parse_value(f'{{"n": {value}}}'.encode(), 128)}
    compiled = Pattern(f'{{"data": {{"n": [{{"numeric": [">", {bound}]}}]}}}}')
    assert compiled.matches(event) is (Decimal(value) > Decimal(bound))


def test_number_equals_numbers_of_the_same_value() -> None:
    number = JsonNumber("1.10")
    assert number == JsonNumber("1.1") == exact(1.1)
    assert hash(number) == hash(exact(1.1))
    assert JsonNumber("3e2") == 300
    assert {300: "x"}[JsonNumber("3e2")] == "x"  # type: ignore[index]
    assert str(number) == number.text == "1.10"
    assert pickle.loads(pickle.dumps(number)).text == "1.10"


def test_number_is_written_by_orjson_as_its_text() -> None:
    assert orjson.dumps([JsonNumber("1.10")], default=raw) == b"[1.10]"
    with pytest.raises(TypeError, match="set is not a JSON value"):
        raw(set())


@pytest.mark.parametrize("text", ["1e99999999999999999999", "-1e-99999999999999999999"])
def test_number_beyond_every_exponent_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match="beyond the range of numbers"):
        JsonNumber(text)


def test_numbers_become_decimals_for_libraries() -> None:
    value = parse_value(b'{"a": [1.10, 5], "b": 18446744073709551617}', 128)
    decimals = with_decimals(value)
    assert decimals == {"a": [Decimal("1.1"), 5], "b": 2**64 + 1}
    assert type(decimals["a"][0]) is Decimal


TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS


@given(st.recursive(SCALARS, lambda it: st.lists(it) | st.dictionaries(TEXTS, it)))
def test_parsed_json_is_what_the_standard_library_reads(value: Any) -> None:
    text = json.dumps(value)
    assert _floats(parse_value(text.encode(), 500)) == json.loads(text)


def _floats(value: Any) -> Any:
    """Return the value with ints and floats for numbers that are kept as they were written."""
    if isinstance(value, dict):
        return {name: _floats(it) for name, it in value.items()}
    if isinstance(value, list):
        return [_floats(it) for it in value]
    return json.loads(value.text) if isinstance(value, JsonNumber) else value


@pytest.mark.parametrize(
    ("value", "is_large"),
    [
        (1e20, True),
        (-1e19, True),
        ({"a": [{"b": 1e308}]}, True),
        (1e19, False),
        (-9e18, False),
        ([1.5, 2**64 - 1, "1e308", None, True], False),
    ],
)
def test_large_float_is_found_wherever_it_is(value: Any, is_large: bool) -> None:
    assert has_large_float(value) is is_large
