"""Dead-letter deliveries, and publish each as ``waypost.delivery.dead``, whatever it died of.

Every delivery that fails permanently passes one of these functions, in the transaction that ends it: so there is no
dead letter without its operational event, and none without a pending result if an endpoint receives it. If nothing is
dead, none of them costs a statement more.

Dead deliveries of operational events are not published, so that they cannot multiply.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction

from delivery import metrics
from delivery.models import DeadLetter, Delivery, Event
from delivery.operational.operational_events import publish_operational
from delivery.operational.pending_results import add_failure_results
from delivery.sql.dead_letters import (
    DeadLetterRow,
    DescribedLetter,
    describe_letters,
    end_expired,
    end_pending,
    insert_dead_letters,
)
from delivery.sql.recovery.claims import EVER, RecoveredClaim, void_claims
from subscriptions.models import Endpoint
from subscriptions.routing.type_names import OPERATIONAL, matching_names
from webhooks.wire.ids import public

NAMES = list(matching_names("waypost.delivery.dead"))  # what a subscription may name to receive it
BATCH = 500  # dead letters published by one statement


def dead_letter(rows: Sequence[DeadLetterRow]) -> None:
    """Dead-letter deliveries whose state is ``dead`` already. Call in the transaction that set the state."""
    insert_dead_letters(rows)
    _count([row.cause for row in rows])
    _publish([row.delivery_id for row in rows])


def dead_letter_pending(endpoint_id: UUID, cause: str, after: datetime, limit: int) -> datetime | None:
    """Dead-letter up to ``limit`` pending deliveries of an endpoint, the first that are due at ``after`` or later.

    Return the time at which the next slice begins; None if this one found nothing. Call in a transaction.
    """
    ended = end_pending(endpoint_id, cause, after, limit)
    _count([cause] * len(ended.ids))
    _publish(ended.ids)
    return ended.until


def dead_letter_expired(seconds: float) -> int:
    """Dead-letter deliveries that wait for longer than ``seconds`` for an inactive endpoint; return how many.

    At most ``MAX_EXPIRED``. Call in a transaction.
    """
    expired = end_expired(seconds)
    _count([DeadLetter.Cause.EXPIRED] * len(expired))
    return _publish(expired)


def recover_claims(within: float = EVER) -> list[RecoveredClaim]:
    """Void claims that ran out, and dead-letter deliveries that have crashed their worker (see ``void_claims``).

    Call in a transaction.
    """
    recovered = void_claims(within)
    dead = [it.id for it in recovered if it.state == Delivery.State.DEAD]
    _count([DeadLetter.Cause.CRASHED_WORKER] * len(dead))
    _publish(dead)
    return recovered


def _count(causes: Sequence[str]) -> None:
    """Count new dead letters by cause, once they are committed."""
    if causes:
        transaction.on_commit(partial(metrics.dead_letters_opened, causes))


def _publish(delivery_ids: Sequence[UUID]) -> int:
    """Publish that these deliveries are dead, and store their pending results; return their number."""
    for begin in range(0, len(delivery_ids), BATCH):
        letters = describe_letters(delivery_ids[begin : begin + BATCH], NAMES, OPERATIONAL)
        publish_operational("waypost.delivery.dead", [(it.tenant_id, _describe(it)) for it in letters])
        add_failure_results(delivery_ids[begin : begin + BATCH])
    return len(delivery_ids)


def _describe(letter: DescribedLetter) -> dict[str, Any]:
    return {
        "dead_letter": public(DeadLetter.prefix, letter.id),
        "delivery": public(Delivery.prefix, letter.delivery_id),
        "event": public(Event.prefix, letter.event_id),
        "event_type": letter.event_type,
        "endpoint": public(Endpoint.prefix, letter.endpoint_id),
        "cause": letter.cause,
        "reason": letter.reason,
        "attempts": letter.attempts,
        "last_status": letter.last_status,
        "last_error": letter.last_error,
    }
