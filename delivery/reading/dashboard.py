"""How deliveries stand, for the admin's first page: a handful of numbers that cost the same at any size.

Every query is bounded: by the newest rows of the last hour, by one look-up per lane, or by a limit. Where a
bound was met, the number says so.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Min, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from delivery.models import DeadLetter, Delivery, Lane
from delivery.reading import queries

__all__ = ["Share", "dashboard"]

RECENT = timedelta(hours=1)
MOST_COUNTED = 20_000  # rows any of these numbers looks at
SHOWN_ENDPOINTS = 8


@dataclass(frozen=True, slots=True)
class Share:
    """So many of a kind. ``at_least``: there are more, nobody counted them."""

    name: str
    label: str
    count: int
    at_least: bool = False


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """What the first page shows; the admin calls it (UNFOLD["DASHBOARD_CALLBACK"]) with the page's context."""
    if not request.user.has_perm("delivery.view_delivery"):
        return context
    now = timezone.now()
    return {
        **context,
        "states": states(now),
        "overdue": overdue(now),
        "causes": [share for share in causes() if share.count],
        "failing": failing(),
        "most_counted": MOST_COUNTED,
    }


def states(now: datetime) -> list[Share]:
    """Where the deliveries of the last hour stand, the newest of them if there were very many."""
    recent = Delivery.objects.filter(id__gte=queries.place(now - RECENT)).order_by("-id")
    return shares(recent, "state", Delivery.State.choices)


def overdue(now: datetime) -> timedelta | None:
    """How long something has been due that nobody takes; None if all is well. What waits for a paused endpoint, or
    behind another of its order key, is not due."""
    oldest = Lane.objects.filter(due_at__lt=now, owner=None).aggregate(oldest=Min("due_at"))["oldest"]
    return now - oldest if oldest else None


def causes() -> list[Share]:
    """Why dead letters that nobody brought back were given up."""
    return shares(DeadLetter.objects.filter(redriven_at=None), "cause", DeadLetter.Cause.choices)


def failing() -> QuerySet[Lane]:
    """The endpoints with the longest unbroken row of failures."""
    rows = Lane.objects.filter(failing_since__isnull=False).select_related("endpoint__tenant")
    return rows.order_by("-failures")[:SHOWN_ENDPOINTS]


def shares(rows: QuerySet[Any], column: str, choices: list[tuple[str, Any]]) -> list[Share]:
    """How many of the first MOST_COUNTED of these rows have which value, in the order of the choices."""
    some = rows.model.objects.filter(pk__in=rows.values("pk")[:MOST_COUNTED])
    counts = {row[column]: row["count"] for row in some.order_by().values(column).annotate(count=Count("pk"))}
    more = sum(counts.values()) == MOST_COUNTED
    return [Share(name, str(label), counts.get(name, 0), more) for name, label in choices]
