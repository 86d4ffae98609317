"""Send past events (again), one slice at a time: to the endpoints that subscribe to them now, or to one by force.

An event has at most one delivery per endpoint. A missing one is created, in the bytes that the subscription produces
now. A finished one (delivered, cancelled, dead) becomes pending again with its bytes and history. An unfinished one is
left alone, and so is one that was started after the replay was requested: two replays requested together send once.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from django.db.models import QuerySet

from delivery.models import DeadLetter, Delivery, Event, Replay
from delivery.publishing.fan_out import NewDelivery, create_deliveries, order_key
from delivery.reading import queries
from delivery.reading.list_filters import EVENTS, matching
from delivery.replaying.dead_letters import Slice, replay_letters
from delivery.replaying.replay_filter import ReplayFilter
from delivery.sql import replay as replay_sql
from delivery.sql.dead_letters import DeadLetterRow, dead_letter
from delivery.sql.publish import DeliveryRow
from delivery.sql.replay import replay_finished
from subscriptions.models import Endpoint, Tenant
from subscriptions.routing.route_table import RouteTable
from subscriptions.routing.snapshot import current_route_table
from webhooks.wire.cloudevents.json_format import read_structured
from webhooks.wire.ids import new_id

PAGE = 100  # events whose bytes are in memory at once
MAX_COUNTED = 5_000  # events a count looks at; beyond them it is extrapolated


class DeliveryCount(NamedTuple):
    """A number of deliveries; ``estimated`` if it was extrapolated from the first events."""

    total: int
    estimated: bool = False


class Plan(NamedTuple):
    """The work for some events: deliveries to create (with their event), and ids of finished and dead ones."""

    new: list[tuple[UUID, NewDelivery]]
    finished: list[UUID]
    dead: list[UUID]

    @property
    def deliveries(self) -> int:
        """The number of deliveries that the plan sends."""
        return len(self.new) + len(self.finished) + len(self.dead)


def validate(tenant: Tenant | None, selected: ReplayFilter) -> None:
    """Raise ValueError, with the field's name first, for a filter that cannot be carried out."""
    if tenant is None:
        raise ValueError("tenant", "is required, because events belong to one tenant")
    if selected.force and selected.endpoint is None:
        raise ValueError("force", "requires an endpoint")
    if selected.endpoint and not Endpoint.objects.filter(id=selected.endpoint, tenant=tenant, deleted_at=None).exists():
        raise ValueError("endpoint", "is not an endpoint of the tenant")


def count(row: Replay, selected: ReplayFilter) -> DeliveryCount:
    """Count the deliveries that the replay would send now."""
    rows, cursor, total, seen = _events(row, selected), None, 0, 0
    planner = _Planner(row, selected)
    while seen < MAX_COUNTED:
        page = list((rows if cursor is None else rows.filter(id__gt=cursor)).order_by("id")[:PAGE])
        total, seen = total + planner.plan(page).deliveries, seen + len(page)
        if len(page) < PAGE:
            return DeliveryCount(total)
        cursor = page[-1].id
    events = rows.defer(None).only("id").count()
    return DeliveryCount(round(total * events / seen), estimated=events > seen)


def run_slice(row: Replay, selected: ReplayFilter, limit: int) -> Slice:
    """Send the next events of a replay, about ``limit`` deliveries. Call it in a transaction."""
    rows = _events(row, selected).select_for_update(no_key=True)  # against retention and erasure
    if row.cursor is not None:
        rows = rows.filter(id__gt=row.cursor)
    page = list(rows.order_by("id")[: min(PAGE, limit)])
    plan = _Planner(row, selected).plan(page)
    endpoints = _create(row, plan.new) + replay_finished(row.id, plan.finished, row.until_at)
    endpoints += _replay_dead(row, plan.dead)
    return Slice(endpoints, page[-1].id if page else row.cursor, len(endpoints), len(page) == min(PAGE, limit))


def _events(row: Replay, selected: ReplayFilter) -> QuerySet[Event]:
    """Return the matching events with their bytes, except those published after the replay was requested."""
    rows = queries.events(row.tenant_id, since=selected.since, until=selected.until).defer(None).defer("digest")
    texts = {"type": selected.type, "subject": selected.subject, "of_source": selected.source}
    rows = rows.filter(matching(EVENTS, {name: text for name, text in texts.items() if text}))
    if selected.ids:
        rows = rows.filter(id__in=selected.ids)
    return rows.filter(created_at__lte=row.until_at, payload_deleted_at=None)


class _Planner:
    """Decide for each event which deliveries to create and which to make pending again."""

    def __init__(self, row: Replay, selected: ReplayFilter) -> None:
        self.row, self.selected = row, selected
        self.endpoint = Endpoint.objects.get(id=selected.endpoint) if selected.endpoint else None
        self.retention = timedelta(days=row.tenant.retention_days if row.tenant else 0)
        self.routes: RouteTable | None = (
            None if selected.force or row.tenant_id is None else current_route_table(row.tenant_id)
        )

    def plan(self, events: Sequence[Event]) -> Plan:
        existing = Delivery.objects.filter(event__in=[event.id for event in events])
        if self.endpoint is not None:
            existing = existing.filter(endpoint=self.endpoint)
        by_key = {
            (it.event_id, it.endpoint_id): it for it in existing.only("event_id", "endpoint_id", "state", "started_at")
        }
        plan = Plan([], [], [])
        for event in events:
            for new in self._deliveries(event):
                self._add(plan, event.id, new, by_key.get((event.id, new.endpoint_id)))
        return plan

    def _deliveries(self, event: Event) -> list[NewDelivery]:
        if self.endpoint is not None and self.endpoint.deleted_at is not None:
            return []
        if self.routes is None:
            return [] if self.endpoint is None else [self._forced(event, self.endpoint)]
        expires_at = int((event.created_at + self.retention).timestamp())
        cloudevent = read_structured(bytes(event.body))
        return create_deliveries(self.routes, cloudevent, event.id, expires_at, endpoint_id=self.selected.endpoint)

    def _forced(self, event: Event, endpoint: Endpoint) -> NewDelivery:
        """Return a delivery of the event as it was published, whether or not the endpoint subscribes to it."""
        ordering = endpoint.ordering
        key = order_key(ordering, read_structured(bytes(event.body))) if ordering else None
        return NewDelivery(new_id(), endpoint.id, key)

    def _add(self, plan: Plan, event_id: UUID, new: NewDelivery, existing: Delivery | None) -> None:
        if existing is None:
            plan.new.append((event_id, new))
        elif self.row.scope == Replay.Scope.MISSING or existing.started_at > self.row.until_at:
            return
        elif existing.state == Delivery.State.DEAD:
            plan.dead.append(existing.id)
        elif existing.state in (Delivery.State.DELIVERED, Delivery.State.CANCELLED):
            plan.finished.append(existing.id)


def _create(row: Replay, deliveries: Sequence[tuple[UUID, NewDelivery]]) -> list[UUID]:
    """Store new deliveries, dead-letter those whose transformation failed; return the endpoint of each pending one."""
    rows = [
        DeliveryRow(it.key, event_id, it.endpoint_id, it.body, it.state, it.order_key, it.is_reference)
        for event_id, it in deliveries
    ]
    created = replay_sql.create_deliveries(row.tenant_id, row.id, rows)
    failed = [(it.key, it.reason) for _, it in deliveries if it.reason is not None and it.key in created]
    dead_letter([DeadLetterRow(key, DeadLetter.Cause.TRANSFORMATION_FAILED, reason) for key, reason in failed])
    return [endpoint_id for endpoint_id, state in created.values() if state == Delivery.State.PENDING]


def _replay_dead(row: Replay, deliveries: list[UUID]) -> list[UUID]:
    letters = DeadLetter.objects.filter(delivery__in=deliveries, replayed_at=None)
    return replay_letters(row, list(letters.select_related("delivery__event").order_by("id")))
