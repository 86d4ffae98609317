"""Compute the waits of a retry plan: a list of seconds, one wait after each failed attempt. Pure.

A plan given by its growth (``first``, ``factor``, ``cap``) and end (``attempts``, ``horizon``, or both) is turned into
the list when it is saved, so the database, the REST API and the drain all read the same numbers.
"""

DAY = 86_400  # seconds

MAX_WAIT = 7 * DAY  # seconds
MAX_WAITS = 50
MAX_HORIZON = MAX_WAITS * MAX_WAIT  # seconds
DEFAULT_FACTOR = 2.0
DEFAULT_CAP = DAY  # seconds


def exponential_waits(
    *,
    first: int,
    attempts: int = MAX_WAITS + 1,
    factor: float = DEFAULT_FACTOR,
    cap: int = DEFAULT_CAP,
    horizon: int | None = None,
) -> list[int]:
    """Return the waits in seconds between ``attempts``: ``first``, then ``factor`` times the one before, up to ``cap``.

    No wait ends later than ``horizon`` seconds after the first failure. Jitter is added to each wait when it begins
    (``delivery.sending.verdict``).
    """
    waits: list[int] = []
    wait = float(min(first, cap))
    for _ in range(attempts - 1):
        if horizon is not None and sum(waits) + round(wait) > horizon:
            break
        waits.append(round(wait))
        wait = min(wait * factor, float(cap))
    return waits
