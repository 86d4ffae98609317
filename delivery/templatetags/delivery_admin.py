"""Filters for the operators' pages: spans of time as people say them, and how far a replay has come."""

import json
from datetime import timedelta
from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from delivery.models import Replay

__all__ = ["as_json", "milliseconds", "pace", "progress", "span"]

register = template.Library()

LONGEST = 200  # characters
UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


@register.filter
def span(wait: timedelta) -> str:
    """The two largest units: "2 h 5 min"."""
    left = round(wait.total_seconds())
    parts: list[str] = []
    for name, seconds in UNITS:
        count, left = divmod(left, seconds)
        if count or parts:
            parts.append(f"{count} {name}" if count else "")
    return " ".join(part for part in parts[:2] if part) or "less than a second"


@register.filter
def as_json(values: tuple[Any, ...]) -> str:
    """Values as people who write patterns know them, cut where they grow long."""
    text = ", ".join(json.dumps(value, ensure_ascii=False) for value in values) or "nothing"
    return text if len(text) <= LONGEST else text[:LONGEST] + "…"


@register.filter
def milliseconds(duration: int) -> str:
    """Below a second in ms, above it in seconds with one decimal."""
    return f"{duration} ms" if duration < 1000 else f"{duration / 1000:.1f} s"


@register.filter
def progress(replay: Replay) -> SafeString:
    """A bar as long as what a replay has sent again; a finished one is whole, whatever was on its way already."""
    done = replay.state == Replay.State.FINISHED or not replay.total
    percent = 100 if done else min(100, round(100 * replay.replayed / replay.total))
    return format_html(
        '<span class="wp-progress" role="progressbar" aria-valuenow="{0}"><span style="width: {0}%"></span></span>',
        percent,
    )


@register.filter
def pace(replay: Replay) -> str:
    """How fast it goes, and how long it will take or when it ended."""
    fast = f"At most {replay.rate:,} a second"
    if replay.finished_at is not None:
        return f"{fast}; ended {replay.finished_at:%Y-%m-%d %H:%M:%S} UTC"
    left = max(replay.total - replay.replayed, 0) / replay.rate
    return f"{fast}; about {span(timedelta(seconds=left))} to go" if left >= 1 else fast
