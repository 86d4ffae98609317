"""Settle the attempts of pulled deliveries: acknowledged, reported as failed, or not acknowledged in time.

The verdict, the attempt, the dead letter, the result and the statistics are written in one transaction, as for attempts
that a drain has made. The wait of the retry plan after a visibility timeout counts from when the message was handed
out: the timeout itself is a wait already.
"""

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from django.db import transaction

from delivery import metrics
from delivery.models import Delivery
from delivery.operational.dead_letters import dead_letter
from delivery.operational.pending_results import add_success_results
from delivery.sending.attempt_stats import AttemptStats
from delivery.sending.verdict import DEFAULT_PLAN, judge
from delivery.sql.claim import MAX_ATTEMPTS_COUNTED
from delivery.sql.dead_letters import DeadLetterRow
from delivery.sql.pulled.settle_pulled import settle_locked
from delivery.sql.settle import Settlement
from delivery.transports.outcome import Failure, Outcome
from webhooks.kit.metrics.broken_down import breakdown
from webhooks.kit.metrics.switch import only_if_on
from webhooks.wire.ids import new_id

MAX_REASON = 16 * 1024  # bytes of a consumer's reason that are recorded


class PulledAttempt(NamedTuple):
    """An attempt that has ended, of a delivery that the transaction has locked. ``token``: None if its claim is over.

    ``plan``: the retry plan of the endpoint; None: the default.
    """

    delivery_id: UUID
    endpoint_id: UUID
    token: UUID | None
    attempts: int
    step: int
    plan: Sequence[int] | None
    outcome: Outcome


def handed_out_at(token: UUID | None, now: float) -> float:
    """Return when what has this token was handed out, in unix seconds: tokens are UUIDv7."""
    return now if token is None else min((token.int >> 80) / 1000, now)


def acknowledged(token: UUID | None, now: float) -> Outcome:
    """Return the outcome of a message that its consumer has processed."""
    return _outcome(token, now)


def failed(token: UUID | None, now: float, reason: str, retry_after: float | None) -> Outcome:
    """Return the outcome of a message that its consumer could not process, for this reason."""
    outcome = _outcome(token, now, Failure.REFUSED)
    response = reason.encode("utf-8", "replace")[:MAX_REASON]
    return outcome._replace(rejected=True, response=response, retry_after=retry_after)


def not_acknowledged(token: UUID | None, now: float) -> Outcome:
    """Return the outcome of a message that was not acknowledged in time."""
    return _outcome(token, now, Failure.TIMEOUT)


def _outcome(token: UUID | None, now: float, failure: Failure | None = None) -> Outcome:
    since = handed_out_at(token, now)
    return Outcome(since, round((now - since) * 1000), failure=failure)


def settle(attempts: Sequence[PulledAttempt]) -> list[Settlement]:
    """Write what became of these attempts; return the settlements. Call in the transaction that locked the rows."""
    if not attempts:
        return []
    settled = settle_locked([_settlement(it) for it in attempts])
    add_success_results([it.delivery_id for it in settled if it.state == Delivery.State.DELIVERED])
    if dead := [DeadLetterRow(it.delivery_id, it.cause, None) for it in settled if it.cause]:
        dead_letter(dead)
    _count(attempts)
    transaction.on_commit(lambda: _count_for_prometheus(attempts))
    return settled


@only_if_on
def _count_for_prometheus(attempts: Iterable[PulledAttempt]) -> None:
    counts = Counter(
        (
            it.outcome.failure or metrics.DELIVERED,
            metrics.RETRY if it.attempts else metrics.FIRST,
            *breakdown.values(None, it.endpoint_id),
        )
        for it in attempts
    )
    for series, count in counts.items():
        metrics.ATTEMPTS.add(count, *series)


def _count(attempts: Iterable[PulledAttempt]) -> None:
    """Add the attempts to the statistics of their endpoints, last, since that locks one row of each."""
    outcomes: dict[UUID, list[Outcome]] = {}
    for it in attempts:
        outcomes.setdefault(it.endpoint_id, []).append(it.outcome)
    stats = AttemptStats()
    for endpoint_id in sorted(outcomes):
        stats.add(endpoint_id, outcomes[endpoint_id])
    stats.write()


def _settlement(it: PulledAttempt) -> Settlement:
    outcome, plan = it.outcome, DEFAULT_PLAN if it.plan is None else it.plan
    verdict = judge(outcome, step=it.step, plan=plan, jitter=random.random())  # noqa: S311 (jitter)
    has_waited = outcome.duration_ms / 1000 if outcome.failure is Failure.TIMEOUT else 0.0
    return Settlement(
        delivery_id=it.delivery_id,
        token=it.token,
        endpoint_id=it.endpoint_id,
        state=verdict.state,
        wait=max(verdict.wait - has_waited, 0.0),
        cause=verdict.cause,
        attempt_id=new_id(),
        number=min(it.attempts + 1, MAX_ATTEMPTS_COUNTED),
        started_at=datetime.fromtimestamp(outcome.started_at, UTC),
        duration_ms=outcome.duration_ms,
        status=None,
        error=outcome.failure or "",
        response=outcome.response or None,
    )
