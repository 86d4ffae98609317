"""Set a delivery aside: dead-letter it now, so that the deliveries behind it in an ordered lane can go on."""

from functools import partial

from django.db import transaction

from delivery import notify
from delivery.models import DeadLetter, Delivery
from delivery.operational.dead_letters import dead_letter
from delivery.sql.cancel import stop_deliveries
from delivery.sql.dead_letters import DeadLetterRow


def set_aside(delivery: Delivery, by: str) -> bool:
    """Dead-letter an unfinished delivery, to be replayed later; return False if it was finished already."""
    with transaction.atomic():
        stopped = stop_deliveries([delivery.id], Delivery.State.DEAD, None)
        dead_letter([DeadLetterRow(key, DeadLetter.Cause.SET_ASIDE, f"Set aside by {by}.") for key, _ in stopped])
        if stopped:
            transaction.on_commit(partial(notify.notify_drains_of_stopped, {delivery.endpoint_id}))
    return bool(stopped)
