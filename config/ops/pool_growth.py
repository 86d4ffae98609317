"""Give a worker another process when a task has waited, and not as soon as two tasks are there.

Most tasks of an idle platform take milliseconds. A process that is there stays: the schedule sends more often than
Celery's autoscaler waits before it ends one.
"""

from typing import Any

from celery.worker.autoscale import Autoscaler

GROW_AFTER = 0.05  # seconds that a task waits for a process


class PatientAutoscaler(Autoscaler):
    """Look again after GROW_AFTER when a task arrives, and grow then."""

    _is_waiting = False

    def maybe_scale(self, req: Any = None) -> None:
        """Grow or shrink; for a task that has just arrived, after GROW_AFTER."""
        if req is None:
            super().maybe_scale()
            return
        self.on_task_received(req)
        if not self._is_waiting and self.qty > self.processes:
            self._is_waiting = True
            self.worker.consumer.timer.call_after(GROW_AFTER, self._scale_late)

    def _scale_late(self) -> None:
        self._is_waiting = False
        super().maybe_scale()
