"""Decide when a failed receipt is tried again: a list of waits, after which it is dead. Pure."""

from collections.abc import Sequence

DEFAULT_PLAN = (5, 30, 120, 600, 3600, 4 * 3600, 12 * 3600, 24 * 3600)
"""Seconds to wait after each failure: 9 attempts in 41 hours. ``Source.retry_plan`` replaces it."""

JITTER = 0.2  # share of each wait, both ways, so that receipts that failed together are not retried together
MAX_WAITS = 20  # per plan
MAX_WAIT = 7 * 24 * 3600  # seconds
MAX_TOTAL_WAIT = 30 * 24 * 3600  # seconds, all waits together


def wait_after(attempts: int, chance: float, plan: Sequence[float] | None = None) -> float | None:
    """Return the seconds to wait after this many failed attempts (``chance`` 0 to 1), or None for no more attempts."""
    waits = DEFAULT_PLAN if plan is None else plan
    if attempts > len(waits):
        return None
    return waits[attempts - 1] * (1 + JITTER * (2 * chance - 1))
