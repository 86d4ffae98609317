"""Test periodic tasks: they are registered by name and discard results."""

from celery import current_app

from webhooks.kit.periodic_task import PeriodicTask, beat_schedule, periodic_task


def test_periodic_task_that_is_run_by_celery_calls_its_function_and_returns_nothing() -> None:
    runs: list[str] = []

    def run() -> int:
        runs.append("run")
        return 5

    schedule = beat_schedule({"tests.periodic": 30}, queue="slow")
    defined = periodic_task("tests.periodic", run, schedule)
    assert defined == PeriodicTask("tests.periodic", 30, "slow")
    assert current_app.tasks["tests.periodic"]() is None
    assert runs == ["run"]
    assert current_app.tasks["tests.periodic"].ignore_result


def test_beat_schedule_drops_a_message_that_no_worker_took_within_its_period() -> None:
    entry = {"task": "tests.periodic", "schedule": 30.0, "options": {"queue": "slow", "expires": 30.0}}
    assert beat_schedule({"tests.periodic": 30}, queue="slow") == {"tests.periodic": entry}
