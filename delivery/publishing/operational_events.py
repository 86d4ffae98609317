"""Publish the events of the platform itself, such as waypost.delivery.dead, from the transaction that they are about.

That transaction (settling, the sweep) belongs to all tenants, so it pays a constant price: one statement for any number
of events stores those whose tenant subscribes to their type. Matching and rendering are left to a worker, like every
deferred fan-out.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any
from uuid import UUID

from django.db import transaction

from delivery.notify import fan_out_starter
from delivery.publishing.prepare import current_time
from delivery.sql.fan_out import OperationalEventRow, insert_operational_events
from subscriptions.routing.route_table import matching_names
from webhooks.wire.cloudevents.event import Event
from webhooks.wire.cloudevents.json_format import write_structured
from webhooks.wire.ids import new_id, public

SOURCE = "urn:waypost"


def publish_operational(event_type: str, data: Sequence[tuple[UUID, Mapping[str, Any]]]) -> int:
    """Publish an event of this type for each of these (tenant id, data); return how many were stored."""
    if not data:
        return 0
    rows = [_row(event_type, tenant_id, each) for tenant_id, each in data]
    count = insert_operational_events(SOURCE, event_type, list(matching_names(event_type)), rows)
    if count:
        transaction.on_commit(fan_out_starter.notify)
    return count


def _row(event_type: str, tenant_id: UUID, data: Mapping[str, Any]) -> OperationalEventRow:
    key = new_id()
    attributes = {"id": public("evt", key), "source": SOURCE, "type": event_type, "time": current_time()}
    body = write_structured(Event.of(attributes, dict(data)))
    return OperationalEventRow(key, tenant_id, attributes["id"], sha256(body).digest(), body)
