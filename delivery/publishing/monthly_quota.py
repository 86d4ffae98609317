"""How many events a tenant may still publish this month.

Far from the limit nobody asks the database for each request: a process looks once a second, and counts its own in
between. Near the limit every request is exact: it waits its turn among those of the tenant, and counts what is there.
A tenant can pass the limit only by publishing more than NEAR events within a second; then by what that second brought.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from time import monotonic
from uuid import UUID

from django.db import connection

from delivery.sql.usage import events_since

__all__ = ["forget", "is_near", "month", "next_month", "used_exactly"]

NEAR = 50_000  # events before the limit
LOOKED_EVERY = 1.0  # seconds
MOST_TENANTS = 10_000  # remembered per process


@dataclass(slots=True)
class _Seen:
    month: date
    used: int
    at: float


_seen: dict[UUID, _Seen] = {}


def is_near(tenant_id: UUID, limit: int, count: int) -> bool:
    """Whether so many more events could reach the limit. If not, they are taken to be published now."""
    if limit <= NEAR:
        return True
    seen, now = _seen.get(tenant_id), monotonic()
    if seen is None or seen.month != month() or now - seen.at >= LOOKED_EVERY:
        if len(_seen) >= MOST_TENANTS:
            _seen.clear()
        seen = _seen[tenant_id] = _Seen(month(), events_since(tenant_id, month()), now)
    if seen.used + count > limit - NEAR:
        return True
    seen.used += count
    return False


def used_exactly(tenant_id: UUID) -> int:
    """Events of this month; nobody else who asks this way publishes for the tenant until the transaction has ended."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 402))", [str(tenant_id)])
    return events_since(tenant_id, month())


def month() -> date:
    """The first day of this month (UTC)."""
    return datetime.now(UTC).date().replace(day=1)


def next_month() -> datetime:
    """When the month's count begins anew."""
    year, number = divmod(month().year * 12 + month().month, 12)
    return datetime(year, number + 1, 1, tzinfo=UTC)


def forget() -> None:
    """Look anew."""
    _seen.clear()
