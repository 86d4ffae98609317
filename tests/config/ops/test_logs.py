"""Test the log: secrets are hidden by their names and their form, as JSON and as text."""

import json
import logging
import os
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from django.core.exceptions import DisallowedHost

from config.ops import logs
from webhooks.version import VERSION


@pytest.fixture(autouse=True)
def same_structlog() -> Iterator[None]:
    """Leave structlog as it was: loggers that are in use keep the list of processors that they were made with."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.mark.parametrize(
    ("event", "hidden"),
    [
        ({"secret": "s"}, True),
        ({"api_key": "k"}, True),
        ({"webhook-signature": "v1,abc"}, True),
        ({"headers": {"Authorization": "Bearer x"}}, True),
        ({"event": "made whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw for you"}, True),
        ({"event": "key wp_abcdefghijklmnop came"}, True),
        ({"event": "cannot reach redis://user:pw@host/0"}, True),
        ({"has_secret": True}, False),
        ({"tenant": "tnt_abc", "count": 3, "event": "published"}, False),
    ],
)
def test_hide_secrets_hides_known_names_and_secret_texts(event: dict[str, Any], hidden: bool) -> None:
    shown = logs.hide_secrets(None, "info", dict(event))
    assert ("[hidden]" in str(shown)) is hidden
    assert (shown != event) is hidden


def test_json_line_has_time_level_and_logger() -> None:
    record = logging.LogRecord("waypost.test", logging.WARNING, __file__, 1, "came %s", ("late",), None)
    line = json.loads(formatter(as_json=True).format(record))
    assert (line["event"], line["level"], line["logger"]) == ("came late", "warning", "waypost.test")
    assert line["timestamp"].endswith("Z")


@pytest.mark.parametrize("as_json", [True, False])
def test_exception_is_part_of_the_line(as_json: bool) -> None:
    error = RuntimeError("went wrong")
    record = logging.LogRecord("x", logging.ERROR, __file__, 1, "oh", (), (type(error), error, None))
    assert "went wrong" in formatter(as_json=as_json).format(record)


def test_request_that_django_refuses_is_logged_without_a_traceback() -> None:
    error = DisallowedHost("evil.example")
    for name, is_shown in (("django.security.DisallowedHost", False), ("django.request", True)):
        record = logging.LogRecord(name, logging.ERROR, __file__, 1, "oh", (), (type(error), error, None))
        assert logs.config("INFO", as_json=True)["filters"]["refused"]["()"]()(record)
        assert bool(record.exc_info) is is_shown


def test_celery_loggers_drop_lines_below_warning() -> None:
    loggers = logs.config("DEBUG", as_json=True)["loggers"]
    for name in ("celery.beat", "celery.worker.strategy", "celery.worker.request", "celery.app.trace"):
        assert loggers[name]["level"] == "WARNING"


def formatter(*, as_json: bool) -> logging.Formatter:
    spec = logs.config("INFO", as_json=as_json)["formatters"]["structured"]
    return structlog.stdlib.ProcessorFormatter(
        processors=spec["processors"], foreign_pre_chain=spec["foreign_pre_chain"]
    )


def test_json_line_names_program_process_machine_and_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(logs, "_program", [""])
    logs.name_program("deliver2")
    line = json.loads(formatter(as_json=True).format(logging.LogRecord("x", logging.INFO, __file__, 1, "a", (), None)))
    assert (line["program"], line["pid"], line["version"]) == ("deliver2", os.getpid(), VERSION)
    assert line["machine"]
    assert "program" not in formatter(as_json=False).format(
        logging.LogRecord("x", logging.INFO, __file__, 1, "a", (), None)
    )


def test_exception_that_ends_a_program_is_one_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(logs, "_program", [""])
    logs.name_program("web")
    error = RuntimeError("went wrong")
    sys.excepthook(RuntimeError, error, None)
    assert [(it.message, it.exc_info and it.exc_info[1]) for it in caplog.records] == [("program failed", error)]
