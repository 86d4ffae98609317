"""Notify the drains and waiting consumers that deliveries are due, and the workers that a fan-out is deferred.

For the drains: mark their lanes, wake the running drains, start one where none runs.

A NOTIFY of the database, sent with the mark on the lanes, wakes every running drain. A Celery message, at most one a
second from each process, starts a drain where none is running; beat sends the same every second. A notification that
is lost therefore costs a second, not an event; a mark that is lost is found by the sweep.
"""

from collections.abc import Callable, Iterable, Sequence
from uuid import UUID

from django.db import Error, connection

from delivery.sql.due import CHANNEL, MISSED, OWNER_CHANNEL, mark_lanes_due, mark_lanes_due_late, notify_stopped
from delivery.sql.lanes import LOCK_LISTENING
from webhooks.kit.notify import DATABASE, Listener, TaskNotifier, wakeup_failed
from webhooks.kit.sql import INDEX_PLANS

MAX_KNOWN_LANES = 50_000  # endpoints of which a process remembers that they have a lane: about 8 MB

drain_starter = TaskNotifier("delivery.deliver_due", "delivery", pause=1.0, expires=1.0)
replay_starter = TaskNotifier("delivery.replay_slices", "default", pause=1.0, expires=1.0)
fan_out_starter = TaskNotifier("delivery.fan_out", "default", pause=0.25, expires=1.0)
result_starter = TaskNotifier("delivery.publish_results", "default", pause=0.25, expires=1.0)
share_starter = TaskNotifier("delivery.share_events", "default", pause=0.25, expires=1.0)
schedule_starter = TaskNotifier("delivery.publish_schedules", "default", pause=0.25, expires=1.0)


class KnownLanes:
    """Endpoints that have a lane, as far as this process knows: up to ``most``.

    A known lane is marked without a look by its key, where each renewal of its lease has left an old version. A lane is
    deleted with its endpoint only; one that a crash of the server loses is created again by the sweep.
    """

    def __init__(self, most: int = MAX_KNOWN_LANES) -> None:
        self._endpoints: set[UUID] = set()
        self._most = most

    def missing_of(self, endpoint_ids: Sequence[UUID]) -> list[UUID]:
        """Return those of these endpoints of which no lane is known."""
        return [it for it in endpoint_ids if it not in self._endpoints]

    def add(self, endpoint_ids: Sequence[UUID]) -> None:
        """Remember that these endpoints have lanes. Call it after their commit."""
        if len(self._endpoints) + len(endpoint_ids) > self._most:
            self._endpoints.clear()
        self._endpoints.update(endpoint_ids[: self._most])


known_lanes = KnownLanes()


def notify_drains(endpoint_ids: Iterable[UUID]) -> None:
    """Mark the lanes of these endpoints due and notify the drains, after the commit. Never raises."""
    try:
        _mark(mark_lanes_due, endpoint_ids)
        DATABASE.on_success()
    except Error as error:
        wakeup_failed(DATABASE, error)
    drain_starter.notify()


def mark_late(endpoint_ids: Iterable[UUID]) -> None:
    """Mark the lanes of these endpoints due if the drains that the commit has notified have released them.

    Never raises.
    """
    try:
        _mark(mark_lanes_due_late, endpoint_ids)
    except Error as error:
        wakeup_failed(DATABASE, error)


def _mark(mark: Callable[..., None], endpoint_ids: Iterable[UUID]) -> None:
    endpoints = list(endpoint_ids)
    missing = known_lanes.missing_of(endpoints)
    mark(endpoints, without_lane=missing)
    if missing and not connection.in_atomic_block:  # the lanes are committed
        known_lanes.add(missing)


def notify_drains_of_stopped(endpoint_ids: Iterable[UUID]) -> None:
    """Notify the drains, after the commit, that claims of deliveries of these endpoints were ended by others.

    The deliveries were cancelled or set aside, or the claims have run out, for example because the clock went forward.
    Their lanes are marked, because ordered ones may have new heads. Never raises.
    """
    try:
        notify_stopped()
    except Error as error:
        wakeup_failed(DATABASE, error)
    notify_drains(endpoint_ids)


def notify_consumers(endpoint_ids: Iterable[UUID]) -> None:
    """Notify the consumers that wait for messages of these endpoints, after the commit. Never raises."""
    try:
        _mark(mark_lanes_due, endpoint_ids)
    except Error as error:
        wakeup_failed(DATABASE, error)


def listen(owner: UUID) -> Listener:
    """Listen for lanes that become due, for the running drain with this id. For payloads see read_notification.

    While the connection lasts, publishers see that the drain listens.
    """
    setup = f"{LOCK_LISTENING.format(owner=owner)}; {INDEX_PLANS.decode()}"
    return Listener(CHANNEL, f"{OWNER_CHANNEL}{owner}", missed=MISSED, setup=setup)
