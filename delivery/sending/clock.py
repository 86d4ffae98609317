"""Keep a drain's time: the database's clock, and when periodic steps are due.

Between two readings of the database's clock the monotonic clock counts, so a change of the machine's time neither
stops a lane nor invalidates a signature. A reading that lies before what was counted shows that the database's clock
itself went back: ``set`` says by how much, so that instants written before can be corrected.
"""

import time
from datetime import datetime

WENT_BACK = 1.0  # seconds by which a reading must lie in the past; less is imprecision


class Clock:
    """Tell the database's time. ``now`` may be called from any thread."""

    def __init__(self) -> None:
        self._is_set = False
        self._epoch = time.time() - time.monotonic()  # this machine's time until ``set`` is called
        self._due_at: dict[str, float] = {}

    def set(self, now: datetime, asked_at: float | None = None) -> float:
        """Set the clock to a moment that the database has returned; return the seconds by which its clock went back.

        ``asked_at``: when it was asked, in monotonic seconds (None: just now). The process may have been stopped since.
        """
        moment = now.timestamp()
        expected = self._epoch + (time.monotonic() if asked_at is None else asked_at)  # or later
        back = expected - moment if self._is_set else 0.0
        self._epoch = moment - time.monotonic()
        self._is_set = True
        return back if back > WENT_BACK else 0.0

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
