"""Learn which sources have slow handlers, whose receipts then run alone and in few worker processes.

A source is slow for ``SLOW_FOR`` seconds after its handlers took longer on average than ``SLOW_MEAN``, exceeded the
time limit of a shared transaction, or crashed a worker that ran nothing else. The row is for all processes.
"""

from collections.abc import Iterable
from uuid import UUID

from webhooks.kit import sql
from webhooks.kit.caches.bounded_cache import BoundedCache
from webhooks.wire.ids import new_id

SLOW_MEAN = 0.05  # seconds of a receipt's handlers
SLOW_FOR = 600.0  # seconds
WEIGHT = 0.2  # of the newest receipt in the moving average, so that a single hiccup makes no source slow
MAX_REMEMBERED = 10_000  # sources per process

_MARK = """
    INSERT INTO webhooks_slowsource AS slow (id, source_id, until)
    SELECT id, source_id, statement_timestamp() + make_interval(secs => %(seconds)s)
    FROM unnest(%(ids)s::uuid[], %(sources)s::uuid[]) AS marked (id, source_id)
    ON CONFLICT (source_id) DO UPDATE SET until = EXCLUDED.until
    WHERE slow.until < EXCLUDED.until - interval '60 s'
"""

# One source of each tenant at random, so that a tenant with many slow sources has one turn.
_DUE = """
    SELECT DISTINCT ON (tenant) COALESCE(source.tenant_id, slow.source_id) AS tenant, slow.source_id
    FROM webhooks_slowsource AS slow LEFT JOIN webhooks_source AS source ON source.id = slow.source_id
    WHERE slow.until > statement_timestamp() AND EXISTS (
        SELECT FROM webhooks_receipt AS pending
        WHERE pending.source_id = slow.source_id AND pending.due_at <= statement_timestamp())
    ORDER BY tenant, random()
"""


class Paces:
    """The moving average of the seconds that the handlers of each source take, in this process."""

    def __init__(self) -> None:
        self._seconds = BoundedCache[float](MAX_REMEMBERED)

    def add(self, source_id: UUID, seconds: float) -> bool:
        """Count one run; return whether the source is slow by now."""
        mean = (1 - WEIGHT) * (self._seconds.get(source_id) or 0.0) + WEIGHT * seconds
        self._seconds.put(source_id, mean)
        return mean > SLOW_MEAN

    def clear(self) -> None:
        """Forget the averages of all sources."""
        self._seconds.clear()


paces = Paces()


def mark_slow(source_ids: Iterable[UUID]) -> None:
    """Have the receipts of these sources run alone for the next ``SLOW_FOR`` seconds."""
    ordered = sorted(set(source_ids))
    if ordered:
        sql.run(_MARK, {"ids": [new_id() for _ in ordered], "sources": ordered, "seconds": SLOW_FOR})


def due_slow_sources() -> list[tuple[UUID, UUID]]:
    """Return (tenant, source) of slow sources with due receipts, one of each tenant; a source may be its own tenant."""
    return [(tenant, source) for tenant, source in sql.run(_DUE, {})]
