"""Give a worker another process when a task has waited, and end one that was not needed for a while.

Most tasks of an idle platform take milliseconds, so two tasks at the same time need no second process. Celery's
autoscaler starts one for them, and ends it only after seconds without any task, which the schedule never leaves.
"""

from time import monotonic
from typing import Any

from celery.worker.autoscale import Autoscaler

GROW_AFTER = 0.5  # seconds that a task waits for a process


class PatientAutoscaler(Autoscaler):
    """Look again after GROW_AFTER when a task arrives, and grow then; shrink after ``keepalive`` of little work."""

    _is_waiting = False
    _needed_at = 0.0

    def maybe_scale(self, req: Any = None) -> None:
        """Grow or shrink; for a task that has just arrived, after GROW_AFTER."""
        if self.qty >= self.processes:
            self._needed_at = monotonic()
        if req is None:
            super().maybe_scale()
        elif not self._is_waiting and self.qty > self.processes:
            self._is_waiting = True
            self.worker.consumer.timer.call_after(GROW_AFTER, self._scale_late)

    def scale_down(self, n: int) -> None:
        """End so many processes if fewer tasks than there are processes ran at a time, for ``keepalive`` seconds."""
        if monotonic() - self._needed_at > self.keepalive:
            self._shrink(n)

    def _scale_late(self) -> None:
        self._is_waiting = False
        super().maybe_scale()
