"""Test that plans which were made while the tables were empty also suit full ones."""

import importlib
import json
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.db import connection

import delivery.sql
from delivery.sql.due import MARK_LANES_DUE
from webhooks.kit import sql
from webhooks.wire.ids import new_id

TABLES = {  # those that grow, and what finds one row of them
    "delivery_delivery": r"\(id = ",
    "delivery_event": r"\(id = |event_id = .* AND .*source = ",
    "delivery_attempt": r"\(id = ",
    "delivery_deadletter": r"\(id = ",
    "delivery_lane": r"\(endpoint_id = ",
    "delivery_usageincrement": r"\(id = ",
    "subscriptions_grant": r"\(id = ",
    "subscriptions_endpoint": r"\(id = ",
    "subscriptions_subscription": r"\((id|tenant_id|endpoint_id|grant_id) = ",
}
PARAMETER = re.compile(r"%\((\w+)\)s")
JOINED = re.compile(r"\bIN \(\s*SELECT\b[^()]*\bLIMIT\b")
PARTS = {  # of other statements, which are planned
    "delivery.sql.claim.SELECT_DUE",
    "delivery.sql.claim.SELECT_THESE",
    "delivery.sql.deliveries.INSERT_CLAIMED_DELIVERIES",
    "delivery.sql.publish.INSERT_CLAIMED_DELIVERIES",
    "delivery.sql.figures.usage.INSERT_USAGE",
    "delivery.sql.deliveries.INSERT_USAGE",
    "delivery.sql.publish.INSERT_USAGE",
    "delivery.sql.fan_out.INSERT_USAGE",
    "delivery.sql.sharing.shares.INSERT_USAGE",
    "delivery.sql.dead_letters.INSERT_DEAD_LETTERS",
    "delivery.sql.recovery.claims.INSERT_DEAD_LETTERS",
}
MARKS = {"delivery.sql.due.MARK_LANES_DUE", "delivery.sql.due.MARK_LANES_DUE_LATE"}
SMALL = {"delivery.sql.load.lanes_behind.LANES_BEHIND"}  # compare what is being sent with the lanes of one page

APPS = ("config", "delivery", "subscriptions", "webhooks")

pytestmark = pytest.mark.django_db


def statements() -> dict[str, str]:
    """Return the statements of all modules of ``delivery.sql`` that read one of the tables, by name."""
    names = [it.name for it in pkgutil.walk_packages(delivery.sql.__path__, "delivery.sql.")]
    constants = {f"{name}.{key}": value for name in names for key, value in vars(importlib.import_module(name)).items()}
    return {
        key: value
        for key, value in constants.items()
        if isinstance(value, str)
        and any(re.search(rf"\b{table}\b", value) for table in TABLES)
        and is_whole(value)
        and key not in PARTS | SMALL
    }


def is_whole(text: str) -> bool:
    """Return whether this begins as a statement; the parts of others that do are PARTS."""
    return text.strip().startswith(("WITH", "SELECT", "UPDATE", "DELETE", "INSERT"))


def products(plan: dict[str, Any]) -> Iterator[str]:
    """Describe each join that compares many rows of one of the tables with every row of something else."""
    inner = plan.get("Plans", [])
    if plan["Node Type"] == "Nested Loop" and "Join Filter" in plan:
        joined = [it for it in inner if it["Parent Relationship"] != "InitPlan"]  # which runs once
        yield from (f"{it['Node Type']} on {it['Relation Name']}" for it in joined if reads_many(it))
    for each in inner:
        yield from products(each)


def reads_many(plan: dict[str, Any]) -> bool:
    """Return whether a scan may find more than one row: it compares no unique key."""
    table, condition = plan.get("Relation Name"), plan.get("Index Cond", plan.get("Recheck Cond", ""))
    return table in TABLES and not re.search(TABLES[table], condition)


@pytest.fixture(params=["analyzed", "never analyzed"], autouse=True)
def plans_of_empty_tables(request: pytest.FixtureRequest) -> Iterator[None]:
    """Empty all tables of ours, whatever other tests left in them, and plan as in a drain."""
    models = (it for app in ("webhooks", "subscriptions", "delivery") for it in apps.get_app_config(app).get_models())
    tables = ", ".join(sorted(it._meta.db_table for it in models if it._meta.managed))
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {tables} CASCADE")
        if request.param == "analyzed":
            cursor.execute(f"ANALYZE {tables}")
    sql.force_index_plans()
    yield
    sql.allow_all_plans()


@pytest.mark.parametrize("name", sorted(statements()))
def test_no_statement_compares_many_rows_with_all_others(name: str) -> None:
    keys = list(dict.fromkeys(PARAMETER.findall(statements()[name])))
    numbered = PARAMETER.sub(lambda found: f"${keys.index(found[1]) + 1}", statements()[name]).replace("%%", "%")
    with connection.cursor() as cursor:
        cursor.execute(f"PREPARE planned AS {numbered}".replace("%", "%%"), [])
        values = f"({', '.join(['NULL'] * len(keys))})" if keys else ""
        cursor.execute(f"EXPLAIN (FORMAT JSON) EXECUTE planned{values}")
        (explained,) = cursor.fetchone()
        cursor.execute("DEALLOCATE planned")
    plan = json.loads(explained) if isinstance(explained, str) else explained
    assert list(products(plan[0]["Plan"])) == []
    assert "lane_free" not in str(plan) or name in MARKS  # idle lanes are many, and others have smaller indexes


def test_lanes_are_marked_by_an_index_of_those_without_owner() -> None:
    """Other indexes have an entry for each renewal of a lease, which an old snapshot keeps."""
    marks = MARK_LANES_DUE.partition("), marked AS")[0].removeprefix("\nWITH late AS (")
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {marks}", {"endpoints": [new_id()]})
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "lane_free" in plan


def test_rows_that_are_chosen_by_a_limit_are_looked_up_and_not_joined() -> None:
    """A join that was planned for an empty table compares each of the chosen rows with all others."""
    files = (it for app in APPS for it in (Path(settings.BASE_DIR) / app).rglob("*.py") if "migrations" not in it.parts)
    assert [str(it) for it in files if JOINED.search(it.read_text())] == []
