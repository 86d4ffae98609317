"""Settle attempts: write each verdict to its delivery, and each attempt to the history of the delivery."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from delivery.models import Delivery
from delivery.sql.attempts import find_attempts
from webhooks.kit.sql import named_columns, run

PENDING = Delivery.State.PENDING
RELEASED_WAIT = 1.0  # seconds until a delivery is due again whose attempt this process could not start


class Settlement(NamedTuple):
    """The result of one attempt, with the delivery's new state.

    ``token``: of the claim under which the attempt was made; None: no claim holds it any more (``sql.pulled``).
    ``wait``: seconds until the next attempt, if the state is pending. ``cause``: the cause of the dead letter; empty if
    the delivery is not dead. ``number``: 1 is the first attempt of the delivery. ``repeats``: why its request was sent
    again, as reasons separated by commas. ``response_headers``: as they are recorded.
    """

    delivery_id: UUID
    token: UUID | None
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
    response: bytes | None
    repeats: str | None = None
    response_headers: bytes | None = None


# Reader: the drain. Index: the primary key. Only deliveries that still carry the token of their claim are changed, but
# every attempt is recorded. One statement needs no transaction around it, and takes one round trip.
SETTLE = f"""
WITH recorded AS (
    INSERT INTO delivery_attempt (id, created_at, delivery_id, number, started_at, duration_ms, status, error, response,
                                  repeats, response_headers)
    SELECT id, started_at, delivery_id, number, started_at, duration_ms, status, error, response, repeats,
           response_headers
      FROM unnest(%(attempt_ids)s::uuid[], %(started_at)s::timestamptz[], %(ids)s::uuid[], %(numbers)s::int2[],
                  %(durations)s::int4[], %(statuses)s::int2[], %(errors)s::text[], %(responses)s::bytea[],
                  %(repeats)s::text[], %(response_headers)s::bytea[])
               AS a(id, started_at, delivery_id, number, duration_ms, status, error, response, repeats,
                    response_headers)
)
UPDATE delivery_delivery d
   SET state = r.state, attempts = r.number, claims = 0, token = NULL, claimed_until = NULL,
       step = CASE r.state WHEN '{PENDING}' THEN step + 1 ELSE step END,
       next_attempt_at = CASE r.state WHEN '{PENDING}' THEN now() + make_interval(secs => r.wait) END,
       last_status = r.status, last_error = r.error
  FROM unnest(%(ids)s::uuid[], %(tokens)s::uuid[], %(states)s::text[], %(waits)s::float8[], %(numbers)s::int2[],
              %(statuses)s::int2[], %(errors)s::text[])
       WITH ORDINALITY AS r(id, token, state, wait, number, status, error, place)
 WHERE d.id = ANY(ARRAY[r.id]) AND d.token = r.token
RETURNING r.place
"""
# The columns of settlements as the statements name them; endpoints and causes are in none.
PARAMETERS = (
    "ids tokens endpoints states waits causes attempt_ids numbers started_at durations statuses errors responses "
    "repeats response_headers"
)


def is_one_statement(settlements: Sequence[Settlement]) -> bool:
    """Return whether settling these needs no transaction: none is dead, so there are no dead letters to insert."""
    return not any(it.cause for it in settlements)


def settle_attempts(settlements: Sequence[Settlement], statement: str = SETTLE) -> list[Settlement]:
    """Write verdicts and attempts; return the settlements whose verdict was applied: the dead ones need dead letters.

    Two attempts of one delivery can be in flight: one under a claim that expired, one under the current claim. Both are
    recorded, but only the verdict of the current claim is applied. Call in a transaction unless ``is_one_statement``.
    """
    # Rows are locked in the order in which cancelling locks them, so that the two do not deadlock.
    settlements = sorted(settlements, key=lambda it: it.delivery_id.int)
    parameters = named_columns(PARAMETERS, settlements)
    return [settlements[place - 1] for (place,) in run(statement, parameters)]


# Reader: the drain, for what it could not start, or claimed ahead and does not send. Index: the primary key.
RELEASE_CLAIMS = f"""
UPDATE delivery_delivery d
   SET state = '{PENDING}', claims = greatest(claims - 1, 0), token = NULL, claimed_until = NULL,
       next_attempt_at = now() + make_interval(secs => %(wait)s)
  FROM (SELECT * FROM unnest(%(ids)s::uuid[], %(tokens)s::uuid[]) AS r(id, token) ORDER BY id) r
 WHERE d.id = ANY(ARRAY[r.id]) AND d.token = r.token
"""


def release_claims(claims: Sequence[tuple[UUID, UUID]], wait: float = RELEASED_WAIT) -> None:
    """End claims, each a delivery and its token, without an attempt; the deliveries are due after ``wait`` seconds."""
    run(RELEASE_CLAIMS, {"wait": wait, **named_columns("ids tokens", claims)})


# Reader: the drain, for what it has claimed ahead when deliveries were stopped. Index: the primary key.
FIND_CLAIMS = """
SELECT d.id, d.token FROM unnest(%(ids)s::uuid[], %(tokens)s::uuid[]) AS r(id, token)
  JOIN delivery_delivery d ON d.id = ANY(ARRAY[r.id]) AND d.token = r.token
"""


def find_claims(claims: Sequence[tuple[UUID, UUID]]) -> set[tuple[UUID, UUID]]:
    """Return those of these claims, each a delivery and its token, that have not been ended."""
    return {(row[0], row[1]) for row in run(FIND_CLAIMS, named_columns("ids tokens", claims))}


def find_unrecorded(settlements: Sequence[Settlement]) -> list[Settlement]:
    """Return the settlements whose attempt is not in the history.

    For settlements whose transaction has an unknown outcome, because the connection broke in the commit: only those
    that are returned have to be settled again.
    """
    recorded = find_attempts([it.attempt_id for it in settlements])
    return [it for it in settlements if it.attempt_id not in recorded]
