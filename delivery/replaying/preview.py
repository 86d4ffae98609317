"""Describe what a replay would send before it starts: since when, to which endpoints, of which types."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import Count, QuerySet

from delivery.models import DeadLetter, Event, Replay
from delivery.replaying import archived
from delivery.replaying.backfill import MAX_ROWS, selected_events
from delivery.replaying.dead_letters import replayable_dead_letters, undeleted_dead_letters
from delivery.replaying.replay_filter import ReplayFilter
from subscriptions.models import Endpoint, Tenant
from webhooks.kit.sql import database_now

SHOWN = 10  # endpoints and types with the most deliveries
MAX_GROUPED = 20_000  # dead letters that are counted by endpoint and type


@dataclass(frozen=True, slots=True)
class EndpointCount:
    """An endpoint and the number of its dead letters."""

    endpoint: Endpoint
    count: int


@dataclass(frozen=True, slots=True)
class TypeCount:
    """An event type and the number of its dead letters."""

    type: str
    count: int


class ReplayDetails(NamedTuple):
    """Describe a selection.

    ``oldest`` and ``newest``: when dead letters failed, or when events were published (of archived ones the hours);
    None: nothing matches.
    ``endpoints`` and ``types``: of the first MAX_GROUPED dead letters; of past events they are not known before.
    ``left_out``: dead letters that match, but whose endpoint is disabled, up to MAX_ROWS.
    """

    oldest: datetime | None = None
    newest: datetime | None = None
    endpoints: tuple[EndpointCount, ...] = ()
    types: tuple[TypeCount, ...] = ()
    left_out: int = 0


def describe(tenant: Tenant | None, selected: ReplayFilter) -> ReplayDetails:
    """Describe what a replay would send now."""
    if selected.scope != Replay.Scope.DEAD_LETTERS:
        row = Replay(tenant=tenant, scope=selected.scope, filter=selected.as_json(), until_at=database_now())
        if selected.scope == Replay.Scope.ARCHIVED:
            return ReplayDetails(*archived.ends(row, selected))
        return ReplayDetails(*_ends(selected_events(row, selected), "created_at"))
    letters = replayable_dead_letters(tenant, selected)
    disabled = undeleted_dead_letters(tenant, selected).filter(endpoint__state=Endpoint.State.DISABLED)
    grouped = DeadLetter.objects.filter(id__in=letters.order_by().values("id")[:MAX_GROUPED]).order_by()
    return ReplayDetails(
        *_ends(letters, "failed_at"),
        endpoints=_by_endpoint(grouped),
        types=tuple(TypeCount(name, count) for name, count in _most(grouped, "delivery__event__type")),
        left_out=disabled.order_by()[:MAX_ROWS].count(),
    )


def _ends(rows: QuerySet[DeadLetter] | QuerySet[Event], column: str) -> tuple[datetime | None, datetime | None]:
    """Return this column of the first and of the last row by key."""
    times = [rows.order_by(order).values_list(column, flat=True).first() for order in ("id", "-id")]
    return times[0], times[1]


def _by_endpoint(letters: QuerySet[DeadLetter]) -> tuple[EndpointCount, ...]:
    counts = _most(letters, "endpoint_id")
    endpoints = Endpoint.objects.select_related("tenant", "http", "destination").in_bulk([key for key, _ in counts])
    return tuple(EndpointCount(endpoints[key], count) for key, count in counts)


def _most(letters: QuerySet[DeadLetter], column: str) -> list[tuple[Any, int]]:
    """Return the values of a column that most rows have, with the number of rows."""
    counted = letters.values_list(column).annotate(count=Count("id")).order_by("-count", column)
    return list(counted[:SHOWN])
