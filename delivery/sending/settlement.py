"""Turn ended attempts into settlements, and report the deliveries that are dead."""

import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from uuid import UUID

from delivery.lanes import health
from delivery.operational.dead_letters import dead_letter
from delivery.sending.verdict import RESPONDED_410, judge
from delivery.sql.claim import attempt_number
from delivery.sql.dead_letters import DeadLetterRow
from delivery.sql.settle import Settlement
from delivery.transports.http.response_headers import recorded_headers
from delivery.transports.in_flight import InFlight
from delivery.transports.outcome import Outcome
from subscriptions.models import Endpoint
from subscriptions.routing.targets import load_targets

Ended = tuple[InFlight, Outcome]


def settlements(ended: Sequence[Ended], is_overdue: Callable[[UUID, Outcome], bool]) -> list[Settlement]:
    """Judge these attempts. A response "gone" does not count if the endpoint has another address by now.

    ``is_overdue``: whether a failed attempt to this endpoint is to be repeated at once, if its retry plan is not used
    up.
    """
    gone = {attempt.claimed.endpoint_id: attempt.address for attempt, outcome in ended if outcome.gone}
    moved = {key for key, target in load_targets(gone).items() if target.address != gone[key]} if gone else ()
    rows = [_settlement(attempt, outcome, moved=attempt.claimed.endpoint_id in moved) for attempt, outcome in ended]
    return [
        row._replace(wait=0.0) if row.wait and is_overdue(row.endpoint_id, outcome) else row
        for row, (_, outcome) in zip(rows, ended, strict=True)
    ]


def _settlement(attempt: InFlight, outcome: Outcome, *, moved: bool) -> Settlement:
    it = attempt.claimed
    verdict = judge(outcome, step=it.step, plan=attempt.plan, jitter=random.random(), moved=moved)  # noqa: S311 (jitter)
    return Settlement(
        delivery_id=it.id,
        token=attempt.token,
        endpoint_id=it.endpoint_id,
        state=verdict.state,
        wait=verdict.wait,
        cause=verdict.cause,
        attempt_id=attempt.attempt_id,
        number=attempt_number(it),
        started_at=datetime.fromtimestamp(outcome.started_at, UTC),
        duration_ms=outcome.duration_ms,
        status=outcome.status,
        error=outcome.failure or "",
        response=outcome.response or None,
        repeats=",".join(outcome.repeats) or None,
        response_headers=recorded_headers(outcome.headers) if outcome.headers else None,
    )


def report_dead(ended: Sequence[Ended], dead: Sequence[Settlement]) -> list[UUID]:
    """Dead-letter these deliveries, and disable endpoints that are gone. Return the endpoints that were disabled.

    Call in the transaction that settles, so that a crash leaves neither without the other.
    """
    if not dead:
        return []
    reasons = {attempt.claimed.id: outcome.response.decode() for attempt, outcome in ended if outcome.is_final}
    dead_letter([DeadLetterRow(row.delivery_id, row.cause, reasons.get(row.delivery_id)) for row in dead])
    addresses = {attempt.claimed.endpoint_id: attempt.address for attempt, _ in ended}
    gone = {row.endpoint_id: addresses[row.endpoint_id] for row in dead if row.cause == RESPONDED_410}
    return health.disable_endpoints(gone, Endpoint.DisabledReason.RESPONDED_410)
