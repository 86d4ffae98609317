"""Wait for what must come, not for how long it takes: the deadline only ends a test that has failed."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

AT_LAST = 120.0  # seconds


def wait_until(condition: Callable[[], T], what: str, *, every: float = 0.02) -> T:
    """The first true thing that ``condition`` gives."""
    deadline = time.monotonic() + AT_LAST
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(every)
    return found
