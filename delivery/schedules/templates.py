"""The template of a schedule's event: an event in the plain form, whose texts may contain placeholders."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson
from django.conf import settings

from delivery.models import Schedule
from delivery.publishing.prepare import prepare
from subscriptions.models import Tenant
from webhooks.wire.errors import InvalidEvent
from webhooks.wire.ids import URN, new_id, public

PLACEHOLDER = re.compile(r"<schedule\.([^<>]{0,64})>")
NAMES = ("scheduled_at", "id", "occurrence")
SET_BY_US = {
    "id": "is made of the schedule and the time",
    "time": "is the time of the occurrence",
    "deliver_at": "is published at the time of the occurrence",
}


class Occurrence(NamedTuple):
    """An occurrence of a schedule: its time, and its number, from 1. ``key``: makes the id of a run by hand unique."""

    at: datetime
    number: int
    key: str = ""


def write_template(event: Mapping[str, Any]) -> str:
    """Return a template as it is stored."""
    return orjson.dumps(event).decode()


def check_template(tenant: Tenant, schedule: Schedule, max_bytes: int | None) -> None:
    """Raise InvalidEvent if the template would not become an event that can be published."""
    for name in PLACEHOLDER.findall(schedule.template):
        if name not in NAMES:
            known = ", ".join(f"<schedule.{it}>" for it in NAMES)
            raise InvalidEvent("", f"has the unknown placeholder <schedule.{name}>; there are {known}")
    for name, reason in SET_BY_US.items():
        if name in schedule.event:
            raise InvalidEvent(name, f"cannot be given: it {reason}")
    limit = min(max_bytes or settings.WAYPOST_MAX_EVENT_BYTES, settings.WAYPOST_MAX_EVENT_BYTES)
    prepare(tenant, render(schedule, Occurrence(datetime.now(UTC), 1)), limit)


def render(schedule: Schedule, occurrence: Occurrence) -> dict[str, Any]:
    """Return the event of an occurrence in the plain form; its id is made of the schedule and the time."""
    values = {
        "scheduled_at": instant_text(occurrence.at),
        "id": schedule.public_id,
        "occurrence": str(occurrence.number),
    }
    text = PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), schedule.template)
    event: dict[str, Any] = orjson.loads(text)
    when = f"{occurrence.at.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    return {
        "source": f"{URN}{schedule.public_id}",
        **event,
        "id": f"{schedule.public_id}-{occurrence.key or when}",
        "time": instant_text(occurrence.at),
    }


def run_by_hand(now: datetime, number: int) -> Occurrence:
    """Return the occurrence of a run that was requested now, whose event is published whatever was before."""
    return Occurrence(now, number, public("run", new_id()))


def instant_text(instant: datetime) -> str:
    """Return an instant in UTC as RFC 3339, to the second where it has no fraction of one."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
