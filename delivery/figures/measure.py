"""Measure the backlog: pending deliveries, the oldest due one, open dead letters, by endpoint and in total.

The measurement counts in two partial indexes that contain nothing else, so its cost follows from the backlog: about
0.1 s for half a million deliveries. It runs once a minute, and every ten seconds where there is a backlog, unless the
last one took so long that it would use more than a twentieth of a processor.
"""

import time
from collections import defaultdict
from datetime import datetime
from uuid import UUID

import orjson
from django.db import transaction

from delivery.models import PLATFORM, Backlog, Figures
from delivery.sending.attempt_stats import sum_by_kind
from delivery.sql.figures.backlog import BacklogRow, lock_backlog, measure, replace_backlog, write_gauges
from webhooks.kit.sql import database_now

MAX_PART = 0.05  # of the time that measurements may take
Sums = tuple[UUID, UUID | None, int, int, datetime | None, int, str]


def measure_if_due() -> None:
    """Measure the backlog, unless the last measurement took long and not long ago."""
    last = Backlog.objects.filter(pk=PLATFORM).first()
    if last is None or (database_now() - last.measured_at).total_seconds() >= last.seconds / MAX_PART:
        measure_backlog()


def measure_backlog() -> None:
    """Measure the backlog now, and keep it as the gauge of this hour and of these five minutes."""
    began, scope = time.monotonic(), Figures.Scope
    with transaction.atomic():
        lock_backlog()
        at, rows = database_now(), measure()
        platform, waiting = _sum(PLATFORM, None, rows), [_sum(it.endpoint_id, it.tenant_id, [it]) for it in rows]
        tenants = [_sum(key, key, some) for key, some in _by_tenant(rows).items()]
        gauges = [(scope.PLATFORM.value, *_gauge(platform))]
        gauges += [(scope.TENANT.value, *_gauge(it)) for it in tenants]
        gauges += [(scope.ENDPOINT.value, *_gauge(it)) for it in waiting]
        write_gauges(gauges, at)
        replace_backlog([platform, *waiting], at, time.monotonic() - began)


def _by_tenant(rows: list[BacklogRow]) -> dict[UUID, list[BacklogRow]]:
    tenants: dict[UUID, list[BacklogRow]] = defaultdict(list)
    for row in rows:
        tenants[row.tenant_id].append(row)
    return tenants


def _sum(scope_id: UUID, tenant_id: UUID | None, rows: list[BacklogRow]) -> Sums:
    return (
        scope_id,
        tenant_id,
        sum(it.pending for it in rows),
        sum(it.due for it in rows),
        min((it.oldest_due_at for it in rows if it.oldest_due_at is not None), default=None),
        sum(it.open_dead_letters for it in rows),
        orjson.dumps(sum_by_kind(orjson.loads(it.causes) for it in rows)).decode(),
    )


def _gauge(sums: Sums) -> tuple[UUID, UUID | None, int, int]:
    return sums[0], sums[1], sums[2], sums[5]
