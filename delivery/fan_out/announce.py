"""Announce new deliveries after the commit that created them; never raises, because the sweep would find them too."""

import time
from collections.abc import Sequence
from uuid import UUID

from django.db import Error

from delivery import notify
from delivery.sql.claim import LOW_WATER_MARGIN
from delivery.sql.deliveries import reset_due_times
from webhooks.kit.notify import DATABASE, wakeup_failed


def announce(
    deliveries: Sequence[tuple[UUID, UUID]], started: float, notified: frozenset[UUID] = frozenset()
) -> frozenset[UUID]:
    """Mark the lanes of these deliveries (id, endpoint) due and notify the drains.

    ``started``: monotonic seconds when creating them began. If that took long, the due times are reset first: the
    lanes' low-water marks may be past them. ``notified``: the endpoints whose drains the commit has notified. Return
    those of these that remain to be marked a little later: their lanes may have been released since.
    """
    if time.monotonic() - started > LOW_WATER_MARGIN / 2:
        try:
            reset_due_times([key for key, _ in deliveries])
        except Error as error:
            wakeup_failed(DATABASE, error)
        notified = frozenset()
    endpoints = {endpoint_id for _, endpoint_id in deliveries}
    if others := endpoints - notified:
        notify.notify_drains(others)
    return notified & endpoints
