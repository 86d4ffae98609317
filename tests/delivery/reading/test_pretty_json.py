"""JSON as people read it, and not one token changed."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.reading.pretty_json import pretty

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(VALUES)
def test_it_looks_as_the_standard_library_would_have_it(value: Any) -> None:
    assert pretty(json.dumps(value)) == json.dumps(value, indent=2)


@pytest.mark.parametrize("token", ["1.10", "1e2", "12345678901234567890123", '"\\u00e4"', '"{[,:"', '"a\\"b"'])
def test_a_token_stays_as_it_was_written(token: str) -> None:
    assert pretty(f'{{"a":{token},"a":1}}') == f'{{\n  "a": {token},\n  "a": 1\n}}'


@given(st.text())
def test_any_text_at_all_comes_out(text: str) -> None:
    assert isinstance(pretty(text), str)


def test_very_deep_nesting_gets_no_wider_than_a_page() -> None:
    assert max(map(len, pretty("[" * 128 + "]" * 128).splitlines())) < 100
