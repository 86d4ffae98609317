"""Describe the result of a check."""

from enum import StrEnum
from typing import NamedTuple


class Level(StrEnum):
    """Grade a finding. An error: the platform does not work, or loses data."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


class Finding(NamedTuple):
    """Hold one result in a line of text, and what to do about it (empty if nothing). Neither contains a secret."""

    level: Level
    text: str
    advice: str = ""


def ok(text: str) -> Finding:
    """Return a finding that needs nothing to be done."""
    return Finding(Level.OK, text)


def warning(text: str, advice: str) -> Finding:
    """Return a finding of something that works, and should be otherwise."""
    return Finding(Level.WARNING, text, advice)


def error(text: str, advice: str) -> Finding:
    """Return a finding of something that does not work."""
    return Finding(Level.ERROR, text, advice)
