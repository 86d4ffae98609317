"""Test that a worker's process keeps its connection from one task to the next, and leaves a broken one."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from celery.signals import task_postrun, task_prerun
from django.db import connection, transaction

from config.celery import app
from config.postgresql.worker_connections import TASKS
from webhooks.kit.sql import allow_all_plans, force_index_plans

pytestmark = pytest.mark.django_db(transaction=True)


class Sender:
    """A task, as the receivers of the signals read it."""

    name = "task"

    def __init__(self, *, is_eager: bool) -> None:
        self.request = SimpleNamespace(is_eager=is_eager)


@pytest.fixture(autouse=True)
def connection_of_its_own() -> Iterator[None]:
    connection.close()
    yield
    connection.close()


def session() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def run_between_signals(task: Any) -> Any:
    """Call a function as a worker calls a task."""
    sender = Sender(is_eager=False)
    task_prerun.send(sender=sender, task=sender)
    try:
        return task()
    finally:
        task_postrun.send(sender=sender, task=sender)


def test_celery_closes_connections_after_many_tasks_only() -> None:
    assert app.conf.get("CELERY_DB_REUSE_MAX") == TASKS


def test_tasks_share_a_session() -> None:
    assert run_between_signals(session) == run_between_signals(session)


def plan_cache_mode() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SHOW plan_cache_mode")
        return str(cursor.fetchone()[0])


def test_statements_are_planned_anew_in_each_task() -> None:
    """The settings of one task, as those of a drain, are not those of the next."""

    def drain() -> str:
        before = plan_cache_mode()
        force_index_plans()
        allow_all_plans()
        return before

    assert [run_between_signals(it) for it in (drain, plan_cache_mode)] == ["force_custom_plan"] * 2


def test_task_after_the_end_of_its_session_has_a_new_one() -> None:
    before = run_between_signals(session)
    with connection._nodb_cursor() as other:
        other.execute("SELECT pg_terminate_backend(%s, 30000)", [before])
    assert run_between_signals(session) != before


def test_task_that_leaves_a_transaction_open_loses_its_session() -> None:
    def leave_open() -> int:
        connection.set_autocommit(False)
        return session()

    before = run_between_signals(leave_open)
    assert connection.connection is None
    assert run_between_signals(session) != before


def test_eager_task_leaves_the_connection_of_its_caller_alone() -> None:
    sender = Sender(is_eager=True)
    with transaction.atomic():
        before = session()
        task_prerun.send(sender=sender, task=sender)
        task_postrun.send(sender=sender, task=sender)
        assert session() == before
