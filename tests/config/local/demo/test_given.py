"""The events of the demo: every file is either read as it was written, or refused in one line that names the place."""

import json
from pathlib import Path

import pytest

from config.local.demo import given
from config.local.demo.counts import INLINE_MAX
from config.local.demo.given import BadEvents
from webhooks.wire.cloudevents.json_format import read_structured


def written(path: Path, text: str | bytes) -> Path:
    file = path / "events"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def refusal(path: Path, text: str | bytes) -> str:
    file = written(path, text)
    with pytest.raises(BadEvents) as refused:
        given.read(file)
    said = str(refused.value)
    assert "\n" not in said
    assert said.startswith(str(file))
    return said.removeprefix(str(file)).lstrip(",: ")


def test_each_line_is_an_event_and_is_named_by_its_line(tmp_path: Path) -> None:
    events = given.read(written(tmp_path, '{"type": "a", "data": 1}\r\n\n  {"type": "b"}\n'))
    assert [(event.place, event.type, event.id) for event in events] == [
        ("line 1", "a", "line-1"),
        ("line 3", "b", "line-3"),
    ]


def test_a_list_holds_the_same_events(tmp_path: Path) -> None:
    events = given.read(written(tmp_path, ' [\n{"type": "a", "data": [1, "]"]} , {"type": "b"}\n]\n'))
    assert [(event.place, event.type, event.data) for event in events] == [
        ("item 1", "a", {"data": [("number", "1"), "]"]}),
        ("item 2", "b", {}),
    ]


def test_what_is_missing_is_put_in_front_and_the_rest_is_not_touched(tmp_path: Path) -> None:
    line = '{"type":"a",  "data": {"x": 1.10, "y": 1e2, "é": "\\u00e9"}}'
    (event,) = given.read(written(tmp_path, line))
    assert event.text.endswith(line[1:])
    assert json.loads(event.text)["specversion"] == "1.0"


def test_a_whole_cloudevent_is_kept_as_it_is(tmp_path: Path) -> None:
    line = '{"specversion":"1.0","id":"1","source":"/shop","type":"a","data":null}'
    (event,) = given.read(written(tmp_path, line))
    assert (event.text, event.source, event.id) == (line, "/shop", "1")


def test_a_line_ends_only_where_the_file_has_a_newline(tmp_path: Path) -> None:
    (event,) = given.read(written(tmp_path, '{"type": "a", "data": "one\u2028\x85two"}'))
    assert event.data == {"data": "one\u2028\x85two"}


def test_a_byte_order_mark_is_no_part_of_the_first_event(tmp_path: Path) -> None:
    assert len(given.read(written(tmp_path, b'\xef\xbb\xbf{"type": "a"}'))) == 1


def test_an_exact_repeat_is_among_the_events_again(tmp_path: Path) -> None:
    line = '{"type": "a", "id": "1"}\n'
    first, second = given.read(written(tmp_path, line * 2))
    assert first.name == second.name


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"type": "a"}\n{"type": "b",\n', "line 2: is not JSON"),
        ('{"type": "a"} {"type": "b"}\n', "line 1: holds more than one JSON value"),
        ('{"type": "a", "data": NaN}', "line 1: is not JSON: NaN"),
        ('\n{"typ": "a"}', "line 2: is not an event"),
        ('{"type": 5}', "line 1: is not an event"),
        ('"a"', "line 1: is not an event"),
        ('{"type": "a", "id": 5}', "line 1: has no text as its id"),
        ('{"type": "a", "id": "1"}\n{"type": "b", "id": "1"}', "line 2: has the source and id of line 1"),
        (b'{"type": "a"}\n{"type": "\xff"}', "line 2: not UTF-8"),
        ('{"type": "a", "data": ' + "[" * 100_000, "line 1: is nested too deep"),
        ('[{"type": "a"}, {}]', "item 2: is not an event"),
        ('[{"type": "a"},]', "item 2: is not JSON"),
        ('[{"type": "a"} {"type": "b"}]', "item 1: is not followed by a comma"),
        ('[{"type": "a"}', "item 1: is not followed by a comma"),
        ('[{"type": "a"}] x', "there is something after the end"),
        ("[]", "there is no event in it"),
        ("\n \n", "there is no event in it"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_the_place(tmp_path: Path, text: str | bytes, said: str) -> None:
    assert refusal(tmp_path, text).startswith(said)


def test_a_file_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(BadEvents, match="No such file or directory"):
        given.read(tmp_path / "nothing")


def test_the_events_that_come_with_it_are_cloudevents_with_different_names() -> None:
    events = [*given.read(given.ORDER), given.large()]
    assert len({event.name for event in events}) == len(events)
    for event in events:
        assert read_structured(event.text.encode()).attributes["type"] == event.type


def test_the_large_event_does_not_fit_into_a_row() -> None:
    assert len(given.large().text.encode()) > INLINE_MAX


def test_data_is_compared_by_the_digits_it_is_written_with() -> None:
    assert given.data_of('{"data": [1.10, 1]}') == given.data_of(b'{"data" : [ 1.10,1 ]}')
    assert given.data_of('{"data": 1.10}') != given.data_of('{"data": 1.1}')
    assert given.data_of('{"data": 1}') != given.data_of('{"data": "1"}')
    assert given.data_of('{"data": null}') != given.data_of("{}")
