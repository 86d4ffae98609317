"""Mark lanes due: after a publish, when a drain releases them, and when the sweep finds one that was missed.

A lane is due when ``due_at`` is set; a leased lane carries the end of its lease there. Marking a lane notifies the
running drains in the same transaction.
"""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from delivery.models import Delivery
from subscriptions.models import POLL, Endpoint
from webhooks.kit.sql import run

PENDING = Delivery.State.PENDING
ACTIVE, DISABLED, GONE = Endpoint.State.ACTIVE, Endpoint.State.DISABLED, Endpoint.DisabledReason.RESPONDED_410
CHANNEL = "waypost_due"  # the NOTIFY channel that running drains listen on
OWNER_CHANNEL = "waypost_due_"  # followed by the id of a drain: the channel that only this drain listens on
LANE_AVAILABLE = "free"  # begins the payload of a mark if at least one of the marked lanes has no owner
ALL_LEASED = "leased"  # begins the payload of a mark if all of the marked lanes have an owner
CLAIMED = "claimed"  # begins the payload of the notification that publishing has claimed deliveries for the drain
MISSED = "missed"  # the payload that a listener adds itself when notifications may have been lost
STOPPED = "stopped"  # begins the payload of the notification that claims were ended, as by cancelling
MAX_NAMED = 128  # endpoints that a payload of less than 8,000 bytes can name; if there are more, it names none

# Marks and leases may be lost in a crash of the server (the sweep repeats a mark, a lease runs out), so their commits
# do not wait for the disk. Events, settlements and claims do wait, and flush what was committed before them.
ASYNCHRONOUS_COMMIT = "set_config('synchronous_commit', 'off', true)"

# Whether an endpoint e will never be active again: it was deleted, with its tenant or alone, or responded 410. Drains
# dead-letter the pending deliveries of its lane. (One that responded 410 may be enabled until they have.)
HAS_ENDED = f"(e.deleted_at IS NOT NULL OR (e.state = '{DISABLED}' AND e.disabled_reason = '{GONE}'))"

# The one INSERT of lanes; a WHERE clause on the endpoints e follows it. A lane whose deliveries are pulled is not due,
# so that no drain leases it; only once its endpoint has ended one does, to dead-letter its deliveries.
INSERT_LANES = f"""
    INSERT INTO delivery_lane (endpoint_id, tenant_id, due_at, is_pulled, endpoint_inactive, failures, open_count,
                               failing_days, warnings_sent)
    SELECT id, tenant_id, CASE WHEN kind <> '{POLL}' THEN now() END, kind = '{POLL}', false, 0, 0, 0, 0
      FROM subscriptions_endpoint e
     WHERE (SELECT l.endpoint_id FROM delivery_lane l WHERE l.endpoint_id = e.id) IS NULL
"""

# Reader: notify, after every commit that creates due deliveries. Indexes: lane_free; for lanes that may not exist the
# primary key, in which each renewal of a lease has left an entry that an old snapshot keeps.
MARK_LANES_DUE = f"""
WITH late AS (
    SELECT endpoint_id FROM delivery_lane
     WHERE endpoint_id = ANY(%(endpoints)s::uuid[]) AND owner IS NULL AND NOT endpoint_inactive
       AND NOT is_pulled AND (due_at IS NULL OR due_at > greatest(now(), circuit_open_until, wait_until))
     ORDER BY endpoint_id FOR NO KEY UPDATE
), marked AS (
    UPDATE delivery_lane l SET due_at = greatest(now(), l.circuit_open_until, l.wait_until)
      FROM late WHERE l.endpoint_id = ANY(ARRAY[late.endpoint_id])
    RETURNING l.endpoint_id
), created AS (
    {INSERT_LANES}
       AND id = ANY(%(without_lane)s::uuid[])
        ON CONFLICT DO NOTHING
    RETURNING endpoint_id
)
SELECT {ASYNCHRONOUS_COMMIT},
       pg_notify('{CHANNEL}', CASE WHEN EXISTS (SELECT FROM marked) OR EXISTS (SELECT FROM created)
                                   THEN '{LANE_AVAILABLE}' ELSE '{ALL_LEASED}' END
                              || CASE WHEN cardinality(%(endpoints)s::uuid[]) <= {MAX_NAMED}
                                      THEN ' ' || array_to_string(%(endpoints)s::uuid[], ' ') ELSE '' END)
"""


# Reader: late marks. The same, but it notifies only if a lane was marked.
MARK_LANES_DUE_LATE = f"{MARK_LANES_DUE} WHERE EXISTS (SELECT FROM marked) OR EXISTS (SELECT FROM created)"


class Notification(NamedTuple):
    """A notification, parsed: which lanes and deliveries it concerns.

    ``endpoints``: those whose lanes were marked; empty: any. ``has_stopped``: others have ended claims, of deliveries
    that a drain may have claimed ahead. ``claimed``: deliveries that were claimed for the drain; if there are any, the
    notification concerns nothing else. ``has_missed``: any of this may have happened without a notification.
    """

    lane_available: bool
    endpoints: frozenset[UUID] = frozenset()
    has_stopped: bool = False
    claimed: frozenset[UUID] = frozenset()
    has_missed: bool = False


def read_notification(payload: str) -> Notification:
    """Read the payload of a notification on CHANNEL. An empty one says that any lane may have deliveries."""
    word, *keys = payload.split() or [ALL_LEASED]
    if word == CLAIMED:
        return Notification(lane_available=False, claimed=frozenset(map(UUID, keys)))
    if word == MISSED:
        return Notification(lane_available=True, has_stopped=True, has_missed=True)
    return Notification(word != ALL_LEASED, frozenset(map(UUID, keys)), word == STOPPED)


NOTIFY_STOPPED = f"SELECT {ASYNCHRONOUS_COMMIT}, pg_notify('{CHANNEL}', '{STOPPED}')"


def notify_stopped() -> None:
    """Have the drains drop what they have claimed ahead and may no longer send."""
    run(NOTIFY_STOPPED, {})


NOTIFY_LANE_AVAILABLE = f"SELECT {ASYNCHRONOUS_COMMIT}, pg_notify('{CHANNEL}', '{LANE_AVAILABLE}')"


def notify_lane_available() -> None:
    """Have the drains lease lanes, because one that ends has released some that are due."""
    run(NOTIFY_LANE_AVAILABLE, {})


def mark_lanes_due(endpoint_ids: Sequence[UUID], *, without_lane: Sequence[UUID] | None = None) -> None:
    """Make the lanes of these endpoints due, creating those that do not exist, and notify the drains.

    ``without_lane``: those that may have none (None: all). A leased lane is left alone: its owner is notified. The
    payload says whether a lane can be leased now, and which lanes were marked.
    """
    _mark(MARK_LANES_DUE, endpoint_ids, without_lane)


def mark_lanes_due_late(endpoint_ids: Sequence[UUID], *, without_lane: Sequence[UUID] | None = None) -> None:
    """Do the same for endpoints whose drains the commit has notified: notify only if a lane has no owner any more."""
    _mark(MARK_LANES_DUE_LATE, endpoint_ids, without_lane)


def _mark(statement: str, endpoint_ids: Sequence[UUID], without_lane: Sequence[UUID] | None) -> None:
    endpoints = list(endpoint_ids)
    run(statement, {"endpoints": endpoints, "without_lane": endpoints if without_lane is None else list(without_lane)})


# Readers: a drain that has released lanes (RECHECK_THESE), the sweep (RECHECK_ALL).
# Index: delivery_due, from the low-water mark on. A lane is not due before its circuit breaker, the pause that its
# endpoint asked for and its rate limit allow an attempt; after that, a lane whose breaker has opened needs no delivery
# that is due: the next retry is the probe (make_probes_due). Nor does a lane whose retries are being made due
# (retry_after_outage). The rate limit's clock next_slot_at runs ahead by up to a burst (GCRA). A lane whose deliveries
# are to be dead-lettered is due at once, whatever they wait for.
RECHECK_ALL = f"""
WITH missed AS (
    SELECT l.endpoint_id, oldest.due_at, rate.slots, rate.burst, rate.has_ended
      FROM delivery_lane l
     CROSS JOIN LATERAL (
           SELECT CASE WHEN l.recovering_since IS NOT NULL THEN now()
                       WHEN l.open_count > 0 AND attempts > 0 AND last_status IS DISTINCT FROM 429
                       THEN least(next_attempt_at, now()) ELSE next_attempt_at END AS due_at
             FROM delivery_delivery
            WHERE endpoint_id = l.endpoint_id AND state = '{PENDING}'
              AND next_attempt_at >= coalesce(l.low_water_mark, 'epoch')
            ORDER BY next_attempt_at LIMIT 1) oldest
     CROSS JOIN LATERAL (
           SELECT slots, coalesce(e.rate_burst, slots * 0.1) AS burst, {HAS_ENDED} AS has_ended
             FROM subscriptions_endpoint e,
                  LATERAL (SELECT least(e.rate_limit / CASE e.rate_period WHEN 'minute' THEN 60.0 ELSE 1 END,
                                         e.allowed_rate / 60.0)) a(slots)
            WHERE e.id = ANY(ARRAY[l.endpoint_id])) rate
     WHERE l.owner IS NULL AND l.due_at IS NULL AND (NOT l.is_pulled OR rate.has_ended) AND NOT l.endpoint_inactive
     ORDER BY l.endpoint_id FOR NO KEY UPDATE OF l
)
UPDATE delivery_lane l
   SET due_at = CASE WHEN missed.has_ended THEN now()
                     ELSE greatest(now(), missed.due_at, l.circuit_open_until, l.wait_until,
                                   l.next_slot_at - make_interval(secs => greatest(missed.burst - 1, 0) / missed.slots))
                 END
  FROM missed
 WHERE l.endpoint_id = ANY(ARRAY[missed.endpoint_id])
RETURNING l.endpoint_id
"""
RECHECK_THESE = RECHECK_ALL.replace(
    "AND NOT l.endpoint_inactive\n",
    "AND NOT l.endpoint_inactive\n       AND l.endpoint_id = ANY(%(endpoints)s::uuid[])\n",
)


def recheck_due(endpoint_ids: Sequence[UUID] | None = None) -> int:
    """Make free lanes due that have pending deliveries, of these endpoints or (None) of all; return how many.

    However old their oldest delivery is, they come after lanes that are due already.
    """
    if endpoint_ids is None:
        return len(run(RECHECK_ALL, {}))
    return len(run(RECHECK_THESE, {"endpoints": list(endpoint_ids)}))


# Reader: the sweep. Indexes: the primary key of lanes, delivery_due.
CREATE_MISSING_LANES = f"""
{INSERT_LANES}
   AND (SELECT true FROM delivery_delivery d WHERE d.endpoint_id = e.id AND d.state = '{PENDING}' LIMIT 1)
    ON CONFLICT DO NOTHING
RETURNING endpoint_id
"""


def create_missing_lanes() -> set[UUID]:
    """Create a due lane for each endpoint that has pending deliveries and no lane; return those endpoints."""
    return {row[0] for row in run(CREATE_MISSING_LANES, {})}


# Reader: the recovery task. Index: lane_endpoint_inactive. Lanes of endpoints that will never be active again become
# due too: the drain that leases such a lane dead-letters its deliveries.
RESUME_LANES = f"""
WITH resumed AS (
    SELECT l.endpoint_id FROM delivery_lane l
      JOIN subscriptions_endpoint e ON e.id = ANY(ARRAY[l.endpoint_id])
      JOIN subscriptions_tenant t ON t.id = ANY(ARRAY[e.tenant_id])
     WHERE l.endpoint_inactive
       AND (e.state = '{ACTIVE}' OR {HAS_ENDED} OR t.deleted_at IS NOT NULL)
       FOR NO KEY UPDATE OF l SKIP LOCKED
)
UPDATE delivery_lane l SET endpoint_inactive = false, due_at = now()
  FROM resumed WHERE l.endpoint_id = ANY(ARRAY[resumed.endpoint_id])
RETURNING l.endpoint_id
"""


def resume_lanes() -> int:
    """Make lanes due whose endpoint is active again or will never be; return how many."""
    return len(run(RESUME_LANES, {}))


# Reader: the sweep. Indexes: lane_due, delivery_due. A lane that waits for a retry, a pause or a breaker.
END_WAITS = f"""
WITH ended AS (
    SELECT l.endpoint_id FROM delivery_lane l
      JOIN subscriptions_endpoint e ON e.id = ANY(ARRAY[l.endpoint_id])
     WHERE l.due_at > now() AND l.owner IS NULL AND {HAS_ENDED}
       FOR NO KEY UPDATE OF l SKIP LOCKED
)
UPDATE delivery_lane l SET due_at = now() FROM ended WHERE l.endpoint_id = ANY(ARRAY[ended.endpoint_id])
RETURNING l.endpoint_id
"""


def end_waits() -> int:
    """Make lanes due that wait although their endpoint was deleted or responded 410; return how many.

    The drains that lease them dead-letter their deliveries.
    """
    return len(run(END_WAITS, {}))


# Reader: the recovery task. Index: lane_failing. The drain that leases such a lane starts with a closed breaker,
# and makes due what failed before.
RETRY_CHANGED_ENDPOINTS = """
WITH changed AS (
    SELECT l.endpoint_id FROM delivery_lane l
      JOIN subscriptions_endpoint e ON e.id = ANY(ARRAY[l.endpoint_id])
      LEFT JOIN subscriptions_httpsettings http ON http.endpoint_id = ANY(ARRAY[e.id])
     WHERE (l.failing_since IS NOT NULL OR l.wait_since IS NOT NULL) AND l.due_at > now() AND l.owner IS NULL
       AND greatest(http.url_changed_at, e.state_changed_at) > least(l.failing_since, l.wait_since)
       FOR NO KEY UPDATE OF l SKIP LOCKED
)
UPDATE delivery_lane l SET due_at = now(), wait_until = NULL, wait_since = NULL
  FROM changed WHERE l.endpoint_id = ANY(ARRAY[changed.endpoint_id])
RETURNING l.endpoint_id
"""


def retry_changed_endpoints() -> int:
    """Make lanes due whose endpoint failed or asked for a pause, and was changed or enabled since; return how many."""
    return len(run(RETRY_CHANGED_ENDPOINTS, {}))


# --- the resident drain ----------------------------------------------------------------------------------------

# One idle drain waits for notifications, so that the next event need not wait for a start: the resident one. It has an
# advisory lock of its session, which the database releases when its process dies.
RESIDENT_LOCK = 0x7761_7964  # advisory lock of the resident drain, in every deployment of one database

# Reader: the schedule. Index: lane_due. A lease that ran out is due too. The shared lock is free if no drain has the
# exclusive one, and is given back with the statement.
HAS_DRAIN_WORK = f"""(EXISTS (SELECT FROM delivery_lane WHERE due_at <= now())
                     OR pg_try_advisory_xact_lock_shared({RESIDENT_LOCK}))"""


def become_resident() -> bool:
    """Make this session's drain the resident one, unless there is another; return whether it is. May be repeated."""
    return bool(run(f"SELECT pg_try_advisory_lock({RESIDENT_LOCK})", {})[0][0])


def end_residence() -> None:
    """Release the lock of this session, however often it was taken. No other advisory lock may be held."""
    run("SELECT pg_advisory_unlock_all()", {})
