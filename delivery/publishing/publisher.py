"""Publish events: prepare, store with their deliveries, notify the drains after the commit.

Inside the caller's own transaction the events are published if and only if the caller commits (a transactional outbox
without a second table). If the process dies between the commit and the notification, the sweep finds the deliveries.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import Error, transaction

from delivery import notify, telemetry
from delivery.publishing.prepare import PreparedEvent, prepare
from delivery.publishing.results import ContentConflict, Published
from delivery.publishing.store import store
from delivery.sql.claim import LOW_WATER_MARGIN
from delivery.sql.publish import reset_due_times
from subscriptions.models import Tenant
from webhooks.kit.notify import wakeup_failed
from webhooks.wire.cloudevents.event import Event
from webhooks.wire.errors import InvalidEvent


def publish(
    tenant: Tenant,
    events: Sequence[Event | InvalidEvent | Mapping[str, Any]],
    *,
    max_bytes: int | None = None,
    after_commit: list[Callable[[], None]] | None = None,
) -> list[Published]:
    """Publish events for a tenant and return one result for each, in order; an invalid one does not stop the others.

    An event is an ``Event``, or a mapping in the plain form: ``type`` and ``data``, optionally ``id``, ``source``,
    ``time``, ``subject`` and extensions. An InvalidEvent (an item of a batch that could not be read) becomes the error
    of its own result. ``max_bytes``: limit of one event as it is sent, at most WAYPOST_MAX_EVENT_BYTES.
    ``after_commit``: receives the notification, for the caller to run after the commit.

    Raises django.db.Error if the database is unavailable; nothing was published then. If it fails for longer than
    ``store.RETRY_FOR`` during the commit, the result is unknown; publishing again under the same ids is safe.
    """
    started = time.monotonic()
    results: list[Published | None] = [None] * len(events)
    prepared: dict[int, PreparedEvent] = {}
    limit = min(max_bytes or settings.WAYPOST_MAX_EVENT_BYTES, settings.WAYPOST_MAX_EVENT_BYTES)
    for index, item in enumerate(events):
        try:
            prepared[index] = prepare(tenant, item, limit)
        except InvalidEvent as error:
            results[index] = Published(None, error=error)
    stored = store(tenant, list(prepared.values()))
    for index, event in prepared.items():
        results[index] = _result(event, *stored[event.name])
    accepted = [it for it in prepared.values() if it.key == stored[it.name][0]]
    if any(it.deliveries for it in accepted):
        announce = partial(_notify, accepted, started)
        transaction.on_commit(announce if after_commit is None else partial(after_commit.append, announce))
    complete = [it for it in results if it is not None]
    _count(complete, len(accepted))
    return complete


def _result(event: PreparedEvent, key: UUID, digest: bytes) -> Published:
    """Compare the event with the one that is stored under its name: itself, an equal one, or another."""
    source, event_id = event.name
    if key == event.key:
        warnings = event.finding.violations if event.finding else ()
        return Published(key, source, event_id, deliveries=len(event.deliveries), warnings=warnings)
    if digest == event.digest:
        return Published(key, source, event_id, duplicate=True)
    conflict = ContentConflict("id", "was published before from this source, with other content")
    return Published(key, source, event_id, error=conflict)


def _count(results: Sequence[Published], accepted: int) -> None:
    rejected = sum(it.error is not None for it in results)
    telemetry.published(accepted=accepted, duplicates=len(results) - accepted - rejected, rejected=rejected)


def _notify(events: list[PreparedEvent], started: float) -> None:
    """Mark the lanes due and notify the drains; never raises, because the sweep would find the deliveries too.

    If storing took long, the due times are reset first: the lanes' low-water marks may be past them.
    """
    pending = [new for it in events for new in it.deliveries if new.reason is None]
    if time.monotonic() - started > LOW_WATER_MARGIN / 2:
        try:
            reset_due_times([new.key for new in pending])
        except Error as error:
            wakeup_failed("database", error)
    notify.notify_drains({new.endpoint_id for new in pending})
