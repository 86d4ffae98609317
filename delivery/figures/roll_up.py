"""Make the figures of days from those of hours, so that the history outlives payloads, attempts and hours."""

from datetime import timedelta

from django.db import transaction

from delivery.reading.queries import place
from delivery.sql.figures.roll_up import (
    Day,
    Hour,
    delete_old_figures,
    lock_endpoint_hours,
    lock_other_hours,
    mark_rolled_up,
    write_days,
)

BATCH = 500  # hours in one transaction
MAX_BATCHES = 100  # in one run
DELETED = 10_000  # rows in one run


def roll_up() -> int:
    """Roll up the hours that are over, delete what is past its retention; return how many hours."""
    total = 0
    for _ in range(MAX_BATCHES):
        count = _roll_up_batch()
        total += count
        if not count:
            break
    delete_old_figures(DELETED)
    return total


def _roll_up_batch() -> int:
    with transaction.atomic():
        endpoint_hours, other_hours = lock_endpoint_hours(BATCH), lock_other_hours(BATCH)
        if not endpoint_hours and not other_hours:
            return 0
        write_days(
            sorted({_day(it) for it in (*endpoint_hours, *other_hours)}, key=lambda it: (it.scope_id.int, it.day))
        )
        mark_rolled_up(endpoint_hours, other_hours)
    return len(endpoint_hours) + len(other_hours)


def _day(hour: Hour) -> Day:
    end = hour.day + timedelta(days=1)
    return Day(hour.scope, hour.scope_id, hour.tenant_id, hour.day, place(hour.day), place(end))
