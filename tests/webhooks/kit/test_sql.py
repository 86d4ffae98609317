"""Test the SQL runner: parameters in binary, prepared statements, and plans that follow the tables."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import DataError, connection

from webhooks.kit import sql
from webhooks.kit.postgresql import prepared_statements

COUNT = "SELECT count(*) FROM unnest(%(ids)s::uuid[]) AS asked(id) JOIN crowd ON crowd.id = asked.id"

pytestmark = pytest.mark.django_db


@pytest.fixture
def index_plans() -> Iterator[None]:
    sql.force_index_plans()
    yield
    sql.allow_all_plans()


def fetch(statement: str) -> list[tuple[str, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


def test_force_index_plans_is_undone_by_allow_all_plans(index_plans: None) -> None:
    assert fetch("SHOW enable_seqscan") == [("off",)]
    sql.allow_all_plans()
    assert fetch("SHOW enable_seqscan") == [("on",)]


def test_run_keeps_a_plan_for_its_lifetime_and_then_plans_for_the_present_tables(
    index_plans: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def count() -> None:
        sql.run(COUNT, {"ids": []})

    def plan() -> str:
        return "\n".join(line for (line,) in fetch(f"EXPLAIN EXECUTE {name}(NULL)"))

    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE crowd (id uuid PRIMARY KEY) ON COMMIT DROP; ANALYZE crowd")
        count()
        ((name,),) = fetch("SELECT name FROM pg_prepared_statements WHERE statement LIKE '%JOIN crowd%'")
        plan_of_empty_table = plan()
        cursor.execute("INSERT INTO crowd SELECT gen_random_uuid() FROM generate_series(1, 5000)")
    monkeypatch.setattr(prepared_statements, "LONGEST_PLAN_LIFETIME", 3600.0)
    count()
    assert plan() == plan_of_empty_table
    monkeypatch.setattr(prepared_statements, "LONGEST_PLAN_LIFETIME", 0.0)
    monkeypatch.setattr(prepared_statements, "PLAN_LIFETIME", 0.0)
    count()
    assert "Index Cond: (id = asked.id)" in plan()
    assert "Index Cond: (id = asked.id)" not in plan_of_empty_table


def test_run_prepares_its_statements_and_django_never_does() -> None:
    assert sql.run("SELECT %(n)s::int AS ours", {"n": 7}) == [(7,)]
    for _ in range(7):
        fetch("SELECT 7 AS theirs")
    found = fetch("SELECT statement FROM pg_prepared_statements WHERE statement LIKE 'SELECT%ours'")
    assert found == [("SELECT $1::int AS ours",)]
    assert fetch("SELECT statement FROM pg_prepared_statements WHERE statement LIKE 'SELECT%theirs'") == []


def test_run_prepares_nothing_without_the_setting(settings: Any) -> None:
    settings.WAYPOST_PREPARE_STATEMENTS = False
    assert sql.run("SELECT %(n)s::int AS unprepared", {"n": 7}) == [(7,)]
    assert fetch("SELECT statement FROM pg_prepared_statements WHERE statement LIKE 'SELECT%unprepared'") == []


def test_run_takes_numbered_parameters_and_named_arrays() -> None:
    assert sql.run(b"SELECT $1::int + $2::int", [3, 4]) == [(7,)]
    assert sql.run("SELECT %(a)s::int[], cardinality(%(a)s)", {"a": [1, 2]}) == [([1, 2], 2)]
    assert sql.run("SET LOCAL work_mem = '4MB'", {}) == []


def test_run_raises_djangos_database_errors() -> None:
    with pytest.raises(DataError):
        sql.run("SELECT 1 / %(n)s::int", {"n": 0})


def test_columns_transposes_rows_and_makes_empty_columns_of_none() -> None:
    assert sql.columns([(1, "a"), (2, "b")], 2) == [[1, 2], ["a", "b"]]
    assert sql.columns([], 2) == [[], []]
