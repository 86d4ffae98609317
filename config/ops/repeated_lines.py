"""Keep a broker or database that is away from filling the log: one line of a kind a minute, without its traceback.

Celery, kombu and Django log each failed attempt to connect, some with a traceback of fifty lines.
``webhooks.kit.process.availability`` writes when a dependency goes and when it is back.
"""

import logging
import re
import time
from collections import OrderedDict
from typing import Any

EVERY = 60.0  # seconds between two lines that are the same but for their ids
MOST_KINDS = 256  # of lines that are remembered; the oldest is forgotten
LOGGERS = ("celery.worker.consumer", "kombu", "redis")  # whose warnings are all about the broker
ERRORS = {  # names of errors by which libraries say that a server is away
    *("BrokenPipeError", "ConnectionError", "ConnectionRefusedError", "ConnectionResetError", "ConnectionTimeout"),
    *("InterfaceError", "OperationalError", "RecoverableConnectionError", "TimeoutError"),
}
_FIRST_WORD = re.compile(r"\w+")


class DropRepeated(logging.Filter):
    """Drop a warning about a dependency if one of its kind was written less than EVERY seconds ago.

    The next that is written says how many were dropped.
    """

    def __init__(self) -> None:
        super().__init__()
        self._kinds: OrderedDict[tuple[str, str, str], tuple[float, int]] = OrderedDict()

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether to write a record; take the traceback off one about a dependency."""
        if record.levelno < logging.WARNING:
            return True
        fields = record.msg if isinstance(record.msg, dict) else {}
        error = _error_of(record, fields)
        if not (_names(error) & ERRORS or record.name.startswith(LOGGERS)):
            return True
        what = type(error).__name__ if isinstance(error, BaseException) else str(error)
        dropped = self._dropped_before((record.name, str(fields.get("event", record.msg)), what))
        if dropped is None:
            return False
        if isinstance(error, BaseException):
            _shorten(record, fields, error)
        if dropped:
            _add_count(record, fields, dropped)
        return True

    def _dropped_before(self, kind: tuple[str, str, str]) -> int | None:
        """Return how many lines of a kind were dropped since the last one that was written; None: drop this one too."""
        now = time.monotonic()
        written_at, dropped = self._kinds.pop(kind, (now - EVERY, 0))
        is_written = now - written_at >= EVERY
        self._kinds[kind] = (now, 0) if is_written else (written_at, dropped + 1)
        if len(self._kinds) > MOST_KINDS:
            self._kinds.popitem(last=False)
        return dropped if is_written else None


def _error_of(record: logging.LogRecord, fields: dict[str, Any]) -> BaseException | str:
    """Return the exception of a record, or its text that begins with the name of one."""
    given = fields.get("exc_info") or record.exc_info
    if isinstance(given, tuple):
        given = given[1]
    return given if isinstance(given, BaseException) else str(fields.get("error", ""))


def _names(error: BaseException | str) -> set[str]:
    if isinstance(error, BaseException):
        return {kind.__name__ for kind in type(error).__mro__}
    return set(_FIRST_WORD.findall(error[:64])[:1])


def _shorten(record: logging.LogRecord, fields: dict[str, Any], error: BaseException) -> None:
    """Put the error in place of its traceback."""
    said = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}".removesuffix(": ")
    if fields:
        record.msg = {"error": said} | {name: value for name, value in fields.items() if name != "exc_info"}
    else:
        record.msg, record.args = f"{record.getMessage().splitlines()[0]} ({said})", ()
    record.exc_info, record.exc_text = None, None


def _add_count(record: logging.LogRecord, fields: dict[str, Any], dropped: int) -> None:
    if fields:
        record.msg["repeated"] = dropped  # type: ignore[index] # the fields of structlog
    else:
        record.msg, record.args = f"{record.getMessage()} ({dropped} more since the last one)", ()
