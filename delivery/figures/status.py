"""Say in a sentence how endpoints are: "failing since 14:05: 503 for 94 % of attempts; next probe 14:21".

The shares are those of the attempts of the last HOURS hours, or since the first failure; indexes: the key of lanes,
unique_hour_per_endpoint.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from delivery.lanes.breaker import OUTAGE_FAILURES
from delivery.models import HourlyStats, Lane
from delivery.reading.endpoint_health import percent
from delivery.reading.timeline import failure_name
from delivery.sql.figures.hourly_stats import REJECTS_MUCH
from subscriptions.models import Endpoint
from webhooks.kit.charts.viewer_zone import clock

HOURS = 24
DELIVERS_WELL = 0.95  # part of the attempts
Tone = Literal["plain", "info", "good", "warn", "bad"]  # of webhooks/admin.css


@dataclass(frozen=True, slots=True)
class EndpointStatus:
    """How an endpoint is, in words, in the colour of its tone."""

    tone: Tone
    words: str


@dataclass(frozen=True, slots=True)
class RecentAttempts:
    """The attempts of an endpoint in the last hours, or since it began to fail; ``failures`` by kind."""

    attempts: int = 0
    delivered: int = 0
    rejected: int = 0
    failures: Mapping[str, int] | None = None


def statuses(endpoints: Sequence[Endpoint], now: datetime, zone: ZoneInfo) -> dict[UUID, EndpointStatus]:
    """Return the status of each of these endpoints, in two queries. Times are those of the zone."""
    keys = [it.pk for it in endpoints]
    lanes = {it.endpoint_id: it for it in Lane.objects.filter(endpoint__in=keys)}
    recent = _recent_attempts(keys, lanes, now)
    return {
        it.pk: status_of(it, lanes.get(it.pk) or Lane(endpoint=it), recent.get(it.pk, RecentAttempts()), now, zone)
        for it in endpoints
    }


def status_of(endpoint: Endpoint, lane: Lane, recent: RecentAttempts, now: datetime, zone: ZoneInfo) -> EndpointStatus:
    """Return the status of an endpoint, given its lane and its recent attempts. The first that applies."""

    def at(moment: datetime) -> str:
        return clock(moment, zone, now)

    if endpoint.deleted_at is not None:
        return EndpointStatus("bad", f"deleted {at(endpoint.deleted_at)}")
    if endpoint.state != Endpoint.State.ACTIVE:
        since = f" since {at(endpoint.state_changed_at)}" if endpoint.state_changed_at else ""
        reason = f": {Endpoint.DisabledReason(endpoint.disabled_reason).label}" if endpoint.disabled_reason else ""
        tone: Tone = "bad" if endpoint.state == Endpoint.State.DISABLED else "warn"
        return EndpointStatus(tone, f"{endpoint.state}{since}{reason}")
    if lane.wait_until is not None and lane.wait_until > now:
        status = f"{lane.wait_status} and " if lane.wait_status else ""
        return EndpointStatus("warn", f"asked for a pause ({status}Retry-After) until {at(lane.wait_until)}")
    if lane.failing_since is not None and (lane.open_count or lane.failures >= OUTAGE_FAILURES):
        words = f"failing since {at(lane.failing_since)}: {_share(recent, lane)}"
        return EndpointStatus("bad", f"{words}{_next_probe(lane, now, at)}")
    if not recent.attempts:
        return EndpointStatus("plain", f"no attempts in the last {HOURS} hours")
    if lane.rejecting_since is not None or recent.rejected >= REJECTS_MUCH * recent.attempts:
        since = f" since {at(lane.rejecting_since)}" if lane.rejecting_since else ""
        return EndpointStatus("bad", f"rejecting{since}: {_share(recent, lane)}")
    delivers = f"delivers {percent(recent.delivered, recent.attempts)} % of {recent.attempts:,} attempts"
    health: Tone = "good" if recent.delivered >= DELIVERS_WELL * recent.attempts else "warn"
    return EndpointStatus(health, f"{delivers} in the last {HOURS} hours")


def _share(recent: RecentAttempts, lane: Lane) -> str:
    """Return which kind of failure most attempts end with, such as "503 for 94 % of attempts"."""
    most = Counter(recent.failures or {}).most_common(1)
    if not most or not recent.attempts:
        return f"{lane.failures:,} failure{'s' * (lane.failures != 1)} in a row"
    kind, number = most[0]
    return f"{failure_name(kind)} for {percent(number, recent.attempts)} % of attempts"


def _next_probe(lane: Lane, now: datetime, at: Callable[[datetime], str]) -> str:
    if lane.circuit_open_until is not None and lane.circuit_open_until > now:
        return f"; next probe {at(lane.circuit_open_until)}"
    return "; probing: one attempt at a time" if lane.open_count else ""


def _recent_attempts(keys: Sequence[UUID], lanes: Mapping[UUID, Lane], now: datetime) -> dict[UUID, RecentAttempts]:
    since = now - timedelta(hours=HOURS)
    rows = HourlyStats.objects.filter(endpoint__in=keys, begins_at__gt=since).defer("latencies")
    found: dict[UUID, list[HourlyStats]] = {}
    for row in rows:
        lane = lanes.get(row.endpoint_id)
        failing_since = lane.failing_since if lane is not None else None
        if failing_since is None or row.begins_at + timedelta(hours=1) > failing_since:
            found.setdefault(row.endpoint_id, []).append(row)
    return {key: _sum(hours) for key, hours in found.items()}


def _sum(hours: Sequence[HourlyStats]) -> RecentAttempts:
    failures: Counter[str] = Counter()
    for it in hours:
        failures.update(it.failures)
    return RecentAttempts(
        sum(it.attempts for it in hours),
        sum(it.delivered for it in hours),
        sum(it.rejected for it in hours),
        failures,
    )
