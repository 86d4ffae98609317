"""Claim due deliveries of leased lanes: each becomes ``sending`` under a token, until a deadline."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from delivery.models import Delivery
from delivery.sql.keyed.order_heads import HeadSearch, SearchRequest, find_heads
from delivery.sql.keyed.supersede import Superseded, SupersedeRequest, find_superseded, supersede_older
from webhooks.kit.encryption import CannotDecrypt, decrypt
from webhooks.kit.fair.shares import fair_part
from webhooks.kit.sql import Run, columns, run

PENDING, SENDING = Delivery.State.PENDING, Delivery.State.SENDING
LOW_WATER_MARGIN = 5.0  # seconds the low-water mark stays behind the newest claim: a publisher may commit that late
CLAIM_GRACE = 10.0  # seconds between the deadline of an attempt and the end of its claim
HOLD_SECONDS = 2.0  # seconds from the claim within which what is claimed ahead has to be sent
MAX_ATTEMPTS_COUNTED = 32_767  # a delivery that is replayed without end may have more (smallint)
LARGE_BODY = 64 * 1024  # bytes; only larger bodies count against an allowance, so that small deliveries never wait
NO_TENANT = UUID(int=0)
EPOCH = datetime.fromtimestamp(0, UTC)  # as a low-water mark: before every delivery
ENCRYPTED_FORMS = frozenset((Delivery.Form.ENCRYPTED_EVENT, Delivery.Form.ENCRYPTED_BODY))
IS_RENDERED = (
    "d.body IS NOT NULL AND (d.form IS NULL OR d.form NOT IN "
    f"('{Delivery.Form.EVENT}', '{Delivery.Form.ENCRYPTED_EVENT}'))"
)


class ClaimRequest(NamedTuple):
    """How much to claim in one lane: up to ``limit`` deliveries, due at or after the low-water mark.

    Each claim lasts ``seconds``. In an ordered lane only the oldest unfinished delivery of each order key counts;
    ``heads`` is the search for these, and continues with every claim. ``superseding``: where only the latest of each
    key is sent, the request that supersedes older ones first. Lanes of one tenant share its allowance.
    """

    endpoint_id: UUID
    limit: int
    low_water_mark: datetime
    seconds: float
    heads: HeadSearch | None = None
    tenant_id: UUID = NO_TENANT
    superseding: SupersedeRequest | None = None


class BodyAllowance(NamedTuple):
    """How many bytes of large bodies a claim may take: one more body is taken while less than that is used.

    ``total``: of all tenants together. ``by_tenant``: of the tenants that have large bodies in flight; every other
    tenant gets at most half of the total.
    """

    total: int
    by_tenant: Mapping[UUID, int] = {}

    def of(self, tenant_id: UUID) -> int:
        """Return how many bytes this tenant may take."""
        return self.by_tenant.get(tenant_id, fair_part(self.total, 0))

    def without(self, bodies: Iterable[tuple[UUID, int]]) -> "BodyAllowance":
        """Return what these bodies, each a tenant and a size in bytes, leave of it."""
        total, by_tenant = self.total, dict(self.by_tenant)
        for tenant_id, size in bodies:
            if size > LARGE_BODY:
                total = max(total - size, 0)
                by_tenant[tenant_id] = max(by_tenant.get(tenant_id, self.of(tenant_id)) - size, 0)
        return BodyAllowance(total, by_tenant)


UNLIMITED = BodyAllowance(2**62)


class Claimed(NamedTuple):
    """A claimed delivery. ``rendered``: its body is not the event's own (a transformer's, or a reference).

    ``content_type``: of such a body, unless that follows from the body. ``is_replayed``: a replay has created or sent
    it. ``traceparent``: the trace context of its event, or of the attempt. ``superseded``: what it takes the place of.
    ``is_unreadable``: its body is encrypted, and no key decrypts it.
    """

    id: UUID
    endpoint_id: UUID
    event_id: UUID
    attempts: int
    step: int
    due_at: datetime
    body: bytes
    rendered: bool
    content_type: str | None = None
    order_key: str | None = None
    is_replayed: bool = False
    traceparent: str | None = None
    superseded: Superseded | None = None
    is_unreadable: bool = False


def opened(claimed: Claimed, form: str | None) -> Claimed:
    """Return the claim with its body decrypted, if its form says that it is encrypted."""
    if form not in ENCRYPTED_FORMS:
        return claimed
    try:
        return claimed._replace(body=decrypt(claimed.body).encode())
    except CannotDecrypt:
        return claimed._replace(body=b"", is_unreadable=True)


# Reader: the drain. Index: delivery_due, from the lane's low-water mark on.
SELECT_DUE = f"""
WITH due AS (
    SELECT d.*, request.tenant, request.place, request.seconds, request.max_bytes
      FROM unnest(%(endpoints)s::uuid[], %(limits)s::int[], %(low_water_marks)s::timestamptz[], %(seconds)s::float8[],
                  %(tenants)s::int[], %(max_bytes)s::int8[]) WITH ORDINALITY
               AS request(endpoint_id, max_rows, low_water_mark, seconds, tenant, max_bytes, place)
     CROSS JOIN LATERAL (
           SELECT d.id, d.next_attempt_at AS due_at, coalesce(d.body, e.body) AS body, e.traceparent
             FROM delivery_delivery d JOIN delivery_event e ON e.id = ANY(ARRAY[d.event_id])
            WHERE d.endpoint_id = request.endpoint_id AND d.state = '{PENDING}'
              AND d.next_attempt_at BETWEEN request.low_water_mark AND now()
            ORDER BY d.next_attempt_at LIMIT request.max_rows
              FOR UPDATE OF d SKIP LOCKED) d
)"""
# Reader: the drain, for the heads of ordered lanes that ``find_heads`` has found. Index: the primary key.
SELECT_THESE = f"""
WITH due AS (
    SELECT d.id, d.next_attempt_at AS due_at, coalesce(d.body, e.body) AS body, head.tenant, head.place, head.seconds,
           head.max_bytes, e.traceparent
      FROM unnest(%(ids)s::uuid[], %(seconds)s::float8[], %(tenants)s::int[], %(max_bytes)s::int8[]) WITH ORDINALITY
               AS head(id, seconds, tenant, max_bytes, place)
      JOIN delivery_delivery d ON d.id = ANY(ARRAY[head.id])
      JOIN delivery_event e ON e.id = ANY(ARRAY[d.event_id])
     WHERE d.state = '{PENDING}' AND d.next_attempt_at <= now()
       FOR UPDATE OF d SKIP LOCKED
)"""
# Follows either of the two. Index: the primary key. In each lane the first large body that exceeds an allowance, and
# what is due after it, stays pending. The sizes are read without reading the bodies, and summed only if one is large.
CLAIM_DUE = f""",
sized AS (
    SELECT id, tenant, place, due_at, max_bytes,
           CASE WHEN octet_length(body) > {LARGE_BODY} THEN octet_length(body) ELSE 0 END AS bytes
      FROM due
), summed AS (
    SELECT id, bytes, max_bytes,
           sum(bytes) OVER (PARTITION BY tenant, place ORDER BY due_at, id ROWS UNBOUNDED PRECEDING) AS of_lane,
           sum(bytes) OVER (PARTITION BY tenant ORDER BY place, due_at, id ROWS UNBOUNDED PRECEDING) AS of_tenant,
           sum(bytes) OVER (ORDER BY tenant, place, due_at, id ROWS UNBOUNDED PRECEDING) AS of_all
      FROM sized
)
UPDATE delivery_delivery d
   SET state = '{SENDING}', token = %(token)s, consumer = %(consumer)s::uuid, claims = claims + 1,
       claimed_until = now() + make_interval(secs => due.seconds)
  FROM due
 WHERE d.id = ANY(ARRAY[due.id]) AND d.token IS NULL
   AND ((SELECT max(octet_length(body)) FROM due) <= {LARGE_BODY}
        OR d.id IN (SELECT id FROM summed
                     WHERE of_lane = 0 OR (of_tenant - bytes < max_bytes AND of_all - bytes < %(total)s)))
RETURNING d.id, due.place, d.event_id, d.attempts, d.step, d.next_attempt_at, due.body, {IS_RENDERED},
          d.content_type, d.order_key, d.replay_id IS NOT NULL, due.traceparent, d.form
"""


def claim_deliveries(
    token: UUID,
    requests: Sequence[ClaimRequest],
    allowance: BodyAllowance = UNLIMITED,
    *,
    consumer: UUID | None = None,
) -> list[Claimed]:
    """Claim due deliveries under ``token``, the oldest first in each lane, as far as the allowance goes.

    Where it does not suffice, tenants and lanes come in the order of the requests. ``consumer``: the session that they
    are handed out to; None: a drain sends them.
    """
    unordered = [it for it in requests if it.heads is None]
    claimed: list[Claimed] = []
    if unordered:
        endpoints, limits, low_water_marks, seconds, *_ = columns(unordered, 7)
        parameters = {
            "endpoints": endpoints,
            "limits": limits,
            "low_water_marks": low_water_marks,
            "seconds": seconds,
            **_shares(unordered, allowance),
        }
        claimed = _claim(SELECT_DUE, token, unordered, parameters | {"consumer": consumer}, allowance)
    if len(unordered) < len(requests):
        tenants = {it.endpoint_id: it.tenant_id for it in requests}
        left = allowance.without([(tenants[it.endpoint_id], len(it.body)) for it in claimed])
        claimed += _claim_heads(token, [it for it in requests if it.heads is not None], left, consumer)
    return claimed


def _claim_heads(
    token: UUID, requests: Sequence[ClaimRequest], allowance: BodyAllowance, consumer: UUID | None
) -> list[Claimed]:
    requests = [it for it in requests if _is_superseded(it)]
    heads_found = find_heads(
        [SearchRequest(it.endpoint_id, it.limit, it.low_water_mark, it.heads) for it in requests if it.heads]
    )
    heads = [(it, key) for it, keys in zip(requests, heads_found, strict=True) for key in keys]
    if not heads:
        return []
    requested = [it for it, _ in heads]
    parameters = {
        "ids": [key for _, key in heads],
        "seconds": [it.seconds for it in requested],
        "consumer": consumer,
        **_shares(requested, allowance),
    }
    claimed = _claim(SELECT_THESE, token, requested, parameters, allowance)
    latest_only = {it.endpoint_id for it in requests if it.superseding is not None}
    found = find_superseded([it.id for it in claimed if it.endpoint_id in latest_only])
    return [it._replace(superseded=found[it.id]) if it.id in found else it for it in claimed] if found else claimed


def _is_superseded(request: ClaimRequest) -> bool:
    """Supersede older waiting deliveries of a lane; return whether all are, so that the next may be claimed."""
    if request.superseding is None:
        return True
    supersede_older(request.superseding)
    return request.superseding.search.is_complete


def _claim(
    due: str, token: UUID, requests: Sequence[ClaimRequest], parameters: dict[str, Any], allowance: BodyAllowance
) -> list[Claimed]:
    rows = run(due + CLAIM_DUE, parameters | {"token": token, "total": allowance.total})
    # Each id of an endpoint is the object of its request: comparing two UUIDs that are not the same object is slow.
    return [opened(Claimed(row[0], requests[row[1] - 1].endpoint_id, *row[2:-1]), row[-1]) for row in rows]


def _shares(requests: Iterable[ClaimRequest], allowance: BodyAllowance) -> dict[str, list[int]]:
    """Return, for each request, the number of its tenant in the order of the first requests, and its allowance."""
    numbers: dict[UUID, int] = {}
    return {
        "tenants": [numbers.setdefault(it.tenant_id, len(numbers)) for it in requests],
        "max_bytes": [allowance.of(it.tenant_id) for it in requests],
    }


# Reader: the drain, for what publishers have claimed for it. Index: the primary key.
READ_CLAIMS = f"""
SELECT d.id, d.endpoint_id, d.event_id, d.attempts, d.step, d.next_attempt_at, coalesce(d.body, e.body),
       {IS_RENDERED}, d.content_type, d.order_key, d.replay_id IS NOT NULL, e.traceparent, d.form,
       extract(epoch FROM d.claimed_until - clock_timestamp())::float8
  FROM delivery_delivery d JOIN delivery_event e ON e.id = ANY(ARRAY[d.event_id])
 WHERE d.id = ANY(%(ids)s::uuid[]) AND d.token = %(token)s
 ORDER BY d.id
"""


def read_claims(token: UUID, delivery_ids: Iterable[UUID], run: Run = run) -> list[tuple[Claimed, float]]:
    """Return those of these deliveries that are claimed under this token, each with the seconds its claim lasts."""
    rows = run(READ_CLAIMS, {"ids": list(delivery_ids), "token": token})
    return [(opened(Claimed(*row[:-2]), row[-2]), row[-1]) for row in rows]


# Reader: the drain, when it may have missed a notification. Index: delivery_claimed.
FIND_CLAIMS_UNDER = f"""
SELECT id FROM delivery_delivery WHERE state = '{SENDING}' AND claimed_until > now() AND token = %(token)s
"""


def find_claims_under(token: UUID, run: Run = run) -> set[UUID]:
    """Return the deliveries that are claimed under this token. Reads all claimed ones."""
    return {row[0] for row in run(FIND_CLAIMS_UNDER, {"token": token})}


def without_body(claimed: Claimed) -> Claimed:
    """Return the claim without a large body, for the time after its attempt."""
    return claimed if len(claimed.body) <= LARGE_BODY else claimed._replace(body=b"")


def attempt_number(claimed: Claimed) -> int:
    """Return the number of the attempt that this claim makes, from 1."""
    return min(claimed.attempts + 1, MAX_ATTEMPTS_COUNTED)
