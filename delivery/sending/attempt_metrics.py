"""Count settled attempts for Prometheus: by outcome and kind, and how long after its creation a delivery arrived.

The age of a delivery is that of its id, a UUIDv7 that is made in the transaction that accepts the event. Replayed
deliveries are as old as the event and have no such age. An endpoint is ``healthy`` for a delivery if nothing of its own
delayed that: the first attempt delivered within FAST_MS, and no outage, pause, rate limit or order held it back since
the delivery was created. The service level is that of these (docs/reference/service-level.md).
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from uuid import UUID

from delivery import metrics
from delivery.lanes.lane import LeasedLane
from delivery.sending.settlement import Ended
from delivery.sql.claim import Claimed
from webhooks.kit.metrics.broken_down import breakdown
from webhooks.kit.metrics.switch import only_if_on

FAST_MS = 1_000  # milliseconds that an attempt to a healthy endpoint takes at most


@only_if_on
def count_attempts(settled: Iterable[tuple[UUID, Sequence[Ended], LeasedLane | None]]) -> None:
    """Count attempts by endpoint; the lane of one is None if it is not leased here any more."""
    outcomes: Counter[tuple[str, ...]] = Counter()
    first: list[float] = []
    for endpoint_id, ended, lane in settled:
        labels = breakdown.values(lane.target.tenant_id if lane else None, endpoint_id)
        since = math.inf if lane is None or lane.heads is not None else lane.hindered_until
        healthy: list[float] = []
        hindered: list[float] = []
        delivered_first = 0
        for attempt, outcome in ended:
            it = attempt.claimed
            is_first = not (it.attempts or it.is_replayed)
            if is_first and outcome.failure is None:
                delivered_first += 1
            else:
                outcomes[(outcome.failure or metrics.DELIVERED, kind_of(it), *labels)] += 1
                if it.is_replayed:
                    continue
            created_at = (it.id.int >> 80) / 1000  # unix seconds: the first 48 bits of a UUIDv7 are milliseconds
            waited = outcome.started_at - created_at
            if is_first:
                first.append(waited if waited > 0.0 else 0.0)
            if outcome.failure is None:
                is_healthy = is_first and created_at > since and outcome.duration_ms <= FAST_MS
                age = waited + outcome.duration_ms / 1000
                (healthy if is_healthy else hindered).append(age if age > 0.0 else 0.0)
        if delivered_first:
            outcomes[(metrics.DELIVERED, metrics.FIRST, *labels)] += delivered_first
        metrics.DELIVERED_SECONDS.observe_all(healthy, metrics.HEALTHY, *labels)
        metrics.DELIVERED_SECONDS.observe_all(hindered, metrics.HINDERED, *labels)
    metrics.FIRST_ATTEMPT_SECONDS.observe_all(first)
    for series, count in outcomes.items():
        metrics.ATTEMPTS.add(count, *series)


def kind_of(claimed: Claimed) -> str:
    """Return whether this is the first attempt of a delivery, a retry, or the first attempt of a replay."""
    if claimed.is_replayed and not claimed.step:
        return metrics.REPLAY
    return metrics.RETRY if claimed.attempts else metrics.FIRST
