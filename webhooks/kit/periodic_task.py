"""Define periodic tasks: Celery tasks without arguments that run at an interval, some only when there is work.

Each app lists its own as ``PERIODIC_TASKS`` in its ``tasks`` module. ``config.celery`` schedules all of them; a host
project without ``config`` copies the list of the receiver into its own schedule.
"""

from collections.abc import Callable
from typing import NamedTuple

from celery import shared_task


class PeriodicTask(NamedTuple):
    """Hold when and where a task runs: ``every`` so many seconds, by a worker of ``queue``.

    ``has_work``: an SQL expression, whether there is anything to do; empty: always. The schedule of the platform skips
    a run without work, most of the time.
    """

    name: str
    every: float
    queue: str
    has_work: str = ""


def periodic_task(
    name: str, run: Callable[[], object], *, every: float, queue: str = "default", has_work: str = ""
) -> PeriodicTask:
    """Register ``run`` as the Celery task ``name``, and return its place in the schedule.

    The result of ``run`` is discarded. Runs may overlap if one takes longer than ``every``, so ``run`` has to claim its
    work in the database. ``has_work`` is evaluated every second: it has to be a look into an index, without values of
    others.
    """

    def task() -> None:
        run()

    shared_task(name=name, ignore_result=True)(task)
    return PeriodicTask(name, float(every), queue, has_work)
