"""Send the receiver's log events to Python's ``logging`` where the project has not configured structlog.

Without a configuration structlog prints to stdout, so that a failing handler would be missing from the project's log
files and from its error tracker.
"""

from typing import Any

import structlog
from structlog.typing import EventDict, WrappedLogger


def use_logging() -> None:
    """Configure structlog to write to ``logging``, unless the project has configured it."""
    if structlog.is_configured():
        return
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, _as_record],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )


def _as_record(_logger: WrappedLogger, _method: str, event: EventDict) -> tuple[tuple[str], dict[str, Any]]:
    """Return the arguments of a method of a logger: one line of text, the traceback, and the fields as ``extra``."""
    fields = dict(event)
    text, traceback = fields.pop("event"), fields.pop("exc_info", None)
    line = " ".join([str(text), *(f"{name}={value!r}" for name, value in fields.items())])
    return (line,), {"exc_info": traceback, "extra": {f"webhook_{name}": value for name, value in fields.items()}}
