"""Add counts to the figures of periods."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from webhooks.kit.sql import named_columns, run


def sum_of_histograms(one: str, other: str) -> str:
    """Return the SQL that adds two arrays bucket by bucket, also where one has more buckets than the other."""
    return (
        f"CASE WHEN {other} = '{{}}' THEN {one} ELSE ARRAY(SELECT coalesce(a, 0) + coalesce(b, 0)"
        f" FROM unnest({one}, {other}) WITH ORDINALITY AS both_sides(a, b, place) ORDER BY place) END"
    )


def sum_of_objects(one: str, other: str) -> str:
    """Return the SQL that adds two JSON objects of numbers by their keys."""
    return (
        f"CASE WHEN {other} = '{{}}' THEN {one} ELSE (SELECT jsonb_object_agg(key, number) FROM ("
        f"SELECT key, sum(value::bigint) AS number FROM (SELECT * FROM jsonb_each_text({one})"
        f" UNION ALL SELECT * FROM jsonb_each_text({other})) both_sides GROUP BY key) summed) END"
    )


# Follows an INSERT of figures as f; locks rows in the order in which they are inserted, so insert them sorted by
# scope_id, length and begins_at: two that add to the same rows cannot deadlock then.
ADD_TO_FIGURES = f"""
    ON CONFLICT (scope_id, length, begins_at) DO UPDATE
   SET events = f.events + EXCLUDED.events, deliveries = f.deliveries + EXCLUDED.deliveries,
       attempts = f.attempts + EXCLUDED.attempts, delivered = f.delivered + EXCLUDED.delivered,
       rejected = f.rejected + EXCLUDED.rejected,
       latencies = {sum_of_histograms("f.latencies", "EXCLUDED.latencies")},
       failures = {sum_of_objects("f.failures", "EXCLUDED.failures")},
       rolled_up = false
"""

# Reader: the drain, every few seconds. Index: unique_figures_per_scope_and_period.
ADD_FIGURES = f"""
INSERT INTO delivery_figures AS f (scope, scope_id, tenant_id, length, begins_at, attempts, delivered, rejected,
                                   latencies, failures)
SELECT scope, scope_id, tenant_id, length, begins_at, attempts, delivered, rejected, latencies::bigint[],
       failures::jsonb
  FROM unnest(%(scopes)s::text[], %(scope_ids)s::uuid[], %(tenants)s::uuid[], %(lengths)s::int2[],
              %(begins)s::timestamptz[], %(attempts)s::int8[], %(delivered)s::int8[], %(rejected)s::int8[],
              %(latencies)s::text[], %(failures)s::text[])
       AS counted(scope, scope_id, tenant_id, length, begins_at, attempts, delivered, rejected, latencies, failures)
 ORDER BY scope_id, length, begins_at
{ADD_TO_FIGURES}
"""


class FiguresRow(NamedTuple):
    """The attempts of one scope and period; ``latencies`` is an array literal, ``failures`` a JSON object."""

    scope: str
    scope_id: UUID
    tenant_id: UUID | None
    length: int
    begins_at: datetime
    attempts: int
    delivered: int
    rejected: int
    latencies: str
    failures: str


def add_figures(rows: Sequence[FiguresRow]) -> None:
    """Add the attempts of these rows, each of another scope and period, to the figures."""
    names = "scopes scope_ids tenants lengths begins attempts delivered rejected latencies failures"
    run(ADD_FIGURES, named_columns(names, rows))


# Reader: the drain, for endpoints that it has not counted before. Index: the primary key.
TENANTS_OF = "SELECT id, tenant_id FROM subscriptions_endpoint WHERE id = ANY(%(endpoints)s::uuid[])"


def tenants_of(endpoint_ids: Sequence[UUID]) -> dict[UUID, UUID]:
    """Return the tenants of these endpoints, by endpoint."""
    rows = run(TENANTS_OF, {"endpoints": list(endpoint_ids)})
    return {row[0]: row[1] for row in rows}
