"""Keep the database connections of a worker's process from one task to the next.

Celery closes them before and after each task, and a new one costs the server several milliseconds: a process of its
own, which reads the catalogue and plans each statement anew. Here only those are closed that cannot be used any more,
and all of them after TASKS, so that what a session of the server keeps in memory stays bounded.
"""

from typing import Any

from celery import Celery
from celery.signals import task_postrun, task_prerun
from django.db import close_old_connections, connections

TASKS = 200  # of a process, until its connections are closed


def keep_connections(app: Celery) -> None:
    """Keep the connections in workers of this app."""
    app.conf.update(CELERY_DB_REUSE_MAX=TASKS)
    task_prerun.connect(_close_lost, dispatch_uid="worker_connections", weak=False)
    task_postrun.connect(_close_broken, dispatch_uid="worker_connections", weak=False)


def _close_lost(sender: Any = None, **_signal: Any) -> None:
    """Close the connections that the server has ended, as at its restart; the task connects again."""
    if sender.request.is_eager:
        return
    close_old_connections()
    for opened in connections.all(initialized_only=True):
        if opened.connection is not None and not opened.is_usable():
            opened.close()


def _close_broken(sender: Any = None, **_signal: Any) -> None:
    """Close connections that the task has left in a transaction, or on which an error has occurred."""
    if not sender.request.is_eager:
        close_old_connections()
