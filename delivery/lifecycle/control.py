"""Steer what has not ended: cancel it, send it now, or park it so that what is behind it can go on.

Each is one guarded UPDATE. A delivery that is being sent is taken out of its claim: what its attempt comes to is put on
record, and changes nothing any more, for only rows that still carry the token are settled. The one under way counts as
made. To do it twice changes nothing.
"""

import time
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from delivery import notify, telemetry
from delivery.models import DeadLetter, Delivery
from delivery.reading import queries
from delivery.reading.list_filters import DELIVERIES, narrowing
from delivery.replaying.replay_filter import Filter
from delivery.sql.cancel import make_due, stop_deliveries
from delivery.sql.dead_letters import DeadLetterRow, dead_letter
from subscriptions.models import Endpoint, Tenant

__all__ = ["WAITING", "Found", "cancel", "cancel_all", "cancel_matching", "count", "park", "send_now"]

BATCH = 1_000  # deliveries in one statement
BUDGET = 5.0  # seconds one call may take
MOST_COUNTED = 100_000
WAITING = (Delivery.State.PENDING, Delivery.State.SENDING)


class Found(NamedTuple):
    """So many; ``more`` if there are others that were not looked at."""

    total: int
    more: bool


def cancel(delivery: Delivery, by: str) -> bool:
    """Send it no more. False: it had ended before."""
    return cancel_all([delivery.id], by) > 0


def cancel_all(ids: list[UUID], by: str) -> int:
    """Cancel those of these that have not ended. How many."""
    taken = stop_deliveries(ids, Delivery.State.CANCELLED, by)
    _ring(taken)
    return len(taken)


def park(delivery: Delivery, by: str) -> bool:
    """Make it a dead letter at once, to be brought back later. False: it had ended before."""
    with transaction.atomic():
        taken = stop_deliveries([delivery.id], Delivery.State.DEAD, None)
        dead_letter([DeadLetterRow(key, DeadLetter.Cause.PARKED, f"Set aside by {by}.") for key, _ in taken])
        _ring(taken)
    return bool(taken)


def _ring(taken: list[tuple[UUID, UUID]]) -> None:
    """Once it is committed: keys may have a new head."""
    if taken:
        transaction.on_commit(partial(notify.notify_drains, {endpoint_id for _, endpoint_id in taken}))


def send_now(delivery: Delivery) -> bool:
    """Have it sent ahead of its plan. Where the breaker is open, it lets its probe through now. The rate limit, and a
    pause of the endpoint, hold as ever. False: it had ended before."""
    make_due(delivery.id, delivery.endpoint_id)
    state = Delivery.objects.values_list("state", flat=True).get(id=delivery.id)
    if state == Delivery.State.PENDING:
        transaction.on_commit(partial(notify.notify_drains, {delivery.endpoint_id}))
    return state in WAITING


def count(tenant: Tenant, wanted: Filter) -> Found:
    """How many deliveries a cancellation with this filter would be about now."""
    total = sum(rows[: MOST_COUNTED + 1].count() for rows in _waiting(tenant, wanted))
    return Found(min(total, MOST_COUNTED), total > MOST_COUNTED)


def cancel_matching(tenant: Tenant, wanted: Filter, by: str) -> Found:
    """Cancel what waits and matches, a batch at a time, for as long as a call may take."""
    until, total = time.monotonic() + BUDGET, 0
    for rows in _waiting(tenant, wanted):
        while batch := list(rows.values_list("id", flat=True)[:BATCH]):
            total += cancel_all(batch, by)
            if time.monotonic() > until:
                telemetry.cancelled(tenant.id, total, by)
                return Found(total, any(rest.exists() for rest in _waiting(tenant, wanted)))
    telemetry.cancelled(tenant.id, total, by)
    return Found(total, False)


def _waiting(tenant: Tenant, wanted: Filter) -> Iterator[QuerySet[Delivery]]:
    """What has not ended, by the indexes that hold nothing else: what is pending, then what is being sent."""
    rows = queries.within(Delivery.objects.filter(tenant=tenant), "created_at", wanted.since, wanted.until)
    rows = rows.filter(narrowing(DELIVERIES, {"type": wanted.type or None}))
    if wanted.ids:
        rows = rows.filter(id__in=wanted.ids)
    of_tenant = Endpoint.objects.filter(tenant=tenant).values_list("id", flat=True)
    endpoints = [wanted.endpoint] if wanted.endpoint else list(of_tenant)
    for state in WAITING:
        yield rows.filter(endpoint__in=endpoints, state=state)
