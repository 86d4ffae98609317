"""Run the schedule in a process of its own: the scheduler of `celery beat`."""

from celery import beat

from config.schedule.step import BEAT
from config.schedule.ticker import Ticker
from delivery.load import roles
from delivery.load.heartbeats import HeartbeatWriter


class WorkScheduler(beat.Scheduler):
    """Celery's scheduler, with ours in place of its entries."""

    def setup_schedule(self) -> None:
        """Read the schedule of the app."""
        super().setup_schedule()
        self._ticker = Ticker(self.app, HeartbeatWriter(roles.BEAT, BEAT))

    def tick(self) -> float:
        """Send what is due; return the seconds until the next look."""
        return self._ticker.tick()

    def close(self) -> None:
        """Say that the schedule has ended."""
        self._ticker.close()
        super().close()
