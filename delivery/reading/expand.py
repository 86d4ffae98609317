"""What belongs to the rows of a page, read together for all of them: a few of each, by an index.

``include=`` of the lists. Each function takes the page and answers what belongs to each row, by the row's key.
"""

from collections.abc import Iterable, Sequence
from typing import TypeVar
from uuid import UUID

from django.db.models import F, QuerySet

from delivery.models import Attempt, DeadLetter, Delivery, Event
from delivery.sql.reading import first_deliveries

__all__ = ["MOST", "attempts", "deliveries", "deliveries_of_letters", "events"]

MOST = 20  # attempts or deliveries that are shown with a row; the lists of their own have them all

T = TypeVar("T")


def events(rows: Iterable[Delivery]) -> dict[UUID, Event]:
    """The event of each delivery, which was read with it."""
    return {row.pk: row.event for row in rows}


def attempts(rows: Sequence[Delivery]) -> dict[UUID, list[Attempt]]:
    """The latest attempts of each delivery, oldest first."""
    latest = Attempt.objects.filter(
        delivery__in=[row.pk for row in rows], number__gt=F("delivery__attempts") - MOST
    ).order_by("id")
    return _grouped(rows, [(attempt.delivery_id, attempt) for attempt in latest])


def deliveries(rows: Sequence[Event]) -> dict[UUID, list[Delivery]]:
    """Deliveries of each event."""
    chosen = first_deliveries([row.pk for row in rows], MOST)
    return _grouped(rows, [(it.event_id, it) for it in _without_bytes(Delivery.objects.filter(pk__in=chosen))])


def deliveries_of_letters(rows: Iterable[DeadLetter]) -> dict[UUID, Delivery]:
    """The delivery of each dead letter, which was read with it."""
    return {row.pk: row.delivery for row in rows}


def _without_bytes(rows: QuerySet[Delivery]) -> QuerySet[Delivery]:
    return rows.select_related("event").defer("body", "event__body", "event__digest").order_by("id")


def _grouped(rows: Iterable[Delivery] | Iterable[Event], found: list[tuple[UUID, T]]) -> dict[UUID, list[T]]:
    groups: dict[UUID, list[T]] = {row.pk: [] for row in rows}
    for key, it in found:
        groups[key].append(it)
    return groups
