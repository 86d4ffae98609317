"""The time of a test, read while the test runs.

A constant of a module is read when tests are collected, and may be half an hour old when they run: in another hour, or
on another day. ``test_clock.py`` refuses such constants.
"""

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any


@cache
def time_of_test() -> datetime:
    """Return the time (UTC) at which the running test called this first."""
    return datetime.now(UTC)


def hour_of_test(*, ago: timedelta) -> datetime:
    """Return the beginning of the hour (UTC) that was so long before the time of the test."""
    return (time_of_test() - ago).replace(minute=0, second=0, microsecond=0)


def day_of_test(*, ago: timedelta) -> datetime:
    """Return the beginning of the day (UTC) that was so long before the time of the test."""
    return hour_of_test(ago=ago).replace(hour=0)


def from_now(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields with the time of the test added to each value that is a timedelta: for parameters of tests."""
    return {name: time_of_test() + it if isinstance(it, timedelta) else it for name, it in fields.items()}
