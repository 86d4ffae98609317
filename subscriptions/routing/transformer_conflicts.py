"""Refuse two subscriptions that would send one event to one endpoint with two different bodies.

An event is delivered once to each endpoint, under one ``webhook-id``: a receiver would drop a second body under the
same id as a repeat. So two subscriptions of an endpoint that can match the same event must have the same transformer,
or none. Where both have patterns, and different ones, they are taken to be alternatives, such as amounts above and
below a limit; if an event matches both all the same, the older subscription decides.
"""

from collections.abc import Iterable

from django.db.models import Q, QuerySet

from subscriptions.errors import StateConflict
from subscriptions.models import Subscription
from subscriptions.routing.route_table import matching_names


def check_transformers(row: Subscription) -> None:
    """Raise StateConflict if another active subscription sends the same events to an endpoint with another body.

    Call with the tenant's row locked.
    """
    if not row.active:
        return
    for other in _others(row).only("id", "event_types", "pattern", "transformer", "tenant_id").iterator():
        if other.transformer == row.transformer or not _overlap(row, other):
            continue
        text = (
            f"{other.public_id} sends the same events to this endpoint with another transformer. An event is delivered "
            "once to an endpoint: give both the same transformer, patterns that differ, or use a second endpoint."
        )
        raise StateConflict("transformer", text)


def _others(row: Subscription) -> QuerySet[Subscription]:
    """Return the other active subscriptions of the endpoint, or of the labels, of this one."""
    rows = Subscription.objects.filter(tenant=row.tenant_id, active=True).exclude(pk=row.pk)
    if row.endpoint is not None:
        by_label = Q(endpoint=None, endpoint_labels__contained_by=row.endpoint.labels)
        return rows.filter(Q(endpoint=row.endpoint_id) | by_label)
    return rows.filter(
        Q(endpoint=None, endpoint_labels=row.endpoint_labels)
        | Q(endpoint__deleted_at=None, endpoint__labels__contains=row.endpoint_labels)
    )


def _overlap(one: Subscription, other: Subscription) -> bool:
    """Return whether both match the same events, as far as their types and the presence of patterns tell."""
    if one.pattern and other.pattern and one.pattern != other.pattern:
        return False
    return _includes(one.event_types, other.event_types) or _includes(other.event_types, one.event_types)


def _includes(names: Iterable[str], types: Iterable[str]) -> bool:
    """Return whether one of these names, such as ``order.*``, stands for one of the types or for types below it."""
    return any(not set(matching_names(it)).isdisjoint(names) for it in types)
