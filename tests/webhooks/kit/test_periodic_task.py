"""Test periodic tasks: they are registered by name and discard results."""

from celery import current_app

from webhooks.kit.periodic_task import PeriodicTask, periodic_task


def test_periodic_task_that_is_run_by_celery_calls_its_function_and_returns_nothing() -> None:
    runs: list[str] = []

    def run() -> int:
        runs.append("run")
        return 5

    defined = periodic_task("tests.periodic", run, every=30, queue="slow")
    assert defined == PeriodicTask("tests.periodic", 30, "slow")
    assert current_app.tasks["tests.periodic"]() is None
    assert runs == ["run"]
    assert current_app.tasks["tests.periodic"].ignore_result
