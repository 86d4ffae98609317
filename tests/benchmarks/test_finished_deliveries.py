"""Test the insertion of finished deliveries: constraints and indexes of the table stay as they were."""

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from django.db import connection

from benchmarks import finished_deliveries
from benchmarks.finished_deliveries import TooLittleDiskError, insert_finished
from tests.factories import make_endpoint

pytestmark = pytest.mark.django_db(transaction=True)
COUNT = "SELECT endpoint_id, count(*) FROM delivery_delivery WHERE state = 'delivered' GROUP BY 1"
CONSTRAINTS = (
    "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'delivery_delivery'::regclass"
)
INDEXES = "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'delivery_delivery'"


@pytest.fixture
def deployment(monkeypatch: pytest.MonkeyPatch) -> Any:
    connection.ensure_connection()
    raw: psycopg.Connection[Any] = connection.connection

    def sql(statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with raw.cursor() as cursor:
            cursor.execute(statement, parameters or None)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []

    set_free(monkeypatch, 2**50)
    return SimpleNamespace(connection=raw, sql=sql, data=Path("/somewhere"))


def set_free(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=free))


def definitions(deployment: Any) -> set[tuple[Any, ...]]:
    return {*deployment.sql(CONSTRAINTS), *deployment.sql(INDEXES)}


def test_insert_finished_spreads_rows_over_the_endpoints_and_recreates_every_index(deployment: Any) -> None:
    endpoints = {make_endpoint().pk for _ in range(3)}
    before = definitions(deployment)
    insert_finished(deployment, 300)
    assert dict(deployment.sql(COUNT)) == dict.fromkeys(endpoints, 100)
    assert definitions(deployment) == before
    assert len(before) > 5


def test_failed_insert_finished_leaves_the_table_as_it_was(deployment: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    make_endpoint()
    before = definitions(deployment)
    monkeypatch.setattr(finished_deliveries, "ROWS", "SELECT 1 / (%s - 100)")
    with pytest.raises(psycopg.errors.DivisionByZero):
        insert_finished(deployment, 100)
    assert definitions(deployment) == before
    assert deployment.sql(COUNT) == []


def test_insert_finished_reports_too_little_disk_before_it_writes(
    deployment: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_free(monkeypatch, 5 * 2**30)
    message = r"10,000,000 finished deliveries need 12 GiB of disk at /somewhere, 5 are free"
    with pytest.raises(TooLittleDiskError, match=message):
        insert_finished(deployment, 10_000_000)
    assert deployment.sql(COUNT) == []
