"""Describe the queue of an endpoint: state, rate, circuit breaker, backlog, and what blocks an order key.

Every number is bounded. Values that a drain keeps in memory are as old as its last lease renewal, a few seconds.
"""

from dataclasses import dataclass, field
from datetime import datetime

from django.utils import timezone

from delivery.lanes.concurrency import INITIAL_WINDOW
from delivery.models import Attempt, Delivery, Lane
from delivery.reading.blockers import Blocker, blockers
from delivery.reading.endpoint_health import EndpointHealth, endpoint_health, pause_message
from delivery.reading.lanes_behind import LaneBehind, lane_behind
from subscriptions.models import Endpoint

MAX_COUNTED = 10_000  # pending deliveries
SAMPLE = 50  # latest attempts from which the response time is computed
SHOWN_BLOCKERS = 20


@dataclass(frozen=True, slots=True)
class LaneStatus:
    """The status of a lane.

    ``state``: idle, ready, active, endpoint_inactive (pending deliveries, but the endpoint is paused or disabled),
    circuit_open, pulled (consumers fetch them), or pause_requested (the endpoint asked with Retry-After to be sent
    nothing). ``breaker``: closed, open, or half_open (one attempt at a time decides). ``concurrency``: attempts that
    may be in flight at once. ``effective_rate``: deliveries per second that follow from it, the latest attempts and
    the rate limit, 0 if all of these failed; None if unknown. ``backlog``: pending deliveries, up to MAX_COUNTED.
    ``waits_until``, ``waits_because``: the end of a pause that was asked for, and why, as a sentence. ``pulled_at``:
    when a consumer last asked for messages. ``health``: how the endpoint is, in words. ``behind``: how far it is
    behind, and why; None if it is not.
    """

    state: str
    endpoint_state: str
    due_at: datetime | None = None
    concurrency: int = 0
    max_in_flight: int = 0
    rate_limit: float | None = None
    effective_rate: float | None = None
    breaker: str = "closed"
    failures: int = 0
    failing_since: datetime | None = None
    open_count: int = 0
    circuit_open_until: datetime | None = None
    backlog: int = 0
    backlog_is_lower_bound: bool = False
    sending: int = 0
    oldest_due_at: datetime | None = None
    ordering: str = ""
    pulled_at: datetime | None = None
    blockers: list[Blocker] = field(default_factory=list)
    behind: LaneBehind | None = None
    waits_until: datetime | None = None
    waits_because: str | None = None
    health: EndpointHealth | None = None


def lane_status(endpoint: Endpoint) -> LaneStatus:
    """Return the status of the endpoint's lane; an endpoint without a lane is idle."""
    lane = Lane.objects.filter(endpoint=endpoint).first() or Lane(endpoint=endpoint)
    now = timezone.now()
    pending = Delivery.objects.filter(endpoint=endpoint, state=Delivery.State.PENDING)
    backlog = pending[: MAX_COUNTED + 1].count()
    lane.is_pulled = endpoint.is_pulled
    state, concurrency = state_of(lane, now), max(1, min(lane.concurrency or INITIAL_WINDOW, endpoint.max_in_flight))
    return LaneStatus(
        state=state,
        endpoint_state=endpoint.state,
        due_at=lane.due_at,
        concurrency=concurrency,
        max_in_flight=endpoint.max_in_flight,
        rate_limit=endpoint.rate_per_second,
        effective_rate=None if lane.is_pulled else _rate(endpoint, state, 1 if lane.open_count else concurrency),
        pulled_at=lane.pulled_at,
        breaker=_breaker(lane, now),
        failures=lane.failures,
        failing_since=lane.failing_since,
        open_count=lane.open_count,
        circuit_open_until=lane.circuit_open_until,
        backlog=min(backlog, MAX_COUNTED),
        backlog_is_lower_bound=backlog > MAX_COUNTED,
        sending=Delivery.objects.filter(endpoint=endpoint, state=Delivery.State.SENDING).count(),
        oldest_due_at=pending.order_by("next_attempt_at").values_list("next_attempt_at", flat=True).first(),
        ordering=endpoint.ordering,
        blockers=blockers(endpoint.pk, SHOWN_BLOCKERS) if endpoint.is_ordered else [],
        behind=lane_behind(endpoint.pk),
        waits_until=waits_until(lane, now),
        waits_because=waits_because(lane, now),
        health=endpoint_health(endpoint, lane, now),
    )


def state_of(lane: Lane, now: datetime) -> str:
    """Return the state of a lane; if several apply, the one that stops it longest."""
    circuit_open_until, until = lane.circuit_open_until or now, waits_until(lane, now)
    if until and until >= circuit_open_until:
        return "pause_requested"
    if circuit_open_until > now:
        return "circuit_open"
    if lane.endpoint_inactive:
        return "endpoint_inactive"
    if lane.is_pulled:
        return "pulled"
    if lane.owner:
        return "active"
    return "ready" if lane.due_at else "idle"


def waits_until(lane: Lane, now: datetime) -> datetime | None:
    """Return until when the endpoint has asked to be sent nothing; None if it does not wait now."""
    return lane.wait_until if lane.wait_until and lane.wait_until > now else None


def waits_because(lane: Lane, now: datetime) -> str | None:
    """Return why nothing is sent until then, as a sentence; None if the lane does not wait."""
    until = waits_until(lane, now)
    return None if until is None else pause_message(lane.wait_status, until)


def _breaker(lane: Lane, now: datetime) -> str:
    if lane.circuit_open_until and lane.circuit_open_until > now:
        return "open"
    return "half_open" if lane.open_count else "closed"


def _rate(endpoint: Endpoint, state: str, concurrency: int) -> float | None:
    """Return deliveries per second: the concurrency divided by the mean response time (Little's law).

    Failed attempts deliver nothing, however fast they fail: only their share of the latest attempts counts.
    """
    if state in ("circuit_open", "pause_requested", "endpoint_inactive") or endpoint.state != Endpoint.State.ACTIVE:
        return 0.0
    limit = endpoint.rate_per_second
    latest = Delivery.objects.filter(endpoint=endpoint).order_by("-id").values("id")[:SAMPLE]
    recent = Attempt.objects.filter(delivery__in=[row["id"] for row in latest]).order_by("-id")
    attempts = list(recent.values_list("duration_ms", "error")[:SAMPLE])
    if not attempts:
        return limit
    mean = sum(milliseconds for milliseconds, _ in attempts) / len(attempts)
    possible = concurrency / (max(mean, 1.0) / 1000)
    share = sum(not error for _, error in attempts) / len(attempts)
    return round(share * (possible if limit is None else min(possible, limit)), 1)
