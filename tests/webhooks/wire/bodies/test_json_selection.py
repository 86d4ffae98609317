"""Test reading members of a JSON text of any size: the same values as from the whole document."""

import json
import resource
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhooks.wire.bodies.json_selection import MAX_DEPTH, MAX_KEPT_VALUES, TOO_LONG, Wanted, follow, select
from webhooks.wire.bodies.short_strings import MAX_STRING
from webhooks.wire.errors import UnreadableBody
from webhooks.wire.patterns import Pattern

NAMES = st.sampled_from(["a", "b", "a.b", "0", "1", 'q"', "\\", "x/y", "~"])
FRACTIONS = st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | FRACTIONS
DOCUMENTS = st.recursive(SCALARS, lambda it: st.lists(it, max_size=4) | st.dictionaries(NAMES, it, max_size=4))
POINTERS = st.lists(NAMES, max_size=4).map(lambda it: "".join("/" + _escaped(step) for step in it))
PATTERN = {
    "a": ["x", 1, {"exists": False}],
    "b": {"a": [{"exists": True}]},
    "$or": [{"a.b": [1]}, {"0": [{"prefix": "x"}]}],
}
NO_JSON = [b"", b'{"id": 1', b'{"id": 1}]', b"\xff\xfe\x00", b"<xml/>", b'{"id": "\xff"}', b"9" * 5000]


def _escaped(step: str) -> str:
    return step.replace("~", "~0").replace("/", "~1")


def pointing(*pointers: str) -> Wanted:
    wanted = Wanted()
    for pointer in pointers:
        wanted.add_pointer(pointer)
    return wanted


def in_pieces(text: bytes, size: int) -> Iterator[bytes]:
    return (text[start : start + size] for start in range(0, len(text), size))


def scalar(value: Any) -> Any:
    return None if isinstance(value, (dict, list)) else value


@given(
    document=DOCUMENTS,
    pointers=st.lists(POINTERS, min_size=1, max_size=3),
    size=st.integers(1, 20),
    ascii=st.booleans(),
)
def test_selected_values_are_those_of_the_document(document: Any, pointers: list[str], size: int, ascii: bool) -> None:
    text = json.dumps(document, ensure_ascii=ascii).encode()
    exact = json.loads(text, parse_float=Decimal)
    selected = select(in_pieces(text, size), pointing(*pointers))
    for pointer in pointers:
        assert scalar(follow(pointer, selected)) == scalar(follow(pointer, exact))


@given(document=st.dictionaries(NAMES, DOCUMENTS, max_size=4), size=st.integers(1, 20))
def test_pattern_matches_the_selected_part_as_it_matches_the_document(document: Any, size: int) -> None:
    wanted = Wanted()
    wanted.add_names({name: Node(it) for name, it in {"a": {"b": {}}, "b": {"a": {}}, "0": {}}.items()})
    selected = select(in_pieces(json.dumps(document).encode(), size), wanted)
    pattern = Pattern(PATTERN)
    assert pattern.matches(json.loads(json.dumps(selected, default=float))) == pattern.matches(document)


class Node:
    def __init__(self, names: dict[str, Any]) -> None:
        self.children = {name: Node(it) for name, it in names.items()}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b'{"id": 18446744073709551617}', 18446744073709551617),
        (b'{"id": 1.10}', Decimal("1.10")),
        (b'{"id": NaN, "x": "NaN"}', None),
        (b'{"x": ["NaN", -Infinity, "Infinity"], "id": "\\"NaN"}', '"NaN'),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_numbers_are_exact_and_constants_that_are_no_json_are_null(text: bytes, expected: Any, size: int) -> None:
    assert follow("/id", select(in_pieces(text, size), pointing("/id"))) == expected


@pytest.mark.parametrize("text", NO_JSON)
def test_text_that_is_not_json_is_unreadable(text: bytes) -> None:
    with pytest.raises(UnreadableBody):
        select([text], pointing("/id"))


@pytest.mark.parametrize("rest", [b"", b"}}", b"} x", b', "id": }'])
def test_text_that_is_not_json_to_its_end_has_no_members(rest: bytes) -> None:
    with pytest.raises(UnreadableBody):
        select([b'{"id": 1, "type": "a",', b'"file": "' + b"x" * 100_000 + b'"' + rest], pointing("/id", "/type"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b'{"id": 1, "id": 2}', 2),
        (b'{"id": {"a": 1}, "id": 2}', 2),
        (b'{"id": 1, "id": {"a": 2}}', None),
        (b'{"id": 1, "id": [2]}', None),
    ],
)
def test_last_member_of_a_repeated_name_counts(text: bytes, expected: Any) -> None:
    assert follow("/id", select([text], pointing("/id"))) == expected
    assert scalar(follow("/id", json.loads(text))) == expected


@pytest.mark.parametrize("escape", [b"\\u00e9", b'\\"', b"\\\\", b"x"])
def test_string_beyond_the_limit_is_marked_and_what_follows_is_read(escape: bytes) -> None:
    long = escape * (3 * MAX_STRING // len(escape))
    text = b'{"file": "' + long + b'", "id": 7, "also": ["' + long + b'", "y"]}'
    selected = select(in_pieces(text, 10_007), pointing("/file", "/id", "/also/1"))
    assert (selected["file"], selected["id"], selected["also"][1]) == (TOO_LONG, 7, "y")


@pytest.mark.parametrize(
    "text",
    [
        b"[" * (MAX_DEPTH + 1),
        b'{"a":' * (MAX_DEPTH + 1),
        b"9" * 3 * MAX_STRING,
        b"[" + b"1," * (MAX_KEPT_VALUES + 1),
    ],
)
def test_text_that_would_take_much_memory_is_unreadable(text: bytes) -> None:
    wanted = Wanted(lists=True)
    wanted.members["a"] = wanted
    with pytest.raises(UnreadableBody):
        select(in_pieces(text, 64 * 1024), wanted)


def test_memory_stays_flat_at_any_size() -> None:
    def chunks() -> Iterator[bytes]:
        yield b'{"file": "'
        for _ in range(200):
            yield b"x" * 1024**2
        yield b'", "rows": ['
        for _ in range(20):
            yield b'{"a": [1, "b"]}, ' * 10_000
        yield b'0], "id": 1}'

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert select(chunks(), pointing("/id")) == {"id": 1}
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 * 1024  # KiB
