"""The table is as it was, but for its rows."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from django.db import connection

from benchmarks.rows.past import TooLittleDisk, fill
from tests.factories import make_endpoint

pytestmark = pytest.mark.django_db(transaction=True)
COUNT = "SELECT endpoint_id, count(*) FROM delivery_delivery WHERE state = 'delivered' GROUP BY 1"

CONSTRAINTS = (
    "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'delivery_delivery'::regclass"
)
INDEXES = "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'delivery_delivery'"


@pytest.fixture
def bench() -> Any:
    connection.ensure_connection()
    raw: psycopg.Connection[Any] = connection.connection

    def sql(statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with raw.cursor() as cursor:
            cursor.execute(statement, parameters or None)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []

    stand = SimpleNamespace(connection=raw, sql=sql, free_bytes=lambda: 2**50, directory=Path("/somewhere/run"))
    return SimpleNamespace(stand=stand, progress=lambda *_: None)


def definitions(bench: Any) -> set[tuple[Any, ...]]:
    return {*bench.stand.sql(CONSTRAINTS), *bench.stand.sql(INDEXES)}


def test_the_rows_are_spread_over_the_endpoints_and_every_index_is_there_again(bench: Any) -> None:
    ends = {make_endpoint().pk for _ in range(3)}
    before = definitions(bench)
    fill(bench, 300)
    assert dict(bench.stand.sql(COUNT)) == dict.fromkeys(ends, 100)
    assert definitions(bench) == before
    assert len(before) > 5


def test_a_failure_on_the_way_leaves_the_table_as_it_was(bench: Any) -> None:
    make_endpoint()
    before = definitions(bench)

    def interrupt(what: str, *_: object) -> None:
        if what == "building its indexes":
            raise InterruptedError

    bench.progress = interrupt
    with pytest.raises(InterruptedError):
        fill(bench, 100)
    assert definitions(bench) == before
    assert bench.stand.sql(COUNT) == []


def test_too_little_disk_is_said_in_one_line_before_anything_is_written(bench: Any) -> None:
    bench.stand.free_bytes = lambda: 5 * 2**30
    with pytest.raises(
        TooLittleDisk, match=r"10,000,000 finished deliveries need 12 GiB of disk at /somewhere, 5 are free"
    ):
        fill(bench, 10_000_000)
    assert bench.stand.sql(COUNT) == []
