"""Test that a statement of a request ends in time, and that nothing else is limited."""

import threading
from typing import Any

import psycopg
import pytest
from django.core.signals import request_finished, request_started
from django.db import connection, connections
from django.test import Client

from tests.database_url import database_url
from tests.factories import make_key, make_tenant

pytestmark = pytest.mark.django_db(transaction=True)


def on_a_thread(act: Any) -> Any:
    """Return the result of a function on a thread of its own, which has its own connection."""
    found = []

    def run() -> None:
        try:
            found.append(act())
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return found[0]


def timeout_of_a_new_connection() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        return str(cursor.fetchone()[0])


def in_a_request() -> str:
    request_started.send(sender=None, environ={})
    connections.close_all()
    try:
        return timeout_of_a_new_connection()
    finally:
        request_finished.send(sender=None)


def test_request_that_waits_for_the_database_too_long_is_a_503_that_names_the_limit(settings: Any) -> None:
    settings.WAYPOST_STATEMENT_SECONDS = 1
    _, key = make_key(make_tenant())
    with psycopg.connect(database_url(), autocommit=False) as other:
        other.execute("LOCK TABLE delivery_event IN ACCESS EXCLUSIVE MODE")
        headers = {"authorization": f"Bearer {key}"}
        response = on_a_thread(lambda: Client().get("/api/v1/events/", headers=headers))
    assert response.status_code == 503
    assert response.json()["limit"] == "WAYPOST_STATEMENT_SECONDS"
    assert response.json()["code"] == "statement_timeout"
    assert response["Retry-After"] == "2"


def test_connection_of_a_request_has_the_limit(settings: Any) -> None:
    settings.WAYPOST_STATEMENT_SECONDS = 7
    assert on_a_thread(in_a_request) == "7s"


def test_connection_outside_a_request_has_no_limit() -> None:
    assert on_a_thread(timeout_of_a_new_connection) == "0"
