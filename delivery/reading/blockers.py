"""Find the failed deliveries of an ordered endpoint that block those behind them."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from delivery.sql.reading import blocking_deliveries

MAX_KEYS = 1_000  # order keys that are searched for blockers


@dataclass(frozen=True, slots=True)
class Blocker:
    """The first delivery of an order key, which failed and waits; the deliveries behind it wait too."""

    key: str
    delivery_id: UUID
    attempts: int
    next_attempt_at: datetime | None
    last_status: int | None
    last_error: str


def blockers(endpoint_id: UUID, limit: int) -> list[Blocker]:
    """Return up to ``limit`` blockers, the longest wait first."""
    return [Blocker(*row) for row in blocking_deliveries(endpoint_id, MAX_KEYS, limit)]
