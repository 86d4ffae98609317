"""Store prepared events with their deliveries (fan-out), once, under the version of the route table they matched.

An event whose fan-out would exceed the budget is stored without deliveries, and its fan-out is deferred to a worker.
Events for ordered endpoints are deferred too as long as an earlier event that may go to such an endpoint is: their
deliveries must not be created before those of the earlier one.
"""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import NamedTuple
from uuid import UUID

import orjson
from django.db import Error, connection, transaction

from delivery.fan_out.budget import FanOutDeferred, RequestBudget
from delivery.fan_out.deliveries import RoutedEvent, create_deliveries
from delivery.fan_out.masking import encrypt_body
from delivery.models import DeadLetter, DeferredFanOut
from delivery.notify import share_starter
from delivery.operational.dead_letters import dead_letter
from delivery.publishing.prepare import PreparedEvent
from delivery.publishing.results import warning_list
from delivery.sql.dead_letters import DeadLetterRow
from delivery.sql.deliveries import DeliveryRow
from delivery.sql.fan_out import FanOutRow, defer_fan_outs, has_ordered_fan_outs
from delivery.sql.finding.event_values import ValueRow, digest_of, insert_values
from delivery.sql.publish import EventRow, StoredEvent, WarningRow, find_events, insert_events, store_warnings
from delivery.sql.schedules.delayed_events import DelayedRow, delay_events
from delivery.sql.sharing.shares import ShareRow, insert_shares
from subscriptions.errors import StateConflict
from subscriptions.models import Tenant
from subscriptions.routing.route_table import RouteTable
from subscriptions.routing.snapshot import route_table
from webhooks.kit.tracing.spans import stage
from webhooks.wire.cloudevents.json_format import write_structured

DAY = 86_400  # seconds
RETRY_FOR, RETRY_EVERY = 5.0, 0.1  # seconds, when the connection breaks; a restart of PostgreSQL takes about one


class Stored(NamedTuple):
    """The stored events by (source, id), and what the commit has notified drains of (see ``Inserted``)."""

    events: dict[tuple[str, str], StoredEvent]
    notified: frozenset[UUID] = frozenset()
    claimed: frozenset[UUID] = frozenset()


def store(tenant: Tenant, events: list[PreparedEvent], *, notifies: bool = False) -> Stored:
    """Store the events and return what is stored under their names now: the event itself, or an earlier one.

    ``notifies``: the commit may notify the drains (see ``insert_events``).

    The statement writes only if the route table is still at the version that the events were matched with; if not,
    they are matched again. Raises StateConflict if the tenant is deleted.
    """
    if not events:
        return Stored({})
    routes = route_table(tenant.id)
    is_order_pending = False  # whether an earlier event that may go to ordered endpoints is not routed yet
    while True:
        with stage("route"):
            _fan_out(routes, tenant, events, is_order_pending=is_order_pending)
        with stage("commit"):
            stored = _retry(partial(_store_under, routes, tenant, events, notifies=notifies))
        if stored is not None:
            return stored
        if not Tenant.objects.filter(id=tenant.id, deleted_at=None).exists():
            raise StateConflict("tenant", "The tenant is deleted; nothing can be published for it.")
        if _is_ordered(events) and has_ordered_fan_outs(tenant.id):
            is_order_pending = True
        else:
            routes = route_table(tenant.id, stale=routes)


def _fan_out(routes: RouteTable, tenant: Tenant, events: list[PreparedEvent], *, is_order_pending: bool) -> None:
    """Give each event its deliveries, or the reason why a worker has to create them."""
    budget = RequestBudget(tenant.id)
    expires_at = int(time.time()) + tenant.retention_days * DAY
    for it in events:
        it.deferred = None
        it.grants = routes.grants_for(it.event.attributes["type"])
        it.keeps_original = it.original is not None and routes.has_unmasked(it.event.attributes["type"])
        if it.deliver_at is not None:
            continue
        try:
            it.deliveries = create_deliveries(routes, _routed(tenant, it, expires_at), budget)
            if is_order_pending and _is_ordered([it]):
                raise FanOutDeferred(DeferredFanOut.Reason.ORDER)
        except FanOutDeferred as error:
            it.deliveries, it.deferred = [], error.reason
            it.is_ordered = routes.has_ordered(it.event.attributes["type"])
            is_order_pending = is_order_pending or it.is_ordered
    budget.close()


def _routed(tenant: Tenant, event: PreparedEvent, expires_at: int) -> RoutedEvent:
    original = event.original if event.keeps_original else None
    return RoutedEvent(tenant.id, event.key, event.event, expires_at, original=lambda: original)


def _is_ordered(events: list[PreparedEvent]) -> bool:
    """Return whether these events have deliveries to ordered endpoints."""
    return any(new.order_key is not None for it in events for new in it.deliveries)


def _store_under(routes: RouteTable, tenant: Tenant, events: list[PreparedEvent], *, notifies: bool) -> Stored | None:
    with _transaction(events):
        new = insert_events(
            tenant.id,
            routes.version,
            _event_rows(events),
            _delivery_rows(events),
            is_ordered=_is_ordered(events),
            notifies=notifies and not connection.in_atomic_block,
        )
        if new is None:
            return None
        accepted = [it for it in events if it.key in new.events]
        defer_fan_outs(tenant.id, _deferred_rows(accepted))
        delay_events(tenant.id, [DelayedRow(it.key, it.deliver_at) for it in accepted if it.deliver_at is not None])
        _share(tenant, accepted)
        dead_letter(_failed_transformations(accepted))
        store_warnings(_warning_rows(accepted))
        insert_values(tenant.id, _value_rows(accepted))
    stored = {
        it.name: StoredEvent(it.key, it.digest, it.deferred is not None, is_scheduled=it.deliver_at is not None)
        for it in accepted
    }
    if repeats := [it.name for it in events if it.key not in new.events]:
        stored |= find_events(tenant.id, repeats)
    if not all(name in stored for name in repeats):  # retention deleted a repeat's first event
        return None
    return Stored(stored, new.notified, new.claimed)


def _transaction(events: list[PreparedEvent]) -> AbstractContextManager[object]:
    """Open a transaction only where it is needed.

    A single statement is atomic by itself, and saves two round trips. In the caller's transaction a savepoint lets
    the caller continue after an error.
    """
    has_more = any(
        it.warnings
        or it.values
        or it.deferred is not None
        or it.deliver_at is not None
        or it.grants
        or any(new.reason is not None for new in it.deliveries)
        for it in events
    )
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
            original=encrypt_body(write_structured(it.original))
            if it.original is not None and it.keeps_original
            else None,
            traceparent=it.traceparent,
        )
        for it in events
    ]
    return sorted(rows, key=lambda row: (row.source, row.event_id))  # two batches with common events do not deadlock


def _delivery_rows(events: list[PreparedEvent]) -> list[DeliveryRow]:
    return [
        DeliveryRow(new.key, it.key, new.endpoint_id, new.body, new.state, new.order_key, new.content_type, new.form)
        for it in events
        for new in it.deliveries
    ]


def _deferred_rows(events: list[PreparedEvent]) -> list[FanOutRow]:
    return [FanOutRow(it.key, it.deferred, it.is_ordered) for it in events if it.deferred is not None]


def _share(tenant: Tenant, events: list[PreparedEvent]) -> None:
    if rows := [ShareRow(it.key, grant_id, it.deliver_at) for it in events for grant_id in it.grants]:
        insert_shares(tenant.id, rows)
        transaction.on_commit(share_starter.notify)


def _failed_transformations(events: list[PreparedEvent]) -> list[DeadLetterRow]:
    return [
        DeadLetterRow(new.key, DeadLetter.Cause.TRANSFORMATION_FAILED, new.reason)
        for it in events
        for new in it.deliveries
        if new.reason is not None
    ]


def _value_rows(events: list[PreparedEvent]) -> list[ValueRow]:
    return [ValueRow(it.key, path, digest_of(text)) for it in events for path, text in it.values]


def _warning_rows(events: list[PreparedEvent]) -> list[WarningRow]:
    return [WarningRow(it.key, orjson.dumps(warning_list(it.warnings)).decode()) for it in events if it.warnings]
