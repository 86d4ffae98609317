"""Lock the deliveries that consumers report on, and write what became of them."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from delivery.sql import settle
from delivery.sql.settle import Settlement, settle_attempts
from webhooks.kit.sql import run


class ReportedDelivery(NamedTuple):
    """A delivery that a consumer reports on. ``token``: of its claim; None if that is over.

    ``claims``: since an attempt was last settled.
    """

    id: UUID
    state: str
    token: UUID | None
    attempts: int
    step: int
    claims: int
    now: datetime


# Reader: acknowledgements. Index: the primary key. Locked in the order in which settling and cancelling lock.
LOCK_REPORTED = """
SELECT d.id, d.state, d.token, d.attempts, d.step, d.claims, clock_timestamp() FROM delivery_delivery d
 WHERE d.id = ANY(%(ids)s::uuid[]) AND d.endpoint_id = %(endpoint)s ORDER BY d.id FOR UPDATE
"""


def lock_reported(endpoint_id: UUID, delivery_ids: Sequence[UUID]) -> dict[UUID, ReportedDelivery]:
    """Lock those of these deliveries that are the endpoint's; return them by id. Call in a transaction."""
    rows = run(LOCK_REPORTED, {"endpoint": endpoint_id, "ids": list(delivery_ids)})
    return {row[0]: ReportedDelivery(*row) for row in rows}


# Reader: acknowledgements. As SETTLE, also for deliveries whose claim is over, which have no token.
SETTLE_LOCKED = settle.SETTLE.replace("d.token = r.token", "d.token IS NOT DISTINCT FROM r.token")


def settle_locked(settlements: Sequence[Settlement]) -> list[Settlement]:
    """Write verdicts and attempts of deliveries that this transaction has locked; return the settlements."""
    return settle_attempts(settlements, SETTLE_LOCKED) if settlements else []
