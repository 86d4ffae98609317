"""Test the schedule in the parent of a worker's processes."""

from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from django.db import connection

from config.celery import app
from config.ops.side_connection import SESSION
from config.schedule.plan import TICK
from config.schedule.step import ScheduleStep
from tests.factories_receiver import make_receipt, make_source
from tests.journeys.conftest import Workers, mark_table, workers  # noqa: F401 - fixtures
from tests.waiting import wait_until
from webhooks.models import Receipt


class Timer:
    """Calls that wait for their time."""

    def __init__(self) -> None:
        self.waiting: list[tuple[float, Any, Any]] = []

    def call_after(self, seconds: float, what: Any, arguments: Any) -> SimpleNamespace:
        self.waiting.append((seconds, what, arguments))
        return SimpleNamespace(cancel=lambda: None)

    def run_next(self) -> None:
        _, what, arguments = self.waiting.pop(0)
        what(*arguments)


@pytest.mark.django_db(transaction=True)
def test_step_ticks_at_once_and_again_until_it_is_stopped() -> None:
    timer = Timer()
    consumer = SimpleNamespace(app=app, timer=timer)
    step = ScheduleStep(consumer)
    step.start(consumer)
    assert [seconds for seconds, *_ in timer.waiting] == [0.0]
    timer.run_next()
    assert [0 < seconds <= TICK * 60 for seconds, *_ in timer.waiting] == [True]
    step.stop(consumer)
    timer.run_next()
    assert timer.waiting == []


def test_step_belongs_only_to_the_worker_that_is_given_the_schedule() -> None:
    assert ScheduleStep not in app.steps["consumer"]


def sessions_of_the_schedule() -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = %s", [SESSION]
        )
        return [pid for (pid,) in cursor.fetchall()]


def test_processes_that_a_worker_starts_later_leave_the_session_of_its_schedule_alone(
    workers: Workers,  # noqa: F811
    mark_table: None,  # noqa: F811
    settings: Any,
) -> None:
    """Two handlers that never return keep the first process busy, so that the worker forks beside the session."""
    settings.WAYPOST_DEFAULT_WORKERS = 3
    [worker] = workers.start("work")
    wait_until(lambda: len(sessions_of_the_schedule()) == 1, "the session of the schedule")
    session = sessions_of_the_schedule()
    hanging = make_source(handlers=[{"handler": "hang"}], handler_timeout_seconds=5)
    marking = make_source(handlers=[{"handler": "mark"}])
    make_receipt(hanging)
    wait_until(lambda: len(psutil.Process(worker.process.pid).children()) > 1, "another process of the worker")
    make_receipt(marking)
    wait_until(lambda: Receipt.objects.filter(processed_at__isnull=False).exists(), "the other receipt")
    assert sessions_of_the_schedule() == session
