"""Cancel unfinished deliveries: one, several by id, or all that match a filter.

A delivery that is being sent loses the token of its claim: the result of its attempt is recorded, but changes nothing.
That attempt counts as made. Cancelling again changes nothing.
"""

import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from delivery import notify, telemetry
from delivery.models import Delivery
from delivery.operational.pending_results import add_failure_results
from delivery.reading import queries
from delivery.reading.list_filters import DELIVERIES, matching
from delivery.replaying.replay_filter import ReplayFilter
from delivery.sql.cancel import stop_deliveries
from subscriptions.models import Endpoint, Tenant

BATCH = 1_000  # deliveries in one statement
BUDGET = 5.0  # seconds one call may take
MAX_COUNTED = 100_000  # deliveries a preview counts
UNFINISHED = (Delivery.State.PENDING, Delivery.State.SENDING)


class MatchCount(NamedTuple):
    """A number of deliveries; ``has_more`` if others match that were not counted or cancelled."""

    total: int
    has_more: bool


def cancel(delivery: Delivery, by: str) -> bool:
    """Cancel the delivery; return False if it was finished already. ``by`` is stored with it."""
    return cancel_deliveries([delivery.id], by) > 0


def cancel_deliveries(ids: Sequence[UUID], by: str) -> int:
    """Cancel those of these deliveries that are unfinished, and store their pending results; return how many."""
    with transaction.atomic():
        stopped = stop_deliveries(ids, Delivery.State.CANCELLED, by)
        add_failure_results([key for key, _ in stopped])
    if stopped:  # ordered lanes may have a new head
        transaction.on_commit(partial(notify.notify_drains_of_stopped, {endpoint_id for _, endpoint_id in stopped}))
    return len(stopped)


def count_matching(tenant: Tenant, selected: ReplayFilter) -> MatchCount:
    """Count the unfinished deliveries that match, up to MAX_COUNTED."""
    total = sum(rows[: MAX_COUNTED + 1].count() for rows in _unfinished(tenant, selected))
    return MatchCount(min(total, MAX_COUNTED), total > MAX_COUNTED)


def cancel_matching(tenant: Tenant, selected: ReplayFilter, by: str) -> MatchCount:
    """Cancel unfinished deliveries that match, in batches, until none is left or BUDGET is used."""
    until, total = time.monotonic() + BUDGET, 0
    for rows in _unfinished(tenant, selected):
        while batch := list(rows.values_list("id", flat=True)[:BATCH]):
            total += cancel_deliveries(batch, by)
            if time.monotonic() > until:
                telemetry.cancelled(tenant.id, total, by)
                return MatchCount(total, any(remaining.exists() for remaining in _unfinished(tenant, selected)))
    telemetry.cancelled(tenant.id, total, by)
    return MatchCount(total, False)


def _unfinished(tenant: Tenant, selected: ReplayFilter) -> Iterator[QuerySet[Delivery]]:
    """Yield the matching deliveries state by state, because each state has a partial index of its own."""
    rows = queries.within(Delivery.objects.filter(tenant=tenant), "created_at", selected.since, selected.until)
    rows = rows.filter(matching(DELIVERIES, {"type": selected.type or None}))
    if selected.ids:
        rows = rows.filter(id__in=selected.ids)
    of_tenant = Endpoint.objects.filter(tenant=tenant, labels__contains=selected.labels)
    if selected.endpoint:
        of_tenant = of_tenant.filter(id=selected.endpoint)
    endpoints = list(of_tenant.values_list("id", flat=True))
    for state in UNFINISHED:
        yield rows.filter(endpoint__in=endpoints, state=state)
