"""Test that a drain's statements find rows by index, also by plans that were made while the tables were empty."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from delivery.sql import claim, settle
from delivery.sql.lanes import renew_lanes
from tests.delivery.sql.factories import OWNER, TOKEN, claim_request, lane_row, make_deliveries, settlement
from tests.factories import make_endpoint
from webhooks.kit import sql

TABLES = {"delivery_delivery", "delivery_event", "delivery_lane"}

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def plans_of_empty_tables() -> Iterator[None]:
    """Have the planner know that the tables are empty, and plan as in a drain."""
    with connection.cursor() as cursor:
        cursor.execute("DISCARD PLANS")
        cursor.execute("ANALYZE " + ", ".join(sorted(TABLES)))
    sql.force_index_plans()
    yield
    sql.allow_all_plans()


def scans(plan: dict[str, Any]) -> Iterator[str]:
    """Describe each scan of a table that is not limited by an index condition."""
    if plan["Node Type"].endswith("Scan") and plan.get("Relation Name") in TABLES and "Index Cond" not in plan:
        yield f"{plan['Node Type']} on {plan['Relation Name']}"
    for inner in plan.get("Plans", []):
        yield from scans(inner)


def scans_without_condition(beginning: str) -> list[str]:
    """Return such scans in the plan of the statement that was prepared and contains this text."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name, cardinality(parameter_types) FROM pg_prepared_statements WHERE position(%s IN statement) > 0",
            [beginning],
        )
        [(name, count)] = cursor.fetchall()
        cursor.execute(f"EXPLAIN (FORMAT JSON) EXECUTE {name}({', '.join(['NULL'] * count)})")
        (explained,) = cursor.fetchone()
    return list(scans((json.loads(explained) if isinstance(explained, str) else explained)[0]["Plan"]))


@pytest.mark.parametrize("is_ordered", [False, True])
def test_claim(is_ordered: bool) -> None:
    endpoint = make_endpoint()
    make_deliveries(endpoint, order_key="a" if is_ordered else None)
    assert claim.claim_deliveries(TOKEN, [claim_request(endpoint, ordered=is_ordered)])
    assert scans_without_condition("FROM unnest($1::uuid[], $2::int[]" if not is_ordered else "AS head(id") == []


def test_read_claims() -> None:
    claim.read_claims(TOKEN, [TOKEN])
    assert scans_without_condition("extract(epoch FROM d.claimed_until") == []


def test_settle() -> None:
    endpoint = make_endpoint()
    (delivery,) = make_deliveries(endpoint)
    settle.settle_attempts([settlement(delivery)])
    assert scans_without_condition("AS r(id, token, state, wait") == []


def test_release_claims() -> None:
    settle.release_claims([(TOKEN, TOKEN)])
    assert scans_without_condition("AS r(id, token) ORDER BY id") == []


def test_find_claims() -> None:
    settle.find_claims([(TOKEN, TOKEN)])
    assert scans_without_condition("AS r(id, token)\n  JOIN") == []


def test_renew_lanes() -> None:
    renew_lanes(OWNER, [lane_row(make_endpoint())])
    assert scans_without_condition("AS r(endpoint_id, low_water_mark") == []
