"""Count the receipts whose handlers are due, at a cost that does not grow with the table."""

from typing import NamedTuple

from webhooks.kit import sql

MAX_SOURCES = 500  # sources with pending receipts that are looked at
MAX_COUNTED = 1_000  # due receipts that are counted of each source

# Readers: /status/, the page Capacity, /metrics. Index: receipt_due, walked from one source to the next.
_COUNT_DUE = """
WITH RECURSIVE walk (source_id, place) AS (
    (SELECT source_id, 1 FROM webhooks_receipt WHERE due_at IS NOT NULL ORDER BY source_id LIMIT 1)
  UNION ALL
    SELECT next.source_id, walk.place + 1 FROM walk CROSS JOIN LATERAL (
           SELECT source_id FROM webhooks_receipt
            WHERE due_at IS NOT NULL AND source_id > walk.source_id ORDER BY source_id LIMIT 1) next
     WHERE walk.place < %(sources)s
)
SELECT coalesce(sum(counted.count), 0), coalesce(extract(epoch FROM now() - min(counted.oldest)), 0)::float8
  FROM walk CROSS JOIN LATERAL (
       SELECT count(*), min(due_at) AS oldest FROM (
           SELECT due_at FROM webhooks_receipt
            WHERE source_id = walk.source_id AND due_at <= now() ORDER BY due_at LIMIT %(receipts)s) due) counted
"""


class ReceiptBacklog(NamedTuple):
    """How many receipts are due, at least, and how many seconds the oldest of them has been due."""

    due: int
    seconds_behind: float


def receipt_backlog() -> ReceiptBacklog:
    """Return the receipts whose handlers should run now; those that are running are not counted."""
    ((count, seconds),) = sql.run(_COUNT_DUE, {"sources": MAX_SOURCES, "receipts": MAX_COUNTED})
    return ReceiptBacklog(int(count), max(seconds, 0.0))
