"""Check that both parsing paths agree with the standard library."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhooks.wire import json_text
from webhooks.wire.json_text import InvalidJson, ObjectError

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)
spacing = st.sampled_from([(None, (",", ":")), (None, (", ", ": ")), (3, (" ,\t", "\r\n:\n"))])
names = st.text() | st.just("data")


def depth(value: Any) -> int:
    if isinstance(value, list | dict):
        inner = value.values() if isinstance(value, dict) else value
        return 1 + max(map(depth, inner), default=0)
    return 0


def dump(document: Any, how: Any, escape: bool) -> bytes:
    indent, separators = how
    return json.dumps(document, indent=indent, separators=separators, ensure_ascii=escape).encode()


@given(st.dictionaries(names, values), spacing, st.booleans())
def test_read_object_returns_all_members_and_keeps_one_as_text(
    document: dict[str, Any], how: Any, escape: bool
) -> None:
    item = json_text.read_object(dump(document, how, escape), keep="data")
    assert isinstance(item, dict)
    if "data" in document:
        item["data"] = json.loads(item["data"])
    assert item == document


@given(st.lists(st.dictionaries(names, values) | values, max_size=5), spacing, st.booleans())
def test_read_array_returns_all_items(document: list[Any], how: Any, escape: bool) -> None:
    items = json_text.read_array(dump(document, how, escape), keep="data", most=5)
    assert items is not None
    for item, expected in zip(items, document, strict=True):
        if isinstance(item, ObjectError):
            assert item is ObjectError.NOT_AN_OBJECT
            assert not isinstance(expected, dict)
        else:
            assert item == {**expected, "data": item["data"]} if "data" in item else item == expected


@given(st.dictionaries(names, values, min_size=1))
def test_read_object_gives_the_same_members_on_both_paths(document: dict[str, Any]) -> None:
    plain = orjson.dumps(orjson.loads(dump(document, (None, None), True)))
    assert json_text.read_object(plain, keep="data") == json_text.read_object(b" " + plain, keep="data")


@pytest.mark.parametrize(
    "text", ["1.0", "1.10", "1e2", "12345678901234567890123", '"\\u0041"', "[ ]", '{"a":1,"a":1}', '"a"']
)
def test_read_object_keeps_the_original_text(text: str) -> None:
    for body in (f'{{"data":{text}}}', f'{{"a":1, "data" : {text} }}', f'{{"\\u0064ata":{text},"a":"b"}}'):
        item = json_text.read_object(body.encode(), keep="data")
        assert isinstance(item, dict)
        assert item["data"] == text.encode()


@given(st.text(st.sampled_from('{}[]":, \n\\a1'), max_size=12))
def test_read_object_and_read_array_reject_what_the_standard_library_rejects(text: str) -> None:
    body = text.encode()
    try:
        value = json.loads(text)
    except ValueError:
        with pytest.raises(InvalidJson):
            json_text.read_object(body, keep="a")
        with pytest.raises(InvalidJson):
            json_text.read_array(body, keep="a", most=20)
    else:
        assert (json_text.read_object(body, keep="a") is ObjectError.NOT_AN_OBJECT) is not isinstance(value, dict)
        assert (json_text.read_array(body, keep="a", most=20) is None) is not isinstance(value, list)


@pytest.mark.parametrize("body", [b'{"a":1,"a":1}', b'{"a":"1","b":2,"\\u0061":null}', b'{"data":1,"data":1}'])
def test_read_object_and_read_array_report_a_duplicate_key(body: bytes) -> None:
    assert json_text.read_object(body, keep="data") is ObjectError.DUPLICATE_KEY
    assert json_text.read_array(b"[" + body + b',{"b":1}]', keep="data", most=2) == [
        ObjectError.DUPLICATE_KEY,
        {"b": 1},
    ]


def test_read_array_stops_after_the_first_item_too_many() -> None:
    for body in (b"[1,2,3,4,5 and so on", b"[1,2,3,4,5]"):
        items = json_text.read_array(body, keep="data", most=2)
        assert items is not None
        assert len(items) == 3


@given(values, st.integers(0, 6))
def test_nests_deeper_counts_levels(value: Any, levels: int) -> None:
    assert json_text.nests_deeper(json.dumps(value).encode(), levels) is (depth(value) > levels)


def test_nests_deeper_ignores_brackets_in_strings() -> None:
    text = json.dumps(["[[[[", '\\"{{{{', {"[": '"['}]).encode()
    assert json_text.nests_deeper(text, 1)
    assert not json_text.nests_deeper(text, 2)


@pytest.mark.parametrize("body", [b"\xff", b"\xc0\xa0", b"\xed\xa0\x80", "{}".encode("utf-16")])
def test_read_object_rejects_text_that_is_not_utf8(body: bytes) -> None:
    with pytest.raises(InvalidJson):
        json_text.read_object(body, keep="data")


@pytest.mark.parametrize(
    "data",
    [
        *(b"NaN", b"-Infinity", b"1e999", b'"\\ud800"', b"", b"[", b"1" * 5000),
        *(b"1e-99999999999999999999", b"[-0e99999999999999999999]", b'{"a":0.0E-99999999999999999999}'),
    ],
)
def test_parse_value_rejects_unsafe_json(data: bytes) -> None:
    with pytest.raises(InvalidJson):
        json_text.parse_value(data, 10)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"1" * 5000, "contains a number beyond a double"),
        (b'{"a": [1e999]}', "contains a number beyond a double"),
        (b"[-1" + b"0" * 400 + b"]", "contains a number beyond a double"),
        (b"NaN", "contains NaN, which JSON does not have"),
        (b"[-Infinity]", "contains -Infinity, which JSON does not have"),
        (b'"\\ud800"', "contains an unpaired surrogate"),
        (b'"\xff"', "is not UTF-8"),
        (b"{", "is not JSON"),
    ],
)
def test_parse_value_says_what_is_wrong(data: bytes, reason: str) -> None:
    with pytest.raises(InvalidJson) as refused:
        json_text.parse_value(data, 10)
    assert str(refused.value) == reason


@pytest.mark.parametrize("digits", [5_000, 100_000])
def test_read_object_reads_integers_of_any_length(digits: int) -> None:
    number = "7" * digits
    item = json_text.read_object(f'{{"data": {number}, "a": {number}}}'.encode(), keep="data")
    assert isinstance(item, dict)
    assert (item["data"], str(item["a"])) == (number.encode(), number)
    assert json_text.read_object(number.encode(), keep="data") is ObjectError.NOT_AN_OBJECT
    assert json_text.read_array(number.encode(), keep="data", most=2) is None


@pytest.mark.parametrize(
    ("data", "path"),
    [
        (b'{"a": 1, "b": {"a": 1}, "c": ["a", "a"]}', ()),
        (b'{"a": "\\":", "b": ":::", "c": "\\\\"}', ()),
        (b'{ "a" : 1 , "a" : 1 }', ("a",)),
        (b'{"a": [{"b": {"c": 1, "\\u0063": 2}}]}', ("a", 0, "b", "c")),
        (b'[{"a": 1}, {"a": 1, "b": 2, "a": 3}]', (1, "a")),
        (b'{"a": {"b": 1, "b": 2}, "a": 3}', ("a",)),
        (b'{"": 1, "": 2}', ("",)),
        (b'{"a": ' + b"9" * 300 + b', "a": 1.5e300}', ("a",)),
        (b"[1, 2]", ()),
        (b"5", ()),
    ],
)
def test_duplicate_key_returns_the_path_of_the_name(data: bytes, path: tuple[str | int, ...]) -> None:
    assert json_text.duplicate_key(data) == path


@given(values)
def test_duplicate_key_finds_none_in_written_json(value: Any) -> None:
    assert json_text.duplicate_key(json.dumps(value).encode()) == ()
