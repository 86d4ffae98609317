"""Take the time of delivery out of an event that is published: ``deliver_at``, or ``waypostdeliverat`` of a CloudEvent.

It is not part of the event that is stored and sent.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from delivery.publishing.plain_form import DELIVER_AT
from webhooks.wire.cloudevents.event import Event
from webhooks.wire.cloudevents.grammar import timestamp
from webhooks.wire.errors import InvalidEvent

MEMBER = DELIVER_AT
ATTRIBUTE = "waypostdeliverat"
NO_ATTRIBUTES = ("deliverat", ATTRIBUTE)  # extensions that would be sent with the event, and delay nothing
FARTHEST = timedelta(days=366)
TOLERANCE = timedelta(minutes=1)  # a time that has passed no longer ago is now
EXAMPLE = "an RFC 3339 time such as 2030-01-31T09:00:00+01:00"


def take_from_plain(plain: Mapping[str, Any]) -> tuple[datetime | None, Mapping[str, Any]]:
    """Return the time in an event in the plain form, and the event without it. Raises InvalidEvent."""
    value = plain[MEMBER]
    return (None if value is None else _read(MEMBER, value)), {name: it for name, it in plain.items() if name != MEMBER}


def take_from_event(event: Event) -> tuple[datetime, Event]:
    """Return the time in a CloudEvent, and the event without it. Raises InvalidEvent."""
    rest = {name: value for name, value in event.attributes.items() if name != ATTRIBUTE}
    typed = {name: value for name, value in event.typed.items() if name != ATTRIBUTE}
    return _read(ATTRIBUTE, event.attributes[ATTRIBUTE]), replace(event, attributes=rest, typed=typed)


def not_delaying(name: str) -> InvalidEvent:
    """Return the error for one of NO_ATTRIBUTES."""
    return InvalidEvent(name, f"delays nothing; give {MEMBER} beside type and data, or {ATTRIBUTE} in a CloudEvent")


def in_text(time: datetime) -> str:
    """Return the time as the digest of the event has it."""
    return timestamp(time.astimezone(UTC))


def _read(name: str, value: Any) -> datetime:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise InvalidEvent(name, f"must be {EXAMPLE}") from None
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise InvalidEvent(name, f"must be {EXAMPLE}, with an offset")
    now = datetime.now(UTC)
    if value < now - TOLERANCE:
        raise InvalidEvent(name, "must be in the future")
    if value > now + FARTHEST:
        raise InvalidEvent(name, f"must be at most {FARTHEST.days} days ahead")
    return value.astimezone(UTC)
