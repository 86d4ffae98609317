"""Requests go through the pooler where there is one; nothing else does."""

from typing import Any

import psycopg
import pytest
from django.core.signals import request_finished, request_started
from django.db import connection, connections

from config.postgresql.pooled_requests import shares_sessions
from tests.config.ops.test_statement_timeout import on_a_thread
from tests.database_url import database_url
from webhooks.kit import sql
from webhooks.kit.postgresql.session import keeps_session, kept_session

pytestmark = pytest.mark.django_db(transaction=True)
OF_POOLER = {"OPTIONS": {"application_name": "through the pooler"}}


def name_of_session() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SHOW application_name")
        return str(cursor.fetchone()[0])


def in_a_request(act: Any) -> Any:
    def run() -> Any:
        request_started.send(sender=None, environ={})
        try:
            return act()
        finally:
            request_finished.send(sender=None)

    return on_a_thread(run)


@pytest.fixture(autouse=True)
def pooler(settings: Any) -> None:
    """Have a pooler, which is the database itself under another name."""
    options = {**connection.settings_dict["OPTIONS"], **OF_POOLER["OPTIONS"]}
    settings.WAYPOST_POOLED_DATABASE = {"OPTIONS": options}


def test_request_goes_through_the_pooler_and_what_is_no_request_does_not() -> None:
    assert in_a_request(name_of_session) == "through the pooler"
    assert on_a_thread(name_of_session) != "through the pooler"
    assert name_of_session() != "through the pooler"


def test_request_without_a_pooler_uses_the_database(settings: Any) -> None:
    settings.WAYPOST_POOLED_DATABASE = None
    assert in_a_request(name_of_session) != "through the pooler"
    assert in_a_request(keeps_session)


def test_nothing_is_prepared_in_a_session_that_is_not_kept(settings: Any) -> None:
    settings.WAYPOST_PREPARE_STATEMENTS = True

    def prepared() -> int:
        sql.run("SELECT %(n)s::int", {"n": 1})
        return len(sql.run("SELECT FROM pg_prepared_statements WHERE name LIKE 'waypost_%%'", {}))

    assert in_a_request(prepared) == 0
    assert on_a_thread(prepared) > 0


def test_limit_of_statements_is_left_to_the_pooler() -> None:
    def limit() -> str:
        with connection.cursor() as cursor:
            cursor.execute("SHOW statement_timeout")
            return str(cursor.fetchone()[0])

    assert in_a_request(limit) == "0"


def test_request_that_needs_a_session_gets_one_of_the_server_itself() -> None:
    def names() -> list[str]:
        with kept_session() as own, own.cursor() as cursor:
            cursor.execute("SHOW application_name")
            return [name_of_session(), str(cursor.fetchone()[0])]

    through, direct = in_a_request(names)
    assert (through, direct == through) == ("through the pooler", False)


def test_thread_whose_session_is_kept_uses_its_own_connection() -> None:
    with kept_session() as own:
        assert own is connections[connection.alias]


def test_server_without_a_pooler_shares_no_sessions() -> None:
    with psycopg.connect(database_url()) as opened:
        assert opened.info.backend_pid
    assert not shares_sessions(connection.get_connection_params())
