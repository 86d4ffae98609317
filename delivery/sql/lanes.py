"""Lease due lanes to a drain; renew and release the leases, which also stores the state of their lanes."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import orjson

from delivery.models import DeadLetter
from delivery.sql.due import ACTIVE, ASYNCHRONOUS_COMMIT, GONE
from subscriptions.models import Endpoint
from webhooks.kit.sql import named_columns, run

LEASE_SECONDS = 10.0  # a lease lasts so long after it was taken or renewed; then another drain can lease the lane
MAX_DUE_LANES = 1_000  # due lanes that one statement reads and ranks, longest due first: a bound on its cost
MAX_TENANTS = 5_000  # tenants that one statement walks where more lanes are due
DISABLED = Endpoint.State.DISABLED
# Whether the drain ``owner`` listens for notifications: its listening session has an exclusive lock (LOCK_LISTENING),
# which the database releases when the connection ends, as it does at once if the drain is killed.
LOCK_LISTENING = "SELECT pg_try_advisory_lock(uuid_hash_extended('{owner}', 0))"
IS_LISTENING = "NOT pg_try_advisory_xact_lock_shared(uuid_hash_extended(owner, 0))"
ENDPOINT_DELETED, RESPONDED_410 = DeadLetter.Cause.ENDPOINT_DELETED, DeadLetter.Cause.RESPONDED_410


class LaneRow(NamedTuple):
    """The state of a lane: read when it is leased, written when the lease is renewed or released.

    ``previous_lease_expired``: the last owner did not release the lane, so it may have sent more requests than the row
    accounts for. Only read, never written.
    """

    endpoint_id: UUID
    low_water_mark: datetime
    next_slot_at: datetime | None
    concurrency: int | None
    failures: int
    failing_since: datetime | None
    open_count: int
    circuit_open_until: datetime | None
    warnings_sent: int
    recovering_since: datetime | None = None
    recovered_until: datetime | None = None
    wait_until: datetime | None = None
    wait_since: datetime | None = None
    wait_status: int | None = None
    failing_days: int = 0
    failing_day_at: datetime | None = None
    warned_at: datetime | None = None
    previous_lease_expired: bool = False


class LeaseResult(NamedTuple):
    """The result of leasing lanes.

    ``changed``: due lanes that were leased, or are not due any more as their endpoint is not active. ``undeliverable``:
    endpoints of due lanes that are deleted or responded 410, with the cause for their dead letters. ``now``: the time
    of the database. ``is_crowded``: more lanes are due than were looked at.
    """

    lanes: list[LaneRow]
    changed: int
    undeliverable: dict[UUID, str]
    now: datetime
    is_crowded: bool = False


class RenewResult(NamedTuple):
    """The result of renewing leases.

    ``held``: the endpoints whose lanes are still leased to this owner. ``now``: the time of the database, or None if no
    lane is.
    """

    held: set[UUID]
    now: datetime | None


OLDEST_LANES = f"""
            SELECT endpoint_id, tenant_id, due_at FROM delivery_lane
             WHERE due_at <= now() AND tenant_id <> ALL(%(tenants_at_maximum)s::uuid[])
             ORDER BY due_at LIMIT {MAX_DUE_LANES}"""
OLDEST_LANE_OF_EACH_TENANT = f"""
            WITH RECURSIVE walk AS (
                (SELECT endpoint_id, tenant_id, due_at, 1 AS walked FROM delivery_lane
                  WHERE due_at IS NOT NULL ORDER BY tenant_id, due_at LIMIT 1)
                UNION ALL
                SELECT next.*, walk.walked + 1 FROM walk CROSS JOIN LATERAL (
                       SELECT endpoint_id, tenant_id, due_at FROM delivery_lane
                        WHERE due_at IS NOT NULL AND tenant_id > walk.tenant_id
                        ORDER BY tenant_id, due_at LIMIT 1) next
                 WHERE walk.walked < {MAX_TENANTS}
            )
            SELECT endpoint_id, tenant_id, due_at FROM walk
             WHERE due_at <= now() AND tenant_id <> ALL(%(tenants_at_maximum)s::uuid[])"""
# Reader: the drain. Indexes: lane_due, or lane_due_by_tenant where more lanes are due than are read. The turn of a lane
# is the number of lanes that its tenant would hold with it. Lanes are leased by turn, so that a tenant with thousands
# of due lanes does not keep the other tenants waiting.
LEASE_LANES = f"""
WITH turns AS (
    SELECT endpoint_id, due_at,
           coalesce((%(held)s::jsonb ->> tenant_id::text)::int, 0)
               + row_number() OVER (PARTITION BY tenant_id ORDER BY due_at) AS turn
      FROM (SELECT {ASYNCHRONOUS_COMMIT}) AS asynchronous_commit,
           ({OLDEST_LANES}) oldest
), chosen AS MATERIALIZED (
    SELECT endpoint_id FROM turns WHERE turn <= %(max_per_tenant)s ORDER BY turn, due_at LIMIT %(limit)s
), due AS (
    SELECT l.endpoint_id, l.owner IS NOT NULL AS previous_lease_expired,
           e.state = '{ACTIVE}' AND e.deleted_at IS NULL AND t.deleted_at IS NULL AS active,
           CASE WHEN e.deleted_at IS NOT NULL OR t.deleted_at IS NOT NULL THEN '{ENDPOINT_DELETED}'
                WHEN e.state = '{DISABLED}' AND e.disabled_reason = '{GONE}' THEN '{RESPONDED_410}' END
               AS undeliverable
      FROM chosen
      JOIN delivery_lane l ON l.endpoint_id = ANY(ARRAY[chosen.endpoint_id])
      JOIN subscriptions_endpoint e ON e.id = ANY(ARRAY[l.endpoint_id])
      JOIN subscriptions_tenant t ON t.id = ANY(ARRAY[e.tenant_id])
     WHERE l.due_at <= now()
       FOR UPDATE OF l SKIP LOCKED
)
UPDATE delivery_lane l
   SET owner = CASE WHEN due.active THEN %(owner)s::uuid END,
       due_at = CASE WHEN due.active THEN now() + make_interval(secs => %(seconds)s) END,
       publishers_claim = false,
       endpoint_inactive = NOT due.active AND due.undeliverable IS NULL
  FROM due
 WHERE l.endpoint_id = ANY(ARRAY[due.endpoint_id])
RETURNING now(), due.active, due.undeliverable, l.endpoint_id, coalesce(l.low_water_mark, 'epoch'), l.next_slot_at,
          l.concurrency, l.failures, l.failing_since, l.open_count, l.circuit_open_until, l.warnings_sent,
          l.recovering_since, l.recovered_until, l.wait_until, l.wait_since, l.wait_status, l.failing_days,
          l.failing_day_at, l.warned_at, due.previous_lease_expired, (SELECT count(*) FROM turns)
"""
LEASE_ONE_OF_EACH_TENANT = LEASE_LANES.replace(OLDEST_LANES, OLDEST_LANE_OF_EACH_TENANT)


def lease_lanes(
    owner: UUID,
    limit: int,
    *,
    max_per_tenant: int | None = None,
    held: Mapping[UUID, int] | None = None,
    one_of_each_tenant: bool = False,
) -> LeaseResult | None:
    """Lease up to ``limit`` due lanes: first one of each tenant, then a second of each, and so on, longest due first.

    ``held`` counts the lanes that this owner holds already, by tenant; with these, a tenant gets at most
    ``max_per_tenant`` lanes (None: ``limit``). Only the MAX_DUE_LANES that are due longest are looked at, or, with
    ``one_of_each_tenant``, of each tenant the one that is due longest. Returns None if no lane is due.

    A due lane whose endpoint is not active is not leased: it stops being due, and is marked ``endpoint_inactive``
    unless the endpoint is undeliverable.
    """
    max_per_tenant, held = max_per_tenant or limit, held or {}
    parameters = {
        "owner": owner,
        "limit": limit,
        "max_per_tenant": max_per_tenant,
        "held": orjson.dumps({str(tenant): count for tenant, count in held.items()}).decode(),
        "tenants_at_maximum": [tenant for tenant, count in held.items() if count >= max_per_tenant],
        "seconds": LEASE_SECONDS,
    }
    rows = run(LEASE_ONE_OF_EACH_TENANT if one_of_each_tenant else LEASE_LANES, parameters)
    if not rows:
        return None
    return LeaseResult(
        lanes=[LaneRow(*row[3:-1]) for row in rows if row[1]],
        changed=len(rows),
        undeliverable={row[3]: row[2] for row in rows if row[2]},
        now=rows[0][0],
        is_crowded=rows[0][-1] >= MAX_DUE_LANES,
    )


# Reader: the drain, when it has found no lane that is due. Index: lane_due. What became due since is found too, but not
# what was due long before: there lie the entries that an old snapshot keeps.
NEXT_DUE = """
SELECT clock_timestamp(), (SELECT due_at FROM delivery_lane
                            WHERE due_at > now() - interval '1 second' ORDER BY due_at LIMIT 1)
"""


def find_next_due() -> tuple[datetime, datetime | None]:
    """Return the database's time, and when the next lane is due or its lease ends; None: there is none.

    It may have become due within the last second.
    """
    now, due_at = run(NEXT_DUE, {})[0]
    return now, due_at


# Reader: the drain. Index: the primary key. Without a next owner the leases end.
STORE_LANES = """
UPDATE delivery_lane l
   SET owner = %(next_owner)s::uuid,
       due_at = CASE WHEN %(next_owner)s::uuid IS NOT NULL THEN now() + make_interval(secs => %(seconds)s) END,
       publishers_claim = publishers_claim AND %(next_owner)s::uuid IS NOT NULL,
       low_water_mark = r.low_water_mark, next_slot_at = r.next_slot_at, concurrency = r.concurrency,
       failures = r.failures, failing_since = r.failing_since, open_count = r.open_count,
       circuit_open_until = r.circuit_open_until, warnings_sent = r.warnings_sent,
       recovering_since = r.recovering_since, recovered_until = r.recovered_until,
       wait_until = r.wait_until, wait_since = r.wait_since, wait_status = r.wait_status,
       failing_days = r.failing_days, failing_day_at = r.failing_day_at, warned_at = r.warned_at
  FROM unnest(%(endpoints)s::uuid[], %(low_water_marks)s::timestamptz[], %(slots)s::timestamptz[],
              %(concurrencies)s::int2[], %(failures)s::int[], %(failing_since)s::timestamptz[],
              %(open_counts)s::int2[], %(open_until)s::timestamptz[], %(warnings_sent)s::int2[],
              %(recovering_since)s::timestamptz[], %(recovered_until)s::timestamptz[],
              %(wait_until)s::timestamptz[], %(wait_since)s::timestamptz[], %(wait_statuses)s::int2[],
              %(failing_days)s::int2[], %(failing_day_at)s::timestamptz[], %(warned_at)s::timestamptz[])
           AS r(endpoint_id, low_water_mark, next_slot_at, concurrency, failures, failing_since, open_count,
                circuit_open_until, warnings_sent, recovering_since, recovered_until, wait_until, wait_since,
                wait_status, failing_days, failing_day_at, warned_at)
 WHERE l.endpoint_id = ANY(ARRAY[r.endpoint_id]) AND l.owner = %(owner)s
RETURNING l.endpoint_id, clock_timestamp()
"""
LANE_PARAMETERS = (
    "endpoints low_water_marks slots concurrencies failures failing_since open_counts open_until warnings_sent "
    "recovering_since recovered_until wait_until wait_since wait_statuses failing_days failing_day_at warned_at"
)


def renew_lanes(owner: UUID, lanes: Sequence[LaneRow]) -> RenewResult:
    """Extend these leases and store the state of their lanes.

    A lane that another drain has leased meanwhile is not changed, and not in ``held``.
    """
    rows = _store(owner, owner, lanes)
    return RenewResult({row[0] for row in rows}, rows[-1][1] if rows else None)


def release_lanes(owner: UUID, lanes: Sequence[LaneRow]) -> None:
    """End these leases and store the state of their lanes. Call ``recheck_due`` after the commit."""
    _store(owner, None, lanes)


def _store(owner: UUID, next_owner: UUID | None, lanes: Sequence[LaneRow]) -> list[tuple[UUID, datetime]]:
    """Store the state of those of these lanes that ``owner`` still holds; return (endpoint, time) of each."""
    width = len(LANE_PARAMETERS.split())
    values = named_columns(LANE_PARAMETERS, [lane[:width] for lane in sorted(lanes)])
    parameters = {"owner": owner, "next_owner": next_owner, "seconds": LEASE_SECONDS, **values}
    return [(row[0], row[1]) for row in run(STORE_LANES, parameters)]


# Reader: the drain, for lanes in steady use. Index: the primary key.
LET_PUBLISHERS_CLAIM = f"""
UPDATE delivery_lane l SET publishers_claim = r.may_claim
  FROM (SELECT {ASYNCHRONOUS_COMMIT}) AS asynchronous_commit,
       unnest(%(endpoints)s::uuid[], %(may_claim)s::bool[]) AS r(endpoint_id, may_claim)
 WHERE l.endpoint_id = ANY(ARRAY[r.endpoint_id]) AND l.owner = %(owner)s
"""


def let_publishers_claim(owner: UUID, lanes: Mapping[UUID, bool]) -> None:
    """Set, by endpoint, whether publishers may claim for the owner; only in lanes that the owner still leases."""
    endpoints = sorted(lanes)
    may_claim = [lanes[key] for key in endpoints]
    run(LET_PUBLISHERS_CLAIM, {"owner": owner, "endpoints": endpoints, "may_claim": may_claim})
