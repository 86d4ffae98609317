"""Test the broker watchdog: silence is a fault only while a process is idle."""

from types import SimpleNamespace
from typing import Any

import pytest
from celery.signals import task_received, task_revoked
from celery.worker import state

from config.celery import app
from config.ops import worker_watchdog
from config.ops.worker_watchdog import BrokerWatchdog


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
    """Return the consumer of a worker with two processes."""
    monkeypatch.setattr(state, "active_requests", set())
    timer = SimpleNamespace(call_repeatedly=lambda every, what, args: SimpleNamespace(cancel=lambda: None))
    return SimpleNamespace(pool=SimpleNamespace(num_processes=2), timer=timer)


@pytest.fixture
def watchdog(clock: Clock, consumer: Any) -> Any:
    step = BrokerWatchdog(consumer)
    step.start(consumer)
    yield step
    step.stop(consumer)


def test_watchdog_is_a_step_of_every_worker() -> None:
    assert BrokerWatchdog in app.steps["consumer"]


def test_check_raises_after_long_silence(watchdog: BrokerWatchdog, clock: Clock, consumer: Any) -> None:
    clock.now += worker_watchdog.RECONNECT_AFTER
    watchdog.check(consumer)
    clock.now += 1
    with pytest.raises(ConnectionError):
        watchdog.check(consumer)


@pytest.mark.parametrize("signal", [task_received, task_revoked])
def test_check_accepts_expired_messages_as_a_sign_of_life(
    watchdog: BrokerWatchdog, clock: Clock, consumer: Any, signal: Any
) -> None:
    clock.now += worker_watchdog.RECONNECT_AFTER
    signal.send(sender=None)
    clock.now += worker_watchdog.RECONNECT_AFTER
    watchdog.check(consumer)


def test_check_ignores_silence_while_every_process_is_busy(
    watchdog: BrokerWatchdog, clock: Clock, consumer: Any
) -> None:
    state.active_requests.update({"one", "another"})
    clock.now += 10 * worker_watchdog.RECONNECT_AFTER
    watchdog.check(consumer)
    state.active_requests.clear()
    clock.now += worker_watchdog.RECONNECT_AFTER
    watchdog.check(consumer)


def test_start_resets_the_silence_of_an_earlier_connection(
    watchdog: BrokerWatchdog, clock: Clock, consumer: Any
) -> None:
    watchdog.stop(consumer)
    clock.now += 10 * worker_watchdog.RECONNECT_AFTER
    watchdog.start(consumer)
    watchdog.check(consumer)
