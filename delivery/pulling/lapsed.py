"""Settle deliveries that consumers were handed out and did not acknowledge within the visibility timeout.

The recovery task finds them within a few seconds, and the next pull of the endpoint at once. A web process that was
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

    ``within``: only those whose time ended in the last so many seconds. Returns how many were settled. Those with
    retries left are handed out again.
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
