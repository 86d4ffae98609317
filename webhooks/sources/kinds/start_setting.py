"""Declare and read the setting that says where a new source begins."""

from datetime import datetime

from webhooks.sources.kinds.kind import InvalidSettings, SeekTarget, Setting

START = Setting(
    "start",
    "Start",
    "Where a new source begins: earliest, latest, or an RFC 3339 time. Seek to move a source that has begun.",
    default="latest",
    max_length=64,
    example="2026-01-01T00:00:00Z",
)


def read_start(text: str) -> SeekTarget:
    """Return where a new source begins. Raises InvalidSettings."""
    if text == "earliest":
        return "earliest"
    if text == "latest":
        return "latest"
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise InvalidSettings({START.path: "Must be earliest, latest, or an RFC 3339 time, 2026-01-01T00:00:00Z."})
    return time
