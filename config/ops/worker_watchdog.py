"""Reconnect a worker to the broker if it is idle and receives no messages.

The schedule sends a message to each queue every 20 seconds at least, so an idle worker that receives none has a fault.
One cause is known: if the connection to the broker breaks while a busy worker holds prefetched messages, Celery cannot
acknowledge these messages; it drops them, but still counts them as reserved. When the count has reached the prefetch
limit, the worker requests no more messages, and so never notices that it should reconnect.
"""

from time import monotonic
from typing import Any

from celery import bootsteps
from celery.signals import task_postrun, task_received, task_revoked
from celery.worker import state

CHECK_EVERY = 10.0  # seconds between two checks
RECONNECT_AFTER = 30.0  # seconds without a message, while a process of the worker is idle


class BrokerWatchdog(bootsteps.StartStopStep):
    """Watch one connection to the broker. Celery starts and stops this step together with the connection."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        self._received_at = monotonic()
        self._timer: Any = None

    def start(self, consumer: Any) -> None:
        """Record the time of every message from now on, and check it every CHECK_EVERY seconds."""
        self._record_message()
        task_received.connect(self._record_message)
        task_postrun.connect(self._record_message)  # sent here by a worker without processes of its own
        task_revoked.connect(self._record_message)  # sent for an expired message, which shows a working connection too
        self._timer = consumer.timer.call_repeatedly(CHECK_EVERY, self.check, (consumer,))

    def stop(self, _consumer: Any) -> None:
        """Stop recording and checking."""
        task_received.disconnect(self._record_message)
        task_postrun.disconnect(self._record_message)
        task_revoked.disconnect(self._record_message)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def check(self, consumer: Any) -> None:
        """Raise ConnectionError if an idle worker gets no message for RECONNECT_AFTER seconds; Celery reconnects."""
        if len(state.active_requests) >= consumer.pool.num_processes:
            self._record_message()  # no process is idle
        elif monotonic() - self._received_at > RECONNECT_AFTER:
            raise ConnectionError(f"no message for {RECONNECT_AFTER:.0f} seconds")

    def _record_message(self, **_signal: Any) -> None:
        self._received_at = monotonic()
