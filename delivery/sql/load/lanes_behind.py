"""Find the lanes whose deliveries have been due for longest."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from delivery.models import Delivery
from delivery.sql.due import ACTIVE
from webhooks.kit.sql import run

PENDING, SENDING = Delivery.State.PENDING, Delivery.State.SENDING
MAX_LANES = 2_000  # lanes with due work that are looked at, those that can be leased first

# Readers: /status/, the page Capacity, /metrics, the status of an endpoint, alert rules. Indexes: lane_due and
# lane_pulled, or the key; delivery_due, from each lane's low-water mark on; delivery_claimed.
LANES_BEHIND = f"""
WITH lanes AS (
    (SELECT endpoint_id, low_water_mark FROM delivery_lane
      WHERE due_at IS NOT NULL AND (%(endpoint)s::uuid IS NULL OR endpoint_id = %(endpoint)s)
        AND (%(tenant)s::uuid IS NULL OR tenant_id = %(tenant)s)
      ORDER BY due_at LIMIT {MAX_LANES})
     UNION ALL
    (SELECT l.endpoint_id, l.low_water_mark
       FROM delivery_lane l JOIN subscriptions_endpoint e ON e.id = ANY(ARRAY[l.endpoint_id])
      WHERE l.is_pulled AND e.state = '{ACTIVE}' AND e.deleted_at IS NULL
        AND (%(endpoint)s::uuid IS NULL OR l.endpoint_id = %(endpoint)s)
        AND (%(tenant)s::uuid IS NULL OR l.tenant_id = %(tenant)s)
      LIMIT {MAX_LANES})
), behind AS (
    SELECT lanes.endpoint_id, oldest.next_attempt_at FROM lanes
     CROSS JOIN LATERAL (
           SELECT d.next_attempt_at FROM delivery_delivery d
            WHERE d.endpoint_id = lanes.endpoint_id AND d.state = '{PENDING}'
              AND d.next_attempt_at >= coalesce(lanes.low_water_mark, 'epoch')
              AND d.next_attempt_at < now() - make_interval(secs => %(seconds)s)
            ORDER BY d.next_attempt_at LIMIT 1) oldest
     ORDER BY oldest.next_attempt_at LIMIT %(limit)s
), sending AS (
    SELECT d.endpoint_id, count(*) FROM delivery_delivery d
     WHERE d.state = '{SENDING}' AND d.claimed_until IS NOT NULL AND d.endpoint_id IN (SELECT endpoint_id FROM behind)
     GROUP BY d.endpoint_id
)
SELECT behind.endpoint_id, behind.next_attempt_at, extract(epoch FROM now() - behind.next_attempt_at)::float8,
       coalesce(sending.count, 0), now()
  FROM behind LEFT JOIN sending ON sending.endpoint_id = behind.endpoint_id
 ORDER BY behind.next_attempt_at
"""
# Readers: alert rules. Indexes: lane_due and lane_pulled. Without such a lane none is behind.
HAS_DUE_LANES = """(EXISTS (SELECT FROM delivery_lane WHERE due_at IS NOT NULL)
                    OR EXISTS (SELECT FROM delivery_lane WHERE is_pulled))"""


class LaneBehindRow(NamedTuple):
    """The endpoint of a lane that is behind, since when and for how many seconds, and its claimed deliveries.

    ``now``: the time of the database.
    """

    endpoint_id: UUID
    due_since: datetime
    seconds: float
    sending: int
    now: datetime


def find_lanes_behind(
    seconds: float, limit: int, endpoint_id: UUID | None = None, tenant_id: UUID | None = None
) -> list[LaneBehindRow]:
    """Return the lanes with a delivery that has been due for more than so many seconds, the longest first.

    With ``endpoint_id``, only the lane of this endpoint; with ``tenant_id``, only lanes of this tenant. A delivery of
    an inactive endpoint is not due.
    """
    parameters = {"seconds": seconds, "limit": limit, "endpoint": endpoint_id, "tenant": tenant_id}
    rows = run(LANES_BEHIND, parameters)
    return [LaneBehindRow(*row) for row in rows]
