"""Silence is a fault while a process is free, and nothing at all while all of them are at work."""

from types import SimpleNamespace
from typing import Any

import pytest
from celery.signals import task_received, task_revoked
from celery.worker import state

from config.celery import app
from config.ops import worker_watchdog
from config.ops.worker_watchdog import Ear


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    monkeypatch.setattr(worker_watchdog, "monotonic", clock := Clock())
    return clock


@pytest.fixture
def consumer(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Of a worker with two processes; what it has called repeatedly is remembered."""
    monkeypatch.setattr(state, "active_requests", set())
    timer = SimpleNamespace(call_repeatedly=lambda every, what, args: SimpleNamespace(cancel=lambda: None))
    return SimpleNamespace(pool=SimpleNamespace(num_processes=2), timer=timer)


@pytest.fixture
def listening(clock: Clock, consumer: Any) -> Any:
    step = Ear(consumer)
    step.start(consumer)
    yield step
    step.stop(consumer)


def test_it_is_part_of_every_worker() -> None:
    assert Ear in app.steps["consumer"]


def test_after_long_silence_the_worker_connects_anew(listening: Ear, clock: Clock, consumer: Any) -> None:
    clock.now += worker_watchdog.DEAF_AFTER
    listening.listen(consumer)
    clock.now += 1
    with pytest.raises(ConnectionError):
        listening.listen(consumer)


@pytest.mark.parametrize("heard", [task_received, task_revoked])
def test_every_ring_counts_also_one_that_came_too_late(listening: Ear, clock: Clock, consumer: Any, heard: Any) -> None:
    clock.now += worker_watchdog.DEAF_AFTER
    heard.send(sender=None)
    clock.now += worker_watchdog.DEAF_AFTER
    listening.listen(consumer)


def test_silence_is_counted_only_while_somebody_is_free(listening: Ear, clock: Clock, consumer: Any) -> None:
    state.active_requests.update({"one", "another"})
    clock.now += 10 * worker_watchdog.DEAF_AFTER
    listening.listen(consumer)
    state.active_requests.clear()
    clock.now += worker_watchdog.DEAF_AFTER
    listening.listen(consumer)


def test_a_new_connection_begins_without_a_past(listening: Ear, clock: Clock, consumer: Any) -> None:
    listening.stop(consumer)
    clock.now += 10 * worker_watchdog.DEAF_AFTER
    listening.start(consumer)
    listening.listen(consumer)
