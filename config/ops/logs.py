"""Configure logging: lines of text or of JSON (WAYPOST_LOG_FORMAT), secrets redacted in both.

A line of JSON names its program, process, machine and version, so that lines of many machines can be put together.
"""

import logging
import os
import re
import socket
import sys
from types import TracebackType
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from config.ops.repeated_lines import DropRepeated
from webhooks.version import VERSION

_SECRET_NAME = re.compile(r"secret|password|token|authorization|api_?key|cookie|credential|signature", re.I)
_SECRET_VALUE = re.compile(r"\b(wp|whsec|whsk)_[A-Za-z0-9+/=_-]{8,}|(?<=://)[^/@\s]+:[^/@\s]*(?=@)")
_HIDDEN = "[hidden]"
_MACHINE = socket.gethostname()
_program = [""]  # the name of this program: web, work, deliver2


def hide_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Redact values with a secret's name and whatever looks like one of our secrets; the last processor."""
    return {name: _hide(name, value) for name, value in event.items()}


def _hide(name: str, value: Any) -> Any:
    if _SECRET_NAME.search(name) and value is not None and not isinstance(value, bool):
        return _HIDDEN
    if isinstance(value, str):
        return _SECRET_VALUE.sub(_HIDDEN, value)
    if isinstance(value, dict):
        return {key: _hide(str(key), item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_hide(name, item) for item in value]
    return value


def name_program(name: str) -> None:
    """Name this program in its lines, and log an exception that ends it, instead of printing it on many lines."""
    _program[0] = name
    sys.excepthook = _log_uncaught


def add_process(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Add which process of which machine wrote a line, and its version."""
    event.update(process_fields())
    return event


def process_fields() -> dict[str, Any]:
    """Return what names this process in a line of JSON."""
    return {"program": _program[0], "pid": os.getpid(), "machine": _MACHINE, "version": VERSION}


def _log_uncaught(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, traceback)
        return
    logging.getLogger("waypost").critical("program failed", exc_info=(kind, error, traceback))


def hide_traceback(record: logging.LogRecord) -> bool:
    """Drop the traceback of a request that Django refuses, such as one for an unknown host: anyone can send many."""
    if record.name.startswith("django.security."):
        record.exc_info = None
    return True


def config(level: str, *, as_json: bool) -> dict[str, Any]:
    """Set up structlog and return Django's LOGGING, so that the standard library's loggers use the same format."""
    before: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *before,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    colors = "NO_COLOR" not in os.environ and (sys.stderr.isatty() or "FORCE_COLOR" in os.environ)
    console = structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=structlog.dev.plain_traceback)
    processors: list[Processor] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.format_exc_info,
        hide_secrets,
        *([add_process, structlog.processors.JSONRenderer()] if as_json else [console]),
    ]
    formatter = {"()": structlog.stdlib.ProcessorFormatter, "processors": processors, "foreign_pre_chain": before}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"structured": formatter},
        "filters": {"refused": {"()": lambda: hide_traceback}, "repeated": {"()": DropRepeated}},
        "handlers": {
            "console": {
                "class": "logging.StreamHandler",
                "formatter": "structured",
                "filters": ["refused", "repeated"],
            }
        },
        "root": {"handlers": ["console"], "level": level},
        "loggers": {
            "django": {"handlers": [], "level": level, "propagate": True},
            "django.server": {"handlers": [], "propagate": True},
            "celery.beat": {"level": "WARNING"},  # otherwise one line per notification
            "celery.app.trace": {"level": "WARNING"},
            "celery.worker.strategy": {"level": "WARNING"},
            "celery.worker.request": {"level": "WARNING"},  # otherwise one line per expired notification
        },
    }
