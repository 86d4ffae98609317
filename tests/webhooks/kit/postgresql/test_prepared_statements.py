"""Test prepared statements: prepared once for a connection, again after a change, with plans that are kept a while."""

import pytest
from django.db import InternalError, ProgrammingError, connection, transaction

from webhooks.kit import sql
from webhooks.kit.postgresql import prepared_statements

COUNT = "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE %(like)s"

pytestmark = pytest.mark.django_db


def execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def prepared(beginning: str) -> int:
    with connection.cursor() as cursor:  # a test before may have let the server forget what sql.run has prepared
        cursor.execute(COUNT, {"like": f"{beginning}%"})
        return int(cursor.fetchone()[0])


def test_statement_is_prepared_once() -> None:
    for number in range(3):
        assert sql.run("SELECT %(n)s::int + 1 AS once", {"n": number}) == [(number + 1,)]
    assert prepared("SELECT $1::int + 1 AS once") == 1


def test_name_that_is_used_twice_is_one_parameter_and_a_doubled_percent_sign_is_one() -> None:
    assert sql.run("SELECT %(n)s::int + %(n)s::int, 7 %% 4", {"n": 3, "unused": 1}) == [(6, 3)]


@pytest.mark.django_db(transaction=True)
def test_statement_is_prepared_again_when_its_columns_have_changed() -> None:
    execute("CREATE TEMPORARY TABLE crowd (a int)")
    try:
        execute("INSERT INTO crowd VALUES (1)")
        assert sql.run("SELECT * FROM crowd", {}) == [(1,)]
        execute("ALTER TABLE crowd ADD b int")
        assert sql.run("SELECT * FROM crowd", {}) == [(1, None)]
    finally:
        execute("DROP TABLE crowd")


@pytest.mark.django_db(transaction=True)
def test_statement_is_prepared_again_when_the_server_forgot_it() -> None:
    assert sql.run("SELECT 1 AS forgotten", {}) == [(1,)]
    execute("DEALLOCATE ALL")
    assert sql.run("SELECT 1 AS forgotten", {}) == [(1,)]


def test_forgotten_statement_fails_in_a_transaction_and_not_after_it() -> None:
    assert sql.run("SELECT 1 AS lost", {}) == [(1,)]
    execute("DEALLOCATE ALL")
    with pytest.raises((InternalError, ProgrammingError)), transaction.atomic():
        sql.run("SELECT 1 AS lost", {})
    assert sql.run("SELECT 1 AS lost", {}) == [(1,)]


def test_statements_beyond_the_maximum_are_prepared_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepared_statements, "MAX_STATEMENTS", 3)
    for number in range(8):
        assert sql.run(f"SELECT {number} AS many", {}) == [(number,)]
    assert prepared("SELECT % AS many") <= 3


@pytest.mark.django_db(transaction=True)
def test_statement_outside_an_atomic_block_is_committed_at_once_and_inside_one_with_it() -> None:
    execute("CREATE TABLE crowd (a int)")
    try:
        with transaction.atomic():
            sql.run("INSERT INTO crowd VALUES (%(n)s)", {"n": 1})
            transaction.set_rollback(True)
        sql.run("INSERT INTO crowd VALUES (%(n)s)", {"n": 2})
        assert sql.run("SELECT a FROM crowd", {}) == [(2,)]
    finally:
        execute("DROP TABLE crowd")


def test_plans_are_kept_while_few_rows_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepared_statements, "PLAN_LIFETIME", 0.0)
    execute("SET LOCAL plan_cache_mode = force_generic_plan")
    execute("CREATE TEMPORARY TABLE crowd (a int PRIMARY KEY) ON COMMIT DROP; ANALYZE crowd")
    find = "SELECT a FROM crowd WHERE a = ANY(%(a)s::int[])"

    def plan() -> str:
        ((name,),) = sql.run("SELECT name FROM pg_prepared_statements WHERE statement LIKE 'SELECT a FROM crowd%%'", {})
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN EXECUTE {name}(NULL)")
            return str(cursor.fetchall())

    sql.run(find, {"a": [1]})
    execute("INSERT INTO crowd SELECT generate_series(1, 20000)")
    sql.run(find, {"a": [1]})
    assert "Seq Scan" in plan()
    sql.run(find, {"a": list(range(prepared_statements.PLAN_ROWS))})
    sql.run(find, {"a": [1]})
    assert "Index" in plan()


def test_connection_that_a_thread_comes_back_to_may_prepare_again() -> None:
    connection.ensure_connection()
    for number in range(2):
        statements = prepared_statements.PreparedStatements(connection.connection)
        assert statements.execute(f"SELECT {number} AS again", {}) == [(number,)]
