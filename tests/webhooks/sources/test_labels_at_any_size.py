"""Test that size never changes meaning: the same body, padded beyond 64 KiB, has the same labels, ids and matches."""

from dataclasses import dataclass
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhooks import schemes
from webhooks.kit.bodies.claim_check import INLINE_MAX
from webhooks.sources.message_events import parse_events, select_events
from webhooks.sources.message_labels import MessageLabels, find_labels, find_labels_in_file, read_exactly, read_in_file
from webhooks.wire.patterns import Pattern, PatternGroup

PATHS = {"message_id_path": "body:/id", "event_type_path": "", "order_key_path": "body:/o/0/k"}
JSON = "application/json"
CLOUD_EVENTS = "application/cloudevents+json"
BATCHES = "application/cloudevents-batch+json"
PATTERNS = [
    Pattern(it)
    for it in (
        {"data": {"type": ["a", "b", "\ufffd", 1, None]}},
        {"data": {"id": [{"numeric": [">", 0]}]}},
        {"data": {"o": {"k": [{"exists": True}]}}},
        {"type": ["a"], "data": {"id": [{"exists": False}]}},
        {"source": ["/s"]},
    )
]
UNOPENED = {"id": "m", "source": "src", "type": "t"}


@dataclass(frozen=True)
class Paths:
    message_id_path: str = PATHS["message_id_path"]
    event_type_path: str = PATHS["event_type_path"]
    order_key_path: str = PATHS["order_key_path"]
    envelope: str = "auto"


NAMES = st.sampled_from(['"id"', '"type"', '"o"', '"k"', '"data"', '"specversion"', '"source"', '"\\ud800"', '"a.b"'])
NUMBERS = st.sampled_from(
    [
        "1",
        "-0",
        "01",
        "1.10",
        "1e2",
        "1E400",
        "1e-400",
        "9" * 30,
        "9" * 4301,
        "1e9999999999999999999",
        "0.1" + "0" * 400,
    ]
)
STRINGS = st.sampled_from(
    [
        '"a"',
        '"b"',
        '"1.0"',
        '"/s"',
        '"\\ud800"',
        '"\\udc00\\ud83d\\ude00"',
        '"\\\\ud800"',
        '"\\u0000"',
        '"\u00e9"',
        '"\\x"',
        '"',
    ]
)
ODD = st.sampled_from(
    ["null", "true", "NaN", "-NaN", "-Infinity", "nul", "", "'a'", "\v1", "/**/1", "[" * 600 + "]" * 600]
)
VALUES = st.recursive(
    NUMBERS | STRINGS | ODD,
    lambda it: (
        st.lists(it, max_size=3).map(lambda found: f"[{','.join(found)}]")
        | st.lists(st.tuples(NAMES, it), max_size=4).map(
            lambda found: "{" + ",".join(f"{n}:{v}" for n, v in found) + "}"
        )
    ),
)
OBJECTS = st.lists(st.tuples(NAMES, VALUES), max_size=5).map(
    lambda it: "{" + ", ".join(f"{n}: {v}" for n, v in it) + "}"
)
EVENTS = OBJECTS.map(lambda it: '{"specversion":"1.0","id":"7","source":"/s","type":"a",' + it[1:].replace(",}", "}"))
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1"]


def padded(text: str, tail: str) -> str:
    return text + " " * (INLINE_MAX + 1) + tail


def assert_same_at_any_size(small: bytes, large: bytes, content_type: str) -> None:
    headers, scheme = {"content-type": content_type}, schemes.get("none")
    assert find_labels(Paths(), scheme, headers, small) == find_labels_in_file(Paths(), scheme, headers, BytesIO(large))
    for path in ("body:/o/k", "body:/data/0"):
        assert read_exactly(path, headers, small) == read_in_file(path, headers, BytesIO(large))
    if content_type == JSON:
        names = [PatternGroup([it]).compile().names for it in PATTERNS]
        of_small = parse_events(UNOPENED, headers, small)
        of_large = select_events(UNOPENED, headers, BytesIO(large), names)
        assert [[it.matches(event) for it in PATTERNS] for event in of_small] == [
            [it.matches(event) for it in PATTERNS] for event in of_large
        ]


@given(
    text=OBJECTS | VALUES | EVENTS,
    tail=st.sampled_from(["", "x", "}", '{"id":1}', "\0"]),
    encoding=st.sampled_from(ENCODINGS),
    content_type=st.sampled_from([JSON, JSON + "; charset=iso-8859-1", CLOUD_EVENTS, BATCHES, "text/plain"]),
    cut=st.integers(0, 40) | st.just(None),
)
def test_labels_and_matches_are_the_same_at_any_size(text, tail, encoding, content_type, cut) -> None:
    text = text if cut is None else text[:cut]
    small, large = ((it + tail).encode(encoding, "replace") for it in (text, padded(text, "")))
    assert_same_at_any_size(small, large, content_type)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"id":1,"type":"a","id":2,"type":"b"}', ("2", "b")),
        ('{"id":1,"type":"a","type":{"x":1}}', ("1", "")),
        ('{"id":1,"type":"a"', ("", "")),
        ('{"id":1,"type":"a"}}', ("", "")),
        ('{"id":1,"type":"\\ud800"}', ("1", "\ufffd")),
        ('{"id":1,"type":"a","x":-NaN}', ("", "")),
        ('{"id":1,"type":"a","x":\f2}', ("", "")),
        ('{"id":1,"type":"a","x":' + "[" * 501 + "]" * 501 + "}", ("", "")),
        ('{"id":1,"type":"a","x":' + "9" * 4301 + "}", ("", "")),
        ('{"id":1,"type":"a","x":1e9999999999999999999}', ("", "")),
        ('{"id":1e9999999999999999999}', ("", "")),
        ('{"id":1,"type":"\\ud83d\\ude00"}', ("1", "\U0001f600")),
    ],
)
def test_labels_follow_one_rule_at_any_size(text: str, expected: tuple[str, str]) -> None:
    headers, scheme = {"content-type": JSON}, schemes.get("none")
    for found in (
        find_labels(Paths(), scheme, headers, text.encode()),
        find_labels_in_file(Paths(), scheme, headers, BytesIO(padded(text, "").encode())),
    ):
        assert (found.message_id, found.event_type) == expected


def test_labels_of_text_in_utf_8_that_declares_another_charset_are_the_same_at_any_size() -> None:
    headers, scheme = {"content-type": JSON + "; charset=iso-8859-1"}, schemes.get("none")
    for encoding in ("utf-8", "latin-1"):
        body = '{"id":"\u00e9"}'.encode(encoding)
        found = find_labels_in_file(Paths(), scheme, headers, BytesIO(body + b" " * 70_000))
        assert found == find_labels(Paths(), scheme, headers, body) == MessageLabels("\u00e9", "", "")
