"""Limits of JSON values: depth, size, and what cannot be stored."""

from typing import Any

import pytest

from subscriptions.errors import Invalid
from subscriptions.json_limits import check_depth, check_json, strings_in


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": [{}]}, "at most 2 levels deep"),
        ("x" * 30, "at most 20 bytes"),
        (float("inf"), "NaN, infinity"),
        ("\ud800", "surrogates"),
        ({"\0": 1}, "NUL"),
        (["\0"], "NUL"),
    ],
)
def test_check_json_rejects_values_beyond_the_limits(value: Any, message: str) -> None:
    with pytest.raises(Invalid, match=message) as caught:
        check_json("field", [value] if message.startswith("at most 2 l") else value, max_bytes=20, max_depth=2)
    assert caught.value.field == "field"


def test_check_json_accepts_values_at_the_limits() -> None:
    check_json("field", {"a": [1]}, max_bytes=10, max_depth=2)


def test_check_depth_of_bottomless_lists_does_not_recurse() -> None:
    bottomless: list[Any] = []
    for _ in range(100_000):
        bottomless = [bottomless]
    with pytest.raises(Invalid, match="levels deep"):
        check_depth("field", bottomless, 32)


def test_strings_in_yields_names_and_values() -> None:
    assert list(strings_in({"a": ["b", {"c": 1}], "d": "e"})) == ["a", "d", "b", "c", "e"]
