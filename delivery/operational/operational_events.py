"""Publish the events of the platform itself, such as waypost.delivery.dead, from the transaction that they are about.

That transaction may belong to all tenants (settling, the sweep), so it pays a constant price: two statements for any
number of events find the tenants, and store the events whose tenant subscribes to their type. Matching and rendering
are left to a worker, like every deferred fan-out.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from django.db import transaction
from django.db.models import Q

from delivery.notify import fan_out_starter
from delivery.sql.fan_out import OperationalEventRow, insert_operational_events
from subscriptions.models import Tenant
from subscriptions.routing.type_names import matching_names
from webhooks.wire.cloudevents.attributes import SPECVERSION
from webhooks.wire.cloudevents.event import Event
from webhooks.wire.cloudevents.grammar import timestamp
from webhooks.wire.cloudevents.json_format import write_structured
from webhooks.wire.ids import new_id, public
from webhooks.wire.json_numbers import raw

SOURCE = "urn:waypost"


class Record(NamedTuple):
    """The data of one event about a delivery or a receipt, for these endpoints and for all that subscribe.

    ``tenant_id``: None if it is about what no tenant owns. ``about``: the event whose data it repeats. ``event_id``:
    the CloudEvent's id where that follows from what it is about, so that no second one is stored; None: a new one.
    """

    tenant_id: UUID | None
    data: Mapping[str, Any]
    endpoints: Sequence[UUID] = ()
    about: UUID | None = None
    event_id: str | None = None


def publish_operational(event_type: str, data: Sequence[tuple[UUID | None, Mapping[str, Any]]]) -> int:
    """Publish an event of this type for each of these (tenant id, data); return how many were stored.

    Each is published for its tenant, and once more for the platform's own tenant, whose data names the tenant. None in
    place of a tenant: it is about what no tenant owns, and only the platform's own tenant receives it.
    """
    return publish_records(event_type, [Record(tenant_id, each) for tenant_id, each in data])


def publish_records(event_type: str, records: Sequence[Record]) -> int:
    """Publish an event of this type for each record, as ``publish_operational``; return how many were stored."""
    return _store(event_type, [*records, *_for_platform(records)]) if records else 0


def publish_to(event_type: str, data: Sequence[tuple[UUID, Mapping[str, Any]]], *, subject: str | None = None) -> int:
    """Publish an event of this type for each of these (tenant id, data), for no other tenant; return how many."""
    return _store(event_type, [Record(tenant_id, each) for tenant_id, each in data], subject) if data else 0


def _store(event_type: str, records: Sequence[Record], subject: str | None = None) -> int:
    rows = [_row(event_type, it.tenant_id, it, subject) for it in records if it.tenant_id is not None]
    count = insert_operational_events(SOURCE, event_type, list(matching_names(event_type)), rows, subject)
    if count:
        transaction.on_commit(fan_out_starter.notify)
    return count


def publish_for_platform(event_type: str, records: Sequence[Record]) -> int:
    """Publish events of this type that only the platform's own tenant receives, who is the tenant of each record."""
    return _store(event_type, records) if records else 0


def publish_sent(*, event_type: str, tenant_id: UUID | None, data: Mapping[str, Any], **_: Any) -> None:
    """Publish an event that another app sends by the signal ``operational_event``."""
    publish_operational(event_type, [(tenant_id, data)])


def platform_tenant_id() -> UUID | None:
    """Return the id of the platform's own tenant; None if there is none."""
    return Tenant.objects.filter(is_platform=True, deleted_at=None).values_list("id", flat=True).first()


def _for_platform(records: Sequence[Record]) -> list[Record]:
    """Return the same data for the platform's own tenant, with the tenants they are about; empty without such a one."""
    about = Q(id__in={it.tenant_id for it in records if it.tenant_id is not None})
    found = Tenant.objects.filter(about | Q(is_platform=True, deleted_at=None)).only("uid", "is_platform", "deleted_at")
    tenants = {it.id: it for it in found}
    platform = next((it for it in tenants.values() if it.is_platform and it.deleted_at is None), None)
    if platform is None:
        return []
    named = {it.id: {"tenant": it.public_id, "tenant_uid": it.uid} for it in tenants.values() if it.id != platform.id}
    return [
        Record(platform.id, {**it.data, **(named[it.tenant_id] if it.tenant_id else {})}, (), it.about)
        for it in records
        if it.tenant_id is None or it.tenant_id in named
    ]


def _row(event_type: str, tenant_id: UUID, record: Record, subject: str | None) -> OperationalEventRow:
    key = new_id()
    attributes = {
        "id": record.event_id or public("evt", key),
        "source": SOURCE,
        "type": event_type,
        "time": timestamp(datetime.now(UTC)),
    }
    if subject is not None:
        attributes["subject"] = subject
    event = Event.with_json({**attributes, "specversion": SPECVERSION}, orjson.dumps(dict(record.data), default=raw))
    endpoints = f"{{{','.join(map(str, record.endpoints))}}}"
    body = write_structured(event)
    return OperationalEventRow(key, tenant_id, attributes["id"], sha256(body).digest(), body, endpoints, record.about)
