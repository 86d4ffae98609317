"""Insert finished deliveries by the million, as months of traffic leave them, in one transaction.

Indexes and constraints are dropped before and created again, in the same definitions, after: several times faster than
maintaining them row by row, and a failure leaves the table as it was.
"""

import shutil

from benchmarks.deployment import Deployment

TABLE = "delivery_delivery"
ROW_BYTES = 1_100  # of disk for each row: table, indexes, their log, and what sorting needs meanwhile
SPARE_BYTES = 2 * 2**30
INDEXES = """
SELECT format('ALTER TABLE %1$s DROP CONSTRAINT %2$I', conrelid::regclass, conname),
       format('ALTER TABLE %1$s ADD CONSTRAINT %2$I %3$s', conrelid::regclass, conname, pg_get_constraintdef(oid))
  FROM pg_constraint WHERE conrelid = 'delivery_delivery'::regclass AND contype IN ('p', 'u')
UNION ALL
SELECT format('DROP INDEX %s', indexrelid::regclass), pg_get_indexdef(indexrelid)
  FROM pg_index i WHERE indrelid = 'delivery_delivery'::regclass
   AND indpred IS NULL -- partial indexes hold nothing that is finished, and stay
   AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid)"""
ROWS = """
INSERT INTO delivery_delivery (id, created_at, tenant_id, event_id, endpoint_id, state, started_at, attempts, step,
       claims, last_status, last_error)
SELECT uuidv7(), now(), e.tenant_id, uuidv7(), e.id, 'delivered', now(), 1, 0, 0, 200, ''
  FROM generate_series(0, %s - 1) n
  JOIN (SELECT id, tenant_id, row_number() OVER (ORDER BY id) - 1 AS place, count(*) OVER () AS endpoints
          FROM subscriptions_endpoint) e ON n %% e.endpoints = e.place"""


class TooLittleDiskError(Exception):
    """The rows do not fit; the message says what they need and what there is."""


def insert_finished(deployment: Deployment, rows: int) -> None:
    """Insert the rows, in equal parts for all endpoints. Raises TooLittleDiskError before anything is written."""
    need, free = rows * ROW_BYTES + SPARE_BYTES, shutil.disk_usage(deployment.data).free
    if free < need:
        raise TooLittleDiskError(
            f"{rows:,} finished deliveries need {need / 2**30:.0f} GiB of disk at {deployment.data},"
            f" {free / 2**30:.0f} are free; TMPDIR names another place"
        )
    with deployment.connection.transaction():
        deployment.sql("SET LOCAL maintenance_work_mem = '512MB'")
        indexes = deployment.sql(INDEXES)
        for statement in [drop for drop, _ in indexes]:
            deployment.sql(statement)
        deployment.sql(ROWS, rows)
        for statement in [create for _, create in indexes]:
            deployment.sql(statement)
    deployment.sql(f"VACUUM (ANALYZE) {TABLE}")
    deployment.sql("CHECKPOINT")
