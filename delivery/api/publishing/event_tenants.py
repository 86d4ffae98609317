"""Publish each event for its tenant: the key's own, the one that the request names, or the one that the event names.

An event names its tenant by the member ``tenant`` of the plain form, or by the extension attribute ``wayposttenant`` of
a CloudEvent. Neither is part of the event that is stored and sent. So a backend with a platform key publishes the
events of many tenants in one batch; each event whose tenant is unknown has its own error.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any

from django.db import connection
from rest_framework.exceptions import NotFound
from rest_framework.request import Request

from delivery import metrics
from delivery.api.publishing.request_events import Item
from delivery.publishing.group_publish import MAX_SHARED, publish_in_group, submit
from delivery.publishing.prepare import with_all_faults
from delivery.publishing.results import Published, UnknownTenantNamed, rejection_reason
from subscriptions.api.authentication import principal
from subscriptions.api.tenancy import MISSING_TENANT, UnknownTenant, tenant_name_of
from subscriptions.errors import StateConflict
from subscriptions.models import Tenant
from subscriptions.tenants.tenants import find_named, is_named
from webhooks.wire.cloudevents.event import Event
from webhooks.wire.errors import InvalidEvent

MEMBER = "tenant"
ATTRIBUTE = "wayposttenant"
OTHER_TENANT = "names another tenant than the request"


@dataclass(slots=True)
class _TenantEvents:
    """The events of one tenant, with their places in the request."""

    tenant: Tenant
    places: list[int] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)


def take_tenant(item: Item) -> tuple[str | None, Item]:
    """Return the tenant's name in an event (None: there is none), and the event without it. Raises InvalidEvent."""
    if isinstance(item, Event):
        if ATTRIBUTE not in item.attributes:
            return None, item
        rest = {name: value for name, value in item.attributes.items() if name != ATTRIBUTE}
        typed = {name: value for name, value in item.typed.items() if name != ATTRIBUTE}
        return item.attributes[ATTRIBUTE], replace(item, attributes=rest, typed=typed)
    if isinstance(item, InvalidEvent) or MEMBER not in item:
        return None, item
    name = item[MEMBER]
    if not isinstance(name, str):
        raise InvalidEvent(MEMBER, "must be a string: the id or the uid of a tenant")
    return name, {member: value for member, value in item.items() if member != MEMBER}


def publish_for_tenants(own: Tenant | None, named: Tenant | None, items: Sequence[Item]) -> list[Published]:
    """Publish the events of a request, each for its tenant, and return one result for each, in order.

    ``own``: the tenant of the key, None for a platform key. ``named``: the tenant that the request names.
    """
    tenant_of = _finder(own, named)
    results: list[Published | None] = [None] * len(items)
    groups: dict[Any, _TenantEvents] = {}
    for place, item in enumerate(items):
        try:
            name, event = take_tenant(item)
            tenant = tenant_of(name, event)
        except InvalidEvent as error:
            results[place] = Published(None, error=with_other_faults(item, error))
            metrics.published(0, 0, {rejection_reason(error): 1})
            continue
        group = groups.setdefault(tenant.pk, _TenantEvents(tenant))
        group.places.append(place)
        group.items.append(event)
    for group, published in _publish_groups(list(groups.values())):
        for place, result in zip(group.places, published, strict=True):
            results[place] = result
    return [it for it in results if it is not None]


def with_other_faults(item: Item, error: InvalidEvent) -> InvalidEvent:
    """Return the error about the tenant of an event together with all other faults of the event."""
    if not isinstance(item, Mapping) or isinstance(error, UnknownTenantNamed):
        return error
    return with_all_faults({name: value for name, value in item.items() if name != MEMBER}, error)


def named_by(request: Request) -> Tenant | None:
    """Return the tenant that the request names, None if it names none; may create it (WAYPOST_CREATE_TENANTS).

    Raises NotFound for a tenant that does not exist, and for one that is not the key's own.
    """
    own, name = principal(request).tenant, tenant_name_of(request)
    if name is None:
        return None
    if own is not None:
        if not is_named(own, name):
            raise NotFound
        return own
    found = find_named(name)
    if found is None:
        raise UnknownTenant(name)
    return found


def _finder(own: Tenant | None, named: Tenant | None) -> Callable[[str | None, Item], Tenant]:
    """Return the function that finds the tenant of an event, which raises InvalidEvent if there is none."""
    only = named or own

    def tenant_of(name: str | None, event: Item) -> Tenant:
        if name is None:
            if only is not None:
                return only
            raise event if isinstance(event, InvalidEvent) else InvalidEvent(MEMBER, MISSING_TENANT, code="required")
        if only is not None and not is_named(only, name):
            if own is not None:
                raise UnknownTenantNamed(name, is_foreign=True)
            raise InvalidEvent(MEMBER, OTHER_TENANT)
        found = only or find_named(name)
        if found is None:
            raise UnknownTenantNamed(name)
        return found

    return tenant_of


def _publish_groups(groups: Sequence[_TenantEvents]) -> list[tuple[_TenantEvents, list[Published]]]:
    """Publish the events of each tenant in a transaction of its own, all tenants at the same time where possible."""
    if len(groups) == 1:
        return [(groups[0], publish_in_group(groups[0].tenant, groups[0].items))]
    submitted: list[tuple[_TenantEvents, Callable[[], list[Published]]]] = []
    for group in groups:
        if connection.in_atomic_block or len(group.items) > MAX_SHARED:
            submitted.append((group, lambda group=group: publish_in_group(group.tenant, group.items)))  # type: ignore[misc]
        else:
            future: Future[list[Published]] = submit(group.tenant, group.items)
            submitted.append((group, future.result))
    return [(group, _result(group, publish)) for group, publish in submitted]


def _result(group: _TenantEvents, publish: Callable[[], list[Published]]) -> list[Published]:
    """Return the results of one tenant's events: errors if the tenant was deleted meanwhile."""
    try:
        return publish()
    except StateConflict:
        return [Published(None, error=UnknownTenantNamed(group.tenant.public_id))] * len(group.items)
