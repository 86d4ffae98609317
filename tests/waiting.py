"""Wait for what must come, not for how long it takes: the deadline only ends a test that has failed."""

import time
from collections.abc import Callable
from functools import partial
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


def wait_while_it_grows(figure: Callable[[], int], least: int, what: str) -> None:
    """Until the figure is that large, however long it takes, as long as it still grows."""
    seen = 0
    while seen < least:
        seen = wait_until(partial(_above, seen, figure), what, every=0.2)


def _above(seen: int, figure: Callable[[], int]) -> int:
    """The figure, if it is larger than it was; else 0."""
    now = figure()
    return now if now > seen else 0
