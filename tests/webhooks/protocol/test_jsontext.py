"""The walk finds every member where the standard library finds it, and fails where that fails."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhooks.protocol import jsontext
from webhooks.protocol.jsontext import CONTAINER, NotJson

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)
spacing = st.sampled_from([(None, (",", ":")), (None, (", ", ": ")), (3, (" ,\t", "\r\n:\n"))])


def depth(value: Any) -> int:
    if isinstance(value, list | dict):
        inner = value.values() if isinstance(value, dict) else value
        return 1 + max(map(depth, inner), default=0)
    return 0


@given(st.dictionaries(st.text(), values), spacing, st.booleans())
def test_every_member_is_found_with_its_text(document: dict[str, Any], how: Any, escape: bool) -> None:
    indent, separators = how
    text = json.dumps(document, indent=indent, separators=separators, ensure_ascii=escape)
    members = jsontext.walk_object(text)
    assert members is not None
    assert {name: json.loads(text[start:end]) for name, _, start, end in members} == document
    for name, value, _, _ in members:
        assert value is CONTAINER if isinstance(document[name], list | dict) else value == document[name]


@given(st.lists(st.dictionaries(st.text(), values) | values, max_size=5), spacing)
def test_every_item_is_found(document: list[Any], how: Any) -> None:
    indent, separators = how
    items = jsontext.walk_array(json.dumps(document, indent=indent, separators=separators), most=5)
    assert items is not None
    assert [item if item is None else {member[0] for member in item} for item in items] == [
        set(item) if isinstance(item, dict) else None for item in document
    ]


@given(st.text(st.sampled_from('{}[]":, \n\\a1'), max_size=12))
def test_what_the_standard_library_refuses_is_refused(text: str) -> None:
    try:
        value = json.loads(text)
    except ValueError:
        with pytest.raises(NotJson):
            jsontext.walk_object(text)
        with pytest.raises(NotJson):
            jsontext.walk_array(text, most=20)
    else:
        assert (jsontext.walk_object(text) is None) is not isinstance(value, dict)
        assert (jsontext.walk_array(text, most=20) is None) is not isinstance(value, list)


def test_a_repeated_name_is_found_twice() -> None:
    members = jsontext.walk_object('{"a":1,"a":2}')
    assert members is not None
    assert [(name, value) for name, value, _, _ in members] == [("a", 1), ("a", 2)]


def test_an_array_is_not_read_behind_the_first_item_too_many() -> None:
    items = jsontext.walk_array("[1,2,3,4,5 and so on", most=2)
    assert items is not None
    assert len(items) == 3


@given(values, st.integers(0, 6))
def test_depth_is_counted_outside_strings(value: Any, levels: int) -> None:
    assert jsontext.nests_deeper(json.dumps(value).encode(), levels) is (depth(value) > levels)


def test_brackets_in_strings_are_no_levels() -> None:
    text = json.dumps(["[[[[", '\\"{{{{', {"[": '"['}]).encode()
    assert jsontext.nests_deeper(text, 1)
    assert not jsontext.nests_deeper(text, 2)


@pytest.mark.parametrize("body", [b"\xff", b"\xc0\xa0", b"\xed\xa0\x80", "{}".encode("utf-16")])
def test_text_is_utf8(body: bytes) -> None:
    with pytest.raises(NotJson):
        jsontext.text(body)


@pytest.mark.parametrize("data", [b"NaN", b"-Infinity", b"1e999", b'"\\ud800"', b"", b"[", b"1" * 5000])
def test_what_cannot_be_carried_safely_is_refused(data: bytes) -> None:
    with pytest.raises(NotJson):
        jsontext.value(data, 10)
