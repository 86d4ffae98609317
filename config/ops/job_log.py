"""Write a line for each job of a worker, and give all lines of a job its id (WAYPOST_JOB_LOG)."""

import time
from typing import Any

import structlog
from celery.signals import task_postrun, task_prerun
from django.conf import settings

log = structlog.get_logger("waypost.jobs")
_started: dict[str, float] = {}  # monotonic time by the id of a job


def connect_signals() -> None:
    """Log the jobs that Celery runs in this process."""
    task_prerun.connect(_begin, dispatch_uid="job_log", weak=False)
    task_postrun.connect(_end, dispatch_uid="job_log", weak=False)


def _begin(task_id: str, task: Any, **_signal: Any) -> None:
    _started[task_id] = time.monotonic()
    structlog.contextvars.bind_contextvars(job=task.name, job_id=task_id)


def _end(task_id: str, state: str | None = None, **_signal: Any) -> None:
    started = _started.pop(task_id, None)
    if settings.WAYPOST_JOB_LOG and started is not None:
        outcome = "succeeded" if state == "SUCCESS" else "failed"
        log.info("job finished", outcome=outcome, seconds=round(time.monotonic() - started, 4))
    structlog.contextvars.unbind_contextvars("job", "job_id")
