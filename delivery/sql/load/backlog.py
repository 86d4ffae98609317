"""Count what is due, and how fast events come in, at a cost that does not grow with the tables."""

from typing import NamedTuple
from uuid import UUID

from delivery.models import Delivery
from webhooks.kit.sql import run

PENDING = Delivery.State.PENDING
MAX_LANES = 2_000  # lanes with due work that are looked at
MAX_COUNTED = 50_000  # deliveries that are counted
MAX_EVENTS = 10_000  # latest events from which the rate is computed

# Readers: /status/, the page Capacity, /metrics. Indexes: lane_due; delivery_due, from each lane's low-water mark on.
COUNT_DUE = f"""
WITH lanes AS (
    SELECT endpoint_id, low_water_mark FROM delivery_lane WHERE due_at IS NOT NULL ORDER BY due_at LIMIT {MAX_LANES}
)
SELECT count(*) FROM (
    SELECT FROM lanes
     CROSS JOIN LATERAL (
           SELECT FROM delivery_delivery d
            WHERE d.endpoint_id = lanes.endpoint_id AND d.state = '{PENDING}' AND d.next_attempt_at <= now()
              AND d.next_attempt_at >= coalesce(lanes.low_water_mark, 'epoch')
            ORDER BY d.next_attempt_at LIMIT {MAX_COUNTED}) of_lane
     LIMIT {MAX_COUNTED}) due
"""


def count_due() -> int:
    """Return how many deliveries are due and not claimed, up to MAX_COUNTED, those of open breakers included."""
    ((count,),) = run(COUNT_DUE, {})
    return int(count)


# Readers: the same. Index: the primary key, whose values begin with the time.
LATEST_EVENTS = """
WITH latest AS (SELECT id FROM delivery_event WHERE id >= %(since)s ORDER BY id DESC LIMIT %(limit)s)
SELECT count(*), (SELECT id FROM latest ORDER BY id LIMIT 1) FROM latest
"""


class LatestEvents(NamedTuple):
    """The number of events that were written, and the id of the oldest of them (None: no events)."""

    number: int
    oldest_id: UUID | None


def latest_events(since: UUID) -> LatestEvents:
    """Return the events from this id on, the latest MAX_EVENTS if there are more."""
    ((count, oldest),) = run(LATEST_EVENTS, {"since": since, "limit": MAX_EVENTS})
    return LatestEvents(count, oldest)
