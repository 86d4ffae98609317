"""Compute the numbers of the admin's first page, at a cost that does not grow with the tables.

Each query is bounded: by the newest rows of the last hour, by one look-up per lane, or by a limit. A number whose
bound was reached is marked as a lower bound.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Min, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from delivery.models import DeadLetter, Delivery, Lane
from delivery.reading import queries
from delivery.reading.platform_load import platform_load

RECENT = timedelta(hours=1)
MAX_COUNTED = 20_000  # rows that any of the numbers looks at
SHOWN_ENDPOINTS = 8


@dataclass(frozen=True, slots=True)
class ChoiceCount:
    """The number of rows with one value of a column; ``is_lower_bound`` if not all rows were counted."""

    name: str
    label: str
    count: int
    is_lower_bound: bool = False


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add the numbers to the page's context; called by the admin (UNFOLD["DASHBOARD_CALLBACK"])."""
    if not request.user.has_perm("delivery.view_delivery"):
        return context
    now = timezone.now()
    return {
        **context,
        "states": states(now),
        "overdue": overdue(now),
        "load": platform_load(),
        "causes": [cause for cause in causes() if cause.count],
        "failing": failing(),
        "max_counted": MAX_COUNTED,
    }


def states(now: datetime) -> list[ChoiceCount]:
    """Count the deliveries of the last hour by state, the newest ones if there are more than MAX_COUNTED."""
    recent = Delivery.objects.filter(id__gte=queries.place(now - RECENT)).order_by("-id")
    return count_choices(recent, "state", Delivery.State.choices)


def overdue(now: datetime) -> timedelta | None:
    """Return how long the oldest due lane has not been leased; None if no lane is overdue.

    Deliveries that wait for an inactive endpoint, or behind another with their order key, are not due.
    """
    oldest = Lane.objects.filter(due_at__lt=now, owner=None).aggregate(oldest=Min("due_at"))["oldest"]
    return now - oldest if oldest else None


def causes() -> list[ChoiceCount]:
    """Count the open dead letters by cause; acknowledged ones are not counted. Index: dead_letter_open."""
    return count_choices(DeadLetter.objects.filter(DeadLetter.OPEN), "cause", DeadLetter.Cause.choices)


def failing() -> QuerySet[Lane]:
    """Return the lanes with the most failures in a row, and those whose endpoints reject most deliveries."""
    rows = Lane.objects.filter(Q(failing_since__isnull=False) | Q(rejecting_since__isnull=False)).select_related(
        "endpoint__tenant", "endpoint__http", "endpoint__destination"
    )
    return rows.order_by("-failures")[:SHOWN_ENDPOINTS]


def count_choices(rows: QuerySet[Any], column: str, choices: list[tuple[str, Any]]) -> list[ChoiceCount]:
    """Count the first MAX_COUNTED rows by the value of a column, in the order of its choices."""
    some = rows.model.objects.filter(pk__in=rows.values("pk")[:MAX_COUNTED])
    counts = {row[column]: row["count"] for row in some.order_by().values(column).annotate(count=Count("pk"))}
    is_lower_bound = sum(counts.values()) == MAX_COUNTED
    return [ChoiceCount(name, str(label), counts.get(name, 0), is_lower_bound) for name, label in choices]
