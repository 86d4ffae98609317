"""Publish the events of the platform itself, such as waypost.delivery.dead, from the transaction that they are about.

That transaction may belong to all tenants (settling, the sweep), so it pays a constant price: two statements for any
number of events find the tenants, and store the events whose tenant subscribes to their type. Matching and rendering
are left to a worker, like every deferred fan-out.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from delivery.notify import fan_out_starter
from delivery.sql.fan_out import OperationalEventRow, insert_operational_events
from subscriptions.models import Tenant
from subscriptions.routing.route_table import matching_names
from webhooks.wire.cloudevents.event import Event
from webhooks.wire.cloudevents.grammar import timestamp
from webhooks.wire.cloudevents.json_format import write_structured
from webhooks.wire.ids import new_id, public

SOURCE = "urn:waypost"


def publish_operational(event_type: str, data: Sequence[tuple[UUID | None, Mapping[str, Any]]]) -> int:
    """Publish an event of this type for each of these (tenant id, data); return how many were stored.

    Each is published for its tenant, and once more for the platform's own tenant, whose data names the tenant. None in
    place of a tenant: it is about what no tenant owns, and only the platform's own tenant receives it.
    """
    owned = [(tenant_id, each) for tenant_id, each in data if tenant_id is not None]
    return publish_to(event_type, [*owned, *_for_platform(data)]) if data else 0


def publish_to(event_type: str, data: Sequence[tuple[UUID, Mapping[str, Any]]], *, subject: str | None = None) -> int:
    """Publish an event of this type for each of these (tenant id, data), and for nobody else; return how many."""
    if not data:
        return 0
    rows = [_row(event_type, tenant_id, each, subject) for tenant_id, each in data]
    count = insert_operational_events(SOURCE, event_type, list(matching_names(event_type)), rows, subject)
    if count:
        transaction.on_commit(fan_out_starter.notify)
    return count


def publish_sent(*, event_type: str, tenant_id: UUID | None, data: Mapping[str, Any], **_: Any) -> None:
    """Publish an event that another app sends by the signal ``operational_event``."""
    publish_operational(event_type, [(tenant_id, data)])


def platform_tenant_id() -> UUID | None:
    """Return the id of the platform's own tenant; None if there is none."""
    return Tenant.objects.filter(is_platform=True, deleted_at=None).values_list("id", flat=True).first()


def _for_platform(data: Sequence[tuple[UUID | None, Mapping[str, Any]]]) -> list[tuple[UUID, dict[str, Any]]]:
    """Return the same data for the platform's own tenant, with the tenants they are about; empty without such a one."""
    about = Q(id__in={tenant_id for tenant_id, _ in data if tenant_id is not None})
    found = Tenant.objects.filter(about | Q(is_platform=True, deleted_at=None)).only("uid", "is_platform", "deleted_at")
    tenants = {it.id: it for it in found}
    platform = next((it for it in tenants.values() if it.is_platform and it.deleted_at is None), None)
    if platform is None:
        return []
    named = {it.id: {"tenant": it.public_id, "tenant_uid": it.uid} for it in tenants.values() if it.id != platform.id}
    return [
        (platform.id, {**each, **(named[tenant_id] if tenant_id else {})})
        for tenant_id, each in data
        if tenant_id is None or tenant_id in named
    ]


def _row(event_type: str, tenant_id: UUID, data: Mapping[str, Any], subject: str | None) -> OperationalEventRow:
    key = new_id()
    attributes = {"id": public("evt", key), "source": SOURCE, "type": event_type, "time": timestamp(datetime.now(UTC))}
    if subject is not None:
        attributes["subject"] = subject
    body = write_structured(Event.of(attributes, dict(data)))
    return OperationalEventRow(key, tenant_id, attributes["id"], sha256(body).digest(), body)
