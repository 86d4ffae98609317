"""Test the conditions of periodic tasks on their own connection: true, false, and with a database that is away."""

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from structlog.testing import capture_logs

from config.ops import side_connection
from config.ops.side_connection import SideConnection
from config.schedule.work_query import WorkQuery

SESSION = "work-query-test"
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def query() -> Iterator[WorkQuery]:
    query = WorkQuery(SideConnection(SESSION))
    yield query
    query.close()


def sessions() -> list[int]:
    """Return the server's processes for this test's queries."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = %s", [SESSION]
        )
        return [pid for (pid,) in cursor.fetchall()]


def test_query_returns_whether_each_condition_holds(query: WorkQuery) -> None:
    assert query(["1 = 1", "1 = 2", "EXISTS (SELECT 1 WHERE false)"]) == [True, False, False]


def test_query_sends_one_statement_whatever_is_asked_and_the_server_keeps_its_plan(query: WorkQuery) -> None:
    assert query(["1 = 1", "1 = 2"]) == [True, False]
    assert [query([each]) for each in ("1 = 2", "1 = 1")] == [[False], [True]]
    [prepared] = query._connection.execute(
        "SELECT count(*) FROM pg_prepared_statements WHERE statement ~ '^SELECT ARRAY.CASE'"
    )
    assert prepared == (1,)


def test_query_evaluates_only_what_is_asked(query: WorkQuery) -> None:
    fails = "1 / (SELECT count(*) FROM generate_series(1, 0)) = 1"
    with capture_logs() as lines:
        assert query([fails]) is None
        assert len(lines) == 1
        assert query(["1 = 1"]) == [True]


def test_query_of_no_conditions_opens_no_connection(query: WorkQuery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "PORT", "1")
    with capture_logs() as lines:
        assert query([]) == []
    assert lines == []


def test_query_keeps_one_connection(query: WorkQuery) -> None:
    query(["true"])
    before = sessions()
    query(["true"])
    assert len(before) == 1
    assert sessions() == before


def test_query_finds_no_work_and_logs_when_the_database_goes_and_when_it_is_back(
    query: WorkQuery, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as refusing, capture_logs() as lines:
        refusing.setitem(connection.settings_dict, "PORT", "1")
        refusing.setitem(connection.settings_dict, "HOST", "127.0.0.1")
        assert [query(["true"]) for _ in range(3)] == [None] * 3
    assert [line["event"] for line in lines] == ["database unavailable"]
    with capture_logs() as lines:
        assert [query(["true"]) for _ in range(2)] == [[True]] * 2
    assert [(line["event"], line["failures"]) for line in lines] == [("database available again", 3)]


def test_query_gives_up_and_connects_anew_when_the_server_hangs(
    query: WorkQuery, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(side_connection, "STATEMENT_WITHIN", 1.0)
        while query(["true"]) is None:
            pass  # the machine is slow: this query was given up as well
        [hanging] = sessions()
        os.kill(hanging, signal.SIGSTOP)
        try:
            assert query(["true"]) is None  # it ends at all
            patched.setattr(side_connection, "STATEMENT_WITHIN", 60.0)
            assert query(["true"]) == [True]
        finally:
            os.kill(hanging, signal.SIGCONT)


def test_query_gives_up_a_condition_that_takes_long(query: WorkQuery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(side_connection, "STATEMENT_WITHIN", 0.1)
    assert query(["pg_sleep(60) IS NULL"]) is None


def test_abandon_in_a_fork_leaves_the_session_to_the_parent(query: WorkQuery) -> None:
    query(["true"])
    before = sessions()
    if (child := os.fork()) == 0:
        status = 1
        try:
            query.abandon()
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    assert query(["true"]) == [True]
    assert sessions() == before


def test_plans_are_discarded_after_their_lifetime(query: WorkQuery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(side_connection, "PLAN_LIFETIME", 0.0)
    results: list[Any] = [query(["true"]) for _ in range(3)]
    assert results == [[True]] * 3
