"""Define periodic tasks: Celery tasks without arguments that run at a fixed interval.

Each app lists its own as ``PERIODIC_TASKS`` in its ``tasks`` module. ``config.celery`` schedules all of them; a host
project without ``config`` copies the list of the receiver into its own schedule.
"""

from collections.abc import Callable
from typing import NamedTuple

from celery import shared_task


class PeriodicTask(NamedTuple):
    """Hold when and where a task runs: ``every`` so many seconds, by a worker of ``queue``."""

    name: str
    every: float
    queue: str


def periodic_task(name: str, run: Callable[[], object], *, every: float, queue: str = "default") -> PeriodicTask:
    """Register ``run`` as the Celery task ``name``, and return its place in the schedule.

    The result of ``run`` is discarded. Runs may overlap if one takes longer than ``every``, so ``run`` has to claim its
    work in the database.
    """

    def task() -> None:
        run()

    shared_task(name=name, ignore_result=True)(task)
    return PeriodicTask(name, float(every), queue)
