"""How much was used, by day and type: exact at any moment, whatever is folded yet, and whatever retention removed.

``events`` counts what was taken (repeats are not), ``deliveries`` what was owed for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection

__all__ = ["Key", "Used", "Wanted", "fold", "report", "used_since"]

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


FOLD = """
WITH gone AS (
    DELETE FROM delivery_tally
     WHERE id IN (SELECT id FROM delivery_tally ORDER BY id LIMIT %(most)s FOR UPDATE SKIP LOCKED)
    RETURNING tenant_id, day, type, events, deliveries
), folded AS (
    INSERT INTO delivery_usage AS u (tenant_id, day, type, events, deliveries)
    SELECT tenant_id, day, type, sum(events), sum(deliveries) FROM gone
     GROUP BY tenant_id, day, type ORDER BY tenant_id, day, type
        ON CONFLICT (tenant_id, day, type) DO UPDATE
       SET events = u.events + excluded.events, deliveries = u.deliveries + excluded.deliveries
)
SELECT count(*) FROM gone
"""


def fold() -> int:
    """Add up what was counted since the last time. How many tallies that were; each is added once, or not at all."""
    total = 0
    while True:
        ((count,),) = _rows(FOLD, {"most": FOLDED_AT_ONCE})
        total += int(count)
        if count < FOLDED_AT_ONCE:
            return total


USED_SINCE = """
SELECT coalesce((SELECT sum(events) FROM delivery_usage WHERE tenant_id = %(tenant)s AND day >= %(first)s), 0)
     + coalesce((SELECT sum(events) FROM delivery_tally WHERE tenant_id = %(tenant)s AND day >= %(first)s), 0)
"""


def used_since(tenant_id: UUID, first: date) -> int:
    """Events that this tenant has published since this day began (UTC)."""
    ((used,),) = _rows(USED_SINCE, {"tenant": tenant_id, "first": first})
    return int(used)


REPORT = """
WITH counted AS (
    SELECT tenant_id, day, type, events, deliveries FROM delivery_usage
     UNION ALL
    SELECT tenant_id, day, type, events, deliveries FROM delivery_tally
), wanted AS (
    SELECT date_trunc(%(granularity)s, day)::date AS day, CASE WHEN %(by_tenant)s THEN tenant_id END AS tenant_id,
           CASE WHEN %(by_type)s THEN type END COLLATE "C" AS type, events, deliveries
      FROM counted
     WHERE day BETWEEN %(first)s AND %(last)s
       AND (%(tenant)s::uuid IS NULL OR tenant_id = %(tenant)s)
       AND (%(type)s::text IS NULL OR type = %(type)s)
       AND (%(prefix)s::text IS NULL OR starts_with(type, %(prefix)s))
)
SELECT day, tenant_id, type, sum(events), sum(deliveries)
  FROM wanted
 GROUP BY day, tenant_id, type
HAVING %(after_day)s::date IS NULL
    OR (day, coalesce(tenant_id::text, ''), coalesce(type, ''))
     > (%(after_day)s, coalesce(%(after_tenant)s::uuid::text, ''), coalesce(%(after_type)s::text, ''))
 ORDER BY day, coalesce(tenant_id::text, ''), coalesce(type, '')
 LIMIT %(most)s
"""


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
        "most": most,
    }
    return [Used(day, tenant, kind, *map(int, counts)) for day, tenant, kind, *counts in _rows(REPORT, parameters)]


def _rows(statement: str, parameters: dict[str, Any]) -> Sequence[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return list(cursor.fetchall())
