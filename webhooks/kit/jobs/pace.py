"""Pace the slices of a job by its rate: how much may be done now, and what a slice uses of it (GCRA). Pure."""

from datetime import datetime, timedelta
from typing import Protocol

BURST = 2.0  # seconds of unused rate that a job may catch up on: the period of its task


class PacedJob(Protocol):
    """A job that is done at ``rate`` per second; ``sliced_at`` is the time up to which its rate is used."""

    rate: int
    until_at: datetime
    sliced_at: datetime | None


def allowance(job: PacedJob, now: datetime) -> int:
    """Return how many items may be done now: those of the unused rate since the last slice, of at most BURST."""
    since = job.sliced_at or job.until_at - timedelta(seconds=1)
    return max(0, int(min((now - since).total_seconds(), BURST) * job.rate))


def spend(job: PacedJob, count: int, now: datetime) -> None:
    """Set ``sliced_at`` after a slice that did ``count`` items."""
    begun = max(job.sliced_at or job.until_at, now - timedelta(seconds=BURST))
    job.sliced_at = begun + timedelta(seconds=count / job.rate)
