"""Write the heartbeat of a worker, and touch its file while its loop turns, also while the broker is away.

A worker without processes of its own runs its tasks itself: while a drain runs, the drain does both
(``delivery.load.drain_meter``, ``delivery.sending.drain``). The parent of a worker's processes has a connection of its
own, which cannot block it.
"""

from contextlib import suppress
from typing import Any

import psycopg
from celery import bootsteps
from celery.concurrency.solo import TaskPool as SoloPool
from celery.signals import task_postrun, task_prerun, task_received, worker_process_init, worker_shutdown
from celery.worker.consumer.consumer import Consumer
from celery.worker.state import maybe_shutdown
from django.db import Error

from config.local.process_guard import own_name
from config.ops import side_connection
from delivery.load import heartbeats, roles
from delivery.load.heartbeats import HeartbeatWriter
from delivery.sql.load.heartbeats import WRITE_HEARTBEAT
from webhooks.kit.process.per_process import PerProcess
from webhooks.kit.process.pulse import BEAT_EVERY, pulse
from webhooks.kit.process.wake_ups import seconds_until

# Seconds between two attempts to reach the broker; Celery's default is up to 30, and the schedule waits as long.
RECONNECT_EVERY = 2.0
DRAIN_QUEUES = {"delivery"}
READING = "webhooks.read_sources"  # the task that reads sources
READER = "reader"

_reader = PerProcess(lambda: HeartbeatWriter(roles.READER, READER, is_child=True))


class WatchedConsumer(Consumer):
    """Celery's consumer, which beats, also while it waits for the broker."""

    def __init__(self, *args: Any, app: Any, **options: Any) -> None:
        app.steps["consumer"].add(HeartbeatStep)
        super().__init__(*args, app=app, **options)

    def ensure_connected(self, conn: Any) -> Any:
        """Return the connection once the broker is reached."""
        connect = conn.ensure_connection

        def go_on() -> None:
            maybe_shutdown()
            beat(self)

        def ensure_connection(*args: Any, **options: Any) -> Any:
            return connect(*args, **{**options, "callback": go_on, "interval_max": RECONNECT_EVERY})

        conn.ensure_connection = ensure_connection
        return super().ensure_connected(conn)


class HeartbeatStep(bootsteps.StartStopStep):
    """Beat while the worker is connected to the broker. Celery starts and stops this step with the connection."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        self._timer: Any = None

    def start(self, consumer: Any) -> None:
        """Beat at once, and then every BEAT_EVERY seconds."""
        self._beat(consumer)

    def stop(self, _consumer: Any) -> None:
        """Cancel the timer, because the connection to the broker is lost or the worker stops."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _beat(self, consumer: Any) -> None:
        self._timer = consumer.timer.call_after(seconds_until(BEAT_EVERY), self._beat, (consumer,))
        beat(consumer)


def beat(consumer: Any) -> None:
    """Touch the file, and write the heartbeat of a worker if it is due. Never raises for the database."""
    pulse.beat()
    heartbeat = heartbeats.current() or heartbeats.begin(_role(consumer), own_name(consumer.hostname.partition("@")[0]))
    with suppress(Error, psycopg.Error):
        if isinstance(consumer.pool, SoloPool):
            heartbeat.write()
        elif heartbeat.is_due():
            side_connection.shared.execute(WRITE_HEARTBEAT, heartbeat.row()._asdict())


def _role(consumer: Any) -> str:
    queues = set(consumer.app.amqp.queues.consume_from)
    return roles.DRAIN if queues == DRAIN_QUEUES else roles.WORKER


def _connect_signals() -> None:
    """Record the work of this worker, and say when it ends."""
    task_received.connect(_on_received, dispatch_uid="heartbeat", weak=False)
    task_prerun.connect(_on_reading, dispatch_uid="heartbeat", weak=False)
    task_postrun.connect(_on_reading, dispatch_uid="heartbeat", weak=False)
    worker_process_init.connect(_abandon, dispatch_uid="heartbeat", weak=False)
    worker_shutdown.connect(_stop, dispatch_uid="heartbeat", weak=False)


def _on_received(request: Any = None, **_signal: Any) -> None:
    if (heartbeat := heartbeats.current()) is not None and request is not None:
        heartbeat.on_work(request.name)


def _on_reading(task: Any = None, **_signal: Any) -> None:
    """Write the heartbeat of the machine's readers, which run as a task in a process of the worker."""
    if getattr(task, "name", "") == READING:
        _reader().on_work(READING)
        with suppress(Error):
            _reader().write()


def _abandon(**_signal: Any) -> None:
    """Leave the connection to the parent, in a new process of the worker."""
    side_connection.shared.abandon()


def _stop(**_signal: Any) -> None:
    if (heartbeat := heartbeats.current()) is not None:
        heartbeat.stop()
        if heartbeat.role == roles.WORKER:
            HeartbeatWriter(roles.READER, READER).stop()
    side_connection.shared.close()


_connect_signals()  # this module is loaded in workers only (CELERY_WORKER_CONSUMER)
