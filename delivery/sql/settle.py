"""Settle attempts: write verdicts to deliveries and attempts to the history, in one transaction."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from delivery.models import Delivery
from delivery.sql.attempts import AttemptRow, find_attempts, record_attempts
from delivery.sql.dead_letters import DeadLetterRow, dead_letter
from webhooks.kit.sql import columns, run

PENDING = Delivery.State.PENDING


class Settlement(NamedTuple):
    """The result of one attempt. ``wait``: seconds until the next; ``cause``: of the dead letter, or empty."""

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
    response: bytes | None


# Reader: the drain. Index: the primary key. Only deliveries that still carry the token of their claim are changed.
SETTLE_DELIVERIES = f"""
UPDATE delivery_delivery d
   SET state = r.state, attempts = r.number, claims = 0, token = NULL, claimed_until = NULL,
       step = CASE r.state WHEN '{PENDING}' THEN step + 1 ELSE step END,
       next_attempt_at = CASE r.state WHEN '{PENDING}' THEN now() + make_interval(secs => r.wait) END,
       last_status = r.status, last_error = r.error
  FROM unnest(%(ids)s::uuid[], %(tokens)s::uuid[], %(states)s::text[], %(waits)s::float8[], %(numbers)s::int2[],
              %(statuses)s::int2[], %(errors)s::text[]) AS r(id, token, state, wait, number, status, error)
 WHERE d.id = r.id AND d.token = r.token
RETURNING d.id, r.token
"""


def settle_attempts(settlements: Sequence[Settlement]) -> set[UUID]:
    """Write verdicts, attempts and dead letters; return the ids of the attempts whose verdict counted.

    A delivery can have two attempts in flight (of a claim that ran out, and of the next): only the verdict of the claim
    that it still carries counts. Call it in a transaction.
    """
    settlements = sorted(settlements, key=lambda it: it.id.int)  # as cancelling does, so that neither deadlocks
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
    valid = set(run(SETTLE_DELIVERIES, parameters))
    record_attempts(
        AttemptRow(it.attempt_id, it.id, it.number, it.started_at, it.duration_ms, it.status, it.error, it.response)
        for it in settlements
    )
    settled = [it for it in settlements if (it.id, it.token) in valid]
    dead_letter([DeadLetterRow(it.id, it.cause, None) for it in settled if it.cause])
    return {it.attempt_id for it in settled}


def find_unrecorded(settlements: Sequence[Settlement]) -> list[Settlement]:
    """Return the settlements whose attempt is not stored: it is unknown whether their transaction was committed."""
    recorded = find_attempts([it.attempt_id for it in settlements])
    return [it for it in settlements if it.attempt_id not in recorded]
