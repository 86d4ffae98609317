"""Store that results of deliveries are to be published, in the transaction in which the deliveries end.

The result is published as an invocation record: an event of the type ``waypost.delivery.succeeded`` or ``.failed``,
for the endpoint that ``on_success`` or ``on_failure`` of the delivery's endpoint names, and for all that subscribe to
the type. ``publish_results`` makes the records afterwards, so the transaction that settles for many tenants pays for
one row of those deliveries whose result is received, and for nothing else.
"""

from collections.abc import Sequence
from uuid import UUID

from django.db import transaction

from delivery.notify import result_starter
from delivery.sql.results import insert_pending_results
from subscriptions.models import SUCCEEDED
from subscriptions.routing.type_names import OPERATIONAL, matching_names

FAILED = "waypost.delivery.failed"
NAMES = {True: list(matching_names(SUCCEEDED)), False: list(matching_names(FAILED))}


def add_success_results(delivery_ids: Sequence[UUID]) -> int:
    """Store the pending results of deliveries that succeeded; return how many.

    Call in the transaction that settles them.
    """
    return _add(delivery_ids, succeeded=True)


def add_failure_results(delivery_ids: Sequence[UUID]) -> int:
    """Store the pending results of deliveries that are dead or cancelled; return how many.

    Call in the transaction that ends them, after their dead letters were inserted.
    """
    return _add(delivery_ids, succeeded=False)


def _add(delivery_ids: Sequence[UUID], *, succeeded: bool) -> int:
    if not delivery_ids:
        return 0
    count = insert_pending_results(delivery_ids, succeeded=succeeded, names=NAMES[succeeded], operational=OPERATIONAL)
    if count:
        transaction.on_commit(result_starter.notify)
    return count
