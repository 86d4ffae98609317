"""Limit the events a tenant publishes per month.

Far from the limit a process reads the count once a second and adds its own events in between. Near the limit each
request holds a lock per tenant and reads the exact count. A tenant can exceed the limit only by publishing more than
NEAR events within one second, and then by what it published in that second.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from time import monotonic
from uuid import UUID

from django.db import connection

from delivery.sql.usage import events_since

NEAR = 50_000  # events below the limit, from where on every request counts exactly
READ_EVERY = 1.0  # seconds between two reads of the count by one process
MAX_TENANTS = 10_000  # counts that one process remembers


@dataclass(slots=True)
class _CachedCount:
    month: date
    used: int
    at: float


_counts: dict[UUID, _CachedCount] = {}


def is_near(tenant_id: UUID, limit: int, count: int) -> bool:
    """Return whether ``count`` more events could reach the limit; if not, they are counted as published."""
    if limit <= NEAR:
        return True
    cached, now = _counts.get(tenant_id), monotonic()
    if cached is None or cached.month != month() or now - cached.at >= READ_EVERY:
        if len(_counts) >= MAX_TENANTS:
            _counts.clear()
        cached = _counts[tenant_id] = _CachedCount(month(), events_since(tenant_id, month()), now)
    if cached.used + count > limit - NEAR:
        return True
    cached.used += count
    return False


def used_exactly(tenant_id: UUID) -> int:
    """Lock the tenant's quota until the transaction ends, and return its events of this month."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 402))", [str(tenant_id)])
    return events_since(tenant_id, month())


def month() -> date:
    """Return the first day of this month (UTC)."""
    return datetime.now(UTC).date().replace(day=1)


def next_month() -> datetime:
    """Return when the count starts again."""
    year, number = divmod(month().year * 12 + month().month, 12)
    return datetime(year, number + 1, 1, tzinfo=UTC)


def forget() -> None:
    """Drop the cached counts."""
    _counts.clear()
