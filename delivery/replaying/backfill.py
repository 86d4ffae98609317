"""Owe events of the past (again), a slice at a time: to the endpoints whose subscriptions want them now, or to one
endpoint by force.

An event is owed to an endpoint by one row for ever. If there is none, it is written, in the bytes its subscription
makes now. If there is one that has ended (delivered, cancelled, dead), it becomes pending again with the bytes and the
history it has. What is on its way already is left alone, and so is what began anew after the replay was asked for: two
replays that were asked for together send once.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from django.db.models import QuerySet

from delivery.models import DeadLetter, Delivery, Event, Replay
from delivery.publishing.fan_out import Owing, order_key, owing
from delivery.reading import queries
from delivery.reading.list_filters import EVENTS, narrowing
from delivery.replaying.dead_letters import Slice, redrive
from delivery.replaying.replay_filter import Filter
from delivery.sql.dead_letters import DeadLetterRow, dead_letter
from delivery.sql.publish import DeliveryRow
from delivery.sql.replay import create_deliveries, replay_finished
from subscriptions.models import Endpoint, Tenant
from subscriptions.routing.route_table import RouteTable
from subscriptions.routing.snapshot import current_route_table
from webhooks.wire.cloudevents.json_format import read_structured
from webhooks.wire.ids import new_id

__all__ = ["Count", "check", "count", "slice_of"]

PAGE = 100  # events whose bytes are in memory at once
MOST_COUNTED = 5_000  # events that are looked at to count; beyond it is an estimate


class Count(NamedTuple):
    """So many deliveries; ``estimated`` from the first of many events."""

    total: int
    estimated: bool = False


class Plan(NamedTuple):
    """What has to be done for some events: rows to write (with the event of each), and rows to bring back."""

    new: list[tuple[UUID, Owing]]
    ended: list[UUID]
    dead: list[UUID]

    @property
    def deliveries(self) -> int:
        return len(self.new) + len(self.ended) + len(self.dead)


def check(tenant: Tenant | None, wanted: Filter) -> None:
    """Raises ValueError, with the field's name first, for what cannot be carried out."""
    if tenant is None:
        raise ValueError("tenant", "has to be named: events belong to one")
    if wanted.force and wanted.endpoint is None:
        raise ValueError("force", "needs an endpoint to be forced upon")
    if wanted.endpoint and not Endpoint.objects.filter(id=wanted.endpoint, tenant=tenant, deleted_at=None).exists():
        raise ValueError("endpoint", "is not an endpoint of the tenant")


def count(row: Replay, wanted: Filter) -> Count:
    """How many deliveries the replay would send now."""
    rows, cursor, total, seen = _events(row, wanted), None, 0, 0
    chooser = _Chooser(row, wanted)
    while seen < MOST_COUNTED:
        page = list((rows if cursor is None else rows.filter(id__gt=cursor)).order_by("id")[:PAGE])
        total, seen = total + chooser.plan(page).deliveries, seen + len(page)
        if len(page) < PAGE:
            return Count(total)
        cursor = page[-1].id
    events = rows.defer(None).only("id").count()
    return Count(round(total * events / seen), estimated=events > seen)


def slice_of(row: Replay, wanted: Filter, most: int) -> Slice:
    """Owe what the next events of a replay come to, about ``most`` deliveries. To be called in a transaction."""
    rows = _events(row, wanted).select_for_update(no_key=True)  # neither retention nor an expunging gets between
    if row.cursor is not None:
        rows = rows.filter(id__gt=row.cursor)
    page = list(rows.order_by("id")[: min(PAGE, most)])
    plan = _Chooser(row, wanted).plan(page)
    endpoints = _owe(row, plan.new) + replay_finished(row.id, plan.ended, row.until_at) + _redrive(row, plan.dead)
    return Slice(endpoints, page[-1].id if page else row.cursor, len(endpoints), len(page) == min(PAGE, most))


def _events(row: Replay, wanted: Filter) -> QuerySet[Event]:
    """The events of the window, with their bytes, those that came after the replay was asked for left out."""
    rows = queries.events(row.tenant_id, since=wanted.since, until=wanted.until).defer(None).defer("digest")
    asked = {"type": wanted.type, "subject": wanted.subject, "of_source": wanted.source}
    rows = rows.filter(narrowing(EVENTS, {name: text for name, text in asked.items() if text}))
    if wanted.ids:
        rows = rows.filter(id__in=wanted.ids)
    return rows.filter(created_at__lte=row.until_at, expunged_at=None)


class _Chooser:
    """Finds out what an event is owed to, and how that stands."""

    def __init__(self, row: Replay, wanted: Filter) -> None:
        self.row, self.wanted = row, wanted
        self.endpoint = Endpoint.objects.get(id=wanted.endpoint) if wanted.endpoint else None
        self.retention = timedelta(days=row.tenant.retention_days if row.tenant else 0)
        self.picture: RouteTable | None = (
            None if wanted.force or row.tenant_id is None else current_route_table(row.tenant_id)
        )

    def plan(self, events: Sequence[Event]) -> Plan:
        known = Delivery.objects.filter(event__in=[event.id for event in events])
        if self.endpoint is not None:
            known = known.filter(endpoint=self.endpoint)
        stands = {
            (it.event_id, it.endpoint_id): it for it in known.only("event_id", "endpoint_id", "state", "started_at")
        }
        plan = Plan([], [], [])
        for event in events:
            for owed in self._owed(event):
                self._put(plan, event.id, owed, stands.get((event.id, owed.endpoint_id)))
        return plan

    def _owed(self, event: Event) -> list[Owing]:
        if self.endpoint is not None and self.endpoint.deleted_at is not None:
            return []
        if self.picture is None:
            return [] if self.endpoint is None else [self._forced(event, self.endpoint)]
        it = read_structured(bytes(event.body))
        routes = self.picture.find(it.attributes["type"], it.document)
        wanted = [route for route in routes if self.wanted.endpoint in (None, route.endpoint_id)]
        return [owing(route, it, event.id, self._kept_until(event)) for route in wanted]

    def _forced(self, event: Event, endpoint: Endpoint) -> Owing:
        """The event as it was published, whatever the endpoint subscribes to."""
        ordering = endpoint.ordering
        key = order_key(ordering, read_structured(bytes(event.body))) if ordering else None
        return Owing(new_id(), endpoint.id, key)

    def _kept_until(self, event: Event) -> int:
        return int((event.created_at + self.retention).timestamp())

    def _put(self, plan: Plan, event_id: UUID, owed: Owing, known: Delivery | None) -> None:
        if known is None:
            plan.new.append((event_id, owed))
        elif self.row.of == Replay.Of.MISSING or known.started_at > self.row.until_at:
            return
        elif known.state == Delivery.State.DEAD:
            plan.dead.append(known.id)
        elif known.state in (Delivery.State.DELIVERED, Delivery.State.CANCELLED):
            plan.ended.append(known.id)


def _owe(row: Replay, owed: Sequence[tuple[UUID, Owing]]) -> list[UUID]:
    """Write what was never owed. The endpoint of each that is pending now; what cannot be rendered is dead."""
    rows = [
        DeliveryRow(it.key, event_id, it.endpoint_id, it.body, it.state, it.order_key, it.thin) for event_id, it in owed
    ]
    written = create_deliveries(row.tenant_id, row.id, rows)
    reasons = [(it.key, it.reason) for _, it in owed if it.reason is not None and it.key in written]
    dead_letter([DeadLetterRow(key, DeadLetter.Cause.UNRENDERABLE, reason) for key, reason in reasons])
    return [endpoint_id for endpoint_id, state in written.values() if state == Delivery.State.PENDING]


def _redrive(row: Replay, dead: list[UUID]) -> list[UUID]:
    letters = DeadLetter.objects.filter(delivery__in=dead, redriven_at=None)
    return redrive(row, list(letters.select_related("delivery__event").order_by("id")))
