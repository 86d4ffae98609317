"""Repair what a crash, a lost notification or a late commit left behind, from the tables alone.

``recover_recent`` runs every few seconds: claims of drains and consumers that ran out in the last minute, lanes whose
endpoint has changed. ``recover`` does the same for all claims, once a minute.
``sweep`` runs every minute: lanes that have pending deliveries and are not due, or wait although their endpoint was
deleted, deliveries below their lane's low-water mark, deliveries that nothing took for too long, endpoints that reject
most deliveries, endpoints whose time is over, alert rules that were evaluated before the database's clock went back.
"""

from collections.abc import Iterator, Sequence
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from delivery import notify, telemetry
from delivery.lanes.breaker import LONGEST_PAUSE
from delivery.lifecycle.expired_endpoints import delete_expired_endpoints
from delivery.lifecycle.rejecting import report_rejecting
from delivery.models import Delivery
from delivery.operational.dead_letters import dead_letter_expired, recover_claims
from delivery.pulling.lapsed import settle_lapsed
from delivery.reading import platform_load
from delivery.sending import attempt_stats
from delivery.sending.attempt_stats import AttemptStats
from delivery.sql.due import create_missing_lanes, end_waits, recheck_due, resume_lanes, retry_changed_endpoints
from delivery.sql.recovery.claims import EVER, MAX_VOIDED, RecoveredClaim, raise_to_low_water_mark
from delivery.sql.recovery.clock_steps import bring_pauses_forward, bring_rules_forward
from delivery.transports.outcome import Failure, Outcome

RECENT = 60.0  # seconds since a claim ran out, within which it is looked for every few seconds
EXPIRES_AFTER = 7 * 86_400  # seconds a delivery waits for a paused or disabled endpoint


def recover_recent() -> int:
    """Recover as ``recover`` does, but only claims that ran out in the last minute: what is searched is short."""
    return recover(RECENT)


def recover(within: float = EVER) -> int:
    """Void claims that ran out in the last ``within`` seconds, and resume lanes; return how many claims were of drains.

    Resumed are lanes whose endpoint is active again or has a new URL, or whose pause was set before the clock went
    back.
    """
    recovered = list(_recover_claims(within))
    while settle_lapsed(within=within) == MAX_VOIDED:
        continue
    resumed = resume_lanes() + retry_changed_endpoints() + bring_pauses_forward(LONGEST_PAUSE)
    dead = sum(it.state == Delivery.State.DEAD for it in recovered)
    telemetry.claims_recovered(len(recovered), dead=dead)
    if recovered:  # a drain may hold one of them, if the clock went forward
        notify.notify_drains_of_stopped({it.endpoint_id for it in recovered})
    elif resumed:
        notify.notify_drains(())
    return len(recovered)


def _recover_claims(within: float) -> Iterator[RecoveredClaim]:
    """Void claims, MAX_VOIDED in a transaction, until there are no more."""
    while True:
        with transaction.atomic():
            recovered = recover_claims(within)
            _count_attempts([it.endpoint_id for it in recovered])
        yield from recovered
        if len(recovered) < MAX_VOIDED:
            return


def _count_attempts(endpoints: Sequence[UUID]) -> None:
    """Count an attempt with an unknown result for each of these, as was recorded."""
    lost = Outcome(started_at=timezone.now().timestamp(), duration_ms=0, failure=Failure.UNKNOWN)
    stats = AttemptStats()
    for endpoint_id in endpoints:
        stats.add(endpoint_id, [lost])
    stats.write()


def sweep() -> None:
    """Make due what has pending deliveries and is not due, dead-letter what expired, report on rejections and load."""
    raised = raise_to_low_water_mark()
    created = create_missing_lanes()
    missed = recheck_due()
    ended = end_waits()
    bring_rules_forward()
    delete_expired_endpoints()
    with transaction.atomic():
        expired = dead_letter_expired(EXPIRES_AFTER)
    report_rejecting()
    attempt_stats.delete_old_stats(timezone.now())
    platform_load.record_minute()
    telemetry.swept(below_low_water_mark=len(raised), without_lane=len(created), not_due=missed, expired=expired)
    if raised or created or missed or ended:
        notify.notify_drains(raised | created)
