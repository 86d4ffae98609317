"""Describe the health of an endpoint: whether it accepts, rejects, fails or asked for a pause, and what follows.

An endpoint that rejects deliveries works, so nothing is paused, and it is not disabled. One that fails responds with
408, 429 or 5xx, or not at all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from django.conf import settings

from delivery.lanes.breaker import OUTAGE_FAILURES
from delivery.lanes.health import disabled_at, failing_message
from delivery.models import Lane
from delivery.reading.timeline import explanation_of
from delivery.sending.attempt_stats import StatsSummary, stats_by_endpoint, stats_by_hour, total_of
from delivery.sql.figures.hourly_stats import REJECTS_MUCH
from subscriptions.models import Endpoint

HOURS = 24  # whose attempts the shares are computed from


class Health(StrEnum):
    """Name the health of an endpoint: the first of these that applies."""

    INACTIVE = "inactive"
    PAUSE_REQUESTED = "pause_requested"
    FAILING = "failing"
    REJECTING = "rejecting"
    HEALTHY = "healthy"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class EndpointHealth:
    """The health of an endpoint as a state and as text, and the numbers that both follow from.

    ``attempts``, ``delivered`` and ``rejected`` are those of the last HOURS hours. ``disabled_at``: when the endpoint
    is disabled if every attempt fails from now on; None if it does not fail, or failing endpoints are never disabled.
    """

    state: Health
    text: str
    attempts: int = 0
    delivered: int = 0
    rejected: int = 0
    warnings_sent: int = 0
    failing_days: int = 0
    disabled_at: datetime | None = None

    @property
    def rejected_percent(self) -> int | None:
        """Return how many of a hundred attempts were rejected; None without attempts."""
        return percent(self.rejected, self.attempts) if self.attempts else None


@dataclass(frozen=True, slots=True)
class EndpointOverview:
    """An endpoint with its health. ``hours``: its attempts in each of the last HOURS hours, oldest first."""

    endpoint: Endpoint
    health: EndpointHealth
    total: StatsSummary
    hours: Sequence[StatsSummary]

    @property
    def stats(self) -> dict[str, Any]:
        """Return the attempts in total and by hour, as the statistics of one endpoint are shown."""
        return {"total": self.total, "data": self.hours}


def endpoint_health(endpoint: Endpoint, lane: Lane, now: datetime) -> EndpointHealth:
    """Return the health of an endpoint, given its lane."""
    return health_of(endpoint, lane, total_of(stats_by_hour([endpoint.pk], HOURS, now)), now)


def health_of(endpoint: Endpoint, lane: Lane, total: StatsSummary, now: datetime) -> EndpointHealth:
    """Return the health of an endpoint, given its lane and the sum of its last HOURS hours."""
    state, text = _describe(endpoint, lane, total, now)
    return EndpointHealth(
        state=state,
        text=text,
        attempts=total.attempts,
        delivered=total.delivered,
        rejected=total.rejected,
        warnings_sent=lane.warnings_sent,
        failing_days=lane.failing_days,
        disabled_at=_disabled_at(lane, now) if endpoint.state == Endpoint.State.ACTIVE and _is_failing(lane) else None,
    )


def endpoint_overviews(endpoints: Sequence[Endpoint], now: datetime) -> list[EndpointOverview]:
    """Return the overview of each of these endpoints. Indexes: the key of lanes, unique_hour_per_endpoint."""
    keys = [it.pk for it in endpoints]
    lanes = {it.endpoint_id: it for it in Lane.objects.filter(endpoint__in=keys)}
    hours = stats_by_endpoint(keys, HOURS, now)
    return [_overview(it, lanes.get(it.pk) or Lane(endpoint=it), hours[it.pk], now) for it in endpoints]


def _overview(endpoint: Endpoint, lane: Lane, hours: Sequence[StatsSummary], now: datetime) -> EndpointOverview:
    total = total_of(hours)
    return EndpointOverview(endpoint, health_of(endpoint, lane, total, now), total, hours)


def percent(part: int, whole: int) -> int:
    """Return a part in percent, rounded: 100 only for the whole, 0 only for nothing."""
    return min(max(round(100 * part / whole), 1 if part else 0), 100 if part == whole else 99)


def rejecting_message(rejected: int, attempts: int, last_status: int | None) -> str:
    """Describe that an endpoint rejects most deliveries."""
    status = f", the latest with {last_status}" if last_status else ""
    return (
        f"The endpoint rejects {percent(rejected, attempts)} %: {rejected:,} of {attempts:,} attempts in the last "
        f"{HOURS} hours{status}. It responds, so nothing is paused; what it rejects is tried again by its retry plan."
    )


def pause_message(status: int | None, until: datetime) -> str:
    """Describe that an endpoint asked for a pause."""
    with_status = f"{status} and " if status else ""
    at = f"{until:%Y-%m-%d %H:%M:%S} UTC"
    return f"The endpoint responded with {with_status}Retry-After: nothing is sent to it until {at}."


def _describe(endpoint: Endpoint, lane: Lane, total: StatsSummary, now: datetime) -> tuple[Health, str]:
    if endpoint.state != Endpoint.State.ACTIVE:
        reason = Endpoint.DisabledReason(endpoint.disabled_reason).label if endpoint.disabled_reason else ""
        return Health.INACTIVE, f"The endpoint is {endpoint.state}{reason and f' ({reason})'}: nothing is sent to it."
    if lane.wait_until is not None and lane.wait_until > now:
        return Health.PAUSE_REQUESTED, pause_message(lane.wait_status, lane.wait_until)
    if lane.failing_since is not None and _is_failing(lane):
        until = _disabled_at(lane, now)
        warned = _latest_attempt(total)
        warned += f" Its owner was warned {_times(lane.warnings_sent)}." if lane.warnings_sent else ""
        since = f"{lane.failing_since:%Y-%m-%d %H:%M} UTC"
        return Health.FAILING, failing_message(since, lane.failures, until.timestamp() if until else None) + warned
    if not total.attempts:
        return Health.UNKNOWN, f"No attempts were made in the last {HOURS} hours."
    if lane.rejecting_since is not None or total.rejected >= REJECTS_MUCH * total.attempts:
        return Health.REJECTING, rejecting_message(total.rejected, total.attempts, total.last_status)
    if not total.delivered:
        return Health.UNKNOWN, f"No attempt was delivered in the last {HOURS} hours.{_latest_attempt(total)}"
    delivered = (
        f"{percent(total.delivered, total.attempts)} % of {total.attempts:,} attempt{'s' * (total.attempts != 1)}"
    )
    return Health.HEALTHY, f"The endpoint accepts deliveries: {delivered} in the last {HOURS} hours."


def _is_failing(lane: Lane) -> bool:
    """Return whether more than single deliveries failed, and no sign of life came since."""
    return bool(lane.failing_since and (lane.open_count or lane.failures >= OUTAGE_FAILURES))


def _latest_attempt(total: StatsSummary) -> str:
    if total.last_status:
        return f" The latest attempt failed with {total.last_status}."
    explained = explanation_of(total.last_error) if total.last_error else ""
    return f" The latest attempt failed. {explained}." if explained else ""


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _disabled_at(lane: Lane, now: datetime) -> datetime | None:
    if lane.failing_since is None or not settings.WAYPOST_DISABLE_AFTER_DAYS:
        return None
    counted_at = lane.failing_day_at or lane.failing_since
    until = disabled_at(lane.failing_days, counted_at.timestamp(), lane.warnings_sent, now.timestamp())
    return None if until is None else now + timedelta(seconds=until - now.timestamp())
