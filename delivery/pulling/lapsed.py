"""Settle what consumers were handed out and did not acknowledge within the visibility timeout.

Found by the recovery task within two seconds, and by the next pull of the endpoint at once. A web process that was
killed between handing out and responding leaves nothing else behind.
"""

from uuid import UUID

from django.db import transaction

from delivery.notify import notify_consumers
from delivery.pulling.settling import PulledAttempt, not_acknowledged, settle
from delivery.sql.pulled.handed_out import find_lapsed
from delivery.sql.recovery.claims import EVER


def settle_lapsed(endpoint_id: UUID | None = None, *, within: float = EVER) -> int:
    """Settle up to MAX_VOIDED messages that were not acknowledged in time, of one endpoint or (None) of all.

    ``within``: only those whose time ended in so many seconds until now. Return how many. Those whose retry plan is not
    used up are handed out again.
    """
    with transaction.atomic():
        found = find_lapsed(endpoint_id, within=within)
        attempts = [
            PulledAttempt(
                it.id,
                it.endpoint_id,
                it.token,
                it.attempts,
                it.step,
                it.retry_plan,
                not_acknowledged(it.token, it.now.timestamp()),
            )
            for it in found
        ]
        settle(attempts)
    if found:
        notify_consumers({it.endpoint_id for it in found})
    return len(found)
