"""Retry a pending delivery now, ahead of its retry plan."""

from functools import partial

from django.db import transaction

from delivery import notify
from delivery.lifecycle.cancel import UNFINISHED
from delivery.models import Delivery
from delivery.sql.cancel import make_due


def retry_now(delivery: Delivery) -> bool:
    """Make the delivery due; return False if it was finished already.

    An open circuit breaker becomes half-open and lets one attempt through. The rate limit and a pause of the endpoint,
    also one that it asked for with Retry-After, still apply.
    """
    make_due(delivery.id, delivery.endpoint_id)
    state = Delivery.objects.values_list("state", flat=True).get(id=delivery.id)
    if state == Delivery.State.PENDING:
        transaction.on_commit(partial(notify.notify_drains, {delivery.endpoint_id}))
    return state in UNFINISHED
