"""Find tenants whose schedules are late."""

from delivery.models import ScheduleQueue
from delivery.sql.schedules.queues import HAS_DUE_SCHEDULES
from subscriptions.models import Tenant
from webhooks.kit.conditions.condition import Condition, Finding, Question, ago
from webhooks.kit.kinds.setting import Setting

MINUTES = Setting(
    "minutes",
    "Minutes",
    "Minutes that the event of a schedule may be late.",
    type="number",
    default=5,
    minimum=1,
    maximum=1_440,
    example="5",
)


def find(question: Question) -> list[Finding]:
    """Return the tenants whose first due schedule is late. Index: schedule_queue_due."""
    rows = ScheduleQueue.objects.filter(due_at__lt=question.minutes_ago("minutes"))
    if question.tenant_id is not None:
        rows = rows.filter(tenant=question.tenant_id)
    late = {it.tenant_id: it.due_at or question.now for it in rows.order_by("due_at")[: question.limit]}
    tenants = Tenant.objects.filter(pk__in=late, deleted_at=None)
    return [
        Finding(
            "tenant",
            it.public_id,
            it.name,
            f"The events of its schedules are late by {ago(late[it.pk], question.now)}.",
            it.pk,
            since=late[it.pk],
            value=round((question.now - late[it.pk]).total_seconds()),
        )
        for it in sorted(tenants, key=lambda it: late[it.pk])
    ]


CONDITION = Condition(
    "schedule_late",
    "Schedules late",
    "The event of a schedule is due and was not published.",
    find,
    (MINUTES,),
    every=15.0,
    may_hold=HAS_DUE_SCHEDULES,
)
