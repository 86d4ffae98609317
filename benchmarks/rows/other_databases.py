"""Read another PostgreSQL: from rows that an application inserts to their events at endpoints.

The other database has a server of its own on the same machine, whose work is part of what is measured.
"""

import time
from typing import Any

from benchmarks.bench import SIZE, Bench, event_types, rate
from benchmarks.result import Check, Result
from config.local.embedded.other_database import OtherDatabase, other_database

ENDPOINTS = 100
BATCH = 20  # rows of one transaction
OUTBOX = """CREATE TABLE outbox (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, type text, payload jsonb,
    created_at timestamptz NOT NULL DEFAULT now()); CREATE INDEX ON outbox (created_at, id)"""
INTO_OUTBOX = """INSERT INTO outbox (type, payload)
    SELECT t, jsonb_build_object('text', %s::text) FROM unnest(%s::text[]) t"""
ORDERS = "CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, note text)"
INTO_ORDERS = "INSERT INTO orders (note) SELECT %s::text FROM unnest(%s::text[])"
STOP = "DELETE FROM webhooks_sourcepartition"
INSERTED = "postgres.orders.inserted"


def outbox(bench: Bench) -> Result:
    """Insert rows into an outbox whose rows are deleted after reading; 100 endpoints."""
    bench.create_endpoints(ENDPOINTS)
    settings = {"table": "outbox", "type_column": "type", "time_column": "created_at", "channel": "outbox"}
    return _measure(bench, "postgres_outbox", settings, (OUTBOX, INTO_OUTBOX), event_types(ENDPOINTS))


def changes(bench: Bench) -> Result:
    """Insert rows into a table whose changes are read; their one type goes to one endpoint."""
    bench.system.create_endpoints(["lane0"], [bench.sink.url(0, "o")], [INSERTED])
    return _measure(bench, "postgres_changes", {"tables": ["orders"]}, (ORDERS, INTO_ORDERS), [INSERTED])


def _measure(
    bench: Bench, kind: str, settings: dict[str, Any], statements: tuple[str, str], types: list[str]
) -> Result:
    count = bench.size(10_000, 40_000)
    with other_database(bench.new_directory()) as other:
        other.connection.execute(statements[0])
        source = {"kind": kind, "settings": {**other.settings, **settings}, "credentials": {"password": other.password}}
        bench.deployment.create("sources/", {**source, "uid": kind, "handlers": [{"handler": "publish"}]})
        _await_first(bench, other, statements[1], types[:1])
        since = bench.sink.count
        with bench.meter() as meter:
            began = time.time_ns()
            _insert(other, statements[1], count, types)
            inserted = (time.time_ns() - began) / 1e9
            bench.await_arrivals(since, count)
            bench.await_settled()
        arrivals = bench.sink.arrivals(since)
        bench.deployment.sql(STOP)
    arrived = len(arrivals)
    checks = [Check("every row arrived once", arrived == count, f"{arrived} of {count}")]
    notes = [f"{count / inserted:,.0f}/s inserted"]
    return Result(count, rate(arrivals, began), None, meter.cost, checks, "rows", notes=notes)


def _await_first(bench: Bench, other: OtherDatabase, statement: str, types: list[str]) -> None:
    """Insert rows until the first event arrives: the source has been read then, and its slot is there."""
    since = bench.sink.count
    inserted = 0
    while bench.sink.count == since:
        _insert(other, statement, 1, types)
        inserted += 1
        time.sleep(1.0)
        if inserted > 60:
            raise RuntimeError(
                f"nothing is read: {bench.deployment.sql('SELECT last_error FROM webhooks_sourcepartition')}"
            )
    bench.wait(
        "receipts to publish",
        lambda: bench.system.number("SELECT count(*) FROM webhooks_receipt WHERE due_at IS NOT NULL"),
        lambda due: due == 0,
    )
    time.sleep(2.0)
    bench.await_settled()


def _insert(other: OtherDatabase, statement: str, count: int, types: list[str]) -> None:
    text = "x" * (SIZE // 2)
    for start in range(0, count, BATCH):
        numbers = range(start, min(count, start + BATCH))
        with other.connection.transaction():
            other.connection.execute(statement, (text, [types[it % len(types)] for it in numbers]))
            other.connection.execute("NOTIFY outbox")
