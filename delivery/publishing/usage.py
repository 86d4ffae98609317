"""How much was used, by day and type: exact at any moment, whatever is folded yet, and whatever retention removed.

``events`` counts what was taken (repeats are not), ``deliveries`` what was owed for it.
"""

from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple
from uuid import UUID

from delivery.sql.usage import fold_usage, report_usage

__all__ = ["Key", "Used", "Wanted", "fold", "report"]

FOLDED_AT_ONCE = 50_000  # tallies in one transaction


class Key(NamedTuple):
    """Where a row of a report stands: reports are sorted by it. Empty where the report does not tell apart."""

    day: date
    tenant_id: UUID | None
    type: str | None


class Used(NamedTuple):
    """``day`` is the first one of the row's period."""

    day: date
    tenant_id: UUID | None
    type: str | None
    events: int
    deliveries: int

    @property
    def key(self) -> Key:
        return Key(self.day, self.tenant_id, self.type)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a report is about. Both days are included. ``event_type`` is exact, or ``order.*`` for all below order."""

    tenant_id: UUID | None
    first: date
    last: date
    event_type: str | None = None
    granularity: str = "day"
    by: frozenset[str] = field(default_factory=lambda: frozenset({"tenant", "type"}))


def fold() -> int:
    """Add up what was counted since the last time. How many tallies that were; each is added once, or not at all."""
    total = 0
    while True:
        count = fold_usage(FOLDED_AT_ONCE)
        total += count
        if count < FOLDED_AT_ONCE:
            return total


def report(wanted: Wanted, most: int, after: Key | None = None) -> list[Used]:
    """What was used, by period, tenant and type in this order, one row for each that used anything; from the row
    after this key on, and no more than ``most``."""
    kind = wanted.event_type
    prefix = kind[:-1] if kind is not None and kind.endswith(".*") else None
    after_day, after_tenant, after_type = after or (None, None, None)
    parameters = {
        "granularity": wanted.granularity,
        "by_tenant": "tenant" in wanted.by,
        "by_type": "type" in wanted.by,
        "first": wanted.first,
        "last": wanted.last,
        "tenant": wanted.tenant_id,
        "type": None if prefix else kind,
        "prefix": prefix,
        "after_day": after_day,
        "after_tenant": after_tenant,
        "after_type": after_type,
        "limit": most,
    }
    return [Used(*row) for row in report_usage(parameters)]
