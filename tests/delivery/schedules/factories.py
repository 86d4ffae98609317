"""Make schedules, as the API does or with a time that has come."""

from datetime import datetime, timedelta
from typing import Any

from delivery.models import Schedule
from delivery.schedules.schedules import create_schedule
from delivery.sql.schedules.queues import enqueue
from subscriptions.models import Tenant
from tests.factories import make_tenant
from webhooks.kit.sql import database_now

EVENT = {
    "type": "reminder.due",
    "data": {"at": "<schedule.scheduled_at>", "id": "<schedule.id>", "n": "<schedule.occurrence>"},
}


def make_schedule(tenant: Tenant | None = None, **fields: Any) -> Schedule:
    """Create a schedule."""
    given = {"expression": "cron(0 9 * * ? *)", "event": EVENT, **fields}
    return create_schedule(tenant or make_tenant(), **given)


def make_due(schedule: Schedule, at: datetime | None = None, *, ago: float = 0.0) -> datetime:
    """Let an occurrence of a schedule be at this time, or so many seconds ago, as if it were older; return the time."""
    when = at or (database_now() - timedelta(seconds=ago)).replace(microsecond=0)
    expression = when.isoformat() if schedule.expression.startswith("at(") else schedule.expression
    Schedule.objects.filter(pk=schedule.pk).update(
        next_at=when, due_at=when, created_at=when - timedelta(days=30), expression=expression
    )
    enqueue(schedule.tenant_id, when)
    return when
