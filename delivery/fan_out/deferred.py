"""Create the deliveries of events whose fan-out was deferred, in slices, with turns among tenants.

``run`` is a task; any number may run side by side. A slice works on one tenant: it claims the tenant's first deferred
event, matches and renders as much as a slice may cost, and stores the result with the new cursor in one short
transaction. Then the next tenant has its turn. A worker that dies leaves a claim that ends and a cursor that says
where to continue; a slice that was stored by a worker whose claim had ended is rolled back. See
docs/why/deferred-fan-out.md.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from uuid import UUID

from django.conf import settings
from django.db import InterfaceError, OperationalError, transaction

from delivery import metrics, notify, telemetry
from delivery.fan_out.announce import announce
from delivery.fan_out.budget import SLICE_EVENT_BYTES, slice_budget
from delivery.fan_out.deliveries import NewDelivery, RoutedEvent, named_deliveries, next_deliveries
from delivery.fan_out.masking import stored_original
from delivery.fan_out.store_deliveries import store_deliveries
from delivery.models import Delivery
from delivery.sql import fan_out as sql
from delivery.sql.fan_out import DeferredEvent, Head
from subscriptions.models import Tenant
from subscriptions.routing.route_table import Route, RouteTable
from subscriptions.routing.snapshot import current_route_table, direct_routes
from webhooks.kit.fair.worker_places import slice_place
from webhooks.wire.cloudevents.json_format import read_structured
from webhooks.wire.ids import new_id

DAY = 86_400  # seconds
RUN_SECONDS = 5.0  # one run of the task; if work is left, it sends the next
RETRY_AFTER = 10.0  # seconds until a slice that failed is tried again; other tenants go on
MAX_HEADS = 1_000  # tenants in one round
MAX_IDLE_ROUNDS = 2  # in which other workers claimed everything: through the last tenants, and from the first on
SLICE_EVENTS = 200  # at most, in one slice


@dataclass(slots=True)
class SlicePlan:
    """The work of one slice: deliveries to create, each with its event, and how far it comes."""

    deliveries: list[tuple[UUID, NewDelivery]] = field(default_factory=list)
    finished: list[UUID] = field(default_factory=list)
    begun: tuple[UUID, UUID] | None = None  # the event that is not finished, and its last subscription that is

    @property
    def events(self) -> list[UUID]:
        """The events it works on, in order."""
        return self.finished + ([self.begun[0]] if self.begun else [])


class _Turns:
    """Remember whose turn is next: rounds go through the tenants by id, across the runs of a process."""

    def __init__(self) -> None:
        self.after = UUID(int=0)

    def next_round(self) -> list[Head]:
        """Return the heads of the tenants that follow, from the first tenant again after the last."""
        max_claims = settings.WAYPOST_FAN_OUT_WORKERS
        return sql.next_heads(self.after, MAX_HEADS, max_claims) or sql.next_heads(UUID(int=0), MAX_HEADS, max_claims)


_turns = _Turns()


def run(*, seconds: float = RUN_SECONDS) -> int:
    """Store slices until nothing is deferred, for ``seconds`` at most; return their number.

    Returns at once if all processes of this worker that may work in slices do so.
    """
    with slice_place() as is_free:
        slices, is_late = _run_rounds(time.monotonic() + seconds) if is_free else (0, False)
    if is_late:
        notify.replay_starter.send()  # first: it needs the same place
        notify.fan_out_starter.send()
    return slices


def _run_rounds(until: float) -> tuple[int, bool]:
    """Store slices in turns; return their number, and whether the time was over before nothing was left."""
    slices, idle_rounds = 0, 0
    while idle_rounds < MAX_IDLE_ROUNDS and (heads := _turns.next_round()):
        idle_rounds += 1
        for head in heads:
            _turns.after = head.tenant_id
            if _run_turn(head):
                slices, idle_rounds = slices + 1, 0
            if time.monotonic() > until:
                return slices, True
    return slices, False


def _run_turn(head: Head) -> bool:
    """Run a slice of this tenant; return whether one was stored. A failure delays this tenant only."""
    token = new_id()
    if not sql.claim_fan_out(token, head.event_id, settings.WAYPOST_FAN_OUT_WORKERS):
        return False
    try:
        return run_slice(head, token)
    except (InterfaceError, OperationalError):
        raise
    except Exception as error:  # caused by one tenant's data; the others must go on
        telemetry.fan_out_failed(head.event_id, error)
        sql.release_claim(token, head.event_id, retry_after=RETRY_AFTER)
        return False


def run_slice(head: Head, token: UUID) -> bool:
    """Plan and store one slice of a claimed tenant; return whether it was stored."""
    started = time.monotonic()
    events = sql.read_fan_outs(head.tenant_id, SLICE_EVENTS, SLICE_EVENT_BYTES)
    if not events or events[0].event_id != head.event_id:  # an earlier one was committed later: it comes first
        sql.release_claim(token, head.event_id)
        return False
    plan = plan_slice(head.tenant_id, events)
    created = _store(head, token, plan)
    if created is None:
        return False
    _count(plan, events)
    if created:
        announce(created, started)
    return True


def _count(plan: SlicePlan, events: Sequence[DeferredEvent]) -> None:
    """Count what a slice has created. An event is matched if its first slice creates a delivery."""
    created = {event_id for event_id, _ in plan.deliveries}
    matched = sum(it.event_id in created for it in events if it.cursor is None)
    metrics.routed(matched, len(plan.deliveries), "fan_out")
    finished, now = set(plan.finished), time.time()
    metrics.fanned_out(
        [now - it.created_at.timestamp() for it in events if it.event_id in finished and it.created_at is not None]
    )


def plan_slice(tenant_id: UUID, events: Sequence[DeferredEvent]) -> SlicePlan:
    """Match and render the first of these events, as far as a slice goes. Writes nothing."""
    plan, budget = SlicePlan(), slice_budget()
    tenant = _TenantRoutes(tenant_id)
    for it in events:
        if budget.is_used:
            break
        if it.body is None or it.created_at is None or tenant.row is None:  # deleted
            plan.finished.append(it.event_id)
            continue
        expires_at = int(it.created_at.timestamp()) + tenant.row.retention_days * DAY
        event = RoutedEvent(
            tenant_id,
            it.event_id,
            read_structured(it.body),
            expires_at,
            it.grant_id,
            original=stored_original(it.original),
        )
        if it.endpoint_ids and it.cursor is None:
            plan.deliveries += [(it.event_id, new) for new in named_deliveries(tenant.named(it), event, budget)]
        found = next_deliveries(tenant.routes, event, it.cursor, budget)
        plan.deliveries += [(it.event_id, new) for new in found.deliveries]
        if found.after is not None:
            plan.begun = it.event_id, found.after
            break
        plan.finished.append(it.event_id)
    return plan


class _TenantRoutes:
    """A tenant and its route table as of now, read when they are needed."""

    def __init__(self, tenant_id: UUID) -> None:
        self._tenant_id = tenant_id

    @cached_property
    def row(self) -> Tenant | None:
        """The tenant; None if the row was removed."""
        return Tenant.objects.filter(id=self._tenant_id).first()

    def named(self, event: DeferredEvent) -> list[Route]:
        """Return routes to the endpoints that get an event whatever their subscriptions, without deleted ones."""
        return direct_routes(self._tenant_id, event.endpoint_ids)

    @cached_property
    def routes(self) -> RouteTable:
        """The route table of the tenant."""
        return current_route_table(self._tenant_id)


def _store(head: Head, token: UUID, plan: SlicePlan) -> list[tuple[UUID, UUID]] | None:
    """Store a slice; return id and endpoint of each new pending delivery, or None if the claim has ended."""
    with transaction.atomic():
        remaining = sql.lock_fan_outs(token, plan.events)  # erasing an event removes it
        if head.event_id not in remaining:
            return None
        new = [(event_id, it) for event_id, it in plan.deliveries if event_id in remaining]
        created = store_deliveries(head.tenant_id, None, new)
        sql.finish_fan_outs(plan.finished)
        if plan.begun is not None:
            sql.move_cursor(*plan.begun)
        sql.release_claim(token, head.event_id)
    return [(key, endpoint_id) for key, (endpoint_id, state) in created.items() if state == Delivery.State.PENDING]
