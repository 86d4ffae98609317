"""Announce new deliveries after the commit that created them; never raises, because the sweep would find them too."""

import time
from collections.abc import Sequence
from uuid import UUID

from django.db import Error

from delivery import notify
from delivery.sql.claim import LOW_WATER_MARGIN
from delivery.sql.publish import reset_due_times
from webhooks.kit.notify import wakeup_failed


def announce(deliveries: Sequence[tuple[UUID, UUID]], started: float) -> None:
    """Mark the lanes of these deliveries (id, endpoint) due and notify the drains.

    ``started``: monotonic seconds when creating them began. If that took long, the due times are reset first: the
    lanes' low-water marks may be past them.
    """
    if time.monotonic() - started > LOW_WATER_MARGIN / 2:
        try:
            reset_due_times([key for key, _ in deliveries])
        except Error as error:
            wakeup_failed("database", error)
    notify.notify_drains({endpoint_id for _, endpoint_id in deliveries})
