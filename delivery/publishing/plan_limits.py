"""Publish within the limits of the tenant's plan: first the publish rate, then the monthly quota.

Requests that share a transaction (``group_publish``) are limited together, so the limits cost once for all. Repeats do
not count against the quota, unreadable items against neither. The REST API publishes through this module; a host
project that calls ``publish`` in its own transaction is counted, but not limited.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from django.db import transaction

from delivery.publishing import monthly_quota, publish_rate
from delivery.publishing.prepare import Item
from delivery.publishing.publisher import GroupedCommit, publish_each
from delivery.publishing.results import EventLimitExceeded, Published
from delivery.sql.publish import find_events
from subscriptions.errors import LimitExceeded
from subscriptions.models import Tenant
from subscriptions.tenants.plans import known_plan_of, plan_of
from webhooks.kit.rest.rate_limit_headers import rate_limit_headers
from webhooks.wire.cloudevents.event import Event
from webhooks.wire.errors import InvalidEvent
from webhooks.wire.ids import URN


def publish_within_plan(
    tenant: Tenant, events: Sequence[Item], *, commit: GroupedCommit | None = None
) -> list[Published]:
    """Publish as ``publish`` does; events beyond a limit get EventLimitExceeded as their error and are not written."""
    plan = plan_of(tenant)
    items = events if plan.publish_rate is None else _within_rate(tenant, plan.publish_rate, events)
    limit = plan.events_per_month
    if limit is None or not monthly_quota.is_near(tenant.id, limit, _readable(items)):
        return publish_each(tenant, items, max_bytes=plan.max_event_bytes, commit=commit)
    with transaction.atomic():
        items = _within_month(tenant, limit, items)
        return publish_each(tenant, items, max_bytes=plan.max_event_bytes, commit=commit)


def publish_rate_headers(tenant: Tenant) -> dict[str, str]:
    """Return the headers that tell what is left of the tenant's publish rate; none if its plan has no such limit.

    Call it after publishing for this tenant object, which has looked up the plan: this waits for no database.
    """
    plan = known_plan_of(tenant)
    rate = plan.publish_rate if plan is not None else None
    if rate is None:
        return {}
    left = publish_rate.left(tenant.id, rate)
    return rate_limit_headers("publish_rate", quota=rate, window=1, left=left, reset=1)


def _within_rate(tenant: Tenant, rate: int, events: Sequence[Item]) -> list[Item]:
    granted = publish_rate.take(tenant.id, rate, _readable(events))
    retry_at = datetime.now(UTC) + timedelta(seconds=granted.wait)
    exceeded = LimitExceeded(
        "publish_rate",
        f"The plan allows {rate} events per second; retry after the time in Retry-After.",
        allowed=rate,
        used=rate,
        resets_at=retry_at.replace(microsecond=0) + timedelta(seconds=1),
        retry_after=max(granted.wait, 1.0),
    )
    return _limited(events, granted.count, exceeded)


def _within_month(tenant: Tenant, limit: int, events: Sequence[Item]) -> list[Item]:
    used = monthly_quota.used_exactly(tenant.id)
    remaining = max(limit - used, 0)
    if remaining >= _readable(events):
        return list(events)
    reset = monthly_quota.next_month()
    exceeded = LimitExceeded(
        "events_per_month",
        f"The plan allows {limit} events per month, and {used} are used; the next month starts on {reset:%Y-%m-%d} "
        "(UTC).",
        allowed=limit,
        used=used,
        resets_at=reset,
    )
    return _limited(events, remaining, exceeded, free=_repeats(tenant, events))


def _limited(events: Sequence[Item], count: int, exceeded: LimitExceeded, free: Sequence[bool] = ()) -> list[Item]:
    """Replace all but the first ``count`` events by EventLimitExceeded; ``free`` ones are not counted."""
    items: list[Item] = []
    for index, event in enumerate(events):
        is_counted = not isinstance(event, InvalidEvent) and not (free and free[index])
        if is_counted and count <= 0:
            items.append(EventLimitExceeded(exceeded))
        else:
            items.append(event)
            count -= is_counted
    return items


def _repeats(tenant: Tenant, events: Sequence[Item]) -> list[bool]:
    """Return for each event whether it was published before."""
    names = [_name(tenant, event) for event in events]
    known = find_events(tenant.id, [name for name in names if name is not None])
    return [name in known for name in names]


def _name(tenant: Tenant, event: Item) -> tuple[str, str] | None:
    """Return source and id of an event; None if it has no id of its own."""
    if isinstance(event, InvalidEvent):
        return None
    given = event.attributes if isinstance(event, Event) else event
    source, event_id = given.get("source") or f"{URN}{tenant.public_id}", given.get("id")
    is_name = isinstance(source, str) and isinstance(event_id, str) and "\0" not in source + event_id
    return (str(source), str(event_id)) if is_name else None


def _readable(events: Sequence[Item]) -> int:
    return sum(not isinstance(event, InvalidEvent) for event in events)
