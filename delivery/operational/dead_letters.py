"""Dead-letter deliveries, and publish each as ``waypost.delivery.dead``, whatever it died of.

Every delivery that fails permanently passes one of these functions, in the transaction that ends it: so there is no
dead letter without its operational event. If nothing is dead, none of them costs a statement more.

Dead deliveries of operational events are not published, so that they cannot multiply.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from delivery.models import DeadLetter, Delivery
from delivery.operational.operational_events import publish_operational
from delivery.sql.dead_letters import DeadLetterRow, end_expired, end_pending, insert_dead_letters
from delivery.sql.recovery import RecoveredClaim, void_claims
from subscriptions.models import Endpoint
from subscriptions.routing.route_table import OPERATIONAL

BATCH = 500  # dead letters published by one statement


def dead_letter(rows: Sequence[DeadLetterRow]) -> None:
    """Dead-letter deliveries whose state is ``dead`` already. Call in the transaction that set the state."""
    insert_dead_letters(rows)
    _publish([row.delivery_id for row in rows])


def dead_letter_pending(endpoint_id: UUID, cause: str, limit: int) -> int:
    """Dead-letter up to ``limit`` pending deliveries of an endpoint; return how many. Call in a transaction."""
    return _publish(end_pending(endpoint_id, cause, limit))


def dead_letter_expired(seconds: float) -> int:
    """Dead-letter deliveries that wait for longer than ``seconds`` for an inactive endpoint; return how many.

    At most ``MAX_EXPIRED``. Call in a transaction.
    """
    return _publish(end_expired(seconds))


def recover_claims() -> list[RecoveredClaim]:
    """Void claims that ran out, and dead-letter deliveries that have crashed their worker. Call in a transaction."""
    recovered = void_claims()
    _publish([it.id for it in recovered if it.state == Delivery.State.DEAD])
    return recovered


def _publish(delivery_ids: Sequence[UUID]) -> int:
    """Publish that these deliveries are dead; return their number."""
    for begin in range(0, len(delivery_ids), BATCH):
        letters = DeadLetter.objects.filter(delivery__in=delivery_ids[begin : begin + BATCH], replayed_at=None)
        found = letters.select_related("delivery__event").defer("delivery__event__body", "delivery__body")
        about = [it for it in found if not it.delivery.event.type.startswith(OPERATIONAL)]
        publish_operational("waypost.delivery.dead", [(it.tenant_id, _describe(it)) for it in about])
    return len(delivery_ids)


def _describe(letter: DeadLetter) -> dict[str, Any]:
    return {
        "dead_letter": letter.public_id,
        "delivery": letter.delivery.public_id,
        "event": letter.delivery.event.public_id,
        "event_type": letter.delivery.event.type,
        "endpoint": Endpoint(id=letter.endpoint_id).public_id,
        "cause": letter.cause,
        "reason": letter.reason,
        "attempts": letter.attempts,
        "last_status": letter.last_status,
        "last_error": letter.last_error,
    }
