"""Report usage by day or month, tenant and type: exact at any moment, also for what retention has deleted.

``events`` counts accepted events (not repeats), ``deliveries`` the deliveries created for them.
"""

from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple
from uuid import UUID

from delivery.sql.figures.usage import fold_usage, report_usage
from webhooks.kit.rows import is_type_prefix

FOLD_BATCH = 50_000  # increments in one transaction


class UsageKey(NamedTuple):
    """The position of a row, by which reports are sorted; None where the report does not distinguish."""

    day: date
    tenant_id: UUID | None
    type: str | None


class UsageRow(NamedTuple):
    """The usage of one period; ``day`` is its first day."""

    day: date
    tenant_id: UUID | None
    type: str | None
    events: int
    deliveries: int

    @property
    def key(self) -> UsageKey:
        """The row's position."""
        return UsageKey(self.day, self.tenant_id, self.type)


@dataclass(frozen=True, slots=True)
class UsageFilter:
    """Select usage: from ``first`` to ``last``, both included, of a tenant or (None) of all.

    ``event_type`` is exact, ``order.*`` for all types below ``order``, or ``*`` for all. ``granularity``: day or month.
    ``by``: what rows distinguish besides the period.
    """

    tenant_id: UUID | None
    first: date
    last: date
    event_type: str | None = None
    granularity: str = "day"
    by: frozenset[str] = field(default_factory=lambda: frozenset({"tenant", "type"}))


def fold() -> int:
    """Fold all usage increments into the daily totals and return how many; each is added exactly once."""
    total = 0
    while True:
        count = fold_usage(FOLD_BATCH)
        total += count
        if count < FOLD_BATCH:
            return total


def report(selected: UsageFilter, limit: int, after: UsageKey | None = None) -> list[UsageRow]:
    """Return up to ``limit`` rows that have any usage, sorted by key, from the row after ``after`` on."""
    kind = selected.event_type
    prefix = kind[:-1] if kind is not None and is_type_prefix(kind) else None
    after_day, after_tenant, after_type = after or (None, None, None)
    parameters = {
        "granularity": selected.granularity,
        "by_tenant": "tenant" in selected.by,
        "by_type": "type" in selected.by,
        "first": selected.first,
        "last": selected.last,
        "tenant": selected.tenant_id,
        "type": kind if prefix is None else None,
        "prefix": prefix,
        "after_day": after_day,
        "after_tenant": after_tenant,
        "after_type": after_type,
        "limit": limit,
    }
    return [UsageRow(*row) for row in report_usage(parameters)]
