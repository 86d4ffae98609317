"""Define periodic tasks: Celery tasks without arguments that run at an interval, some only when there is work.

Each app says in its ``schedule`` module how often its tasks run, as Celery beat reads it, and lists the tasks as
``PERIODIC_TASKS`` in its ``tasks`` module. ``config.celery`` schedules all of them; a project without ``config`` puts
the ``BEAT_SCHEDULE`` of an app on the schedule of its own Celery app.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from celery import shared_task

from webhooks.kit.audit.operation import Operation, running

BeatSchedule = dict[str, dict[str, Any]]


class PeriodicTask(NamedTuple):
    """Hold when and where a task runs: ``every`` seconds, by a worker of ``queue``.

    ``has_work``: an SQL expression that is true if there is anything to do; empty: always. The schedule of the platform
    skips runs without work, except for one every five minutes.
    """

    name: str
    every: float
    queue: str
    has_work: str = ""


def beat_schedule(periods: Mapping[str, float], queue: str = "default") -> BeatSchedule:
    """Return entries of Celery's ``beat_schedule`` for tasks of a queue, by name, each with its period in seconds.

    A message that no worker took within the period expires: the next one does the same.
    """
    return {
        name: {"task": name, "schedule": float(every), "options": {"queue": queue, "expires": float(every)}}
        for name, every in periods.items()
    }


def periodic_task(
    name: str, run: Callable[[], object], schedule: BeatSchedule, *, has_work: str = "", is_operation: bool = False
) -> PeriodicTask:
    """Register ``run`` as the Celery task ``name``, and return its place in the schedule, which has to contain it.

    The result of ``run`` is discarded. Runs may overlap if one takes longer than its period, so ``run`` has to claim
    its work in the database. ``has_work`` is evaluated once a period, without parameters: it has to be an index lookup.
    ``is_operation``: the audit names the task in the entries of what it changes; not for tasks of the hot paths.
    """

    def task() -> None:
        if not is_operation:
            run()
            return
        with running(Operation(origin="job", name=name, actor_type="system")):
            run()

    shared_task(name=name, ignore_result=True)(task)
    entry = schedule[name]
    return PeriodicTask(name, entry["schedule"], entry["options"]["queue"], has_work)
