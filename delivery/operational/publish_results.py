"""Publish the invocation records of deliveries that have ended, from their pending results.

``run`` is a task; any number may run side by side. One transaction takes pending results, some of each tenant, and
stores their records as events. A worker that dies leaves them pending, and one that has committed has deleted them: no
record is lost, and none is published twice. A deferred fan-out then creates the deliveries, which have no results.
"""

import time

from django.conf import settings
from django.db import transaction

from delivery.models import Delivery, Event
from delivery.notify import result_starter
from delivery.operational.operational_events import Record, publish_records
from delivery.operational.pending_results import FAILED
from delivery.operational.record_parts import json_part, response_part
from delivery.sql.results import Original, PendingRecord, read_originals, take_pending
from subscriptions.models import SUCCEEDED, Endpoint
from webhooks.wire.ids import public

RUN_SECONDS = 5.0  # one run of the task; if results are left, it sends the next


def run(*, seconds: float = RUN_SECONDS) -> int:
    """Publish records until nothing is pending, for ``seconds`` at most; return their number."""
    until, total = time.monotonic() + seconds, 0
    while count := _publish_some():
        total += count
        if time.monotonic() > until:
            result_starter.send()
            break
    return total


def _publish_some() -> int:
    """Publish one batch of records; return how many results were taken."""
    with transaction.atomic():
        taken = take_pending()
        originals = read_originals(sorted({it.event_id for it in taken.records}))
        for succeeded, event_type in ((True, SUCCEEDED), (False, FAILED)):
            pending = [it for it in taken.records if it.succeeded is succeeded and it.event_id in originals]
            publish_records(event_type, [_record(it, originals[it.event_id]) for it in pending])
    return taken.total


def _record(pending: PendingRecord, original: Original) -> Record:
    event = public(Event.prefix, pending.event_id)
    data = {
        "delivery": public(Delivery.prefix, pending.delivery_id),
        "endpoint": public(Endpoint.prefix, pending.endpoint_id),
        "event": event,
        "event_id": original.event_id,
        "event_source": original.source,
        "event_type": original.type,
        "condition": pending.condition,
        "reason": pending.reason,
        "attempts": pending.attempts,
        "status": pending.last_status,
        "error": pending.last_error,
        "response": response_part(pending.response),
        "created_at": pending.created_at,
        "ended_at": pending.ended_at,
        "original": json_part(original.body),
        "original_url": f"{settings.PUBLIC_URL}/api/v1/events/{event}/",
    }
    named = () if pending.named is None else (pending.named,)
    return Record(pending.tenant_id, data, named, pending.event_id)
