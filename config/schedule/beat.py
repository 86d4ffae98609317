"""Run the schedule in a process of its own: the scheduler of `celery beat`."""

from celery import beat

from config.schedule.ticker import Ticker


class WorkScheduler(beat.Scheduler):
    """Celery's scheduler, with ours in place of its entries."""

    def setup_schedule(self) -> None:
        """Read the schedule of the app."""
        super().setup_schedule()
        self._ticker = Ticker(self.app)

    def tick(self) -> float:
        """Send what is due; return the seconds until the next look."""
        return self._ticker.tick()
