"""Remember in one web process where the queue of each pulled endpoint begins, so that a pull need not look at its past.

In the database nothing is stored for that: another process, or this one after a restart, begins at the beginning.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from delivery.sql.claim import EPOCH, LOW_WATER_MARGIN, Claimed, ClaimRequest
from delivery.sql.keyed.order_heads import HeadSearch
from delivery.sql.keyed.supersede import SupersedeRequest, SupersedeSearch
from delivery.sql.pulled.handed_out import NOTED_EVERY
from subscriptions.routing.targets import DeliveryTarget
from webhooks.kit.caches.bounded_cache import BoundedCache

WHOLE_LOOK_EVERY = 5.0  # seconds between two claims that begin at the oldest delivery: commits may be late
MAX_REMEMBERED = 10_000  # endpoints


@dataclass(slots=True)
class QueuePosition:
    """Hold where the next claim of one endpoint begins, and in an ordered one how far its order keys were walked."""

    low_water_mark: datetime = EPOCH
    whole_look_at: float = 0.0  # monotonic seconds
    noted_at: float = -1.0 * NOTED_EVERY  # when a pull was last noted in the lane, in monotonic seconds
    heads: HeadSearch | None = None
    superseding: SupersedeSearch | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def is_searched(self) -> bool:
        """Whether a claim that found too little has looked at everything that is due."""
        has_superseded = self.superseding is None or self.superseding.is_complete
        return has_superseded and (self.heads is None or self.heads.is_complete)

    def begin(self, target: DeliveryTarget) -> None:
        """Prepare for the claims of one pull, as the endpoint is ordered now."""
        if target.is_ordered != (self.heads is not None):
            self.heads = HeadSearch() if target.is_ordered else None
        if bool(target.latest_only) != (self.superseding is not None):
            self.superseding = SupersedeSearch() if target.latest_only else None
        if self.heads is not None:
            self.heads.restart()
        now = time.monotonic()
        if now - self.whole_look_at > WHOLE_LOOK_EVERY:
            self.low_water_mark, self.whole_look_at = EPOCH, now

    def request(self, target: DeliveryTarget, limit: int, visibility: float) -> ClaimRequest:
        """Return the claim of up to ``limit`` deliveries for ``visibility`` seconds."""
        superseding = None
        if self.superseding is not None:
            superseding = SupersedeRequest(target.endpoint_id, EPOCH, self.superseding)
        mark = self.low_water_mark if self.heads is None else EPOCH
        return ClaimRequest(target.endpoint_id, limit, mark, visibility, self.heads, target.tenant_id, superseding)

    def on_claimed(self, claimed: Sequence[Claimed]) -> None:
        """Begin the next claim behind what this one has found, with a margin for late commits."""
        if claimed and self.heads is None:
            newest = max(it.due_at for it in claimed) - timedelta(seconds=LOW_WATER_MARGIN)
            self.low_water_mark = max(self.low_water_mark, newest)

    def must_note(self) -> bool:
        """Return whether the lane is to note this pull, at most once in NOTED_EVERY seconds."""
        now = time.monotonic()
        if now - self.noted_at < NOTED_EVERY:
            return False
        self.noted_at = now
        return True


_positions = BoundedCache[QueuePosition](MAX_REMEMBERED)


@contextmanager
def queue_position(endpoint_id: UUID) -> Iterator[QueuePosition]:
    """Lend the position of an endpoint; to a second pull at the same time one that begins at the beginning."""
    known = _positions.get(endpoint_id)
    if known is None:
        known = QueuePosition()
        _positions.put(endpoint_id, known)
    if not known.lock.acquire(blocking=False):
        yield QueuePosition()
        return
    try:
        yield known
    finally:
        known.lock.release()
