"""Keep the database connections of a worker's process from one task to the next.

Celery closes them before and after each task, and a new one costs the server several milliseconds: a process of its
own, which reads the catalogue. Here only those are closed that cannot be used any more, and all of them after TASKS, so
that what a session of the server keeps in memory stays bounded.

Statements are planned at each execution, as they were when each task connected anew: a plan that a session keeps from
the time when a table was empty reads the whole of it for each row once it is full. A drain has plans of its own, by
index only (``webhooks.kit.sql.force_index_plans``).
"""

from contextlib import suppress
from typing import Any

from celery import Celery
from celery.signals import task_postrun, task_prerun
from django.db import Error, close_old_connections, connection

TASKS = 200  # of a process, until its connections are closed
PLAN_ANEW = "SET plan_cache_mode = force_custom_plan"


def keep_connections(app: Celery) -> None:
    """Keep the connections in workers of this app."""
    app.conf.update(CELERY_DB_REUSE_MAX=TASKS)
    task_prerun.connect(_prepare, dispatch_uid="worker_connections", weak=False)
    task_postrun.connect(_close_broken, dispatch_uid="worker_connections", weak=False)


def _prepare(sender: Any = None, **_signal: Any) -> None:
    """Have statements planned anew; connect again if the server has ended the connection, as at its restart.

    While the server is away nothing is done; the task has the error.
    """
    if sender.request.is_eager:
        return
    close_old_connections()
    if connection.connection is not None and not _plans_anew():
        connection.close()
    if connection.connection is None:
        _plans_anew()


def _plans_anew() -> bool:
    with suppress(Error), connection.cursor() as cursor:
        cursor.execute(PLAN_ANEW)
        return True
    return False


def _close_broken(sender: Any = None, **_signal: Any) -> None:
    """Close connections that the task has left in a transaction, or on which an error has occurred."""
    if not sender.request.is_eager:
        close_old_connections()
