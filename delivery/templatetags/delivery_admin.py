"""Format durations, JSON values and the progress of jobs in the admin's templates."""

import json
from datetime import timedelta
from typing import Any

from django import template
from django.contrib.humanize.templatetags.humanize import intcomma
from django.utils.html import format_html
from django.utils.safestring import SafeString

from delivery.models import Broadcast, Replay

register = template.Library()
register.filter(intcomma)  # so that a project needs not install django.contrib.humanize

MAX_CHARACTERS = 200  # of a JSON value
UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


@register.filter
def duration(period: timedelta) -> str:
    """Return the two largest units, such as "2 h 5 min"."""
    left = round(period.total_seconds())
    parts: list[str] = []
    for name, seconds in UNITS:
        count, left = divmod(left, seconds)
        if count or parts:
            parts.append(f"{count} {name}" if count else "")
    return " ".join(part for part in parts[:2] if part) or "< 1 s"


@register.filter
def as_json(values: tuple[Any, ...]) -> str:
    """Return values as JSON, separated by commas and cut at MAX_CHARACTERS."""
    text = ", ".join(json.dumps(value, ensure_ascii=False) for value in values) or "nothing"
    return text if len(text) <= MAX_CHARACTERS else text[:MAX_CHARACTERS] + "…"


@register.filter
def milliseconds(count: int) -> str:
    """Return milliseconds below a second, above it seconds with one decimal."""
    return f"{count} ms" if count < 1000 else f"{count / 1000:.1f} s"


@register.filter
def progress_bar(job: Replay | Broadcast) -> SafeString:
    """Return a bar of what a replay or a broadcast has done; that of a finished one is full."""
    is_done = job.state == Replay.State.FINISHED or not job.total
    percent = 100 if is_done else min(100, round(100 * job.done / job.total))
    return format_html(
        '<span class="wp-progress" role="progressbar" aria-valuenow="{0}"><span style="width: {0}%"></span></span>',
        percent,
    )


@register.filter
def rate_and_time(job: Replay | Broadcast) -> str:
    """Return the rate of a replay or a broadcast, and how long it will take or when it ended."""
    rate = f"Up to {job.rate:,} per second"
    if job.finished_at is not None:
        return f"{rate}; ended {job.finished_at:%Y-%m-%d %H:%M:%S} UTC"
    left = max(job.total - job.done, 0) / job.rate
    return f"{rate}; about {duration(timedelta(seconds=left))} left" if left >= 1 else rate
