"""The time of a drain: the database's clock, and when something was last done.

Setting this machine's clock stops no lane and spoils no signature: between two looks at the database's, the monotonic
clock counts.
"""

import time
from datetime import datetime

__all__ = ["Clock"]


class Clock:
    """``now`` may be asked for from any thread."""

    def __init__(self) -> None:
        self._epoch = time.time() - time.monotonic()  # until the database has said what time it is
        self._due: dict[str, float] = {}

    def set(self, now: datetime) -> None:
        """The database has just said so."""
        self._epoch = now.timestamp() - time.monotonic()

    def now(self) -> float:
        """Unix seconds."""
        return self._epoch + time.monotonic()

    def is_time(self, what: str, every: float) -> bool:
        """Whether this is due again, ``every`` so many seconds; it is then taken to be done."""
        now = time.monotonic()
        if now < self._due.get(what, 0.0):
            return False
        self._due[what] = now + every
        return True
