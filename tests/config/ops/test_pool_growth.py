"""Test when a worker gets another process, and when one is ended."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from celery.worker import state

from config.ops import pool_growth
from config.ops.pool_growth import GROW_AFTER, PatientAutoscaler


class Pool:
    """Stand in for the processes of a worker: their number is all that the autoscaler knows of them."""

    def __init__(self) -> None:
        self.num_processes = 1

    def grow(self, count: int) -> None:
        self.num_processes += count

    def shrink(self, count: int) -> None:
        self.num_processes -= count

    def maintain_pool(self) -> None:
        """Leave the processes as they are."""


class Scaled:
    """An autoscaler with tasks, a clock and a timer that the test moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.tasks, self.pool = 1_000.0, list[Any](), Pool()
        self.waiting: list[tuple[float, Callable[[], None]]] = []
        monkeypatch.setattr(pool_growth, "monotonic", lambda: self.now)
        monkeypatch.setattr(state, "reserved_requests", self.tasks)
        timer = SimpleNamespace(call_after=lambda after, call: self.waiting.append((self.now + after, call)))
        worker = SimpleNamespace(consumer=SimpleNamespace(timer=timer))
        self.autoscaler = PatientAutoscaler(self.pool, 3, 1, worker=worker)

    def task(self) -> None:
        """Let a task arrive that does not end by itself."""
        self.tasks.append(object())
        self.autoscaler.maybe_scale(self.tasks[-1])

    def pass_time(self, seconds: float) -> int:
        """Let time pass, with the autoscaler's own looks; return the number of processes then."""
        end = self.now + seconds
        while self.now < end:
            self.now = min(self.now + 0.25, end)
            due = [it for it in self.waiting if it[0] <= self.now]
            self.waiting = [it for it in self.waiting if it[0] > self.now]
            for _, call in due:
                call()
            if self.now % self.autoscaler.keepalive == 0:
                self.autoscaler.maybe_scale()
        return self.pool.num_processes


@pytest.fixture
def scaled(monkeypatch: pytest.MonkeyPatch) -> Scaled:
    return Scaled(monkeypatch)


def test_tasks_that_end_at_once_need_one_process(scaled: Scaled) -> None:
    scaled.task()
    scaled.task()
    scaled.tasks.clear()
    assert scaled.pass_time(GROW_AFTER * 2) == 1


def test_task_that_waits_gets_a_process(scaled: Scaled) -> None:
    scaled.task()
    scaled.task()
    assert scaled.pass_time(GROW_AFTER / 2) == 1
    assert scaled.pass_time(GROW_AFTER) == 2


def test_process_that_is_not_needed_ends_while_tasks_still_arrive(
    scaled: Scaled,
) -> None:
    scaled.task()
    scaled.task()
    assert scaled.pass_time(GROW_AFTER) == 2
    scaled.tasks.clear()
    for _ in range(int(scaled.autoscaler.keepalive) * 2):
        scaled.task()
        scaled.tasks.clear()
        scaled.pass_time(1)
    assert scaled.pool.num_processes == 1


def test_process_that_is_needed_stays(scaled: Scaled) -> None:
    scaled.task()
    scaled.task()
    assert scaled.pass_time(scaled.autoscaler.keepalive * 3) == 2
