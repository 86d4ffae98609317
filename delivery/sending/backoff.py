"""Compute the wait before a retry from a retry plan: a list of waits, one after each failure, with jitter.

PURE: the random number is passed in.
"""

from collections.abc import Sequence

MINUTE, HOUR = 60, 3600

# The example schedule of Standard Webhooks 1.0: ten attempts over 75 h 35 min. Seconds.
DEFAULT_PLAN = (5, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR)

JITTER = 0.2  # part of the wait, to either side, so that the retries of one outage do not come back as one wave


def planned_wait(plan: Sequence[int], step: int, jitter: float) -> float | None:
    """Return the seconds to wait after failure number ``step`` (from 0), or None if the plan is used up.

    ``jitter`` is a random number from 0 to 1.
    """
    if step >= len(plan):
        return None
    return plan[step] * (1 + JITTER * (2 * jitter - 1))


def wait_after(plan: Sequence[int], step: int, *, jitter: float, retry_after: float | None = None) -> float | None:
    """Return the planned wait in seconds, but not less than ``retry_after``; None if the plan is used up.

    ``retry_after`` (`Retry-After`, in seconds) is obeyed up to the sum of the waits that are left in the plan, so that
    no endpoint can put a delivery off for longer than its plan lasts.
    """
    wait = planned_wait(plan, step, jitter)
    if wait is None:
        return None
    return max(wait, min(retry_after or 0.0, float(sum(plan[step:]))))
