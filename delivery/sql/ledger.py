"""Every SQL statement of the hot path, and nothing else. Each is for many rows at once.

The order of a delivery's life: ``take`` (publish) and ``mark_due``; ``lease``, ``claim``, ``settle``, ``renew``,
``release`` and ``look_again`` (a drain). The clock is the database's. Rows that may have to be waited for are locked in
the order of their keys; a claim waits for none. What a crash or a late commit leaves behind is found by ``recovery``.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import orjson

from delivery.sql.statements import columns, cursor, run

LEASE = 10.0  # seconds a lane stays with a drain that says nothing
MARGIN = 5.0  # seconds the low-water mark trails the newest claim: a publisher may commit that late
GRACE = 10.0  # seconds a claim outlives the deadline of its attempt
MOST_ATTEMPTS = 32_767  # of one delivery are counted; replayed without end, it has more
BELL, FREE = "waypost_due", "free"  # the bell, and what it says if one of the lanes has no owner

# What a crash of the server may take back without harm: a mark (the sweep makes it again), a lease. Not waiting for
# the disk there spares a flush each; whatever is promised to anybody, an event or a settlement, waits, and takes what
# came before it to the disk. So does a claim: it is all that a crash of everything leaves of the attempts under way.
UNHURRIED = "set_config('synchronous_commit', 'off', true)"


# Publishing


class EventRow(NamedTuple):
    id: UUID
    source: str
    event_id: str
    type: str
    subject: str | None
    digest: bytes
    body: bytes


class WarningRow(NamedTuple):
    event_id: UUID
    warnings: str  # JSON


class DeliveryRow(NamedTuple):
    id: UUID
    event_id: UUID
    endpoint_id: UUID
    body: bytes | None
    state: str
    order_key: str | None
    thin: bool = False


TAKE = """
WITH picture AS MATERIALIZED (
    SELECT FROM subscriptions_tenant WHERE id = %(tenant)s AND routes_version = %(version)s
), taken AS (
    INSERT INTO delivery_event (id, created_at, tenant_id, source, event_id, type, subject, digest, body)
    SELECT e.id, clock_timestamp(), %(tenant)s, e.source, e.event_id, e.type, e.subject, e.digest, e.body
      FROM picture, unnest(%(ids)s::uuid[], %(sources)s::text[], %(event_ids)s::text[], %(types)s::text[],
                           %(subjects)s::text[], %(digests)s::bytea[], %(bodies)s::bytea[])
               AS e(id, source, event_id, type, subject, digest, body)
        ON CONFLICT (tenant_id, source, event_id) DO NOTHING
    RETURNING id, created_at, type
), owed AS (
    INSERT INTO delivery_delivery (id, created_at, tenant_id, event_id, endpoint_id, state, body, order_key, thin,
                                   next_attempt_at, started_at, attempts, step, claims, last_error)
    SELECT d.id, clock_timestamp(), %(tenant)s, d.event_id, d.endpoint_id, d.state, d.body, d.order_key, d.thin,
           CASE d.state WHEN 'pending' THEN clock_timestamp() END, clock_timestamp(), 0, 0, 0, ''
      FROM unnest(%(owed_ids)s::uuid[], %(owed_events)s::uuid[], %(owed_endpoints)s::uuid[], %(owed_bodies)s::bytea[],
                  %(owed_states)s::text[], %(order_keys)s::text[], %(thins)s::bool[])
           AS d(id, event_id, endpoint_id, body, state, order_key, thin)
     WHERE d.event_id IN (SELECT id FROM taken)
    RETURNING event_id
), counted AS (
    INSERT INTO delivery_tally (tenant_id, day, type, events, deliveries)
    SELECT %(tenant)s, (t.created_at AT TIME ZONE 'UTC')::date, t.type, count(*), coalesce(sum(d.count), 0)
      FROM taken t LEFT JOIN (SELECT event_id, count(*) FROM owed GROUP BY event_id) d ON d.event_id = t.id
     GROUP BY 2, 3
)
SELECT EXISTS (SELECT FROM picture), ARRAY(SELECT id FROM taken)
"""


def take(
    tenant_id: UUID, version: int, events: Sequence[EventRow], deliveries: Sequence[DeliveryRow]
) -> set[UUID] | None:
    """Write events that are not known yet, each with what it owes. The ids of the new ones.

    None: nothing was written, for the tenant's routes are no longer at this version.
    """
    ids, sources, event_ids, types, subjects, digests, bodies = columns(events, 7)
    owed_ids, owed_events, owed_endpoints, owed_bodies, owed_states, order_keys, thins = columns(deliveries, 7)
    parameters = {
        "tenant": tenant_id,
        "version": version,
        "ids": ids,
        "sources": sources,
        "event_ids": event_ids,
        "types": types,
        "subjects": subjects,
        "digests": digests,
        "bodies": bodies,
        "owed_ids": owed_ids,
        "owed_events": owed_events,
        "owed_endpoints": owed_endpoints,
        "owed_bodies": owed_bodies,
        "owed_states": owed_states,
        "order_keys": order_keys,
        "thins": thins,
    }
    ((current, taken),) = run(TAKE, parameters)
    return set(taken) if current else None


WARN = """
UPDATE delivery_event SET warnings = w.warnings::jsonb
  FROM unnest(%(ids)s::uuid[], %(warnings)s::text[]) AS w(id, warnings) WHERE delivery_event.id = w.id
"""


def warn(rows: Sequence[WarningRow]) -> None:
    """Note on events that were taken in this transaction where they do not fit the schema of their type."""
    if rows:
        ids, warnings = columns(rows, 2)
        run(WARN, {"ids": ids, "warnings": warnings})


KNOWN_EVENTS = """
SELECT e.source, e.event_id, e.id, e.digest
  FROM unnest(%(sources)s::text[], %(event_ids)s::text[]) AS wanted(source, event_id)
  JOIN delivery_event e
    ON e.tenant_id = %(tenant)s AND e.source = wanted.source AND e.event_id = wanted.event_id
"""


def known_events(tenant_id: UUID, names: Sequence[tuple[str, str]]) -> dict[tuple[str, str], tuple[UUID, bytes]]:
    """The key and digest of the events that go by these (source, id)."""
    sources, event_ids = columns(names, 2)
    rows = run(KNOWN_EVENTS, {"tenant": tenant_id, "sources": sources, "event_ids": event_ids})
    return {(source, event_id): (key, digest) for source, event_id, key, digest in rows}


REFRESH = "UPDATE delivery_delivery SET next_attempt_at = now() WHERE id = ANY(%(ids)s) AND state = 'pending'"


def refresh(delivery_ids: Sequence[UUID]) -> None:
    """Give rows whose transaction was long a due time that no low-water mark has passed."""
    run(REFRESH, {"ids": list(delivery_ids)})


MARK_DUE = f"""
WITH late AS (
    SELECT endpoint_id FROM delivery_lane
     WHERE endpoint_id = ANY(%(endpoints)s::uuid[]) AND owner IS NULL AND NOT parked
       AND (due_at IS NULL OR due_at > greatest(now(), tripped_until))
     ORDER BY endpoint_id FOR NO KEY UPDATE
), marked AS (
    UPDATE delivery_lane l SET due_at = greatest(now(), l.tripped_until)
      FROM late WHERE l.endpoint_id = late.endpoint_id
    RETURNING l.endpoint_id
), born AS (
    INSERT INTO delivery_lane (endpoint_id, tenant_id, due_at, parked, failures, trips, warned)
    SELECT id, tenant_id, now(), false, 0, 0, 0
      FROM subscriptions_endpoint e
     WHERE id = ANY(%(endpoints)s::uuid[]) AND NOT EXISTS (SELECT FROM delivery_lane l WHERE l.endpoint_id = e.id)
        ON CONFLICT DO NOTHING
    RETURNING endpoint_id
)
SELECT {UNHURRIED},
       pg_notify('{BELL}', CASE WHEN EXISTS (SELECT FROM marked) OR EXISTS (SELECT FROM born) THEN '{FREE}' ELSE '' END)
"""  # noqa: S608


def mark_due(endpoint_ids: Sequence[UUID]) -> None:
    """Somebody must look at these lanes. A leased one has its owner, who hears the bell that this rings; if one is
    there to be leased, the bell says FREE."""
    run(MARK_DUE, {"endpoints": list(endpoint_ids)})


# Draining


class LaneRow(NamedTuple):
    """A lane as its owner keeps it: what is read when it is leased, and written when it is renewed or released."""

    endpoint_id: UUID
    floor_at: datetime
    next_slot_at: datetime | None
    window: int | None
    failures: int
    failing_since: datetime | None
    trips: int
    tripped_until: datetime | None
    warned: int
    inherited: bool = False  # from an owner that did not give it back: it may have sent more than it stored


class Leased(NamedTuple):
    """``lanes`` are the owner's now. Endpoints that are ``forlorn`` (gone, deleted) get nothing more, with the cause
    their deliveries die of. ``now`` is the database's clock."""

    lanes: list[LaneRow]
    forlorn: dict[UUID, str]
    now: datetime


SEEN = 20_000  # due lanes that are looked at, the longest due first, to choose fairly among their tenants
LEASE_LANES = f"""
WITH turns AS (
    SELECT endpoint_id, due_at,
           coalesce((%(held)s::jsonb ->> tenant_id::text)::int, 0)
               + row_number() OVER (PARTITION BY tenant_id ORDER BY due_at) AS turn
      FROM (SELECT {UNHURRIED}) AS unhurried,
           (SELECT endpoint_id, tenant_id, due_at FROM delivery_lane
             WHERE due_at <= now() AND tenant_id <> ALL(%(full)s::uuid[])
             ORDER BY due_at LIMIT {SEEN}) oldest
), chosen AS MATERIALIZED (
    SELECT endpoint_id FROM turns WHERE turn <= %(share)s ORDER BY turn, due_at LIMIT %(most)s
), due AS (
    SELECT l.endpoint_id, l.owner IS NOT NULL AS inherited,
           e.state = 'active' AND e.deleted_at IS NULL AND t.deleted_at IS NULL AS active,
           CASE WHEN e.deleted_at IS NOT NULL OR t.deleted_at IS NOT NULL THEN 'endpoint_deleted'
                WHEN e.state = 'disabled' AND e.disabled_reason = 'gone' THEN 'gone' END AS forlorn
      FROM chosen
      JOIN delivery_lane l ON l.endpoint_id = chosen.endpoint_id
      JOIN subscriptions_endpoint e ON e.id = l.endpoint_id
      JOIN subscriptions_tenant t ON t.id = e.tenant_id
     WHERE l.due_at <= now()
       FOR UPDATE OF l SKIP LOCKED
)
UPDATE delivery_lane l
   SET owner = CASE WHEN due.active THEN %(owner)s::uuid END,
       due_at = CASE WHEN due.active THEN now() + make_interval(secs => %(seconds)s) END,
       parked = NOT due.active AND due.forlorn IS NULL
  FROM due
 WHERE l.endpoint_id = due.endpoint_id
RETURNING now(), due.active, due.forlorn, l.endpoint_id, coalesce(l.floor_at, 'epoch'), l.next_slot_at, l."window",
          l.failures, l.failing_since, l.trips, l.tripped_until, l.warned, due.inherited
"""  # noqa: S608


def lease(owner: UUID, most: int, *, share: int | None = None, held: Mapping[UUID, int] | None = None) -> Leased | None:
    """Lease lanes that are due: one of each tenant, then a second of each, and so on, the longest due first; at most
    ``share`` of one tenant with those that are ``held`` already. Lanes whose endpoint is not active are parked instead.

    None if no lane is due.
    """
    share, held = share or most, held or {}
    parameters = {
        "owner": owner,
        "most": most,
        "share": share,
        "held": orjson.dumps({str(tenant): count for tenant, count in held.items()}).decode(),
        "full": [tenant for tenant, count in held.items() if count >= share],
        "seconds": LEASE,
    }
    rows = run(LEASE_LANES, parameters)
    if not rows:
        return None
    return Leased(
        lanes=[LaneRow(*row[3:]) for row in rows if row[1]],
        forlorn={row[3]: row[2] for row in rows if row[2]},
        now=rows[0][0],
    )


class Asking(NamedTuple):
    """What a lane may have now: ``quota`` deliveries that fell due at or after ``floor_at``, each claimed for
    ``seconds``. In an ``ordered`` lane only the oldest unfinished delivery of each key."""

    endpoint_id: UUID
    quota: int
    floor_at: datetime
    seconds: float
    ordered: bool = False


class Claimed(NamedTuple):
    id: UUID
    endpoint_id: UUID
    event_id: UUID
    attempts: int
    step: int
    due_at: datetime
    body: bytes
    rendered: bool
    thin: bool = False


CLAIM = """
WITH due AS (
    SELECT d.id, asking.seconds
      FROM unnest(%(endpoints)s::uuid[], %(quotas)s::int[], %(floors)s::timestamptz[], %(seconds)s::float8[],
                  %(ordered)s::bool[]) AS asking(endpoint_id, quota, floor_at, seconds, ordered)
     CROSS JOIN LATERAL (
           SELECT id FROM delivery_delivery
            WHERE endpoint_id = asking.endpoint_id AND state = 'pending'
              AND next_attempt_at BETWEEN asking.floor_at AND now()
              AND (order_key IS NULL OR NOT asking.ordered)
            ORDER BY next_attempt_at LIMIT asking.quota
              FOR UPDATE SKIP LOCKED) d
)
"""
CLAIM_THOSE = """
UPDATE delivery_delivery d
   SET state = 'sending', token = %(token)s, claims = claims + 1,
       claimed_until = now() + make_interval(secs => due.seconds)
  FROM due, delivery_event e
 WHERE d.id = due.id AND e.id = d.event_id AND d.token IS NULL
RETURNING d.id, d.endpoint_id, d.event_id, d.attempts, d.step, d.next_attempt_at, coalesce(d.body, e.body),
          d.body IS NOT NULL, d.thin
"""
# The head of every key by hops from one key to the next, so that the cost is the keys', not the backlog's.
CLAIM_HEADS = """
WITH due AS (
    SELECT head.id, asking.seconds
      FROM unnest(%(endpoints)s::uuid[], %(quotas)s::int[], %(seconds)s::float8[])
               AS asking(endpoint_id, quota, seconds)
     CROSS JOIN LATERAL (
           WITH RECURSIVE heads AS (
               (SELECT id, order_key, state, next_attempt_at FROM delivery_delivery
                 WHERE endpoint_id = asking.endpoint_id AND order_key IS NOT NULL AND state IN ('pending', 'sending')
                 ORDER BY order_key, created_at, id LIMIT 1)
               UNION ALL
               SELECT next.* FROM heads CROSS JOIN LATERAL (
                      SELECT id, order_key, state, next_attempt_at FROM delivery_delivery
                       WHERE endpoint_id = asking.endpoint_id AND order_key > heads.order_key
                         AND state IN ('pending', 'sending')
                       ORDER BY order_key, created_at, id LIMIT 1) next
           )
           SELECT d.id FROM heads JOIN delivery_delivery d ON d.id = heads.id
            WHERE heads.state = 'pending' AND d.state = 'pending' AND d.next_attempt_at <= now()
            LIMIT asking.quota FOR UPDATE OF d SKIP LOCKED) head
)
"""


def claim(token: UUID, lanes: Sequence[Asking]) -> list[Claimed]:
    """Claim what is due in these lanes, the oldest first in each. Every row is ``sending`` under the token then."""
    endpoints, quotas, floors, seconds, ordered = columns(lanes, 5)
    parameters = {"token": token, "endpoints": endpoints, "quotas": quotas, "floors": floors, "seconds": seconds}
    claimed = [Claimed(*row) for row in run(CLAIM + CLAIM_THOSE, {**parameters, "ordered": ordered})]
    return claimed + _claim_heads(token, lanes, claimed) if any(ordered) else claimed


def _claim_heads(token: UUID, lanes: Sequence[Asking], claimed: list[Claimed]) -> list[Claimed]:
    """In ordered lanes, within what is left of their quotas: they may have had deliveries that are in no order."""
    had = Counter(it.endpoint_id for it in claimed)
    left = [it._replace(quota=it.quota - had[it.endpoint_id]) for it in lanes if it.ordered]
    endpoints, quotas, _, seconds, _ = columns([it for it in left if it.quota > 0], 5)
    parameters = {"token": token, "endpoints": endpoints, "quotas": quotas, "seconds": seconds}
    return [Claimed(*row) for row in run(CLAIM_HEADS + CLAIM_THOSE, parameters)]


def number_of(claimed: Claimed) -> int:
    """Which of its delivery's attempts this one is, as far as they are counted."""
    return min(claimed.attempts + 1, MOST_ATTEMPTS)


class Settlement(NamedTuple):
    """What an attempt came to, for the delivery and for its history."""

    id: UUID
    token: UUID
    endpoint_id: UUID
    state: str
    wait: float
    cause: str
    attempt_id: UUID
    number: int
    started_at: datetime
    duration_ms: int
    status: int | None
    error: str
    answer: bytes | None


SETTLE = """
UPDATE delivery_delivery d
   SET state = r.state, attempts = r.number, claims = 0, token = NULL, claimed_until = NULL,
       step = CASE r.state WHEN 'pending' THEN step + 1 ELSE step END,
       next_attempt_at = CASE r.state WHEN 'pending' THEN now() + make_interval(secs => r.wait) END,
       last_status = r.status, last_error = r.error
  FROM unnest(%(ids)s::uuid[], %(tokens)s::uuid[], %(states)s::text[], %(waits)s::float8[], %(numbers)s::int2[],
              %(statuses)s::int2[], %(errors)s::text[]) AS r(id, token, state, wait, number, status, error)
 WHERE d.id = r.id AND d.token = r.token
RETURNING d.id, r.token
"""

RECORD = """
COPY delivery_attempt (id, created_at, delivery_id, number, started_at, duration_ms, status, error, answer)
FROM STDIN (FORMAT BINARY)
"""
RECORD_TYPES = ["uuid", "timestamptz", "uuid", "int2", "timestamptz", "int4", "int2", "text", "bytea"]


def settle(settlements: Sequence[Settlement]) -> set[UUID]:
    """Write the verdicts and the attempts. The ids of the attempts whose delivery still was their claim's: only of
    these the verdict counts. (There may be two attempts of one delivery: of a claim that ran out, and of the next.)

    To be called in a transaction: the attempts and the verdicts belong together.
    """
    # In the order of their keys: somebody may be cancelling the same ones, and neither waits in a circle.
    settlements = sorted(settlements, key=lambda it: it.id.int)
    ids, tokens, _, states, waits, _, _, numbers, _, _, statuses, errors, _ = columns(settlements, 13)
    parameters = {
        "ids": ids,
        "tokens": tokens,
        "states": states,
        "waits": waits,
        "numbers": numbers,
        "statuses": statuses,
        "errors": errors,
    }
    valid = set(run(SETTLE, parameters))
    with cursor() as opened, opened.copy(RECORD) as copy:
        copy.set_types(RECORD_TYPES)
        for it in settlements:
            copy.write_row(
                (
                    *(it.attempt_id, it.started_at, it.id, it.number, it.started_at),
                    *(it.duration_ms, it.status, it.error, it.answer),
                )
            )
    settled = [it for it in settlements if (it.id, it.token) in valid]
    bury([LetterRow(it.id, it.cause, None) for it in settled if it.cause])
    return {it.attempt_id for it in settled}


def unrecorded(settlements: Sequence[Settlement]) -> list[Settlement]:
    """Those whose attempt is not in the history yet: for when it is not known whether a settlement was committed."""
    rows = run(
        "SELECT id FROM delivery_attempt WHERE id = ANY(%(ids)s)", {"ids": [it.attempt_id for it in settlements]}
    )
    recorded = {row[0] for row in rows}
    return [it for it in settlements if it.attempt_id not in recorded]


class LetterRow(NamedTuple):
    delivery_id: UUID
    cause: str
    reason: str | None


BURY = """
INSERT INTO delivery_deadletter (id, created_at, tenant_id, endpoint_id, delivery_id, cause, reason, last_status,
                                 last_error, attempts, died_at, redriven_by)
SELECT delivery_uuid7(), now(), d.tenant_id, d.endpoint_id, d.id, r.cause, coalesce(r.reason, ''), d.last_status,
       d.last_error, d.attempts, now(), ''
  FROM unnest(%(deliveries)s::uuid[], %(causes)s::text[], %(reasons)s::text[]) AS r(delivery_id, cause, reason)
  JOIN delivery_delivery d ON d.id = r.delivery_id
    ON CONFLICT (delivery_id) WHERE redriven_at IS NULL DO NOTHING
"""


def bury(letters: Sequence[LetterRow]) -> None:
    """Open a dead letter for each of these deliveries."""
    if letters:
        deliveries, causes, reasons = columns(letters, 3)
        run(BURY, {"deliveries": deliveries, "causes": causes, "reasons": reasons})


BURY_LANE = """
WITH lost AS (
    SELECT id FROM delivery_delivery WHERE endpoint_id = %(endpoint)s AND state = 'pending'
     LIMIT %(most)s FOR UPDATE SKIP LOCKED
), dead AS (
    UPDATE delivery_delivery d SET state = 'dead', next_attempt_at = NULL FROM lost WHERE d.id = lost.id
    RETURNING d.id, d.tenant_id, d.endpoint_id, d.last_status, d.last_error, d.attempts
)
INSERT INTO delivery_deadletter (id, created_at, tenant_id, endpoint_id, delivery_id, cause, reason, last_status,
                                 last_error, attempts, died_at, redriven_by)
SELECT delivery_uuid7(), now(), tenant_id, endpoint_id, id, %(cause)s, '', last_status, last_error, attempts, now(), ''
  FROM dead
    ON CONFLICT (delivery_id) WHERE redriven_at IS NULL DO NOTHING
RETURNING id
"""


def bury_lane(endpoint_id: UUID, cause: str, most: int = 1_000) -> int:
    """Give up what is pending for an endpoint that gets nothing more; how many, ``most`` at a time."""
    return len(run(BURY_LANE, {"endpoint": endpoint_id, "cause": cause, "most": most}))


STORE_LANES = """
UPDATE delivery_lane l
   SET owner = %(next_owner)s::uuid,
       due_at = CASE WHEN %(next_owner)s::uuid IS NOT NULL THEN now() + make_interval(secs => %(seconds)s) END,
       floor_at = r.floor_at, next_slot_at = r.next_slot_at, "window" = r.size, failures = r.failures,
       failing_since = r.failing_since, trips = r.trips, tripped_until = r.tripped_until, warned = r.warned
  FROM unnest(%(endpoints)s::uuid[], %(floors)s::timestamptz[], %(slots)s::timestamptz[], %(windows)s::int2[],
              %(failures)s::int[], %(sinces)s::timestamptz[], %(trips)s::int2[], %(untils)s::timestamptz[],
              %(warned)s::int2[])
           AS r(endpoint_id, floor_at, next_slot_at, size, failures, failing_since, trips, tripped_until, warned)
 WHERE l.endpoint_id = r.endpoint_id AND l.owner = %(owner)s
RETURNING l.endpoint_id, clock_timestamp()
"""


class Renewed(NamedTuple):
    """The lanes that are still the owner's; ``now`` is the database's clock, None if there are none."""

    held: set[UUID]
    now: datetime | None


def renew(owner: UUID, lanes: Sequence[LaneRow]) -> Renewed:
    """Keep these lanes and store their pace, except for those that have gone to another when the lease ran out."""
    rows = _store(owner, owner, lanes)
    return Renewed({row[0] for row in rows}, rows[-1][1] if rows else None)


def release(owner: UUID, lanes: Sequence[LaneRow]) -> None:
    """Give these lanes back with their pace. ``look_again`` has to follow, after the commit."""
    _store(owner, None, lanes)


def _store(owner: UUID, next_owner: UUID | None, lanes: Sequence[LaneRow]) -> list[tuple[UUID, datetime]]:
    endpoints, floors, slots, windows, failures, sinces, trips, untils, warned = columns(
        [it[:9] for it in sorted(lanes)], 9
    )
    parameters = {
        "owner": owner,
        "next_owner": next_owner,
        "seconds": LEASE,
        "endpoints": endpoints,
        "floors": floors,
        "slots": slots,
        "windows": windows,
        "failures": failures,
        "sinces": sinces,
        "trips": trips,
        "untils": untils,
        "warned": warned,
    }
    return [(row[0], row[1]) for row in run(STORE_LANES, parameters)]


LOOK_AGAIN_AT = """
WITH owing AS (
    SELECT l.endpoint_id, owed.due_at, rate.slots, rate.burst
      FROM delivery_lane l
     CROSS JOIN LATERAL (
           SELECT next_attempt_at AS due_at FROM delivery_delivery
            WHERE endpoint_id = l.endpoint_id AND state = 'pending'
              AND next_attempt_at >= coalesce(l.floor_at, 'epoch')
            ORDER BY next_attempt_at LIMIT 1) owed
     CROSS JOIN LATERAL (
           SELECT slots, coalesce(e.rate_burst, slots * 0.1) AS burst
             FROM subscriptions_endpoint e,
                  LATERAL (SELECT least(e.rate_limit / CASE e.rate_period WHEN 'minute' THEN 60.0 ELSE 1 END,
                                         e.allowed_rate / 60.0)) a(slots)
            WHERE e.id = l.endpoint_id) rate
     WHERE l.owner IS NULL AND l.due_at IS NULL AND NOT l.parked
       AND l.endpoint_id = ANY(%(endpoints)s::uuid[])
     ORDER BY l.endpoint_id FOR NO KEY UPDATE OF l
)
UPDATE delivery_lane l
   SET due_at = greatest(now(), owing.due_at, l.tripped_until,
                         l.next_slot_at - make_interval(secs => greatest(owing.burst - 1, 0) / owing.slots))
  FROM owing
 WHERE l.endpoint_id = owing.endpoint_id
RETURNING l.endpoint_id
"""
LOOK_AGAIN = LOOK_AGAIN_AT.replace("AND l.endpoint_id = ANY(%(endpoints)s::uuid[])", "")


def look_again(endpoint_ids: Sequence[UUID] | None = None) -> int:
    """Mark free lanes due that owe something after all: these, or (None) all. How many there were.

    However long their oldest delivery has been due, they stand behind the lanes that wait already."""
    if endpoint_ids is None:
        return len(run(LOOK_AGAIN, {}))
    return len(run(LOOK_AGAIN_AT, {"endpoints": list(endpoint_ids)}))
