"""Publish the invocation records of receipts, in the transaction that ends them: their messages are at hand there.

A record is an event of the type ``waypost.receipt.processed`` or ``.failed``, for the endpoints that the handlers of
the receipt's source name in ``on_success`` or ``on_failure``, and for all that subscribe to the type. Its fan-out is
deferred to a worker, like that of every event of the platform.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.conf import settings

from delivery.operational.operational_events import Record, publish_records
from delivery.operational.record_parts import json_part, text_part
from delivery.sql.results import subscribing
from subscriptions.models import Endpoint
from subscriptions.routing.type_names import matching_names
from webhooks.kit.results import EndedReceipt
from webhooks.wire.ids import parse, public

PROCESSED, FAILED = "waypost.receipt.processed", "waypost.receipt.failed"


def publish_ended(*, ended: Sequence[EndedReceipt], **_: Any) -> None:
    """Publish the records of receipts that have ended, of those that an endpoint receives. Connected to a signal."""
    for event_type, succeeded in ((PROCESSED, True), (FAILED, False)):
        own = [it for it in ended if it.succeeded is succeeded]
        if own:
            wanted = subscribing(list({it.tenant_id for it in own}), list(matching_names(event_type)))
            publish_records(event_type, [_record(it) for it in own if it.endpoints or it.tenant_id in wanted])


def find_endpoints(*, tenant_id: UUID, names: set[str], **_: Any) -> dict[str, str]:
    """Return the ids of the tenant's endpoints with these ids or uids, by name. Connected to a signal."""
    keys = {}
    for name in names:
        try:
            keys[parse(Endpoint.prefix, name)] = name
        except ValueError:
            continue
    rows = Endpoint.objects.filter(tenant=tenant_id, deleted_at=None)
    found = {keys[it.id]: it.public_id for it in rows.filter(id__in=list(keys))}
    return {str(it.uid): it.public_id for it in rows.filter(uid__in=names - found.keys())} | found


def _record(ended: EndedReceipt) -> Record:
    receipt = public("rcp", ended.id)
    data = {
        "receipt": receipt,
        "source": public("src", ended.source_id),
        "message_id": ended.message_id,
        "event_type": ended.event_type,
        "handlers": ended.handlers,
        "condition": ended.condition,
        "attempts": ended.attempts,
        "error": ended.error,
        "traceback": ended.traceback or None,
        "received_at": ended.received_at,
        "ended_at": datetime.now(UTC),
        "original": _original(ended),
        "original_url": f"{settings.PUBLIC_URL}/api/v1/receipts/{receipt}/",
    }
    return Record(ended.tenant_id, data, [parse(Endpoint.prefix, it) for it in ended.endpoints])


def _original(ended: EndedReceipt) -> dict[str, Any] | None:
    """Return the message: JSON as such, other text as text, all else as base64; None if it is large."""
    body = ended.body()
    if body is None:
        return None
    value = json_part(body)
    part = text_part(body, is_cut=False) if value is None else {"json": value}
    return {"content_type": ended.content_type, **part}
