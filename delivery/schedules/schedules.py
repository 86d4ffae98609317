"""Create, change and run schedules.

``fields`` have the names of the REST API, ``event`` as an object. What makes a schedule due locks the queue of its
tenant first (``sql.schedules.queues``).
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from delivery.models import Schedule, ScheduleQueue
from delivery.publishing.plan_limits import publish_within_plan
from delivery.publishing.results import Published
from delivery.schedules.templates import check_template, render, run_by_hand, write_template
from delivery.schedules.timing import TIMING, due_at, first_occurrence
from delivery.sql.schedules.queues import enqueue
from subscriptions.errors import Invalid, uid_in_use
from subscriptions.models import Tenant
from subscriptions.tenants.plans import plan_of
from subscriptions.tenants.tenants import lock_tenant
from webhooks.kit.rows import unique_uid
from webhooks.kit.sql import database_now

ACTIVE, COMPLETED = Schedule.State.ACTIVE, Schedule.State.COMPLETED


def create_schedule(tenant: Tenant, **fields: Any) -> Schedule:
    """Create a schedule, active or paused.

    Raises Invalid for a field that is wrong or an expression without occurrences, InvalidEvent for the template,
    LimitExceeded if the plan allows no more schedules or no such interval, AlreadyExists for a uid in use.
    """
    row = Schedule(tenant=tenant, **_columns(fields))
    if row.state == COMPLETED:
        raise Invalid("state", "Must be active or paused.")
    row.created_at = row.updated_at = database_now()
    check_template(tenant, row, plan_of(tenant).max_event_bytes)
    _set_next(row, first_occurrence(row, row.created_at, plan_of(tenant)))
    with unique_uid(uid_in_use):
        lock_tenant(sender=Schedule, tenant_id=tenant.pk)
        enqueue(tenant.pk, row.due_at)
        row.save(force_insert=True)
    return row


def lock_queue(tenant_id: UUID) -> None:
    """Lock the queue of a tenant until the transaction ends, before any of its schedules is locked."""
    enqueue(tenant_id, None)


def change_schedule(schedule: Schedule, fields: Mapping[str, Any]) -> Schedule:
    """Change the given fields of a schedule; return it as stored. A completed one with new times is active again.

    Raises as ``create_schedule``, and Schedule.DoesNotExist if it was deleted meanwhile.
    """
    with unique_uid(uid_in_use):
        lock_queue(schedule.tenant_id)
        row = Schedule.objects.select_for_update(no_key=True).get(pk=schedule.pk)
        before = {name: getattr(row, name) for name in TIMING}
        former_state = row.state
        for name, value in _columns(dict(fields)).items():
            setattr(row, name, value)
        tenant = Tenant.objects.select_related("plan").get(pk=row.tenant_id)
        row.updated_at = database_now()
        if "event" in fields:
            check_template(tenant, row, plan_of(tenant).max_event_bytes)
        has_new_times = any(getattr(row, name) != value for name, value in before.items())
        if former_state == COMPLETED and row.state == COMPLETED and has_new_times:
            row.state = ACTIVE
        if row.state == COMPLETED and former_state != COMPLETED:
            raise Invalid("state", "Must be active or paused.")
        if row.state != COMPLETED and (has_new_times or row.state != former_state):
            after = max(row.updated_at, row.last_at or row.updated_at)
            _set_next(row, first_occurrence(row, after, plan_of(tenant)))
        row.save()
        enqueue(row.tenant_id, row.due_at)
    return row


def run_now(schedule: Schedule) -> Published:
    """Publish the event of a schedule now, whatever its state, besides its occurrences; return the result."""
    tenant = Tenant.objects.select_related("plan").get(pk=schedule.tenant_id)
    event = render(schedule, run_by_hand(database_now(), schedule.occurrences + 1))
    return publish_within_plan(tenant, [event])[0]


def delete_schedules_of(*, tenant_id: UUID, **_: Any) -> None:
    """Delete all schedules of a tenant, in the transaction that deletes the tenant (receiver of ``tenant_deleted``)."""
    with transaction.atomic():
        lock_queue(tenant_id)
        Schedule.objects.filter(tenant_id=tenant_id).delete()
        ScheduleQueue.objects.filter(tenant_id=tenant_id).delete()


def count_schedules_of(*, tenant_id: UUID, **_: Any) -> dict[str, int]:
    """Return how many schedules a tenant has, by the name of their limit (receiver of ``tenant_usage``)."""
    return {"max_schedules": Schedule.objects.filter(tenant_id=tenant_id).count()}


def _columns(fields: dict[str, Any]) -> dict[str, Any]:
    """Map fields to columns: ``event`` is stored as text."""
    columns = dict(fields)
    if "event" in columns:
        columns["template"] = write_template(columns.pop("event"))
    return columns


def _set_next(row: Schedule, occurrence: datetime) -> None:
    """Set the next occurrence of an active schedule; one that is paused has none."""
    row.next_at = occurrence if row.state == ACTIVE else None
    row.due_at = due_at(row, row.next_at)
