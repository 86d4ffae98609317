"""List the tenants and endpoints that need attention: by failures, lateness, pending deliveries, open dead letters.

The list has the first ones by each of the four, so that none drops out because others lead by another figure. Failures
are counted over the selected period, in indexes that contain only periods with failures; the others are as last
measured (``figures.measure``), in a table with a row for each endpoint for which something waits.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from delivery.figures.periods import ROLLED_UP_AFTER
from delivery.models import Backlog, Figures
from delivery.sql.figures.ranking import (
    RANK_BY_FIVE_MINUTES,
    RANK_ENDPOINTS_BY_DAYS,
    RANK_ENDPOINTS_BY_HOURS,
    RANK_TENANTS_BY_HOURS,
    backlog_by_tenant,
    rank,
)
from subscriptions.models import Endpoint, Tenant

SHOWN = 10  # by the figure that the list is sorted by
OTHERS = 5  # by each of the other figures
SCOPE = Figures.Scope


@dataclass(frozen=True, slots=True)
class Attention:
    """Describe the faults of a tenant or an endpoint.

    ``seconds_late``: how long its oldest due delivery has been due.
    """

    scope_id: UUID
    failed: int = 0
    seconds_late: float = 0.0
    pending: int = 0
    due: int = 0
    open_dead_letters: int = 0

    @property
    def late(self) -> timedelta:
        """Return how long the oldest due delivery has been due."""
        return timedelta(seconds=self.seconds_late)


ORDERS: dict[str, Callable[[Attention], float]] = {
    "failures": lambda it: it.failed,
    "late": lambda it: it.seconds_late,
    "pending": lambda it: it.pending,
    "dead": lambda it: it.open_dead_letters,
}


def worst_endpoints(period: str, since: datetime, now: datetime, order: str) -> list[tuple[Endpoint, Attention]]:
    """Return the endpoints that need attention, sorted by ``order``, a key of ORDERS."""
    failed = _failed(SCOPE.ENDPOINT, _of_endpoints(period), since, now, _limit("failures", order))
    rows = Backlog.objects.filter(tenant_id__isnull=False)
    waiting: dict[UUID, Backlog] = {}
    for column, limit in (
        ("oldest_due_at", _limit("late", order)),
        ("-pending", _limit("pending", order)),
        ("-open_dead_letters", _limit("dead", order)),
    ):
        some = rows.filter(oldest_due_at__isnull=False) if column == "oldest_due_at" else rows
        waiting |= {it.scope_id: it for it in some.order_by(column)[:limit]}
    missing = failed.keys() - waiting.keys()
    waiting |= {it.scope_id: it for it in rows.filter(scope_id__in=missing)}
    return _with_endpoints(failed, waiting, now, order)


def worst_tenants(period: str, since: datetime, now: datetime, order: str) -> list[tuple[Tenant, Attention]]:
    """Return the tenants that need attention, sorted by ``order``, a key of ORDERS."""
    statement = RANK_BY_FIVE_MINUTES if period == "hour" else RANK_TENANTS_BY_HOURS
    failed = _failed(SCOPE.TENANT, statement, since, now, _limit("failures", order))
    all_waiting = [
        Attention(key, 0, _seconds(oldest, now), pending, due, letters)
        for key, pending, due, oldest, letters in backlog_by_tenant()
    ]
    chosen = set(failed)
    for name in ("late", "pending", "dead"):
        chosen |= {it.scope_id for it in _sorted(all_waiting, name)[: _limit(name, order)]}
    waiting = {it.scope_id: it for it in all_waiting if it.scope_id in chosen}
    found = [
        Attention(key, failed.get(key, 0), it.seconds_late, it.pending, it.due, it.open_dead_letters)
        for key in chosen
        for it in [waiting.get(key, Attention(key))]
    ]
    tenants = Tenant.objects.in_bulk([it.scope_id for it in found])
    return [(tenants[it.scope_id], it) for it in _sorted(found, order) if it.scope_id in tenants]


def endpoints_of(tenant_id: UUID, period: str, since: datetime, now: datetime) -> list[tuple[Endpoint, Attention]]:
    """Return the endpoints of a tenant that need attention, up to SHOWN: most failures, then what waits.

    Index: figures_with_failures and hourly_stats_with_failures for the failures, of its endpoints only.
    """
    failed = _failed(SCOPE.ENDPOINT, _of_endpoints(period), since, now, SHOWN, tenant_id)
    rows = Backlog.objects.filter(tenant_id=tenant_id)
    waiting = {it.scope_id: it for it in rows.order_by("-pending", "-open_dead_letters")[:SHOWN]}
    waiting |= {it.scope_id: it for it in rows.filter(scope_id__in=failed.keys() - waiting.keys())}
    return _with_endpoints(failed, waiting, now, "failures")


def _of_endpoints(period: str) -> str:
    return {"hour": RANK_BY_FIVE_MINUTES, "day": RANK_ENDPOINTS_BY_HOURS}.get(period, RANK_ENDPOINTS_BY_DAYS)


def _failed(
    scope: str, statement: str, since: datetime, now: datetime, limit: int, tenant_id: UUID | None = None
) -> dict[UUID, int]:
    days_until = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - ROLLED_UP_AFTER
    return dict(rank(statement, scope, since, days_until, limit, tenant_id))


def _with_endpoints(
    failed: Mapping[UUID, int], waiting: Mapping[UUID, Backlog], now: datetime, order: str
) -> list[tuple[Endpoint, Attention]]:
    found = [_attention(key, failed.get(key, 0), waiting.get(key), now) for key in failed.keys() | waiting.keys()]
    endpoints = Endpoint.objects.select_related("tenant", "http", "destination").in_bulk([it.scope_id for it in found])
    return [(endpoints[it.scope_id], it) for it in _sorted(found, order) if it.scope_id in endpoints]


def _limit(name: str, order: str) -> int:
    return SHOWN if name == order else OTHERS


def _sorted(found: Iterable[Attention], order: str) -> Sequence[Attention]:
    return sorted(found, key=lambda it: (ORDERS[order](it), it.failed, it.seconds_late, it.pending), reverse=True)


def _attention(key: UUID, failed: int, row: Backlog | None, now: datetime) -> Attention:
    if row is None:
        return Attention(key, failed)
    return Attention(key, failed, _seconds(row.oldest_due_at, now), row.pending, row.due, row.open_dead_letters)


def _seconds(since: datetime | None, now: datetime) -> float:
    return 0.0 if since is None else max((now - since).total_seconds(), 0.0)
