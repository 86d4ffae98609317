"""Test the schedule: tasks exist, their queues have workers, and messages expire with their period."""

import threading

import celery
import pytest

from config.celery import app, periodic_tasks
from config.local import up
from config.local.supervise import Child
from webhooks.kit.periodic_task import PeriodicTask


@pytest.mark.parametrize("periodic", periodic_tasks(), ids=lambda it: it.name)
def test_periodic_task_is_registered_and_its_queue_has_a_worker(periodic: PeriodicTask) -> None:
    app.loader.import_default_modules()
    assert periodic.name in app.tasks
    assert any(child.command[child.command.index("--queue") + 1] == periodic.queue for child in workers())


def test_schedule_of_a_finalized_app_has_the_periodic_tasks_of_all_apps() -> None:
    app.finalize()
    assert app.conf.beat_schedule.keys() == {it.name for it in periodic_tasks()}
    assert {name.partition(".")[0] for name in app.conf.beat_schedule} == {"delivery", "subscriptions", "webhooks"}


def workers() -> list[Child]:
    return [child for child in up.programs("127.0.0.1", 8000) if "--queue" in child.command]


def test_message_expires_within_its_period() -> None:
    app.finalize()
    assert app.conf.beat_schedule
    assert all(entry["options"]["expires"] <= entry["schedule"] for entry in app.conf.beat_schedule.values())


def test_current_app_in_another_thread_is_ours() -> None:
    seen = []
    thread = threading.Thread(target=lambda: seen.append(celery.current_app.main))
    thread.start()
    thread.join()
    assert seen == ["waypost"]


def test_messages_are_json_and_results_are_ignored() -> None:
    assert app.conf.accept_content == ["json"]
    assert app.conf.task_ignore_result
    assert not app.conf.task_acks_late
    assert app.conf.worker_prefetch_multiplier == 1
