"""Lines of the archive: the bytes of an event are kept, and one event is one line."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.archiving.lines import read_lines, write_lines
from delivery.sql.archiving.rows import ArchivedAttempt, ArchivedDeadLetter, ArchivedDelivery, ArchivedEvent
from webhooks.wire.ids import new_id, public

NOW = datetime(2030, 1, 31, 12, 30, tzinfo=UTC)
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


def event_row(body: bytes = b'{"specversion":"1.0","data":1}', **changes: Any) -> ArchivedEvent:
    fields: dict[str, Any] = {
        "id": new_id(),
        "tenant_id": new_id(),
        "created_at": NOW,
        "source": "/orders",
        "event_id": "1",
        "type": "order.paid",
        "subject": None,
        "digest": b"\1" * 32,
        "traceparent": None,
        "payload_deleted_at": None,
        "payload_deleted_by": None,
        "about": None,
        "grant_id": None,
        "body": body,
    }
    return ArchivedEvent(**(fields | changes))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"subject": 'a "quoted", {"cloudevent": 1}', "source": ',"cloudevent":'},
        {"traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01", "about": new_id(), "grant_id": new_id()},
        {"payload_deleted_at": NOW, "payload_deleted_by": "key"},
        {"body": b'{"specversion":"1.0","data":{"n": 1e400, "big": 12345678901234567890123, "dup":1,"dup":2}}'},
        {"body": b'{\r\n  "specversion": "1.0",\n  "data": {\n"a": "\\n"}}'},
    ],
)
def test_event_is_read_as_it_was_written(changes: dict[str, Any]) -> None:
    row = event_row(**changes)
    content = write_lines([row], [], [], [])
    assert content.count(b"\n") == 1
    assert read_lines(content) == [row]


@given(source=TEXT, subject=TEXT, data=st.recursive(TEXT | st.integers() | st.none(), st.lists), indent=st.booleans())
def test_any_text_and_data_is_one_line(source: str, subject: str, data: Any, indent: bool) -> None:
    body = orjson.dumps({"data": str(data)}, option=orjson.OPT_INDENT_2 if indent else 0)
    rows = [event_row(body, source=source, subject=subject), event_row()]
    content = write_lines(rows, [], [], [])
    assert content.count(b"\n") == 2
    assert read_lines(content) == rows
    assert [orjson.loads(line)["type"] for line in content.splitlines()] == ["order.paid"] * 2


def test_line_has_deliveries_with_attempts_and_dead_letters() -> None:
    event, key, endpoint = event_row(), new_id(), new_id()
    delivery = ArchivedDelivery(key, event.id, endpoint, "dead", NOW, None, None, None, None)
    attempts = [ArchivedAttempt(key, 1, NOW, 120, None, "timeout")]
    letter = ArchivedDeadLetter(key, new_id(), "exhausted", "", NOW, None, "", False, "")
    (line,) = write_lines([event], [delivery], attempts, [letter]).splitlines()
    document = orjson.loads(line)
    (shown,) = document["deliveries"]
    assert (shown["id"], shown["endpoint"], shown["state"]) == (public("dlv", key), public("ep", endpoint), "dead")
    started = "2030-01-31T12:30:00.000000Z"
    assert shown["attempts"] == [{"number": 1, "started_at": started, "duration_ms": 120, "error": "timeout"}]
    assert shown["dead_letters"][0]["cause"] == "exhausted"
    assert document["cloudevent"] == {"specversion": "1.0", "data": 1}


@pytest.mark.parametrize(
    "content", [b"{}\n", b"no json\n", b'{"id":"evt_1","cloudevent":{}}\n', b'{"cloudevent":{}}\n']
)
def test_other_lines_are_no_events(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"no member|not found|not an id|an id here|JSON"):
        read_lines(content)
