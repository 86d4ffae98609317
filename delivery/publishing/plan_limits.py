"""Publish what the tenant's plan allows, and say of each other event which limit it met.

First the rate, then the month. A repeat is never held against the month, and what cannot be read against neither.
This is the way in for those who publish from outside; a host program that publishes in its own transaction is not
limited, but counted like everybody.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction

from delivery.publishing import monthly_quota, publish_rate
from delivery.publishing.group_publish import publish_in_group
from delivery.publishing.publisher import OverLimit, Published, publish
from delivery.sql.publish import find_events
from subscriptions.errors import LimitExceeded
from subscriptions.models import Tenant
from subscriptions.tenants.plans import plan_of
from webhooks.wire.cloudevents.event import Event
from webhooks.wire.errors import InvalidEvent

__all__ = ["publish_within_plan"]

Item = Event | InvalidEvent | Mapping[str, Any]


def publish_within_plan(tenant: Tenant, events: Sequence[Item]) -> list[Published]:
    """As `publish`; what the plan does not allow has an OverLimit as its error, and nothing was written of it."""
    plan = plan_of(tenant)
    items = events if plan.publish_rate is None else _within_rate(tenant, plan.publish_rate, events)
    limit = plan.events_per_month
    if limit is None or not monthly_quota.is_near(tenant.id, limit, _readable(items)):
        return publish_in_group(tenant, items, max_bytes=plan.max_event_bytes)
    with transaction.atomic():
        items = _within_month(tenant, limit, items)
        return publish(tenant, items, max_bytes=plan.max_event_bytes)


def _within_rate(tenant: Tenant, rate: int, events: Sequence[Item]) -> list[Item]:
    granted = publish_rate.take(tenant.id, rate, _readable(events))
    again_at = datetime.now(UTC) + timedelta(seconds=granted.wait)
    over = LimitExceeded(
        "publish_rate",
        f"The plan allows {rate} events per second: try again after a moment.",
        allowed=rate,
        used=rate,
        resets_at=again_at.replace(microsecond=0) + timedelta(seconds=1),
        retry_after=max(granted.wait, 1.0),
    )
    return _first(events, granted.count, over)


def _within_month(tenant: Tenant, limit: int, events: Sequence[Item]) -> list[Item]:
    used = monthly_quota.used_exactly(tenant.id)
    room = max(limit - used, 0)
    if room >= _readable(events):
        return list(events)
    reset = monthly_quota.next_month()
    over = LimitExceeded(
        "events_per_month",
        f"The plan allows {limit} events per month, and {used} are used; the month ends on {reset:%Y-%m-%d} (UTC).",
        allowed=limit,
        used=used,
        resets_at=reset,
    )
    return _first(events, room, over, free=_repeats(tenant, events))


def _first(events: Sequence[Item], count: int, over: LimitExceeded, free: Sequence[bool] = ()) -> list[Item]:
    """The events with all but the first so many replaced by what they met; ``free`` ones are not counted."""
    items: list[Item] = []
    for index, event in enumerate(events):
        is_counted = not isinstance(event, InvalidEvent) and not (free and free[index])
        if is_counted and count <= 0:
            items.append(OverLimit(over))
        else:
            items.append(event)
            count -= is_counted
    return items


def _repeats(tenant: Tenant, events: Sequence[Item]) -> list[bool]:
    """Which of the events were taken before."""
    names = [_name(tenant, event) for event in events]
    known = find_events(tenant.id, [name for name in names if name is not None])
    return [name in known for name in names]


def _name(tenant: Tenant, event: Item) -> tuple[str, str] | None:
    """Source and id, if it was given an id."""
    if isinstance(event, InvalidEvent):
        return None
    given = event.attributes if isinstance(event, Event) else event
    source, own = given.get("source") or f"urn:waypost:{tenant.public_id}", given.get("id")
    is_name = isinstance(source, str) and isinstance(own, str) and "\0" not in source + own
    return (str(source), str(own)) if is_name else None


def _readable(events: Sequence[Item]) -> int:
    return sum(not isinstance(event, InvalidEvent) for event in events)
