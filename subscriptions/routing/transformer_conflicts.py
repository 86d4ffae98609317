"""Refuse two subscriptions that would send one event to one endpoint with two different bodies.

An event is delivered once to each endpoint, under one ``webhook-id``: a receiver would drop a second body under the
same id as a repeat. So two subscriptions of an endpoint that can match the same event must have the same transformer,
or none. Where both have patterns, and different ones, they are taken to be alternatives, such as amounts above and
below a limit; if an event matches both all the same, the older subscription decides.
"""

from collections.abc import Iterable
from itertools import product

from django.db.models import Exists, OuterRef, Q, QuerySet

from subscriptions.errors import StateConflict
from subscriptions.models import Endpoint, Subscription
from subscriptions.routing.type_names import matching_names
from subscriptions.tenants.plans import lock_tenant

READ = ("id", "event_types", "pattern", "transformer", "tenant_id")


def check_transformers(row: Subscription) -> None:
    """Raise StateConflict if another active subscription sends the same events to an endpoint with another body.

    Call with the tenant's row locked.
    """
    if not row.active:
        return
    for other in _others(row).only(*READ).iterator():
        if _conflict(row, other):
            text = (
                f"{other.public_id} sends the same events to this endpoint with another transformer. An event is "
                "delivered once to an endpoint: give both the same transformer, patterns that differ, or use a second "
                "endpoint."
            )
            raise StateConflict("transformer", text)


def check_labels(endpoint: Endpoint) -> None:
    """Raise StateConflict if labels give an endpoint two bodies of the same events. Call after writing the labels."""
    rows = Subscription.objects.filter(tenant=endpoint.tenant_id, active=True)
    labels = Endpoint.objects.values_list("labels", flat=True).get(pk=endpoint.pk)
    labelled = rows.filter(endpoint=None, endpoint_labels__contained_by=labels).order_by("id")
    if not labelled.exists():
        return
    lock_tenant(endpoint.tenant)
    selecting = list(labelled.only(*READ))
    own = list(rows.filter(endpoint=endpoint).order_by("id").only(*READ))
    for one, other in product(selecting, [*own, *selecting]):
        if _conflict(one, other):
            text = (
                f"By these labels {one.public_id} and {other.public_id} would both send the same events to this "
                "endpoint, with different transformers. An event is delivered once to an endpoint: use other labels, "
                "give both the same transformer, or patterns that differ."
            )
            raise StateConflict("labels", text)


def _others(row: Subscription) -> QuerySet[Subscription]:
    """Return the other active subscriptions of the endpoint, or of an endpoint that this one selects by its labels."""
    rows = Subscription.objects.filter(tenant=row.tenant_id, active=True).exclude(pk=row.pk)
    if row.endpoint is not None:
        by_label = Q(endpoint=None, endpoint_labels__contained_by=row.endpoint.labels)
        return rows.filter(Q(endpoint=row.endpoint_id) | by_label)
    endpoints = Endpoint.objects.filter(tenant=row.tenant_id, deleted_at=None, labels__contains=row.endpoint_labels)
    selected_too = Exists(endpoints.filter(labels__contains=OuterRef("endpoint_labels")))
    return rows.filter(
        Q(endpoint=None, endpoint_labels=row.endpoint_labels)
        | (Q(endpoint=None) & selected_too)
        | Q(endpoint__deleted_at=None, endpoint__labels__contains=row.endpoint_labels)
    )


def _conflict(one: Subscription, other: Subscription) -> bool:
    return one.transformer != other.transformer and _overlap(one, other)


def _overlap(one: Subscription, other: Subscription) -> bool:
    """Return whether both match the same events, as far as their types and the presence of patterns tell."""
    if one.pattern and other.pattern and one.pattern != other.pattern:
        return False
    return _includes(one.event_types, other.event_types) or _includes(other.event_types, one.event_types)


def _includes(names: Iterable[str], types: Iterable[str]) -> bool:
    """Return whether one of these names, such as ``order.*``, stands for one of the types or for types below it."""
    return any(not set(matching_names(it)).isdisjoint(names) for it in types)
