"""Run the schedule in the parent of a worker's processes: between two messages, by Celery's timer."""

from typing import Any

from celery import bootsteps
from celery.signals import worker_process_init

from config.schedule.plan import TICK
from config.schedule.ticker import Ticker
from delivery.load import roles
from delivery.load.heartbeats import HeartbeatWriter

BEAT = "beat"  # name of the schedule among the processes of its machine


class ScheduleStep(bootsteps.StartStopStep):
    """Tick while the worker is connected to the broker. Celery starts and stops this step with the connection."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        self._ticker: Ticker | None = None
        self._timer: Any = None
        worker_process_init.connect(self._abandon)

    def start(self, consumer: Any) -> None:
        """Tick at once, and then when the ticker says."""
        self._ticker = Ticker(consumer.app, HeartbeatWriter(roles.BEAT, BEAT))
        self._timer = consumer.timer.call_after(0.0, self._tick, (consumer, self._ticker))

    def stop(self, _consumer: Any) -> None:
        """Stop, and close the connections."""
        if self._ticker is not None:
            self._timer.cancel()
            self._ticker.close()
            self._ticker = None

    def _tick(self, consumer: Any, ticker: Ticker) -> None:
        if ticker is not self._ticker:
            return
        pause = TICK
        try:
            pause = ticker.tick()
        finally:
            self._timer = consumer.timer.call_after(pause, self._tick, (consumer, ticker))

    def _abandon(self, **_signal: Any) -> None:
        """Leave the connections to the parent, in a new process of the worker."""
        if self._ticker is not None:
            self._ticker.abandon()
