"""Format the state and the progress of a job as HTML."""

from datetime import timedelta
from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString

from webhooks.kit.admin.display import Tone, pill, when
from webhooks.kit.jobs.duration import duration
from webhooks.kit.jobs.sliced_jobs import CANCELLED, FINISHED, RUNNING

TONES: dict[str, Tone] = {RUNNING: "info", FINISHED: "good", CANCELLED: "warn"}


def state_pill(job: Any) -> SafeString:
    """Return the state of a job in its colour."""
    return pill(job.get_state_display(), TONES.get(job.state, "plain"))


def progress_bar(job: Any) -> SafeString:
    """Return a bar of what a job has done; that of a finished one is full."""
    percent = 100 if job.state == FINISHED else min(100, round(100 * job.done / job.total)) if job.total else 0
    return format_html(
        '<span class="wp-progress" role="progressbar" aria-label="Progress" aria-valuenow="{0}">'
        '<span style="width: {0}%"></span></span>',
        percent,
    )


def rate_and_time(job: Any) -> SafeString | str:
    """Return the rate of a job, and how long it will take or when it ended."""
    rate = f"Up to {job.rate:,} per second"
    if job.finished_at is not None:
        return format_html("{}; ended {}", rate, when(job.finished_at))
    left = max(job.total - job.done, 0) / job.rate
    return f"{rate}; about {duration(timedelta(seconds=left))} left" if left >= 1 else rate
