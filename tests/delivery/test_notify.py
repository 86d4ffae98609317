"""Notifying the drains marks lanes due, wakes listeners, and starts a drain."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from delivery import notify
from delivery.models import Lane
from delivery.tasks import PERIODIC_TASKS
from tests.factories import make_endpoint
from tests.waiting import wait_until
from webhooks.kit.notify import WAKEUPS_FAILED, Listener

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record the drains that are started instead of sending a message."""
    made: list[str] = []
    monkeypatch.setattr(notify.drain_starter, "notify", lambda: made.append(notify.drain_starter.task))
    return made


@pytest.fixture
def listener() -> Iterator[Listener]:
    with closing(notify.listen()) as listener:
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


def test_notify_drains_after_a_database_failure_counts_it_and_starts_a_drain(
    starts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("delivery.sql.due.MARK_LANES_DUE", "SELECT 1 / 0")
    failed: Any = WAKEUPS_FAILED.labels("database")._value
    before = failed.get()
    notify.notify_drains([make_endpoint().id])
    assert failed.get() == before + 1
    assert starts == ["delivery.deliver_due"]


def test_task_that_is_notified_is_scheduled_in_the_same_queue() -> None:
    queues = {it.name: it.queue for it in PERIODIC_TASKS}
    assert queues[notify.drain_starter.task] == notify.drain_starter.queue
    assert queues["delivery.replay_slices"] == "default"
