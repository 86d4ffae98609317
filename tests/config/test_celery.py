"""Test the schedule: tasks exist, their queues have workers, and messages expire with their period."""

import threading

import celery
import pytest

from config.celery import PERIODIC_TASKS, app
from config.local import up


@pytest.mark.parametrize(("task", "queue"), [(task, queue) for task, _, queue in PERIODIC_TASKS])
def test_periodic_task_exists_and_its_queue_has_a_worker(task: str, queue: str) -> None:
    app.loader.import_default_modules()
    assert task in app.tasks
    assert any(child.command[child.command.index("-Q") + 1] == queue for child in workers())


def workers() -> list[up.Child]:
    return [child for child in up.programs("127.0.0.1", 8000) if "-Q" in child.command]


def test_message_expires_within_its_period() -> None:
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
