"""When to try again: a plan is a list of waits, one after each failure; jitter always.

PURE: the random number is passed in.
"""

from collections.abc import Sequence

__all__ = ["DEFAULT_PLAN", "planned_wait", "wait_after"]

MINUTE, HOUR = 60, 3600

# The example schedule of Standard Webhooks 1.0: ten attempts over 75 h 35 min.
DEFAULT_PLAN = (5, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR)

JITTER = 0.2  # of the wait, to either side: retries of one outage must not come back as one wave


def planned_wait(plan: Sequence[int], step: int, jitter: float) -> float | None:
    """Seconds to wait after the failure number ``step`` (from 0), or None: the plan is used up.

    ``jitter`` is a random number from 0 to 1.
    """
    if step >= len(plan):
        return None
    return plan[step] * (1 + JITTER * (2 * jitter - 1))


def wait_after(
    plan: Sequence[int], step: int, *, jitter: float, at_least: float = 0.0, asked: float | None = None
) -> float | None:
    """The planned wait, not below ``at_least`` nor below what the other side ``asked`` for (``Retry-After``).

    What it asks for is obeyed up to the horizon: all the waits of the plan that are left, together.
    """
    wait = planned_wait(plan, step, jitter)
    if wait is None:
        return None
    horizon = float(sum(plan[step:]))
    return max(wait, min(at_least, horizon), min(asked or 0.0, horizon))
