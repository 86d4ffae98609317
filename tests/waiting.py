"""Wait for conditions instead of durations; the deadline only ends a test that has failed."""

import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

T = TypeVar("T")

DEADLINE = 120.0  # seconds


def wait_until(condition: Callable[[], T], what: str | Callable[[], str], *, every: float = 0.02) -> T:
    """Return the first true value of ``condition``.

    ``what``: what is waited for, or a function of it, which is called at the deadline and may name what is there then.
    """
    deadline = time.monotonic() + DEADLINE
    while not (found := condition()):
        assert time.monotonic() < deadline, f"timed out waiting for {what if isinstance(what, str) else what()}"
        time.sleep(every)
    return found


def wait_while_it_grows(figure: Callable[[], int], least: int, what: str) -> None:
    """Wait until the figure is at least ``least``; fail if it stops growing before."""
    seen = 0
    while seen < least:
        seen = wait_until(partial(_above, seen, figure), what, every=0.2)


def _above(seen: int, figure: Callable[[], int]) -> int:
    """Return the figure if it is greater than ``seen``, else 0."""
    now = figure()
    return now if now > seen else 0
