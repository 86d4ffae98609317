"""Send past events (again), one slice at a time: to the endpoints that subscribe to them now, or to one by force.

An event has at most one delivery per endpoint. A missing one is created, in the bytes that the subscription produces
now. A finished one (delivered, cancelled, superseded, dead) becomes pending again with its bytes and history. An
unfinished one is left alone, and so is one that was started after the replay was requested: two replays requested
together send once. Nothing is sent to disabled endpoints.
"""

import math
from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from django.db.models import Func, IntegerField, QuerySet

from delivery import metrics
from delivery.fan_out.budget import MAX_REQUEST_BYTES, SLICE_EVENT_BYTES, SliceBudget, slice_budget
from delivery.fan_out.deliveries import (
    NewDelivery,
    NextDeliveries,
    RoutedEvent,
    next_deliveries,
    unsubscribed_delivery,
)
from delivery.fan_out.masking import stored_original
from delivery.fan_out.store_deliveries import store_deliveries
from delivery.models import DeadLetter, Delivery, Event, Replay
from delivery.reading import queries
from delivery.reading.list_filters import EVENTS, matching
from delivery.replaying.dead_letters import Slice, rendered_again
from delivery.replaying.replay_filter import ReplayFilter
from delivery.sql.dead_letters import ReplayedLetter, replay_dead_letters, replay_finished
from subscriptions.models import Endpoint, Tenant
from subscriptions.routing.route_table import RouteTable
from subscriptions.routing.snapshot import current_route_table, route_to
from webhooks.wire.cloudevents.json_format import read_structured
from webhooks.wire.ids import new_id

PAGE = 100  # events that one slice looks at
MAX_COUNTED = 5_000  # events a count looks at; beyond them it is extrapolated
MAX_ROWS = 100_000  # events or dead letters a count goes through; beyond them it is a lower bound
COUNT_STEPS = 2_000_000  # of matching and rendering in a count: about 0.2 s of CPU


class DeliveryCount(NamedTuple):
    """A number of deliveries.

    ``estimated``: it was extrapolated from the first events. ``is_lower_bound``: counting stopped at it.
    """

    total: int
    estimated: bool = False
    is_lower_bound: bool = False


class BackfillPlan(NamedTuple):
    """The work for some events: deliveries to create (with their event), and ids of finished and dead ones.

    Dead ones have the delivery that would be created now. ``cursor`` is the last event that the plan looked at, and
    ``route_cursor`` the last of its subscriptions if it is not done.
    """

    new: list[tuple[UUID, NewDelivery]]
    finished: list[UUID]
    dead: list[tuple[UUID, NewDelivery]]
    cursor: UUID | None
    route_cursor: UUID | None

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
    """Count the deliveries that the replay would send now; estimate it from the first events if that costs much."""
    rows, cursor, total, seen = selected_events(row, selected), None, 0, 0
    planner, budget = Planner(row, selected), SliceBudget(COUNT_STEPS, math.inf, MAX_REQUEST_BYTES)
    while seen < MAX_COUNTED:
        page = _page(rows if cursor is None else rows.filter(id__gt=cursor), PAGE)
        plan = planner.plan(page, None, budget)
        done = [it.id for it in page if plan.cursor is not None and it.id <= plan.cursor]
        total, seen = total + plan.deliveries, seen + len(done)
        if not page:
            return DeliveryCount(total)
        if budget.is_used:
            break
        cursor = page[-1].id
    events = rows.defer(None).only("id")[: MAX_ROWS + 1].count()
    estimated = events > seen or plan.route_cursor is not None
    return DeliveryCount(round(total * min(events, MAX_ROWS) / max(seen, 1)), estimated, events > MAX_ROWS)


def run_slice(row: Replay, selected: ReplayFilter, limit: int) -> Slice:
    """Send the next events of a replay, about ``limit`` deliveries, as far as a slice goes. Call in a transaction."""
    rows = selected_events(row, selected).select_for_update(no_key=True)  # against retention and erasure
    if row.cursor is not None:
        rows = rows.filter(id__gt=row.cursor) if row.route_cursor is None else rows.filter(id__gte=row.cursor)
    page = _page(rows, PAGE)
    after = row.route_cursor if page and page[0].id == row.cursor else None
    plan = Planner(row, selected).plan(page, after, slice_budget(limit))
    endpoints = carry_out(row, plan)
    return Slice(endpoints, plan.cursor or row.cursor, len(endpoints), bool(page), plan.route_cursor)


def carry_out(row: Replay, plan: BackfillPlan) -> list[UUID]:
    """Create the deliveries of a plan, and make the others pending; return the endpoint of each that is pending now."""
    endpoints = _create(row, plan.new) + replay_finished(row.id, plan.finished, row.until_at)
    return endpoints + _replay_dead(row, plan.dead)


def _page(rows: QuerySet[Event], limit: int) -> list[Event]:
    """Return the first of these events, at most ``limit``, and none after SLICE_EVENT_BYTES of bodies."""
    size = Func("body", function="octet_length", output_field=IntegerField())
    keys, total = [], 0
    for key, length in rows.defer(None).annotate(size=size).order_by("id").values_list("id", "size")[:limit]:
        if total >= SLICE_EVENT_BYTES:
            break
        keys.append(key)
        total += length
    return list(Event.objects.filter(id__in=keys).defer("digest").order_by("id"))


def selected_events(row: Replay, selected: ReplayFilter) -> QuerySet[Event]:
    """Return the matching events, except those published after the replay was requested."""
    rows = queries.routed_events(row.tenant_id, since=selected.since, until=selected.until)
    texts = {"type": selected.type, "subject": selected.subject, "of_source": selected.source}
    rows = rows.filter(matching(EVENTS, {name: text for name, text in texts.items() if text}))
    if selected.ids:
        rows = rows.filter(id__in=selected.ids)
    return rows.filter(created_at__lte=row.until_at, payload_deleted_at=None)


class Planner:
    """Decide for each event which deliveries to create and which to make pending again."""

    def __init__(self, row: Replay, selected: ReplayFilter) -> None:
        self.row, self.selected = row, selected
        self.endpoint = Endpoint.objects.get(id=selected.endpoint) if selected.endpoint else None
        self.labelled = _labelled(row, selected)
        disabled = Endpoint.objects.filter(tenant=row.tenant_id, state=Endpoint.State.DISABLED)
        self.disabled = frozenset(disabled.values_list("id", flat=True))
        self.retention = timedelta(days=row.tenant.retention_days if row.tenant else 0)
        self.routes: RouteTable | None = (
            None if selected.force or row.tenant_id is None else current_route_table(row.tenant_id)
        )

    def plan(self, events: Sequence[Event], after: UUID | None, budget: SliceBudget) -> BackfillPlan:
        """Plan these events until the budget is used; the first one from the subscription after ``after`` on."""
        existing = Delivery.objects.filter(event__in=[event.id for event in events])
        if self.endpoint is not None:
            existing = existing.filter(endpoint=self.endpoint)
        by_key = {
            (it.event_id, it.endpoint_id): it for it in existing.only("event_id", "endpoint_id", "state", "started_at")
        }
        plan = BackfillPlan([], [], [], None, None)
        for event in events:
            found = self._deliveries(event, after, budget)
            for new in found.deliveries:
                is_selected = self.labelled is None or new.endpoint_id in self.labelled
                if is_selected and new.endpoint_id not in self.disabled:
                    self._add(plan, event.id, new, by_key.get((event.id, new.endpoint_id)))
            plan = plan._replace(cursor=event.id, route_cursor=found.after)
            if budget.is_used or found.after is not None:
                break
            after = None
        return plan

    def _deliveries(self, event: Event, after: UUID | None, budget: SliceBudget) -> NextDeliveries:
        if self.endpoint is not None and self.endpoint.deleted_at is not None:
            return NextDeliveries([], None)
        if self.routes is None:
            budget.spend(deliveries=1)
            return NextDeliveries([] if self.endpoint is None else [self._forced(event, self.endpoint)], None)
        return next_deliveries(self.routes, self._routed(event), after, budget, endpoint_id=self.selected.endpoint)

    def _routed(self, event: Event) -> RoutedEvent:
        is_restored = self.row.scope == Replay.Scope.ARCHIVED  # and kept as long as its new deliveries
        kept_since = max(event.created_at, self.row.until_at) if is_restored else event.created_at
        expires_at = int((kept_since + self.retention).timestamp())
        body, original = read_structured(bytes(event.body)), stored_original(event.original)
        return RoutedEvent(event.tenant_id, event.id, body, expires_at, event.grant_id, original=original)

    def _forced(self, event: Event, endpoint: Endpoint) -> NewDelivery:
        """Return a delivery of the event as it was published, whether or not the endpoint subscribes to it."""
        if not (endpoint.is_ordered or endpoint.masks or endpoint.unmasked):
            return NewDelivery(new_id(), endpoint.id)
        return unsubscribed_delivery(route_to(endpoint), self._routed(event))

    def _add(self, plan: BackfillPlan, event_id: UUID, new: NewDelivery, existing: Delivery | None) -> None:
        if existing is None:
            plan.new.append((event_id, new))
        elif self.row.scope == Replay.Scope.MISSING or existing.started_at > self.row.until_at:
            return
        elif existing.state == Delivery.State.DEAD:
            plan.dead.append((existing.id, new))
        elif existing.state in (Delivery.State.DELIVERED, Delivery.State.CANCELLED, Delivery.State.SUPERSEDED):
            plan.finished.append(existing.id)


def _labelled(row: Replay, selected: ReplayFilter) -> frozenset[UUID] | None:
    """Return the endpoints that have the labels of the filter; None if it has none: all."""
    if not selected.labels:
        return None
    endpoints = Endpoint.objects.filter(tenant=row.tenant_id, labels__contains=selected.labels)
    return frozenset(endpoints.values_list("id", flat=True))


def _create(row: Replay, deliveries: Sequence[tuple[UUID, NewDelivery]]) -> list[UUID]:
    """Store new deliveries, dead-letter those whose transformation failed; return the endpoint of each pending one."""
    created = store_deliveries(row.tenant_id, row.id, deliveries)
    metrics.routed(0, len(created), "replay")
    return [endpoint_id for endpoint_id, state in created.values() if state == Delivery.State.PENDING]


def _replay_dead(row: Replay, deliveries: Sequence[tuple[UUID, NewDelivery]]) -> list[UUID]:
    """Replay the dead letters of these deliveries; one whose transformation failed takes the body rendered now."""
    new = dict(deliveries)
    letters = DeadLetter.objects.filter(delivery__in=new, closed_at=None).select_related("delivery__event")
    letters = letters.defer("delivery__body", "delivery__event__body", "delivery__event__original")
    replayed: list[ReplayedLetter] = []
    for it in letters.order_by("id"):
        if not it.is_rendered_again:
            replayed.append(ReplayedLetter(it.id))
        elif (rendered := new[it.delivery_id]).reason is None:
            replayed.append(rendered_again(it, rendered))
    endpoints = replay_dead_letters(row.id, row.requested_by, replayed)
    metrics.dead_letters_replayed(len(endpoints))
    return endpoints
