"""Find every debt without any message: what a crash, a lost ring or a late commit left behind.

``rescue`` runs every few seconds: claims nobody came back from, lanes whose endpoint was changed. ``sweep`` runs every
minute: lanes that owe and are not due, rows below their lane's low-water mark, deliveries of endpoints that stayed
switched off for too long.
"""

from django.db import transaction
from django.utils import timezone

from delivery import notify, telemetry
from delivery.sending import attempt_stats, health
from delivery.sql import ledger, recovery

__all__ = ["rescue", "sweep"]

WAITS_AT_MOST = 7 * 86_400  # seconds a delivery waits for a paused or disabled endpoint before it dies of that


def rescue() -> int:
    """Void the claims that have run out, and let lanes go on whose endpoint is active again or was moved. How many
    deliveries were rescued."""
    with transaction.atomic():
        rescued = recovery.rescue()
        poisoned = [it.id for it in rescued if it.state == "dead"]
        health.tell_dead(poisoned)
    may_go_on = recovery.unpark() + recovery.begin_anew()
    if rescued:
        telemetry.rescued(len(rescued), poisoned=len(poisoned))
    if rescued or may_go_on:
        notify.ring({it.endpoint_id for it in rescued})
    return len(rescued)


def sweep() -> None:
    """Look for what is owed and not due, everywhere."""
    raised = recovery.raise_to_floor()
    born = recovery.lanes_missing()
    overdue = ledger.look_again()
    with transaction.atomic():
        expired = recovery.expire(WAITS_AT_MOST)
        health.tell_dead(expired)
    attempt_stats.forget_old(timezone.now())
    telemetry.swept(below_the_mark=len(raised), without_lane=len(born), not_due=overdue, expired=len(expired))
    if raised or born or overdue:
        notify.ring(raised | born)
