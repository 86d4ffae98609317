"""Run a long operation, which works in slices, to its end."""

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from webhooks.kit.jobs.job_row import JobRow

R = TypeVar("R", bound=JobRow)


def run_to_end(row: R, run_slices: Callable[[], object]) -> R:
    """Run slices until the operation has ended, as its periodic task does, without the pauses between them."""
    for _ in range(100):
        run_slices()
        row.refresh_from_db()
        if row.state != "running":
            return row
        type(row)._default_manager.filter(pk=row.pk).update(
            sliced_at=row.sliced_at and row.sliced_at - timedelta(seconds=2)
        )
    raise AssertionError("it does not end")
