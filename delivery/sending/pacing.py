"""Decide how long a drain gathers work before its next turn, by how busy it is.

PURE: durations are passed in, in seconds.

A turn costs some round trips and a commit, however much it does. While little happens, the next turn begins at once:
whoever waits for it finds the processors free. While the drain is busy, what arrives during a turn is done together by
the next one, and if turns are still small, a pause as long as a turn at most makes them larger.
"""

import math
from dataclasses import dataclass

MEASURED_OVER = 0.1  # seconds over which the load is averaged
BUSY = 0.6  # part of the time spent in turns, beyond which a drain gathers
ENOUGH = 64  # attempts started and ended in one turn: a larger turn costs no less for each of them
LONGEST_PAUSE = 0.005  # seconds


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

    def pause(self) -> float:
        """Return how many seconds to gather before the next turn."""
        if self.load <= BUSY or not 0 < self._work < ENOUGH:
            return 0.0
        return min(self._turn * (self.load - BUSY) / (1 - BUSY), LONGEST_PAUSE)
