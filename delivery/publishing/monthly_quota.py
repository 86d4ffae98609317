"""Limit the events a tenant publishes per month.

Far from the limit a process uses a count that is at most a second old, and adds its own events since. Near the limit
each request holds a lock per tenant and reads the exact count. A tenant can exceed the limit only by publishing more
than NEAR events within one second, and then by what it published in that second.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime
from uuid import UUID

from delivery.sql.figures.usage import events_since, lock_quota
from webhooks.kit.caches.timed_cache import TimedCache

NEAR = 50_000  # events below the limit, from where on every request counts exactly
MAX_TENANTS = 10_000  # counts that one process remembers


@dataclass(frozen=True, slots=True)
class _CachedCount:
    """The events of a month in the database, and how many this process had published when they began to be read."""

    used: int
    published: int


_published: Counter[UUID] = Counter()  # events by tenant, far from its limit, since this process started or forgot


def _read_count(tenant_and_month: tuple[UUID, date]) -> _CachedCount:
    tenant_id, first = tenant_and_month
    published = _published[tenant_id]  # before the read: what commits meanwhile is counted twice rather than never
    return _CachedCount(events_since(tenant_id, first), published)


_counts = TimedCache(_read_count, max_size=MAX_TENANTS, refreshes=True)


def is_near(tenant_id: UUID, limit: int, count: int) -> bool:
    """Return whether ``count`` more events could reach the limit; if not, they are counted as published."""
    if limit <= NEAR:
        return True
    cached = _counts.get((tenant_id, month()))
    if cached.used + max(_published[tenant_id] - cached.published, 0) + count > limit - NEAR:
        return True
    if len(_published) > MAX_TENANTS:
        forget()
    _published[tenant_id] += count
    return False


def used_exactly(tenant_id: UUID) -> int:
    """Lock the tenant's quota until the transaction ends, and return its events of this month."""
    lock_quota(tenant_id)
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
    _published.clear()
