"""Notifying the drains marks lanes due, wakes listeners, and starts a drain."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from delivery import notify
from delivery.models import Lane
from delivery.sql.due import MAX_NAMED, Notification, read_notification
from delivery.tasks import PERIODIC_TASKS
from tests.factories import make_endpoint
from tests.metrics import metric
from tests.waiting import wait_until
from webhooks.kit.notify import Listener
from webhooks.wire.ids import new_id

OWNER = new_id()

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record the drains that are started instead of sending a message."""
    made: list[str] = []
    monkeypatch.setattr(notify.drain_starter, "notify", lambda: made.append(notify.drain_starter.task))
    return made


@pytest.fixture
def listener() -> Iterator[Listener]:
    with closing(notify.listen(OWNER)) as listener:
        yield listener


def test_notify_drains_wakes_a_listener_and_starts_a_drain(listener: Listener, starts: list[str]) -> None:
    assert not listener.received()
    notify.notify_drains([make_endpoint().id])
    wait_until(listener.received, "the notification")
    assert starts == ["delivery.deliver_due"]


def test_notify_drains_marks_lanes_due_before_listeners_wake(listener: Listener, starts: list[str]) -> None:
    endpoint = make_endpoint()
    notify.notify_drains([endpoint.id])
    wait_until(listener.received, "the notification")
    assert Lane.objects.filter(endpoint=endpoint, due_at__isnull=False).exists()


def test_notification_names_the_endpoints_and_says_whether_a_lane_is_available(
    listener: Listener, starts: list[str]
) -> None:
    endpoints = [make_endpoint().id for _ in range(3)]
    for is_available in (True, False):
        notify.notify_drains(endpoints)
        (payload,) = wait_until(listener.received, "the notification")
        assert read_notification(payload) == Notification(is_available, frozenset(endpoints), False)


def test_notification_of_very_many_endpoints_names_none(listener: Listener, starts: list[str]) -> None:
    notify.notify_drains([new_id() for _ in range(MAX_NAMED + 1)])
    (payload,) = wait_until(listener.received, "the notification")
    assert read_notification(payload).endpoints == frozenset()


def test_notification_of_stopped_deliveries_says_so(listener: Listener, starts: list[str]) -> None:
    endpoint = make_endpoint()
    notify.notify_drains_of_stopped([endpoint.id])
    payload, *_ = sorted(wait_until(listener.received, "the notification"), reverse=True)
    assert read_notification(payload) == Notification(True, frozenset(), True)
    assert Lane.objects.get().due_at is not None


def test_notification_without_content_may_concern_any_lane() -> None:
    assert read_notification("") == Notification(False, frozenset(), False)


def test_notify_drains_after_a_database_failure_counts_it_and_starts_a_drain(
    starts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("delivery.sql.due.MARK_LANES_DUE", "SELECT 1 / 0")
    before = metric("waypost_wakeups_failed_total", channel="database")
    notify.notify_drains([make_endpoint().id])
    assert metric("waypost_wakeups_failed_total", channel="database") == before + 1
    assert starts == ["delivery.deliver_due"]


def test_task_that_is_notified_is_scheduled_in_the_same_queue() -> None:
    queues = {it.name: it.queue for it in PERIODIC_TASKS}
    assert queues[notify.drain_starter.task] == notify.drain_starter.queue
    assert queues["delivery.replay_slices"] == "default"
