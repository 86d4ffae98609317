"""Keep a drain's time: the database's clock, and when periodic steps are due.

Between two readings of the database's clock the monotonic clock counts, so a change of the machine's time neither
stops a lane nor invalidates a signature.
"""

import time
from datetime import datetime


class Clock:
    """Tell the database's time. ``now`` may be called from any thread."""

    def __init__(self) -> None:
        self._epoch = time.time() - time.monotonic()  # this machine's time until ``set`` is called
        self._due_at: dict[str, float] = {}

    def set(self, now: datetime) -> None:
        """Set the clock to a moment that the database has just returned."""
        self._epoch = now.timestamp() - time.monotonic()

    def now(self) -> float:
        """Return the time in unix seconds."""
        return self._epoch + time.monotonic()

    def is_due(self, step: str, every: float) -> bool:
        """Return whether a step that runs ``every`` so many seconds is due; if so, count it as done now."""
        now = time.monotonic()
        if now < self._due_at.get(step, 0.0):
            return False
        self._due_at[step] = now + every
        return True
