"""How statements are planned: by index, whatever the tables held when the plan was made, and not every time."""

from collections.abc import Iterator

import pytest
from django.db import connection

from delivery.sql import statements

COUNT = "SELECT count(*) FROM unnest(%(ids)s::uuid[]) AS asked(id) JOIN crowd ON crowd.id = asked.id"

pytestmark = pytest.mark.django_db


@pytest.fixture
def by_index() -> Iterator[None]:
    statements.plan_by_index()
    yield
    statements.plan_freely()


def ask(sql: str) -> list[tuple[str, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


def test_a_drain_plans_by_index_and_leaves_the_connection_as_it_was(by_index: None) -> None:
    assert ask("SHOW enable_seqscan") == [("off",)]
    statements.plan_freely()
    assert ask("SHOW enable_seqscan") == [("on",)]


def test_a_plan_is_kept_for_a_while_and_then_made_for_what_the_tables_hold(
    by_index: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def count() -> None:
        statements.run(COUNT, {"ids": []})

    def plan() -> str:
        return "\n".join(line for (line,) in ask(f"EXPLAIN EXECUTE {name}(NULL)"))

    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE crowd (id uuid PRIMARY KEY) ON COMMIT DROP; ANALYZE crowd")
        count()
        ((name,),) = ask("SELECT name FROM pg_prepared_statements WHERE statement LIKE '%JOIN crowd%'")
        for_nobody = plan()
        cursor.execute("INSERT INTO crowd SELECT gen_random_uuid() FROM generate_series(1, 5000)")
    monkeypatch.setattr(statements, "KEPT", 3600.0)
    count()
    assert plan() == for_nobody
    monkeypatch.setattr(statements, "KEPT", 0.0)
    count()
    assert "Index Cond: (id = asked.id)" in plan()
    assert "Index Cond: (id = asked.id)" not in for_nobody


def test_ours_are_prepared_and_djangos_never() -> None:
    assert statements.run("SELECT %(n)s::int AS ours", {"n": 7}) == [(7,)]
    for _ in range(7):
        ask("SELECT 7 AS theirs")
    found = ask("SELECT statement FROM pg_prepared_statements WHERE statement LIKE 'SELECT%ours'")
    assert found == [("SELECT $1::int AS ours",)]
    assert ask("SELECT statement FROM pg_prepared_statements WHERE statement LIKE 'SELECT%theirs'") == []
