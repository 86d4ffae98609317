"""Pretty-printing changes whitespace and no token."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhooks.wire.bodies.pretty_json import pretty

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(VALUES)
def test_pretty_json_is_indented_as_by_the_standard_library(value: Any) -> None:
    assert pretty(json.dumps(value)) == json.dumps(value, indent=2)


@pytest.mark.parametrize("token", ["1.10", "1e2", "12345678901234567890123", '"\\u00e4"', '"{[,:"', '"a\\"b"'])
def test_pretty_json_keeps_every_token(token: str) -> None:
    assert pretty(f'{{"a":{token},"a":1}}') == f'{{\n  "a": {token},\n  "a": 1\n}}'


@given(st.text())
def test_pretty_json_of_invalid_json_returns_the_text(text: str) -> None:
    assert isinstance(pretty(text), str)


def test_pretty_json_of_deep_nesting_limits_the_indentation() -> None:
    assert max(map(len, pretty("[" * 128 + "]" * 128).splitlines())) < 100
