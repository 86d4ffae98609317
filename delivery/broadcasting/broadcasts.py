"""Publish one event for many tenants: count first, then in slices at a rate, until finished or cancelled.

A broadcast is a row; the REST API only creates it. Its event is encrypted, since it is masked for each tenant when it
is published. Each call of ``run_slices``, from any process, continues all running
broadcasts (``replaying.sliced_jobs``).

Of the limits of a tenant's plan only the size of an event applies. Its publish rate and its month are not checked,
because the platform publishes; the events count in the tenant's usage.
"""

import time
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from delivery import telemetry
from delivery.models import Broadcast
from delivery.publishing.plain_form import read_attributes
from delivery.publishing.prepare import current_time, prepare
from delivery.publishing.publisher import publish_each
from delivery.publishing.results import Published
from subscriptions.errors import Invalid
from subscriptions.models import Tenant
from subscriptions.tenants.plans import plan_of
from webhooks.kit.encryption import decrypt, encrypt
from webhooks.kit.fair.worker_places import slice_place
from webhooks.kit.jobs.sliced_jobs import RUNNING, JobKind, SliceResult, cancel, run_turn
from webhooks.kit.notify import send_task
from webhooks.kit.sql import database_now
from webhooks.wire.bodies.storable_text import storable
from webhooks.wire.cloudevents.event import Event
from webhooks.wire.cloudevents.json_format import read_structured
from webhooks.wire.ids import new_id, public

__all__ = ["DEFAULT_RATE", "MAX_RATE", "cancel", "count", "run_slices", "start"]

SLICE = 50  # tenants in one transaction
RUN_SECONDS = 5.0  # one run of the task; if work is left, the next one continues
DEFAULT_RATE, MAX_RATE = 100, 1_000  # tenants per second
SOURCE = "urn:waypost:broadcast"  # of an event without a source
MAX_REASON = 1_024  # characters
HAS_RUNNING = f"EXISTS (SELECT FROM delivery_broadcast WHERE state = '{RUNNING}')"  # reader: the schedule


def count(labels: Mapping[str, str]) -> int:
    """Return how many tenants have these labels now; without labels, how many there are."""
    return _tenants(labels).count()


def start(plain: Mapping[str, Any], labels: Mapping[str, str], *, rate: int = DEFAULT_RATE, by: str) -> Broadcast:
    """Create a broadcast of an event in the plain form; id, source and time are filled in where they are missing.

    ``by``: who requested it. Raises InvalidEvent, before anything is published.
    """
    key = new_id()
    filled = {"id": public("evt", key), "source": SOURCE, "time": current_time()}
    given = read_attributes(plain)
    event = Event.of({**filled, **given}, plain["data"]) if "data" in plain else Event.of({**filled, **given})
    prepared = prepare(Tenant(), event, settings.WAYPOST_MAX_EVENT_BYTES, is_masked=False)
    source, event_id = prepared.name
    row = Broadcast.objects.create(
        labels=dict(labels),
        source=source,
        event_id=event_id,
        type=event.attributes["type"],
        body=encrypt(prepared.body.decode()),
        rate=rate,
        total=count(labels),
        until_at=database_now(),
        requested_by=by[:256],
    )
    transaction.on_commit(lambda: send_task("delivery.broadcast_slices", "default", expires=1.0))
    telemetry.broadcast_started(row)
    return row


def run_slices(*, seconds: float = RUN_SECONDS) -> None:
    """Continue the running broadcasts as far as their rates allow now, for ``seconds`` at most.

    Returns at once if no process of this worker is left that may run slices (``slice_place``).
    """
    with slice_place() as is_free:
        if not is_free:
            return
        until = time.monotonic() + seconds
        for key in Broadcast.objects.filter(state=RUNNING).order_by("id").values_list("id", flat=True):
            run_turn(KIND, key, until)


def _run_slice(row: Broadcast, limit: int) -> SliceResult:
    """Publish for the next tenants."""
    rows = _tenants(row.labels).filter(created_at__lte=row.until_at)
    tenants = list((rows if row.cursor is None else rows.filter(id__gt=row.cursor)).order_by("id")[:limit])
    event = read_structured(decrypt(row.body).encode())
    for tenant in tenants:
        _count(row, _publish(tenant, event))
        row.cursor = tenant.id
    return SliceResult(len(tenants), has_more=len(tenants) == limit)


KIND: JobKind[Broadcast] = JobKind(
    Broadcast, SLICE, ("cursor", "published", "failed", "last_error"), _run_slice, telemetry.broadcast_failed
)


def _publish(tenant: Tenant, event: Event) -> Published | Invalid:
    """Publish the event for one tenant; return the error if the tenant was deleted meanwhile."""
    try:
        (result,) = publish_each(tenant, [event], max_bytes=plan_of(tenant).max_event_bytes)
    except Invalid as error:
        return error
    return result


def _count(row: Broadcast, result: Published | Invalid) -> None:
    error = result if isinstance(result, Invalid) else result.error
    if error is None:
        row.published += 1
        return
    row.failed += 1
    row.last_error = storable(str(error))[:MAX_REASON]


def _tenants(labels: Mapping[str, str]) -> QuerySet[Tenant]:
    """Return the tenants with these labels, without the platform's own."""
    rows = Tenant.objects.select_related("plan").filter(deleted_at=None, is_platform=False)
    return rows.filter(labels__contains=dict(labels)) if labels else rows
