"""Decide which periodic tasks to send: those that have work.

Every TICK seconds, or IDLE_TICK while the platform is idle, one statement evaluates the conditions of the tasks whose
period is over (``has_work``, see ``webhooks.kit.periodic_task``); each condition is a look into a small index. A
condition that does not hold is evaluated again after another period. So an idle platform sends few messages, each of
which would wake several processes. A task without a condition is sent after each period, one such task at a time, so
that one process of a worker runs them all. At the start the period of every task is over: work left from before is
found at once. All conditions are evaluated too after GAP seconds without a look, because the database was away or this
process was stopped.

Every queue gets a message after KEEP_ALIVE seconds at the latest, by which its workers know that their connection to
the broker works (``config.ops.worker_watchdog``). Every task is sent SAFETY seconds after the end of its period, one
task at a time: a wrong condition delays work, and loses none.

Two schedules send twice, which does no harm.
"""

import math
from collections.abc import Callable, Iterable, Mapping

from django.apps import apps
from django.utils.module_loading import import_string, module_has_submodule

from webhooks.kit.periodic_task import PeriodicTask

TICK = 1.0  # seconds between two looks for work
IDLE_TICK = 2.0  # seconds between two looks for work while the platform is idle
IDLE_AFTER = 20.0  # seconds in which no task of a period up to TICK had work; then the platform is idle
KEEP_ALIVE = 20.0  # seconds until a queue gets a message, whether there is work or not
SLACK = TICK / 2  # a period that ends so much later is over, since a look that was late shortens the next one
GAP = 5.0  # seconds without a look for work, after which all conditions are evaluated
SAFETY = 300.0  # seconds after the end of its period until a task is sent, whatever its condition says

FindWork = Callable[[list[str]], list[bool] | None]  # whether each condition holds; None: the database is away


def periodic_tasks() -> list[PeriodicTask]:
    """Return the PERIODIC_TASKS of the ``tasks`` modules of all apps. Call it after Django's setup."""
    names = [it.name for it in apps.get_app_configs() if module_has_submodule(it.module, "tasks")]
    return [task for name in names for task in import_string(f"{name}.tasks.PERIODIC_TASKS")]


class Schedule:
    """Decide which tasks to send: a plain object, apart from Celery. Times are seconds of a monotonic clock."""

    def __init__(self, tasks: Iterable[PeriodicTask], started_at: float) -> None:
        self._tasks = list(tasks)
        self._sent_at = {task.name: started_at - task.every for task in self._tasks}
        self._queue_sent_at = {task.queue: started_at for task in self._tasks}
        self._asked_at: dict[str, float] = {}  # when the condition of a task was evaluated last
        self._looked_at = self._found_at = started_at

    def due(self, now: float, find_work: FindWork) -> list[PeriodicTask]:
        """Return the tasks to send now. ``find_work`` evaluates conditions, those of tasks whose period is over."""
        ended = [task for task in self._tasks if self._is_over(task, self._sent_at, now)]
        found = self._look(ended, now, find_work)
        due = [task for task in ended if task.name in found]
        others = [task for task in ended if not task.has_work or (self._is_late(task, now) and task.name not in found)]
        due += sorted(others, key=lambda it: self._sent_at[it.name])[:1]
        due += [task for task in self._keep_alive(now) if task not in due]
        for task in due:
            self._sent_at[task.name] = self._queue_sent_at[task.queue] = now
        return due

    def _look(self, ended: Iterable[PeriodicTask], now: float, find_work: FindWork) -> set[str]:
        """Return the names of those of these tasks that have work, as far as it is time to look for it."""
        if now - self._looked_at > GAP:
            self._asked_at.clear()
        asked = [task for task in ended if task.has_work and self._is_over(task, self._asked_at, now)]
        holding = find_work([task.has_work for task in asked])
        if holding is None:
            return set()
        self._looked_at = now
        self._asked_at |= dict.fromkeys((task.name for task in asked), now)
        found = [task for task, holds in zip(asked, holding, strict=True) if holds]
        if any(task.every <= TICK for task in found):
            self._found_at = now
        return {task.name for task in found}

    def seconds_between_looks(self, now: float) -> float:
        """Return in how many seconds to look for work again."""
        return TICK if now - self._found_at < IDLE_AFTER else IDLE_TICK

    def _is_over(self, task: PeriodicTask, since: Mapping[str, float], now: float) -> bool:
        """Return whether the period of a task is over, which began at this time (missing: long ago)."""
        return now - since.get(task.name, -math.inf) >= task.every - SLACK

    def _is_late(self, task: PeriodicTask, now: float) -> bool:
        return now - self._sent_at[task.name] >= task.every + SAFETY

    def _keep_alive(self, now: float) -> list[PeriodicTask]:
        """Return a task for each queue that got no message for long: the one that runs most often."""
        silent = [queue for queue, sent_at in self._queue_sent_at.items() if now - sent_at >= KEEP_ALIVE]
        return [min((it for it in self._tasks if it.queue == queue), key=lambda it: it.every) for queue in silent]
