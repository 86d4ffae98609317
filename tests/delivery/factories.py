"""Create a minimal valid row of each large table of the provider; keyword arguments replace its fields."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

import orjson

from delivery.models import Attempt, DeadLetter, Delivery, Event, Replay
from delivery.reading import queries
from delivery.usage_models import UsageIncrement
from subscriptions.models import Endpoint, Tenant
from webhooks.wire.ids import new_id


def key_at(moment: datetime) -> UUID:
    """Return a key as a row written at this moment has it."""
    return UUID(int=queries.place(moment).int | (new_id().int & (2**80 - 1)))


def make_event(tenant: Tenant, *, data: Any = None, body: bytes | None = None, **changes: Any) -> Event:
    """Create an event published now, or at ``created_at``, of a type that counts as published."""
    created_at = changes.pop("created_at", datetime.now(UTC))
    key = key_at(created_at)
    fields: dict[str, Any] = {"source": "/orders", "event_id": str(key), "type": "order.created"} | changes
    document = {"specversion": "1.0", "id": fields["event_id"], "source": fields["source"], "type": fields["type"]}
    if fields.get("subject") is not None:
        document["subject"] = fields["subject"]
    if body is None:
        body = orjson.dumps(document | {"data": data if data is not None else {"total": 5}})
    UsageIncrement.objects.create(
        tenant_id=tenant.pk, day=created_at.date(), type=fields["type"], events=0, deliveries=0
    )
    return Event.objects.create(
        id=key, tenant=tenant, created_at=created_at, body=body, digest=sha256(body).digest(), **fields
    )


def make_delivery(event: Event, endpoint: Endpoint, **changes: Any) -> Delivery:
    """Create a delivery of this event, due at once unless its ``state`` is final."""
    created_at = changes.pop("created_at", event.created_at)
    fields: dict[str, Any] = {"state": "pending", "next_attempt_at": created_at, "started_at": created_at} | changes
    if fields["state"] not in ("pending", "sending") and "next_attempt_at" not in changes:
        fields["next_attempt_at"] = None
    return Delivery.objects.create(
        id=key_at(created_at),
        tenant_id=event.tenant_id,
        event=event,
        endpoint=endpoint,
        created_at=created_at,
        **fields,
    )


def make_attempt(delivery: Delivery, **changes: Any) -> Attempt:
    """Create the next attempt of a delivery, failed with status 500."""
    number = delivery.history.count() + 1
    started_at = changes.pop("started_at", delivery.created_at + timedelta(seconds=number))
    fields: dict[str, Any] = {"number": number, "duration_ms": 120, "status": 500, "error": "status"} | changes
    return Attempt.objects.create(
        id=key_at(started_at), delivery=delivery, started_at=started_at, created_at=started_at, **fields
    )


def make_dead_letter(delivery: Delivery, **changes: Any) -> DeadLetter:
    """Make the delivery dead, and create its dead letter."""
    failed_at = changes.pop("failed_at", datetime.now(UTC))
    Delivery.objects.filter(pk=delivery.pk).update(state="dead", next_attempt_at=None)
    delivery.refresh_from_db()
    fields: dict[str, Any] = {
        "cause": "exhausted",
        "last_status": 500,
        "last_error": "status",
        "attempts": delivery.attempts,
    }
    return DeadLetter.objects.create(
        id=key_at(failed_at),
        delivery=delivery,
        endpoint_id=delivery.endpoint_id,
        tenant_id=delivery.tenant_id,
        failed_at=failed_at,
        created_at=failed_at,
        **(fields | changes),
    )


def make_replay(tenant: Tenant | None, **changes: Any) -> Replay:
    """Create a running replay."""
    fields: dict[str, Any] = {"filter": {}, "total": 10, "requested_by": "wp_abcdefgh… test"} | changes
    return Replay.objects.create(tenant=tenant, **fields)
