"""Create and change subscriptions within the limits of the tenant's plan."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils import timezone

from subscriptions.errors import AlreadyExists, uid_in_use
from subscriptions.models import Endpoint, Subscription, Tenant
from subscriptions.routing.transformer_conflicts import check_transformers
from subscriptions.tenants.plans import check_subscription_limits, lock_tenant
from webhooks.kit.rows import unique_uid

SELECTS = ("endpoint_id", "endpoint_labels", "grant_id", "event_types", "pattern", "transformer")
"""The fields that say what is sent where: two subscriptions must not have all of them in common."""
OF_ENDPOINT = ("event_types", "pattern", "transformer", "description", "active")
"""The fields of a subscription besides the endpoint that it names."""


def create_subscription(tenant: Tenant, fields: Mapping[str, Any]) -> Subscription:
    """Create a subscription.

    Raises AlreadyExists if the same one exists or the uid is in use, LimitExceeded if the plan allows no more, or fewer
    bytes, and StateConflict as ``check_transformers``.
    """
    with unique_uid(uid_in_use):
        created = Subscription.objects.create(tenant=tenant, **fields)
        check_subscription_limits(tenant)
        _check_is_new(created)
        check_transformers(created)
    return created


def change_subscription(row: Subscription, fields: Mapping[str, Any]) -> Subscription:
    """Write the given fields only; return the subscription as it is afterwards.

    Raises AlreadyExists if it becomes the same as another or its uid is in use, LimitExceeded if it becomes larger than
    the plan allows, StateConflict as ``check_transformers``, and Subscription.DoesNotExist if it was deleted meanwhile.
    A change that makes it no larger is within every plan.
    """
    rows = Subscription.objects.select_related("tenant__plan", "endpoint").filter(pk=row.pk)
    with unique_uid(uid_in_use):
        before = rows.select_for_update(of=["self"], no_key=True).get()
        rows.update(**fields, updated_at=timezone.now())
        changed = rows.get()
        if changed.size > before.size:
            check_subscription_limits(changed.tenant)
        if any(getattr(changed, name) != getattr(before, name) for name in (*SELECTS, "active")):
            lock_tenant(changed.tenant)
            _check_is_new(changed)
            check_transformers(changed)
    return changed


def set_subscriptions(endpoint: Endpoint, wanted: Sequence[Mapping[str, Any]]) -> None:
    """Make these the subscriptions that name the endpoint: keep equal ones, delete the others, create the rest.

    Those that select the endpoint by its labels stay, and those to events of other tenants. Call it in the transaction
    that creates or changes the endpoint.
    Raises LimitExceeded if the plan allows no more, AlreadyExists if two are the same, StateConflict as
    ``check_transformers``.
    """
    _check_differ(wanted)
    missing = [_with_defaults(each) for each in wanted]
    lock_tenant(endpoint.tenant)
    for row in endpoint.subscriptions.filter(grant=None).order_by("id"):
        own = {name: getattr(row, name) for name in OF_ENDPOINT}
        if own in missing:
            missing.remove(own)
        else:
            row.delete()
    for fields in missing:
        created = Subscription.objects.create(tenant_id=endpoint.tenant_id, endpoint=endpoint, **fields)
        check_transformers(created)
    if missing:
        check_subscription_limits(endpoint.tenant)


def _check_differ(wanted: Sequence[Mapping[str, Any]]) -> None:
    """Raise AlreadyExists if two of these select the same."""
    selections = [_selection(each) for each in wanted]
    for number, selection in enumerate(selections):
        if (earlier := selections.index(selection)) != number:
            text = f"Items {earlier} and {number} of the list, counted from 0, are the same; give each once."
            raise AlreadyExists("subscriptions", text)


def _selection(fields: Mapping[str, Any]) -> tuple[Any, ...]:
    return (set(fields["event_types"]), fields.get("pattern"), fields.get("transformer"))


def _with_defaults(fields: Mapping[str, Any]) -> dict[str, Any]:
    columns: dict[str, Any] = {name: Subscription._meta.get_field(name) for name in OF_ENDPOINT}
    return {name: fields.get(name, column.get_default()) for name, column in columns.items()}


def _check_is_new(row: Subscription) -> None:
    """Raise AlreadyExists if another subscription selects the same. Call it with the tenant's row locked."""
    rows = Subscription.objects.filter(tenant=row.tenant_id, endpoint=row.endpoint_id).exclude(pk=row.pk)
    rows = rows.filter(event_types__contains=row.event_types, event_types__contained_by=row.event_types)
    same = {name: getattr(row, name) for name in SELECTS if name not in ("endpoint_id", "event_types")}
    for name, value in same.items():
        rows = rows.filter(**({f"{name}__isnull": True} if value is None else {name: value}))
    found = rows.order_by("id").first()
    if found is not None:
        raise AlreadyExists("event_types", f"{found.public_id} is the same subscription; change that one, or this.")
