"""A dependency that is away fills no log: one line of a kind a minute, without its traceback."""

import logging
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import OperationalError

from config.ops import repeated_lines
from config.ops.repeated_lines import EVERY, MOST_KINDS, DropRepeated


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    found = SimpleNamespace(now=1_000.0)
    monkeypatch.setattr(repeated_lines, "time", SimpleNamespace(monotonic=lambda: found.now))
    return found


def record(
    message: Any, error: BaseException | None = None, *, name: str = "celery.app.trace", level: int = logging.ERROR
) -> logging.LogRecord:
    info = (type(error), error, None) if error is not None else None
    return logging.LogRecord(name, level, __file__, 1, message, (), info)


def test_same_error_of_a_dependency_is_written_once_a_minute_with_the_number_of_the_others(
    clock: SimpleNamespace,
) -> None:
    drop = DropRepeated()
    error = OperationalError("connection refused\nIs the server running?")
    assert [drop.filter(record("Task failed", error)) for _ in range(5)] == [True, False, False, False, False]
    clock.now += EVERY
    line = record("Task failed", error)
    assert drop.filter(line)
    assert line.getMessage() == "Task failed (OperationalError: connection refused) (4 more since the last one)"
    assert line.exc_info is None


def test_fields_of_structlog_keep_their_form(clock: SimpleNamespace) -> None:
    drop = DropRepeated()
    for _ in range(3):
        line = record({"event": "not stored", "source": "src_1", "exc_info": ConnectionRefusedError("refused")})
        written = drop.filter(line)
    assert not written
    clock.now += EVERY
    line = record({"event": "not stored", "source": "src_1", "exc_info": ConnectionRefusedError("refused")})
    assert drop.filter(line)
    assert line.msg == {
        "event": "not stored",
        "source": "src_1",
        "error": "ConnectionRefusedError: refused",
        "repeated": 2,
    }


def test_error_in_the_text_of_a_line_counts_too(clock: SimpleNamespace) -> None:
    drop = DropRepeated()
    lines = [record({"event": "not refreshed", "error": "OperationalError('away')"}) for _ in range(2)]
    assert [drop.filter(line) for line in lines] == [True, False]


def test_every_warning_of_celery_about_its_connection_counts(clock: SimpleNamespace) -> None:
    drop = DropRepeated()
    lines = [record("consumer: Cannot connect", name="celery.worker.consumer.consumer") for _ in range(2)]
    assert [drop.filter(line) for line in lines] == [True, False]


@pytest.mark.parametrize(
    "line",
    [
        lambda: record("handler failed", ValueError("bug")),
        lambda: record("came", OperationalError("away"), level=logging.INFO),
        lambda: record({"event": "not sent", "error": "rejected"}),
    ],
)
def test_any_other_line_is_always_written_as_it_is(line: Any, clock: SimpleNamespace) -> None:
    drop = DropRepeated()
    for _ in range(3):
        one = line()
        before = dict(vars(one))
        assert drop.filter(one)
        assert vars(one) == before


def test_kinds_that_are_remembered_are_bounded(clock: SimpleNamespace) -> None:
    drop = DropRepeated()
    for number in range(2 * MOST_KINDS):
        assert drop.filter(record(f"message {number}", ConnectionError()))
    assert drop.filter(record("message 0", ConnectionError()))
