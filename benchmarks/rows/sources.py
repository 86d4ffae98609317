"""Read other systems: from records that an application writes there to their events at endpoints.

Kafka is a mock cluster in the process of the benchmark. The other PostgreSQL has a server of its own on this machine,
whose work is part of what is measured.
"""

import json
import time
from collections.abc import Callable
from typing import Any

from benchmarks.bench import ENDPOINTS, SIZE, Bench, counted, event_types, rate
from benchmarks.result import Result
from benchmarks.wire.kafka_cluster import PARTITIONS, KafkaCluster
from config.local.embedded.other_database import other_database

TEXT = "x" * (SIZE // 2)  # of each record
TOPIC = "orders"
AHEAD = 8_000  # records of Kafka that are written and have not arrived: the cluster keeps no more
TRANSACTION = 20  # rows
OUTBOX = """CREATE TABLE outbox (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, type text, payload jsonb,
    created_at timestamptz NOT NULL DEFAULT now()); CREATE INDEX ON outbox (created_at, id)"""
INTO_OUTBOX = """INSERT INTO outbox (type, payload)
    SELECT t, jsonb_build_object('text', %s::text) FROM unnest(%s::text[]) t"""
ORDERS = "CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, note text)"
INTO_ORDERS = "INSERT INTO orders (note) SELECT %s::text FROM unnest(%s::text[])"
INSERTED = "postgres.orders.inserted"
DUE = "SELECT count(*) FROM webhooks_receipt WHERE due_at IS NOT NULL"
LAST_ERROR = "SELECT last_error FROM webhooks_sourcepartition"
STOP = "DELETE FROM webhooks_sourcepartition"
FIRST_WITHIN = 60  # seconds from the creation of the source to the first event

Write = Callable[[list[str]], None]
"""Write a record of each of these types to the other system."""


def kafka(bench: Bench) -> Result:
    """Write records to one topic with four partitions; 100 endpoints."""
    cluster = KafkaCluster(TOPIC)

    def write(types: list[str]) -> None:
        for number, event_type in enumerate(types):
            record = json.dumps({"type": event_type, "data": {"text": TEXT}})
            cluster.producer.produce(TOPIC, record, partition=number % PARTITIONS)
        cluster.producer.flush(30)

    bench.create_endpoints(ENDPOINTS)
    source = {"kind": "kafka", "settings": {**cluster.settings, "start": "earliest"}}
    return _measure(bench, source, write, event_types(ENDPOINTS), part=500, unit="records", ahead=AHEAD)


def outbox(bench: Bench) -> Result:
    """Insert rows into an outbox whose rows are deleted after reading; 100 endpoints."""
    bench.create_endpoints(ENDPOINTS)
    settings = {"table": "outbox", "type_column": "type", "time_column": "created_at", "channel": "outbox"}
    return _measure_postgres(bench, "postgres_outbox", settings, OUTBOX, INTO_OUTBOX, event_types(ENDPOINTS))


def changes(bench: Bench) -> Result:
    """Insert rows into a table whose changes are read; their one type goes to one endpoint."""
    bench.system.create_endpoints(["lane0"], [bench.sink.url(0, "o")], [INSERTED])
    return _measure_postgres(bench, "postgres_changes", {"tables": ["orders"]}, ORDERS, INTO_ORDERS, [INSERTED])


def _measure_postgres(
    bench: Bench, kind: str, settings: dict[str, Any], create: str, insert: str, types: list[str]
) -> Result:
    with other_database(bench.new_directory()) as other:
        other.connection.execute(create)

        def write(types: list[str]) -> None:
            with other.connection.transaction():
                other.connection.execute(insert, (TEXT, types))
                other.connection.execute("NOTIFY outbox")

        source = {"kind": kind, "settings": {**other.settings, **settings}, "credentials": {"password": other.password}}
        return _measure(bench, source, write, types, part=TRANSACTION, unit="rows")


def _measure(
    bench: Bench, source: dict[str, Any], write: Write, types: list[str], *, part: int, unit: str, ahead: int = 0
) -> Result:
    """Measure from the first record that is written, `part` at a time, to the last event that has arrived.

    `ahead`: the most records that may be written and have not arrived; 0: any number.
    """
    count = bench.size(10_000, 40_000)
    bench.deployment.create("sources/", {**source, "uid": source["kind"], "handlers": [{"handler": "publish"}]})
    _await_first(bench, write, types[:1])
    since, began = bench.sink.count, time.time_ns()
    with bench.meter() as meter:
        for start in range(0, count, part):
            write([types[it % len(types)] for it in range(start, min(start + part, count))])
            while ahead and start + part - (bench.sink.count - since) > ahead:
                time.sleep(0.01)
        written = (time.time_ns() - began) / 1e9
        bench.await_delivered(since, count)
    arrivals = bench.sink.arrivals(since)
    bench.deployment.sql(STOP)
    checks = [counted(f"all {unit} arrived once", len(arrivals), count)]
    notes = [f"{count / written:,.0f}/s written"]
    return Result(count, rate(arrivals, began), None, meter.cost, checks, unit, notes=notes)


def _await_first(bench: Bench, write: Write, types: list[str]) -> None:
    """Write records until the first event arrives: the source has been read then, and a slot that it needs is there."""
    since = bench.sink.count
    for _ in range(FIRST_WITHIN):
        write(types)
        time.sleep(1.0)
        if bench.sink.count > since:
            break
    else:
        raise RuntimeError(f"nothing is read: {bench.deployment.sql(LAST_ERROR)}")
    bench.wait("receipts to publish", lambda: bench.system.number(DUE), lambda due: due == 0)
    time.sleep(2.0)  # until the last record that was written is read
    bench.await_settled()
