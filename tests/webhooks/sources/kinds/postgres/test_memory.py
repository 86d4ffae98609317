"""Test that rows of any size are read one by one: ten of them take the memory of one."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.memory import peak_of
from tests.webhooks.sources.kinds.postgres.conftest import Shop
from webhooks.sources.kinds.kind import Reader
from webhooks.sources.kinds.postgres.outbox import rows
from webhooks.sources.kinds.registry import find_kind

MIB = 1024**2
ROWS, SIZE = 10, 9 * MIB  # each ends a fetch
MOST = 8 * SIZE + 24 * MIB  # one row in libpq's buffer, its result, the value, its text and the record; less than ten
WAIT = 60.0  # seconds for the next rows, which are there
PAYLOADS = f"SELECT n, repeat('x', {SIZE}) FROM generate_series(1, {ROWS}) n"


@pytest.fixture(scope="module", autouse=True)
def is_forked_with_ease(shop_database: Shop) -> None:
    """Import what is imported at the first use, which takes memory, too."""
    assert find_kind("postgres_outbox")
    assert find_kind("postgres_changes")


def read_all(open_reader: Callable[[], Reader]) -> Callable[[], None]:
    """Return work that reads so many large rows; it keeps none."""

    def work() -> None:
        reader = open_reader()
        sizes: list[int] = []
        while len(sizes) < ROWS:
            records = reader.fetch(500, WAIT)
            sizes += [len(record.body) for record in records if len(record.body) >= SIZE]
            reader.acknowledge(records)
            assert len(records) == 1
        reader.close()

    return work


def opened(shop: Shop, kind: str, **changes: Any) -> Callable[[], Reader]:
    connection = shop.connection(kind, **changes)
    return lambda: find_kind(kind).open(connection, "", None)


def test_outbox_with_large_rows_is_read_in_the_memory_of_one(shop: Shop) -> None:
    shop.run("CREATE TABLE outbox (id int PRIMARY KEY, payload text STORAGE EXTERNAL)")
    shop.run(f"INSERT INTO outbox {PAYLOADS}")
    assert peak_of(read_all(opened(shop, "postgres_outbox", table="outbox"))) < MOST


def test_payload_is_not_made_text_beyond_the_limit_of_a_fetch(shop: Shop) -> None:
    shop.run("CREATE TABLE outbox (id int NOT NULL, payload jsonb, at timestamptz NOT NULL)")  # has to be sorted
    shop.run("INSERT INTO outbox SELECT n, to_jsonb(n), now() FROM generate_series(1, 1000) n")
    reader = opened(shop, "postgres_outbox", table="outbox", after="leave", time_column="at")()
    plan = [line.strip(" ->") for (line,) in shop.run(f"EXPLAIN (COSTS OFF) {statement_of(reader)}")]
    reader.close()
    assert plan[:3] == ["Nested Loop", "Limit", "Sort"]
    assert plan.index("Result") > plan.index("Limit")


def statement_of(reader: Any) -> str:
    """Return the statement with which a reader selects rows."""
    statements: list[str] = []
    stream = reader._rows._stream

    def noted(statement: Any) -> Any:
        statements.append(statement.as_string(None))
        return stream(statement)

    reader._rows._stream = noted
    reader.fetch(10, 0.0)
    return statements[-1]


def test_columns_that_are_too_long_are_problems_and_are_not_read_whole(shop: Shop) -> None:
    shop.run("CREATE TABLE outbox (id text PRIMARY KEY, payload jsonb, type text, headers jsonb)")
    shop.run("INSERT INTO outbox VALUES ('a', '1', repeat('t', 1000000), NULL)")
    shop.run("INSERT INTO outbox VALUES ('b', '2', 'order.paid', jsonb_build_object('h', repeat('h', 1000000)))")
    mapped = {"type_column": "type", "headers_column": "headers"}
    reader = opened(shop, "postgres_outbox", table="outbox", **mapped)()
    records = reader.fetch(10, 0.0)
    assert [record.problem for record in records] == [
        "The column of the type has more than 10,000 characters.",
        "The headers have more than 16 KiB.",
    ]
    assert len(records[0].event_type) == rows.MAX_TEXT + 1
    reader.close()


def test_large_changes_are_read_in_the_memory_of_one(shop: Shop) -> None:
    shop.run("CREATE TABLE orders (id int PRIMARY KEY, note text STORAGE EXTERNAL)")
    reader = opened(shop, "postgres_changes", tables=["orders"])
    reader().close()  # creates the slot
    shop.run("INSERT INTO orders SELECT n, 'small' FROM generate_series(-400, -1) n")
    shop.run(f"INSERT INTO orders {PAYLOADS}")
    assert peak_of(read_changes(reader)) < MOST


def read_changes(open_reader: Callable[[], Reader]) -> Callable[[], None]:
    def work() -> None:
        reader = open_reader()
        small = large = 0
        while large < ROWS:
            records = reader.fetch(500, WAIT)
            assert records
            small += sum(len(record.body) < SIZE for record in records)
            large += sum(len(record.body) > SIZE for record in records)
            reader.acknowledge(records)
        assert small == 400
        reader.close()

    return work


def test_large_rows_are_copied_in_the_memory_of_one(shop: Shop) -> None:
    shop.run("CREATE TABLE orders (id int PRIMARY KEY, note text STORAGE EXTERNAL)")
    shop.run(f"INSERT INTO orders {PAYLOADS}")
    assert peak_of(read_all(opened(shop, "postgres_changes", tables=["orders"], copy=True))) < MOST
