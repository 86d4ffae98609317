"""Publish what each tenant used in a full hour, for billing: ``waypost.usage.hour``, to the platform's own tenant.

Each hour is published once, in one transaction with its row: a process that dies publishes nothing of it, and the next
run does. After a downtime all hours that were missed follow. The id of an event names tenant and hour, so that a
billing system that has it already can drop a repeat. Hours before the first run are not published.
"""

import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from delivery.models import UsageHour
from delivery.operational.operational_events import Record, platform_tenant_id, publish_for_platform
from delivery.sql.figures.usage_hours import (
    HourlyUsage,
    begin_hour,
    has_increments_before,
    hours_to_publish,
    used_in_hour,
)
from subscriptions.models import Tenant
from subscriptions.routing.type_names import USAGE
from webhooks.kit.tenancy import messages_counted
from webhooks.wire.ids import public

HOUR = timedelta(hours=1)
MAX_HOURS = 200  # in one run
RUN_SECONDS = 10.0  # after which a run ends with the hour that it publishes
BATCH = 1_000  # events in one statement
KEPT_FOR = timedelta(days=62)  # rows of published hours, as hours of the figures


def publish_usage() -> int:
    """Publish the usage of the hours that are over; return how many hours."""
    until, count = time.monotonic() + RUN_SECONDS, 0
    for hour in hours_to_publish(MAX_HOURS):
        if has_increments_before(hour + HOUR) or time.monotonic() > until:
            break  # the usage task adds them to the figures first
        count += _publish_hour(hour)
        UsageHour.objects.filter(begins_at__lt=hour - KEPT_FOR).delete()
    return count


def _publish_hour(hour: datetime) -> bool:
    """Publish the usage of an hour; return False if another process does or did."""
    with transaction.atomic():
        platform_id = platform_tenant_id()
        used = _used_in(hour, platform_id) if platform_id else []
        if not begin_hour(hour, len(used)):
            return False
        if platform_id:
            records = _records(platform_id, hour, used)
            for first in range(0, len(records), BATCH):
                publish_for_platform(USAGE, records[first : first + BATCH])
    return True


def _used_in(hour: datetime, platform_id: UUID) -> list[tuple[HourlyUsage, int]]:
    """Return what each tenant but the platform's own used, with the messages that it received."""
    received: Counter[UUID] = Counter()
    counts: list[tuple[Any, Any]] = messages_counted.send(sender=None, begins_at=hour)
    for _, counted in counts:
        received.update(counted)
    used = {it.tenant_id: it for it in used_in_hour(hour)}
    tenants = sorted((used.keys() | received.keys()) - {platform_id})
    return [(used.get(key, HourlyUsage(key)), received[key]) for key in tenants]


def _records(platform_id: UUID, hour: datetime, used: Sequence[tuple[HourlyUsage, int]]) -> list[Record]:
    uids = dict(Tenant.objects.filter(id__in=[it.tenant_id for it, _ in used]).values_list("id", "uid"))
    return [_record(platform_id, hour, it, received, uids.get(it.tenant_id)) for it, received in used]


def _record(platform_id: UUID, hour: datetime, used: HourlyUsage, received: int, uid: str | None) -> Record:
    tenant = public(Tenant.prefix, used.tenant_id)
    data: dict[str, Any] = {
        "tenant": tenant,
        "tenant_uid": uid,
        "begins_at": _time(hour),
        "ends_at": _time(hour + HOUR),
        "events": used.events,
        "deliveries": used.deliveries,
        "attempts": used.attempts,
        "delivered": used.delivered,
        "received": received,
    }
    return Record(platform_id, data, event_id=f"usage-{tenant}-{hour.astimezone(UTC):%Y-%m-%dT%H}")


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
