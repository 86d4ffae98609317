"""Check the endpoints that get the results of another endpoint, and forget them when they are deleted."""

from collections.abc import Mapping
from typing import Any

from django.db.models import Q

from subscriptions.errors import Invalid
from subscriptions.models import Endpoint

FIELDS = ("on_success", "on_failure")


def check_named(endpoint: Endpoint, fields: Mapping[str, Any]) -> None:
    """Check the endpoints that these fields name, and keep them from being deleted until the commit.

    Call in the transaction that writes the fields, before it locks the endpoint. Raises Invalid for an endpoint of
    another tenant, a deleted one, or the endpoint itself. A longer circle does no harm: the delivery of a record has no
    record of its own.
    """
    named: dict[str, Endpoint] = {name: fields[name] for name in FIELDS if fields.get(name) is not None}
    if not named:
        return
    keys = {it.pk for it in named.values()} | {endpoint.pk}
    # In the order of the keys, so that two endpoints that name each other at once do not deadlock.
    rows = Endpoint.objects.filter(pk__in=keys, tenant=endpoint.tenant_id, deleted_at=None).order_by("pk")
    found = set(rows.select_for_update(no_key=True).values_list("pk", flat=True))
    for name, it in named.items():
        if it.pk == endpoint.pk:
            raise Invalid(name, "Must be another endpoint than this one.")
        if it.pk not in found:
            raise Invalid(name, "No endpoint with this id.")


def lock_with_naming(endpoint: Endpoint) -> None:
    """Lock the endpoint and those that name it until the transaction ends, in the order in which others lock them."""
    naming = Q(**{FIELDS[0]: endpoint.pk}) | Q(**{FIELDS[1]: endpoint.pk})
    rows = Endpoint.objects.filter(Q(pk=endpoint.pk) | naming).order_by("pk")
    list(rows.select_for_update(no_key=True).values_list("pk", flat=True))


def forget(endpoint: Endpoint) -> None:
    """Clear the fields that name this endpoint. Call in the transaction that deletes it."""
    for name in FIELDS:
        Endpoint.objects.filter(**{name: endpoint.pk}).update(**{name: None})
