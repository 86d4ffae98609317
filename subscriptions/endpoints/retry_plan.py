"""A retry plan is stored as what it means: a list of waits, one after each failure.

Who would rather say how waits grow than write them down gives ``first``, ``factor`` and ``cap``, and where they end:
after so many ``attempts``, at a ``horizon``, or both. That is turned into the list when it is written, so that whoever
reads a plan, in the database, over REST or on the hot path, sees the same numbers. PURE.
"""

__all__ = ["DEFAULT_CAP", "DEFAULT_FACTOR", "MAX_HORIZON", "MAX_WAIT", "MAX_WAITS", "exponential_waits"]

DAY = 86_400  # seconds

MAX_WAIT = 7 * DAY  # seconds
MAX_WAITS = 50
MAX_HORIZON = MAX_WAITS * MAX_WAIT
DEFAULT_FACTOR, DEFAULT_CAP = 2.0, DAY


def exponential_waits(
    *,
    first: int,
    attempts: int = MAX_WAITS + 1,
    factor: float = DEFAULT_FACTOR,
    cap: int = DEFAULT_CAP,
    horizon: int | None = None,
) -> list[int]:
    """The waits in seconds between so many ``attempts``: ``first``, then ``factor`` times the one before, until
    ``cap``; none that would end later than ``horizon`` seconds after the first failure. Jitter is not part of a plan:
    it comes on top of any (``delivery.sending.backoff``)."""
    waits: list[int] = []
    wait = float(min(first, cap))
    for _ in range(attempts - 1):
        if horizon is not None and sum(waits) + round(wait) > horizon:
            break
        waits.append(round(wait))
        wait = min(wait * factor, float(cap))
    return waits
