"""Store the deliveries that a slice has created."""

from collections.abc import Sequence
from uuid import UUID

from delivery.fan_out.deliveries import NewDelivery
from delivery.models import DeadLetter
from delivery.operational.dead_letters import dead_letter
from delivery.sql.dead_letters import DeadLetterRow
from delivery.sql.deliveries import DeliveryRow, create_deliveries


def store_deliveries(
    tenant_id: UUID | None, replay_id: UUID | None, new: Sequence[tuple[UUID, NewDelivery]]
) -> dict[UUID, tuple[UUID, str]]:
    """Store new deliveries, each with its event, except those that exist; return id: (endpoint, state) of the others.

    Those whose transformation failed are dead-lettered. Call in a transaction.
    """
    rows = [
        DeliveryRow(it.key, event_id, it.endpoint_id, it.body, it.state, it.order_key, it.content_type, it.form)
        for event_id, it in new
    ]
    created = create_deliveries(tenant_id, replay_id, rows)
    failed = [(it.key, it.reason) for _, it in new if it.reason is not None and it.key in created]
    dead_letter([DeadLetterRow(key, DeadLetter.Cause.TRANSFORMATION_FAILED, reason) for key, reason in failed])
    return created
