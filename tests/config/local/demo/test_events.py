"""Test reading an events file: events stay as written, and an error is one line that names the place."""

import json
from pathlib import Path

import pytest

from config.local.demo import events
from config.local.demo.counts import INLINE_MAX
from config.local.demo.events import InvalidEvents, data_of, read
from webhooks.wire.cloudevents.json_format import read_structured


def written(path: Path, text: str | bytes) -> Path:
    file = path / "events"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def test_read_returns_one_event_a_line_and_names_it_by_the_line(tmp_path: Path) -> None:
    found = read(written(tmp_path, '{"type": "a", "data": 1}\r\n\n  {"type": "b"}\n'))
    assert [(json.loads(event.text)["type"], event.source, event.id) for event in found] == [
        ("a", "urn:waypost:demo", "line-1"),
        ("b", "urn:waypost:demo", "line-3"),
    ]
    assert [data_of(event.text) for event in found] == [{"data": ("number", "1")}, {}]


def test_read_puts_missing_attributes_in_front_and_keeps_the_rest(tmp_path: Path) -> None:
    line = '{"type":"a",  "data": {"x": 1.10, "y": 1e2, "é": "\\u00e9"}}'
    (event,) = read(written(tmp_path, line))
    assert event.text.endswith(line[1:])
    assert json.loads(event.text)["specversion"] == "1.0"


def test_read_keeps_a_whole_cloudevent_as_it_is(tmp_path: Path) -> None:
    line = '{"specversion":"1.0","id":"1","source":"/shop","type":"a","data":null}'
    (event,) = read(written(tmp_path, line))
    assert (event.text, event.source, event.id) == (line, "/shop", "1")


def test_read_ends_a_line_only_at_a_newline(tmp_path: Path) -> None:
    (event,) = read(written(tmp_path, '{"type": "a", "data": "one\u2028\x85two"}'))
    assert data_of(event.text) == {"data": "one\u2028\x85two"}


def test_read_skips_a_byte_order_mark(tmp_path: Path) -> None:
    assert len(read(written(tmp_path, b'\xef\xbb\xbf{"type": "a"}'))) == 1


def test_read_returns_an_exact_repeat_again(tmp_path: Path) -> None:
    first, second = read(written(tmp_path, '{"type": "a", "id": "1"}\n' * 2))
    assert first == second


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"type": "a"}\n{"type": "b",\n', ", line 2: not JSON"),
        ('{"type": "a"} {"type": "b"}\n', ", line 1: not JSON: Extra data"),
        ('[{"type": "a"}]\n', ", line 1: not an event"),
        ('{"type": "a", "data": NaN}', ", line 1: not JSON: NaN"),
        ('\n{"typ": "a"}', ", line 2: not an event"),
        ('{"type": 5}', ", line 1: not an event"),
        ('"a"', ", line 1: not an event"),
        ('{"type": "a", "id": 5}', ", line 1: id and source must be strings"),
        (
            '{"type": "a", "id": "1"}\n{"type": "b", "id": "1"}',
            ", line 2: same source and id as line 1, but different content",
        ),
        (b'{"type": "a"}\n{"type": "\xff"}', ", line 2: not UTF-8"),
        ('{"type": "a", "data": ' + "[" * 100_000, ", line 1: JSON nested too deeply"),
        ("\n \n", ": contains no event"),
    ],
)
def test_read_rejects_an_unusable_file_and_names_the_place(tmp_path: Path, text: str | bytes, reason: str) -> None:
    file = written(tmp_path, text)
    with pytest.raises(InvalidEvents) as caught:
        read(file)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{file}{reason}")


def test_read_rejects_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InvalidEvents, match="No such file or directory"):
        read(tmp_path / "nothing")


def test_built_in_events_are_cloudevents_with_different_names() -> None:
    found = events.built_in()
    assert len({(event.source, event.id) for event in found}) == len(found)
    for event in found:
        assert read_structured(event.text.encode()).attributes["id"] == event.id


def test_last_built_in_event_does_not_fit_into_a_row() -> None:
    assert len(events.built_in()[-1].text.encode()) > INLINE_MAX


def test_data_of_compares_numbers_by_their_digits() -> None:
    assert data_of('{"data": [1.10, 1]}') == data_of(b'{"data" : [ 1.10,1 ]}')
    assert data_of('{"data": 1.10}') != data_of('{"data": 1.1}')
    assert data_of('{"data": 1}') != data_of('{"data": "1"}')
    assert data_of('{"data": null}') != data_of("{}")
