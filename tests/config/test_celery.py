"""The schedule rings for tasks that exist, in queues that somebody works on, and no ring outlives its period."""

import threading

import celery
import pytest

from config.celery import RINGS, app
from config.local import up


@pytest.mark.parametrize(("task", "queue"), [(task, queue) for task, _, queue in RINGS])
def test_every_duty_is_a_task_in_a_queue_with_a_worker(task: str, queue: str) -> None:
    app.loader.import_default_modules()
    assert task in app.tasks
    assert any(child.command[child.command.index("-Q") + 1] == queue for child in workers())


def workers() -> list[up.Child]:
    return [child for child in up.programs("127.0.0.1", 8000) if "-Q" in child.command]


def test_a_ring_that_nobody_heard_is_dropped_when_the_next_comes() -> None:
    assert all(entry["options"]["expires"] <= entry["schedule"] for entry in app.conf.beat_schedule.values())


def test_every_thread_rings_with_our_app() -> None:
    seen = []
    thread = threading.Thread(target=lambda: seen.append(celery.current_app.main))
    thread.start()
    thread.join()
    assert seen == ["waypost"]


def test_messages_are_json_and_nothing_waits_for_results() -> None:
    assert app.conf.accept_content == ["json"]
    assert app.conf.task_ignore_result
    assert not app.conf.task_acks_late
    assert app.conf.worker_prefetch_multiplier == 1
