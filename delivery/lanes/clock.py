"""Measure time for a drain: the database's clock, when periodic steps are due, how long to gather work for a turn.

Between two readings of the database's clock the monotonic clock counts, so a change of the machine's time neither
stops a lane nor invalidates a signature. A reading that lies before what was counted shows that the database's clock
itself went back: ``set`` returns by how much, so that instants written before can be corrected.

A turn costs some round trips and a commit, however much it does. While little happens, the next turn begins at once.
While the drain is busy, what arrives during a turn is done together by the next one, and if turns are still small, a
pause as long as a turn at most makes them larger.
"""

import math
import time
from dataclasses import dataclass
from datetime import datetime

WENT_BACK = 1.0  # seconds by which a reading must lie in the past; less is imprecision
MEASURED_OVER = 0.1  # seconds over which the load is averaged
BUSY = 0.6  # part of the time spent in turns, beyond which a drain gathers
ENOUGH = 64  # attempts started and ended in one turn: a larger turn costs no less for each of them
LONGEST_PAUSE = 0.005  # seconds


class Clock:
    """Return the database's time, counted from its last reading. ``now`` may be called from any thread."""

    def __init__(self) -> None:
        self._is_set = False
        self._epoch = time.time() - time.monotonic()  # this machine's time until ``set`` is called
        self._due_at: dict[str, float] = {}

    def set(self, now: datetime, asked_at: float | None = None) -> float:
        """Set the clock to a moment that the database has returned; return the seconds by which its clock went back.

        ``asked_at``: when it was asked, in monotonic seconds (None: just now). The process may have been stopped since.
        """
        moment = now.timestamp()
        expected = self._epoch + (
            time.monotonic() if asked_at is None else asked_at
        )  # or later: it read its clock after it was asked
        back = expected - moment if self._is_set else 0.0
        self._epoch = moment - time.monotonic()
        self._is_set = True
        return back if back > WENT_BACK else 0.0

    def now(self) -> float:
        """Return the time in unix seconds."""
        return self._epoch + time.monotonic()

    def is_due(self, step: str, every: float) -> bool:
        """Return whether a step is due that runs at intervals of ``every`` seconds; if so, count it as done now."""
        now = time.monotonic()
        if now < self._due_at.get(step, 0.0):
            return False
        self._due_at[step] = now + every
        return True


@dataclass(slots=True)
class Pacing:
    """Measure the ``load``: the part of the time, from 0 to 1, that a drain spends in turns."""

    load: float = 0.0
    _turn: float = 0.0
    _work: int = 0

    def on_turn_ended(self, seconds: float, waited: float, work: int) -> None:
        """Record a turn of so many seconds, the wait before it, and how many attempts it started and ended."""
        total = seconds + waited
        if total > 0:
            weight = 1 - math.exp(-total / MEASURED_OVER)
            self.load += weight * (seconds / total - self.load)
        self._turn, self._work = seconds, work

    @property
    def is_busy(self) -> bool:
        """Whether the drain gathers work."""
        return self.load > BUSY

    def pause(self) -> float:
        """Return how many seconds to gather before the next turn."""
        if self.load <= BUSY or not 0 < self._work < ENOUGH:
            return 0.0
        return min(self._turn * (self.load - BUSY) / (1 - BUSY), LONGEST_PAUSE)
