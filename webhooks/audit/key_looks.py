"""Count the looks of tenants' own API keys at payloads, and make one entry of each key, type and hour.

A tenant's program that reads its own events does so thousands of times an hour: an entry for each read would cost more
than the read and hide the others. Counting costs the read no statement; counts are written every few seconds, and
become an entry when their hour has ended.

Failure: a process that is killed loses the looks of its last seconds (``webhooks.kit.hourly_counts``).
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from time import time
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection, transaction

from webhooks.audit.models import AuditEntry, KeyLooks
from webhooks.kit.hourly_counts import HourlyCounts
from webhooks.kit.sql import database_now
from webhooks.wire.ids import new_id

OPERATION = "looks at payloads in an hour"  # name of the operation of the entries
SETTLED_AFTER = timedelta(minutes=2)  # after the end of an hour: all processes have written their counts
BATCH = 1_000  # counts of one transaction

# Reader: record_ended_hours. Index: unique_looks_of_key_in_hour.
_ADD = """
    INSERT INTO webhooks_keylooks AS known (id, key_id, tenant_id, key_name, object_type, starts_at, looks)
    SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::timestamptz[], %s::bigint[])
    ON CONFLICT (starts_at, key_id, object_type) DO UPDATE SET looks = known.looks + EXCLUDED.looks
"""


class KeyLook(NamedTuple):
    """One look of a tenant's own key."""

    tenant_id: UUID
    key_name: str
    object_type: str


class LooksOfKey:
    """Count the looks of one key."""

    def __init__(self) -> None:
        self.looks: Counter[KeyLook] = Counter()

    def add(self, look: KeyLook) -> None:
        """Count one look."""
        self.looks[look] += 1

    def merge(self, other: "LooksOfKey") -> None:
        """Add other counts."""
        self.looks.update(other.looks)


def _upsert(rows: Sequence[tuple[UUID, datetime, LooksOfKey]]) -> None:
    """Add counts to those of their key, type and hour; a key that was renamed keeps its first name of the hour."""
    counts: Counter[tuple[datetime, UUID, str]] = Counter()
    named: dict[tuple[datetime, UUID, str], KeyLook] = {}
    for key_id, hour, counted in rows:
        for look, number in counted.looks.items():
            counts[hour, key_id, look.object_type] += number
            named.setdefault((hour, key_id, look.object_type), look)
    ordered = sorted(counts)  # so that two processes that write cannot deadlock
    columns: list[list[Any]] = [
        [new_id() for _ in ordered],
        [key_id for _, key_id, _ in ordered],
        [named[it].tenant_id for it in ordered],
        [named[it].key_name for it in ordered],
        [object_type for *_, object_type in ordered],
        [hour for hour, *_ in ordered],
        [counts[it] for it in ordered],
    ]
    with connection.cursor() as cursor:
        cursor.execute(_ADD, columns)


key_looks = HourlyCounts(LooksOfKey, _upsert, thread_name="key-looks")


def count_look(key_id: UUID, look: KeyLook) -> None:
    """Count a look in this hour. Returns at once."""
    key_looks.add(key_id, look, time())


def record_ended_hours() -> int:
    """Make entries of the counts of hours that have ended, up to BATCH; return how many."""
    ended = database_now() - SETTLED_AFTER - timedelta(hours=1)
    with transaction.atomic():
        counted = KeyLooks.objects.select_for_update(skip_locked=True).filter(starts_at__lte=ended)
        rows = list(counted.order_by("starts_at")[:BATCH])
        AuditEntry.objects.bulk_create(_entry(row) for row in rows)
        KeyLooks.objects.filter(pk__in=[row.pk for row in rows]).delete()
    return len(rows)


def _entry(row: KeyLooks) -> AuditEntry:
    return AuditEntry(
        tenant_id=row.tenant_id,
        actor_type=AuditEntry.Actor.KEY,
        actor_id=str(row.key_id),
        actor_tenant_id=row.tenant_id,
        actor_name=row.key_name,
        origin=AuditEntry.Origin.API,
        operation=OPERATION,
        action=AuditEntry.Action.VIEWED,
        object_type=row.object_type,
        after={"looks": row.looks, "hour": f"{row.starts_at:%Y-%m-%dT%H:00:00Z}"},
    )
