"""List the lanes that are behind, the worst first, with what keeps each from sending faster.

A lane is behind if a delivery of an active endpoint has been due for more than BEHIND_AFTER seconds and no attempt of
it has started. Either something of the endpoint holds it back, or the drains are busy. What a drain keeps in memory
(window, rate limit) is as old as its last lease renewal, a few seconds.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from delivery.lanes.concurrency import INITIAL_WINDOW
from delivery.models import Lane
from delivery.reading.blockers import Blocker, blockers
from delivery.sql.lanes import LEASE_SECONDS
from delivery.sql.load.lanes_behind import LaneBehindRow, find_lanes_behind
from subscriptions.models import Endpoint

BEHIND_AFTER = 5.0  # seconds
SHOWN_LANES = 20
STORED_WITHIN = timedelta(seconds=LEASE_SECONDS / 3 + 1)  # the state of a leased lane is as old as this


class BehindBecause(StrEnum):
    """Why a lane is behind. The first that applies."""

    PAUSE_REQUESTED = "pause_requested"
    CIRCUIT_OPEN = "circuit_open"
    PROBING = "probing"
    BLOCKED = "blocked"
    RATE_LIMIT = "rate_limit"
    WINDOW_FULL = "window_full"
    NOT_PULLED = "not_pulled"
    NO_DRAIN = "no_drain"
    DRAIN_BUSY = "drain_busy"


LABELS = {
    BehindBecause.PAUSE_REQUESTED: "pause requested",
    BehindBecause.CIRCUIT_OPEN: "circuit open",
    BehindBecause.PROBING: "probing",
    BehindBecause.BLOCKED: "blocked",
    BehindBecause.RATE_LIMIT: "rate limit",
    BehindBecause.WINDOW_FULL: "window full",
    BehindBecause.NOT_PULLED: "not pulled",
    BehindBecause.NO_DRAIN: "no drain",
    BehindBecause.DRAIN_BUSY: "drain busy",
}
OURS = (BehindBecause.NO_DRAIN, BehindBecause.DRAIN_BUSY)  # more capacity of the platform helps
WORDS = {
    BehindBecause.PAUSE_REQUESTED: "The endpoint has asked with Retry-After to be sent nothing for a while",
    BehindBecause.CIRCUIT_OPEN: "The endpoint keeps failing: sending is paused by the circuit breaker",
    BehindBecause.PROBING: "The endpoint has failed: one attempt at a time decides whether sending resumes",
    BehindBecause.BLOCKED: "The endpoint is ordered: a failed delivery waits for its retry and blocks those behind it",
    BehindBecause.RATE_LIMIT: "More is due than the endpoint's rate limit allows",
    BehindBecause.WINDOW_FULL: "As many attempts are in flight as the endpoint can take at once",
    BehindBecause.NOT_PULLED: "No consumer has fetched its messages",
    BehindBecause.NO_DRAIN: "No drain has started with it: all are busy with other endpoints, or none is running",
    BehindBecause.DRAIN_BUSY: "Its drain is busy: nothing of the endpoint limits it",
}


@dataclass(frozen=True, slots=True)
class LaneBehind:
    """A lane that is behind. ``blocker``: the delivery that blocks others, if that is why."""

    endpoint: Endpoint
    due_since: datetime
    seconds: float
    because: BehindBecause
    blocker: Blocker | None = None

    @property
    def label(self) -> str:
        """Return why it is behind in a word or two."""
        return LABELS[self.because]

    @property
    def explanation(self) -> str:
        """Return why it is behind, as a sentence without a full stop."""
        return WORDS[self.because]


def lanes_behind(limit: int = SHOWN_LANES) -> list[LaneBehind]:
    """Return the lanes that are behind, the worst first."""
    return _explain(find_lanes_behind(BEHIND_AFTER, limit))


def lane_behind(endpoint_id: UUID) -> LaneBehind | None:
    """Return how far the lane of an endpoint is behind, and why; None if it is not."""
    return next(iter(_explain(find_lanes_behind(BEHIND_AFTER, 1, endpoint_id))), None)


def _explain(rows: Iterable[LaneBehindRow]) -> list[LaneBehind]:
    found = {row.endpoint_id: row for row in rows}
    lanes = Lane.objects.filter(pk__in=found).select_related(
        "endpoint__tenant", "endpoint__http", "endpoint__destination"
    )
    behind = []
    for lane in lanes:
        row = found[lane.endpoint_id]
        blocker = _blocker(lane.endpoint)
        because = _because(lane, row, blocker)
        shown = blocker if because is BehindBecause.BLOCKED else None
        behind.append(LaneBehind(lane.endpoint, row.due_since, row.seconds, because, shown))
    return sorted(behind, key=lambda it: -it.seconds)


def _blocker(endpoint: Endpoint) -> Blocker | None:
    if not endpoint.is_ordered:
        return None
    return next(iter(blockers(endpoint.pk, 1)), None)


def _because(lane: Lane, row: LaneBehindRow, blocker: Blocker | None) -> BehindBecause:
    if lane.wait_until is not None and lane.wait_until > max(row.now, lane.circuit_open_until or row.now):
        return BehindBecause.PAUSE_REQUESTED
    if lane.circuit_open_until is not None and lane.circuit_open_until > row.now:
        return BehindBecause.CIRCUIT_OPEN
    if lane.open_count:
        return BehindBecause.PROBING
    if blocker is not None:
        return BehindBecause.BLOCKED
    limited_since = row.now - STORED_WITHIN
    if lane.endpoint.rate_per_second and lane.next_slot_at is not None and lane.next_slot_at > limited_since:
        return BehindBecause.RATE_LIMIT
    if lane.is_pulled:
        return BehindBecause.NOT_PULLED
    if lane.owner is None:
        return BehindBecause.NO_DRAIN
    window = max(1, min(lane.concurrency or INITIAL_WINDOW, lane.endpoint.max_in_flight))
    return BehindBecause.WINDOW_FULL if row.sending >= window else BehindBecause.DRAIN_BUSY
