"""Read the related rows of a page (``include=`` of the lists), together for all rows of the page.

Each function takes the page and returns what belongs to each row, by the row's key.
"""

from collections.abc import Iterable, Sequence
from typing import TypeVar
from uuid import UUID

from django.db.models import F, QuerySet, prefetch_related_objects

from delivery.models import Attempt, DeadLetter, Delivery, Event
from delivery.sql.reading import first_deliveries

MAX_INCLUDED = 20  # attempts or deliveries with each row; their own lists show all

T = TypeVar("T")


def events(rows: Iterable[Delivery]) -> dict[UUID, Event]:
    """Return the event of each delivery, which was read with it, except whether it is deferred."""
    found = {row.pk: row.event for row in rows}
    prefetch_related_objects(list(found.values()), "deferred_fan_out", "delay")
    return found


def attempts(rows: Sequence[Delivery]) -> dict[UUID, list[Attempt]]:
    """Return the latest attempts of each delivery, newest first."""
    latest = Attempt.objects.filter(
        delivery__in=[row.pk for row in rows], number__gt=F("delivery__attempts") - MAX_INCLUDED
    ).order_by("-id")
    return _grouped(rows, [(attempt.delivery_id, attempt) for attempt in latest])


def deliveries(rows: Sequence[Event]) -> dict[UUID, list[Delivery]]:
    """Return up to MAX_INCLUDED deliveries of each event."""
    chosen = first_deliveries([row.pk for row in rows], MAX_INCLUDED)
    found = _without_bodies(Delivery.objects.filter(pk__in=chosen))
    return _grouped(rows, [(delivery.event_id, delivery) for delivery in found])


def deliveries_of_letters(rows: Iterable[DeadLetter]) -> dict[UUID, Delivery]:
    """Return the delivery of each dead letter, which was read with it."""
    return {row.pk: row.delivery for row in rows}


def _without_bodies(rows: QuerySet[Delivery]) -> QuerySet[Delivery]:
    return rows.select_related("event").defer("body", "event__body", "event__original", "event__digest").order_by("id")


def _grouped(rows: Iterable[Delivery] | Iterable[Event], found: list[tuple[UUID, T]]) -> dict[UUID, list[T]]:
    groups: dict[UUID, list[T]] = {row.pk: [] for row in rows}
    for key, it in found:
        groups[key].append(it)
    return groups
