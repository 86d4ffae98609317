"""Format durations and JSON values in the admin's templates."""

import json
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django import template
from django.contrib.humanize.templatetags.humanize import intcomma

from delivery.reading.timeline import failure_name
from webhooks.kit.jobs.duration import duration

register = template.Library()
register.filter(intcomma)  # so that a project needs not install django.contrib.humanize
register.filter(duration)
register.filter(failure_name)

MAX_CHARACTERS = 200  # of a JSON value


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
def add_number(value: float, number: str) -> float:
    """Return the sum of a number and another, which may have a fraction."""
    return value + float(number)


@register.filter(name="clock")
def clock_in_zone(moment: datetime, zone: ZoneInfo) -> str:
    """Return the time of day in a zone, to the second."""
    return f"{moment.astimezone(zone):%H:%M:%S}"
