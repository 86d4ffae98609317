"""Store prepared events with their deliveries (fan-out), once, under the version of the route table they matched."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from uuid import UUID

import orjson
from django.db import Error, connection, transaction

from delivery.models import DeadLetter
from delivery.publishing.fan_out import create_deliveries
from delivery.publishing.prepare import PreparedEvent
from delivery.publishing.results import warning_list
from delivery.sql.dead_letters import DeadLetterRow, dead_letter
from delivery.sql.publish import DeliveryRow, EventRow, WarningRow, find_events, insert_events, store_warnings
from subscriptions.errors import StateConflict
from subscriptions.models import Tenant
from subscriptions.routing.route_table import RouteTable
from subscriptions.routing.snapshot import route_table

DAY = 86_400  # seconds
RETRY_FOR, RETRY_EVERY = 5.0, 0.1  # seconds, when the connection breaks; a restart of PostgreSQL takes about one

Stored = dict[tuple[str, str], tuple[UUID, bytes]]  # (source, id): key and digest of the stored event of that name


def store(tenant: Tenant, events: list[PreparedEvent]) -> Stored:
    """Store the events and return what is stored under their names now: the event itself, or an earlier one.

    The statement writes only if the route table is still at the version that the events were matched with; if not,
    they are matched again. Raises StateConflict if the tenant is deleted.
    """
    if not events:
        return {}
    routes = route_table(tenant.id)
    expires_at = int(time.time()) + tenant.retention_days * DAY
    while True:
        for it in events:
            it.deliveries = create_deliveries(routes, it.event, it.key, expires_at)
        stored = _retry(partial(_store_under, routes, tenant, events))
        if stored is not None:
            return stored
        if not Tenant.objects.filter(id=tenant.id, deleted_at=None).exists():
            raise StateConflict("tenant", "The tenant is deleted; nothing can be published for it.")
        routes = route_table(tenant.id, stale=routes)


def _store_under(routes: RouteTable, tenant: Tenant, events: list[PreparedEvent]) -> Stored | None:
    with _transaction(events):
        new = insert_events(tenant.id, routes.version, _event_rows(events), _delivery_rows(events))
        if new is None:
            return None
        accepted = [it for it in events if it.key in new]
        dead_letter(_failed_transformations(accepted))
        store_warnings(_warning_rows(accepted))
    stored = {it.name: (it.key, it.digest) for it in accepted}
    if repeats := [it.name for it in events if it.key not in new]:
        stored |= find_events(tenant.id, repeats)
    return stored if all(name in stored for name in repeats) else None  # retention deleted a repeat's first event


def _transaction(events: list[PreparedEvent]) -> AbstractContextManager[object]:
    """Open a transaction only where it is needed.

    A single statement is atomic by itself, and saves two round trips. In the caller's transaction a savepoint lets
    the caller continue after an error.
    """
    has_more = any(it.finding is not None or any(new.reason is not None for new in it.deliveries) for it in events)
    return transaction.atomic() if has_more or connection.in_atomic_block else nullcontext()


def _retry(write: Callable[[], Stored | None]) -> Stored | None:
    """Call ``write``, again if the connection broke, for up to RETRY_FOR.

    A broken connection leaves open whether the commit succeeded; writing the same events again is safe, because each
    is stored once. Inside the caller's transaction only the caller can start again.
    """
    can_retry = not connection.in_atomic_block
    until = time.monotonic() + RETRY_FOR
    while True:
        used = None
        try:
            connection.ensure_connection()
            connection.health_check_done = True  # type: ignore[attr-defined]  # the statement itself finds out
            used = connection.connection
            return write()
        except Error:
            is_alive = used is not None and used is connection.connection and not used.closed
            if is_alive or not can_retry:
                raise
            connection.close()
            if time.monotonic() > until:
                raise
        time.sleep(RETRY_EVERY)


def _event_rows(events: list[PreparedEvent]) -> list[EventRow]:
    rows = [
        EventRow(
            id=it.key,
            source=it.event.attributes["source"],
            event_id=it.event.attributes["id"],
            type=it.event.attributes["type"],
            subject=it.event.attributes.get("subject"),
            digest=it.digest,
            body=it.body,
        )
        for it in events
    ]
    return sorted(rows, key=lambda row: (row.source, row.event_id))  # two batches with common events do not deadlock


def _delivery_rows(events: list[PreparedEvent]) -> list[DeliveryRow]:
    return [
        DeliveryRow(new.key, it.key, new.endpoint_id, new.body, new.state, new.order_key, new.is_reference)
        for it in events
        for new in it.deliveries
    ]


def _failed_transformations(events: list[PreparedEvent]) -> list[DeadLetterRow]:
    return [
        DeadLetterRow(new.key, DeadLetter.Cause.TRANSFORMATION_FAILED, new.reason)
        for it in events
        for new in it.deliveries
        if new.reason is not None
    ]


def _warning_rows(events: list[PreparedEvent]) -> list[WarningRow]:
    return [
        WarningRow(it.key, orjson.dumps(warning_list(it.finding.violations)).decode())
        for it in events
        if it.finding is not None
    ]
