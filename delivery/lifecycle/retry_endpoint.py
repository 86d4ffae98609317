"""Retry all deliveries that wait for an endpoint which works again: its owner says so, or a test has shown it.

The instant is stored with the endpoint; the drain that leases the lane makes the retries due, batch by batch
(``delivery.sql.recovery.outages``), and another one continues if it dies. No burst hits an endpoint that is still down:
an open circuit breaker becomes half-open, and the backlog follows as fast as the concurrency window grows.
"""

from functools import partial
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from delivery import notify
from delivery.models import Lane
from delivery.sql.cancel import end_pauses
from delivery.sql.claim import EPOCH
from delivery.sql.recovery.outages import Outage, retry_after_outage
from subscriptions.endpoints.state import mark_repaired
from subscriptions.errors import StateConflict
from subscriptions.models import Endpoint

MAX_BATCHES = 100  # of MAX_BROUGHT_FORWARD (1,000) deliveries each


def retry_endpoint(endpoint: Endpoint) -> None:
    """Make all deliveries of the endpoint due that wait for a retry, and probe it at once if its breaker is open.

    A pause that the endpoint asked for with Retry-After ends, too. Rate limit and order still apply. Raises
    StateConflict unless the endpoint is active.
    """
    mark_repaired(endpoint)
    end_pauses(endpoint.id)
    if endpoint.is_pulled:
        _make_retries_due(endpoint.id)
    transaction.on_commit(partial(notify.notify_drains, {endpoint.id}))


def retry_after_successful_test(endpoint: Endpoint) -> None:
    """Retry what waits for the endpoint if its latest delivery failed: a test that succeeded is a sign of life.

    Does nothing during a pause that the endpoint asked for with Retry-After: a test does not end that.
    """
    failing = Lane.objects.filter(endpoint=endpoint, failing_since__isnull=False)
    if failing.exclude(wait_until__gt=timezone.now()).exists():
        try:
            retry_endpoint(endpoint)
        except StateConflict:
            pass  # it is paused, or an operator has disabled it


def _make_retries_due(endpoint_id: UUID) -> None:
    """Make the retries of a pulled endpoint due, since it has no drain; up to MAX_BATCHES batches."""
    after = EPOCH
    for _ in range(MAX_BATCHES):
        looked_at = retry_after_outage(endpoint_id, Outage(EPOCH, timezone.now(), after, include_others=True))
        if looked_at is None:
            return
        after = looked_at[0]
