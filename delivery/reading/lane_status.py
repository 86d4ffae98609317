"""How the lane of an endpoint stands: who works on it, how fast it may go at present, what waits, and what blocks.

Everything is read, nothing is written, and every number is bounded. What a drain keeps in memory is as old as its last
renewal, a few seconds at most.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Avg
from django.utils import timezone

from delivery.models import Attempt, Delivery, Lane
from delivery.sending.concurrency import INITIAL_WINDOW
from delivery.sql.reading import blocking_deliveries
from subscriptions.models import Endpoint

__all__ = ["Blocker", "Standing", "standing", "state_of"]

MOST_COUNTED = 10_000  # pending deliveries
SAMPLE = 50  # attempts, the latest, that tell how fast the endpoint answers
SHOWN_BLOCKERS = 20
MOST_KEYS = 1_000  # order keys that are looked at for blockers


@dataclass(frozen=True, slots=True)
class Blocker:
    """The head of an order key that has failed and waits for its next attempt: what is behind it waits too."""

    key: str
    delivery_id: UUID
    attempts: int
    next_attempt_at: datetime | None
    last_status: int | None
    last_error: str


@dataclass(frozen=True, slots=True)
class Standing:
    """``state``: idle, due, leased, parked (owed, and the endpoint is not active) or tripped (the breaker is open).

    ``breaker``: closed, open, or half_open (one probe at a time decides). ``window`` attempts may be under way at once;
    ``effective_rate`` is what that comes to a second, by how long the latest attempts took and within the rate limit;
    None if nothing is known of that. ``backlog`` counts what is pending, up to MOST_COUNTED.
    """

    state: str
    endpoint_state: str
    due_at: datetime | None = None
    leased: bool = False
    window: int = 0
    max_in_flight: int = 0
    rate_limit: float | None = None
    effective_rate: float | None = None
    breaker: str = "closed"
    failures: int = 0
    failing_since: datetime | None = None
    trips: int = 0
    tripped_until: datetime | None = None
    backlog: int = 0
    backlog_is_more: bool = False
    sending: int = 0
    oldest_due_at: datetime | None = None
    ordering: str = ""
    blockers: list[Blocker] = field(default_factory=list)


def standing(endpoint: Endpoint) -> Standing:
    """How the lane of this endpoint stands now; one that never had anything to do is idle."""
    lane = Lane.objects.filter(endpoint=endpoint).first() or Lane(endpoint=endpoint)
    now = timezone.now()
    pending = Delivery.objects.filter(endpoint=endpoint, state=Delivery.State.PENDING)
    backlog = pending[: MOST_COUNTED + 1].count()
    state, window = state_of(lane, now), max(1, min(lane.window or INITIAL_WINDOW, endpoint.max_in_flight))
    return Standing(
        state=state,
        endpoint_state=endpoint.state,
        due_at=lane.due_at,
        leased=lane.owner is not None,
        window=window,
        max_in_flight=endpoint.max_in_flight,
        rate_limit=endpoint.rate_per_second,
        effective_rate=_rate(endpoint, state, 1 if lane.trips else window),
        breaker=_breaker(lane, now),
        failures=lane.failures,
        failing_since=lane.failing_since,
        trips=lane.trips,
        tripped_until=lane.tripped_until,
        backlog=min(backlog, MOST_COUNTED),
        backlog_is_more=backlog > MOST_COUNTED,
        sending=Delivery.objects.filter(endpoint=endpoint, state=Delivery.State.SENDING).count(),
        oldest_due_at=pending.order_by("next_attempt_at").values_list("next_attempt_at", flat=True).first(),
        ordering=endpoint.ordering,
        blockers=_blockers(endpoint) if endpoint.ordering else [],
    )


def state_of(lane: Lane, now: datetime) -> str:
    """What the lane waits for, the gravest first."""
    if lane.tripped_until and lane.tripped_until > now:
        return "tripped"
    if lane.parked:
        return "parked"
    if lane.owner:
        return "leased"
    return "due" if lane.due_at else "idle"


def _breaker(lane: Lane, now: datetime) -> str:
    if lane.tripped_until and lane.tripped_until > now:
        return "open"
    return "half_open" if lane.trips else "closed"


def _rate(endpoint: Endpoint, state: str, window: int) -> float | None:
    """Attempts a second: as many as the window lets through, by the time the latest ones took (Little's law)."""
    if state in ("tripped", "parked") or endpoint.state != Endpoint.State.ACTIVE:
        return 0.0
    limit = endpoint.rate_per_second
    latest = Delivery.objects.filter(endpoint=endpoint).order_by("-id").values("id")[:SAMPLE]
    attempts = Attempt.objects.filter(delivery__in=[row["id"] for row in latest]).order_by("-id")[:SAMPLE]
    mean: Any = attempts.aggregate(mean=Avg("duration_ms"))["mean"]
    if mean is None:
        return limit
    able = window / (max(float(mean), 1.0) / 1000)
    return round(able if limit is None else min(able, limit), 1)


def _blockers(endpoint: Endpoint) -> list[Blocker]:
    """From one key to the next by hops, as the drain finds the heads."""
    return [Blocker(*row) for row in blocking_deliveries(endpoint.id, MOST_KEYS, SHOWN_BLOCKERS)]
