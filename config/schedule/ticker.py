"""Send the tasks that are due, once a tick, without blocking the process for long while a server hangs."""

import time
from contextlib import suppress
from typing import Any

from config.schedule.plan import Schedule, periodic_tasks
from config.schedule.work_query import WorkQuery
from delivery.load.heartbeats import HeartbeatWriter
from webhooks.kit.process.availability import Availability
from webhooks.kit.process.wake_ups import seconds_until

BROKER_WITHIN = 0.5  # seconds until the broker has a message
PAUSE = 4.0  # times as long as a tick took, until the next: the worker has most of the time for its messages


class Ticker:
    """Run the schedule of a Celery app.

    Failure: a message that the broker did not take is not sent again, but once the broker is back all periods count as
    over, as at the start. There is one line in the log then, and one when it is back.
    """

    def __init__(self, app: Any, heartbeat: HeartbeatWriter | None = None) -> None:
        self._app = app
        self._heartbeat = heartbeat
        self._find_work = WorkQuery()
        self._schedule = Schedule(periodic_tasks(), time.monotonic())
        self._producer: Any = None
        self._broker = Availability("broker")

    def tick(self) -> float:
        """Send what is due. Returns the seconds until the next tick."""
        started = time.monotonic()
        due = self._schedule.due(started, self._find_work)
        try:
            for task in due:
                self._send(task.name, queue=task.queue, expires=task.every)
                self._broker.on_success()
        except Exception as error:  # its class depends on the broker
            self._broker.on_failure(error)
            self._disconnect()
            self._schedule = Schedule(periodic_tasks(), time.monotonic())
        if self._heartbeat is not None:
            if due:
                self._heartbeat.on_work(due[0].name)
            self._find_work.write_heartbeat(self._heartbeat)
        took = time.monotonic() - started
        return max(seconds_until(self._schedule.seconds_between_looks(started)), PAUSE * took)

    def close(self) -> None:
        """Close the connections, and say that the schedule has ended."""
        if self._heartbeat is not None:
            self._heartbeat.stop()
        self._find_work.close()
        self._disconnect()

    def abandon(self) -> None:
        """Leave the connection to the database to the parent, in a forked process."""
        self._find_work.abandon()

    def _send(self, name: str, **options: Any) -> None:
        if self._producer is None:
            timeouts = {"socket_connect_timeout": BROKER_WITHIN, "socket_timeout": BROKER_WITHIN, "max_retries": 0}
            broker = self._app.connection_for_write(transport_options=timeouts, connect_timeout=BROKER_WITHIN)
            self._producer = self._app.amqp.Producer(broker, auto_declare=False)
        self._app.send_task(name, producer=self._producer, retry=False, ignore_result=True, **options)

    def _disconnect(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            with suppress(Exception):  # the connection is broken
                producer.connection.release()
