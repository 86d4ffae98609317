"""Find every debt without any message: what a crash, a lost ring or a late commit left behind.

``rescue`` runs every few seconds: claims nobody came back from, lanes whose endpoint was changed. ``sweep`` runs every
minute: lanes that owe and are not due, rows below their lane's low-water mark, deliveries of endpoints that stayed
switched off for too long.
"""

from django.db import transaction
from django.utils import timezone

from delivery import notify, telemetry
from delivery.sending import attempt_stats, health
from delivery.sql.dead_letters import dead_letter_expired
from delivery.sql.due import create_missing_lanes, recheck_due, resume_lanes, retry_changed_endpoints
from delivery.sql.recovery import raise_to_low_water_mark, recover_claims

__all__ = ["rescue", "sweep"]

WAITS_AT_MOST = 7 * 86_400  # seconds a delivery waits for a paused or disabled endpoint before it dies of that


def rescue() -> int:
    """Void the claims that have run out, and let lanes go on whose endpoint is active again or was moved. How many
    deliveries were rescued."""
    with transaction.atomic():
        rescued = recover_claims()
        poisoned = [it.id for it in rescued if it.state == "dead"]
        health.publish_dead_letters(poisoned)
    may_go_on = resume_lanes() + retry_changed_endpoints()
    if rescued:
        telemetry.rescued(len(rescued), poisoned=len(poisoned))
    if rescued or may_go_on:
        notify.notify_drains({it.endpoint_id for it in rescued})
    return len(rescued)


def sweep() -> None:
    """Look for what is owed and not due, everywhere."""
    raised = raise_to_low_water_mark()
    born = create_missing_lanes()
    overdue = recheck_due()
    with transaction.atomic():
        expired = dead_letter_expired(WAITS_AT_MOST)
        health.publish_dead_letters(expired)
    attempt_stats.delete_old_stats(timezone.now())
    telemetry.swept(below_the_mark=len(raised), without_lane=len(born), not_due=overdue, expired=len(expired))
    if raised or born or overdue:
        notify.notify_drains(raised | born)
