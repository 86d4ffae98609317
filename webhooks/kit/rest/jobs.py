"""Cancel jobs over REST, alike for all kinds of jobs."""

from collections.abc import Callable
from typing import Any

from webhooks.kit.audit.operation import report
from webhooks.kit.jobs.job_row import JobRow
from webhooks.kit.rest.errors import Conflict


def cancel_job(row: JobRow, cancel: Callable[[Any], object]) -> JobRow:
    """Cancel a job by a function of its app, and return it as stored. Raises Conflict if it has finished."""
    is_changed = bool(cancel(row))
    row.refresh_from_db()
    if row.state == JobRow.State.FINISHED:
        raise Conflict({"state": ["Already finished; it cannot be cancelled."]})
    if not is_changed:
        report("cancelled already", 0, 1)
    return row
