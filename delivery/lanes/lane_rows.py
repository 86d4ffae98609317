"""Build a leased lane from its row, write what has to outlive the lease, and move its instants with the clock.

PURE: the clock is passed in, as unix seconds of the database.
"""

from datetime import UTC, datetime, timedelta

from delivery.lanes.breaker import LONGEST_PAUSE, Breaker
from delivery.lanes.concurrency import INITIAL_WINDOW, ConcurrencyWindow
from delivery.lanes.lane import LeasedLane
from delivery.sql.claim import EPOCH
from delivery.sql.lanes import LaneRow
from subscriptions.routing.targets import DeliveryTarget
from webhooks.kit.rate_limit import RateLimit

# Instants of a lane and its parts, in unix seconds; 0 and None are none.
OF_LANE = (
    *("leased_at", "last_active_at", "held_until", "hindered_until", "throttled_since", "recovering_since"),
    *("recovered_until", "search_began_at", "next_search_at", "wait_until", "wait_since", "warned_at"),
)
OF_BREAKER = ("failing_since", "open_until", "failing_day_at")
OF_WINDOW = ("next_shrink_at", "best_latency_at")
OF_RATE = ("next_slot",)


def lane_from_row(row: LaneRow, target: DeliveryTarget, now: float) -> LeasedLane:
    """Return the lane of a row that was leased.

    If the clock has gone back since the row was written, nothing that has happened lies in the future.
    """
    lane = LeasedLane(
        target=target,
        low_water_mark=row.low_water_mark if row.low_water_mark.timestamp() <= now else EPOCH,
        rate=RateLimit(target.rate_limit, _seconds(row.next_slot_at) or 0.0, target.rate_burst),
        window=ConcurrencyWindow(target.max_in_flight, row.concurrency or INITIAL_WINDOW),
        breaker=Breaker(
            row.failures,
            _seconds(row.failing_since),
            row.open_count,
            _seconds(row.circuit_open_until),
            row.failing_days,
            _seconds(row.failing_day_at),
        ),
        warnings_sent=row.warnings_sent,
        warned_at=_seconds(row.warned_at),
        wait_until=_seconds(row.wait_until),
        wait_since=_seconds(row.wait_since),
        wait_status=row.wait_status,
        recovering_since=_seconds(row.recovering_since),
        recovered_until=min(_seconds(row.recovered_until) or 0.0, now),
        leased_at=now,
        last_active_at=now,
    )
    lane.hindered_until = lane.recovered_until
    if row.previous_lease_expired:
        lane.rate.spend_all(now)
    _shorten_pauses(lane, now)
    lane.refresh(target, now)
    return lane


def row_of(lane: LeasedLane) -> LaneRow:
    """Return what the row of a lane is to store."""
    breaker = lane.breaker
    return LaneRow(
        endpoint_id=lane.target.endpoint_id,
        low_water_mark=lane.low_water_mark,
        next_slot_at=_instant(lane.rate.next_slot or None),
        concurrency=lane.window.allowed,
        failures=breaker.failures,
        failing_since=_instant(breaker.failing_since),
        open_count=breaker.open_count,
        circuit_open_until=_instant(breaker.open_until),
        warnings_sent=lane.warnings_sent,
        recovering_since=_instant(lane.recovering_since),
        recovered_until=_instant(lane.recovered_until or None),
        wait_until=_instant(lane.wait_until),
        wait_since=_instant(lane.wait_since),
        wait_status=lane.wait_status,
        failing_days=breaker.failing_days,
        failing_day_at=_instant(breaker.failing_day_at),
        warned_at=_instant(lane.warned_at),
    )


def shift(lane: LeasedLane, seconds: float) -> None:
    """Move every instant of a lane by so many seconds, as the database's clock has moved."""
    lane.low_water_mark += timedelta(seconds=seconds)
    parts = ((lane, OF_LANE), (lane.breaker, OF_BREAKER), (lane.window, OF_WINDOW), (lane.rate, OF_RATE))
    for owner, names in parts:
        for name in names:
            if at := getattr(owner, name):
                setattr(owner, name, at + seconds)
    if lane.heads is not None and lane.heads.due_from is not None:
        lane.heads.due_from += timedelta(seconds=seconds)
    if lane.superseding is not None:
        lane.superseding.shift(seconds)


def _shorten_pauses(lane: LeasedLane, now: float) -> None:
    """Let no pause last longer from now than it was to last from its beginning, though the clock has gone back."""
    if lane.wait_since is not None and lane.wait_since > now:
        lane.wait_until, lane.wait_since = (lane.wait_until or now) - (lane.wait_since - now), now
    breaker = lane.breaker
    if breaker.open_until is not None:
        breaker.open_until = min(breaker.open_until, now + LONGEST_PAUSE)
    if breaker.failing_since is not None:
        breaker.failing_since = min(breaker.failing_since, now)
    if breaker.failing_day_at is not None:
        breaker.failing_day_at = min(breaker.failing_day_at, now)


def instant(seconds: float) -> datetime:
    """Return the instant of these unix seconds."""
    return datetime.fromtimestamp(seconds, UTC)


def _instant(seconds: float | None) -> datetime | None:
    return None if seconds is None else instant(seconds)


def _seconds(at: datetime | None) -> float | None:
    return None if at is None else at.timestamp()
