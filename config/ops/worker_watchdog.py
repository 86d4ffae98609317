"""A worker that has time and hears no ring connects to the broker anew.

Beat rings several times a second, so silence is a fault. One is known: when the broker goes away while a message
waits in a busy worker, Celery cannot acknowledge it, logs that and forgets it, but goes on counting it as taken. Once
as many are counted as the worker may hold it asks for no more, not even whether its connection still lives, and it
would be deaf for ever.
"""

from time import monotonic
from typing import Any

from celery import bootsteps
from celery.signals import task_received, task_revoked
from celery.worker import state

LISTEN_EVERY = 5.0  # seconds
DEAF_AFTER = 15.0  # seconds of silence while a process is free


class Ear(bootsteps.StartStopStep):
    """Part of the consumer: it begins with each connection and ends with it."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        self._heard_at = monotonic()
        self._timer: Any = None

    def start(self, consumer: Any) -> None:
        self._hear()
        task_received.connect(self._hear)
        task_revoked.connect(self._hear)  # a ring that came too late was heard all the same
        self._timer = consumer.timer.call_repeatedly(LISTEN_EVERY, self.listen, (consumer,))

    def stop(self, consumer: Any) -> None:
        task_received.disconnect(self._hear)
        task_revoked.disconnect(self._hear)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def listen(self, consumer: Any) -> None:
        """Raises ConnectionError, which Celery answers by connecting anew, if it has been quiet for too long."""
        if len(state.active_requests) >= consumer.pool.num_processes:
            self._hear()  # nobody is free to take a ring
        elif monotonic() - self._heard_at > DEAF_AFTER:
            raise ConnectionError(f"no ring for {DEAF_AFTER:.0f} seconds")

    def _hear(self, **_signal: Any) -> None:
        self._heard_at = monotonic()
