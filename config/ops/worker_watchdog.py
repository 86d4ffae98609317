"""Reconnect a worker to the broker when it is idle and gets no messages.

Beat sends several messages a second, so silence is a fault. One is known: when the broker goes away while a message
waits in a busy worker, Celery cannot acknowledge the message, logs that and drops it, but goes on counting it as
reserved. Once the count reaches the prefetch limit, the worker asks for no more messages and never checks its
connection again.
"""

from time import monotonic
from typing import Any

from celery import bootsteps
from celery.signals import task_received, task_revoked
from celery.worker import state

CHECK_EVERY = 5.0  # seconds
SILENT_AFTER = 15.0  # seconds without a message while a process is idle, after which the worker reconnects


class BrokerWatchdog(bootsteps.StartStopStep):
    """Watch one broker connection; Celery starts and stops this step with the connection."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        self._received_at = monotonic()
        self._timer: Any = None

    def start(self, consumer: Any) -> None:
        """Begin to note messages and to check for silence."""
        self._note_message()
        task_received.connect(self._note_message)
        task_revoked.connect(self._note_message)  # an expired message shows a working connection, too
        self._timer = consumer.timer.call_repeatedly(CHECK_EVERY, self.check, (consumer,))

    def stop(self, _consumer: Any) -> None:
        """Stop checking."""
        task_received.disconnect(self._note_message)
        task_revoked.disconnect(self._note_message)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def check(self, consumer: Any) -> None:
        """Raise ConnectionError after too long a silence; Celery then reconnects."""
        if len(state.active_requests) >= consumer.pool.num_processes:
            self._note_message()  # no process is idle
        elif monotonic() - self._received_at > SILENT_AFTER:
            raise ConnectionError(f"no message for {SILENT_AFTER:.0f} seconds")

    def _note_message(self, **_signal: Any) -> None:
        self._received_at = monotonic()
