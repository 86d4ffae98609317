"""Finished deliveries by the million, as months of traffic leave them: loaded in one transaction, indexed afterwards.

The table ends with the indexes and constraints it had, in the same definitions. Adding rows first and building each
index once is several times faster than keeping five of them up to date, and a failure on the way leaves no trace.
"""

from benchmarks.bench import Bench
from benchmarks.stand import Stand

__all__ = ["TooLittleDisk", "fill"]

TABLE = "delivery_delivery"
STEP = 500_000  # rows at once, to be able to say how far it is
ROW_BYTES = 1_100  # of disk for each row: table and indexes, the log of both, and what sorting needs meanwhile
SPARE = 2 * 2**30  # bytes that stay free
UNIQUE = "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = %s::regclass AND contype IN ('p', 'u')"
INDEXES = (
    "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index i WHERE indrelid = %s::regclass"
    " AND indpred IS NULL"  # the partial ones hold nothing that is finished, and stay
    " AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid)"
)
ROWS = """
INSERT INTO delivery_delivery (id, created_at, tenant_id, event_id, endpoint_id, state, started_at, attempts, step,
       claims, last_status, last_error)
SELECT uuidv7(), now(), e.tenant_id, uuidv7(), e.id, 'delivered', now(), 1, 0, 0, 200, ''
  FROM generate_series(0, %s - 1) n
  JOIN (SELECT id, tenant_id, row_number() OVER (ORDER BY id) - 1 AS place, count(*) OVER () AS all_of_them
          FROM subscriptions_endpoint) e ON n %% e.all_of_them = e.place
"""


class TooLittleDisk(Exception):
    """The rows do not fit beside everything else; the message says what they need and what there is."""


def fill(bench: Bench, rows: int) -> None:
    """Raises TooLittleDisk, before anything is written."""
    need, free = rows * ROW_BYTES + SPARE, bench.stand.free_bytes()
    if free < need:
        raise TooLittleDisk(
            f"{rows:,} finished deliveries need {need / 2**30:.0f} GiB of disk at {bench.stand.directory.parent},"
            f" {free / 2**30:.0f} are free; TMPDIR names another place, --scale makes it less"
        )
    with bench.stand.connection.transaction():
        bench.stand.sql("SET LOCAL maintenance_work_mem = '512MB'")
        again = _without_indexes(bench.stand)
        for start in range(0, rows, STEP):
            bench.progress("loading finished deliveries", start, rows)
            bench.stand.sql(ROWS, min(STEP, rows - start))
        for number, definition in enumerate(again):
            bench.progress("building its indexes", number, len(again))
            bench.stand.sql(definition)
    bench.stand.sql(f"VACUUM (ANALYZE) {TABLE}")
    bench.stand.sql("CHECKPOINT")


def _without_indexes(stand: Stand) -> list[str]:
    """Take them off; the statements that put them on again."""
    again = []
    for name, definition in stand.sql(UNIQUE, TABLE):
        stand.sql(f'ALTER TABLE {TABLE} DROP CONSTRAINT "{name}"')
        again.append(f'ALTER TABLE {TABLE} ADD CONSTRAINT "{name}" {definition}')
    for name, definition in stand.sql(INDEXES, TABLE):
        stand.sql(f"DROP INDEX {name}")
        again.append(definition)
    return again
