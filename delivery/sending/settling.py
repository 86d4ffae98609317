"""Settle the ended attempts of a drain: write their outcomes, and what follows for lanes, endpoints and tenants.

Ended attempts gather for a few milliseconds, so that they share a commit, and publishers wait for fewer flushes.
"""

import math
import time
from collections.abc import Sequence
from contextlib import nullcontext
from uuid import UUID

from django.db import transaction

from delivery import metrics, telemetry
from delivery.lanes import health
from delivery.lanes.clock import ENOUGH, Clock
from delivery.lanes.lane import LeasedLane
from delivery.lanes.leased_lanes import LeasedLanes
from delivery.load.drain_meter import DrainMeter
from delivery.operational.pending_results import add_success_results
from delivery.sending.attempt_metrics import count_attempts
from delivery.sending.attempt_stats import AttemptStats
from delivery.sending.claimed_ahead import PublisherClaims
from delivery.sending.dispatch import Dispatcher
from delivery.sending.results import SuccessResults
from delivery.sending.settlement import Ended, report_dead, settlements
from delivery.sending.verdict import RESPONDED_410
from delivery.sql.settle import find_unrecorded, is_one_statement, release_claims, settle_attempts
from delivery.transports.outcome import Failure

SETTLE_AFTER = 0.008  # seconds for which ended attempts gather
SETTLED_AT_ONCE = 1_024  # attempts settled by one statement: with their responses at most 16 MiB
WRITE_STATS_EVERY = 5.0  # seconds


class Settling:
    """Keep the ``ended`` attempts of one drain until they are settled.

    ``attempts``: how many were settled. ``due_at``: when the ended ones are to be settled, in monotonic seconds.
    """

    def __init__(
        self,
        lanes: LeasedLanes,
        dispatcher: Dispatcher,
        publisher_claims: PublisherClaims,
        meter: DrainMeter,
        clock: Clock,
    ) -> None:
        self.attempts = 0
        self.ended: list[Ended] = []
        self.due_at = math.inf
        self.stats = AttemptStats()
        self._success_results = SuccessResults(lanes, clock)
        self._unsettled: list[Ended] = []  # the ended attempts that the current settlement writes
        self._is_commit_unknown = False  # whether the last settlement failed in such a way that it may be committed
        self._lanes = lanes
        self._dispatcher = dispatcher
        self._publisher_claims = publisher_claims
        self._meter = meter
        self._clock = clock

    @property
    def has_work(self) -> bool:
        """Whether an attempt is not settled."""
        return bool(self.ended or self._unsettled)

    def add(self, ended: Sequence[Ended]) -> None:
        """Keep attempts that have ended until they are settled, at once if one is urgent."""
        if ended:
            self.ended += ended
            wait = 0.0 if any(map(self._is_urgent, ended)) else SETTLE_AFTER
            self.due_at = min(self.due_at, time.monotonic() + wait)

    def is_due(self, now: float) -> bool:
        """Return whether to settle at ``now`` (monotonic seconds)."""
        is_needed = self._lanes.is_ending or len(self.ended) >= ENOUGH
        return now >= self.due_at or bool(self._unsettled or (self.ended and is_needed))

    def _is_urgent(self, ended: Ended) -> bool:
        """Return whether the lane can send nothing more, now or soon, until this attempt is settled."""
        lane = self._lanes.get(ended[0].claimed.endpoint_id)
        return lane is not None and (lane.heads is not None or lane.unsettled >= lane.window.limit)

    def settle(self) -> int:
        """Write the outcomes of ended attempts, if they are due, and what follows from them; return how many.

        Attempts that end meanwhile are settled by the next call. If it raises django.db.Error, the attempts are kept.
        """
        now = time.monotonic()
        if not self.is_due(now):
            return 0
        room = max(SETTLED_AT_ONCE - len(self._unsettled), 0)
        self._unsettled += self.ended[:room]
        self.ended = self.ended[room:]
        self.due_at = now if self.ended else math.inf
        if any(outcome.not_attempted for _, outcome in self._unsettled):
            self._release_not_attempted()
        if not self._unsettled:
            return 0
        count, rows = len(self._unsettled), settlements(self._unsettled, self._lanes.is_overdue)
        with_results = self._success_results.may_have_results([attempt for attempt, _ in self._unsettled], rows)
        with transaction.atomic() if with_results or not is_one_statement(rows) else nullcontext():
            new = find_unrecorded(rows) if self._is_commit_unknown else rows
            self._is_commit_unknown = True
            settled = settle_attempts(new)
            if with_results:
                add_success_results([row.delivery_id for row in settled if row.delivery_id in with_results])
            disabled = report_dead(self._unsettled, [row for row in settled if row.cause])
        self._is_commit_unknown = False
        metrics.settled(count, time.monotonic() - now)
        self._lanes.batches.dead_letter(dict.fromkeys(disabled, RESPONDED_410))
        lanes = self._record_settled()
        if disabled:
            self._refresh_disabled(disabled)
        self._publish_warnings(lanes)
        return count

    def _refresh_disabled(self, disabled: list[UUID]) -> None:
        """Read the state of endpoints that were disabled into their lanes; nothing is sent to them meanwhile."""
        gone = [lane for key in disabled if (lane := self._lanes.get(key)) is not None]
        for lane in gone:
            lane.is_gone = True
        self._lanes.refresh()
        for lane in gone:
            lane.is_gone = False

    def _release_not_attempted(self) -> None:
        """Make the deliveries pending again that this process could not attempt; no endpoint has failed."""
        released = [(attempt, outcome) for attempt, outcome in self._unsettled if outcome.not_attempted]
        release_claims([(it.claimed.id, it.token) for it, _ in released])
        self._publisher_claims.end(it.claimed.id for it, _ in released)
        if any(outcome.failure is Failure.INTERNAL for _, outcome in released):
            self._dispatcher.capacity.reduce()
        metrics.attempts_not_started(len(released))
        telemetry.attempts_not_started(len(released))
        for attempt, _ in released:
            if (lane := self._lanes.get(attempt.claimed.endpoint_id)) is not None:
                lane.on_settled([attempt.claimed.order_key])
        self._unsettled = [(attempt, outcome) for attempt, outcome in self._unsettled if not outcome.not_attempted]

    def _record_settled(self) -> list[LeasedLane]:
        """Count the settled attempts. Return those of their lanes that are still leased."""
        self.attempts += len(self._unsettled)
        self._meter.settled += len(self._unsettled)
        self._publisher_claims.end(attempt.claimed.id for attempt, _ in self._unsettled)
        settled: dict[UUID, list[Ended]] = {}
        for it in self._unsettled:
            settled.setdefault(it[0].claimed.endpoint_id, []).append(it)
        self._unsettled = []
        count_attempts((key, ended, self._lanes.get(key)) for key, ended in settled.items())
        lanes: list[LeasedLane] = []
        for endpoint_id, ended in settled.items():
            self.stats.add(endpoint_id, [outcome for _, outcome in ended])
            if (lane := self._lanes.get(endpoint_id)) is not None:
                lane.on_settled([attempt.claimed.order_key for attempt, _ in ended])
                lanes.append(lane)
        return lanes

    def _publish_warnings(self, lanes: list[LeasedLane]) -> None:
        """Publish the step that is due for the endpoint of each lane: warning, disabled or recovered.

        Where an outage is over, have the deliveries made due that wait because of it.
        """
        now = self._clock.now()
        for lane in lanes:
            self._lanes.batches.on_outage_ended(lane)
            health.publish_due_step(lane, now)

    def write_stats(self) -> None:
        """Write the hourly counts, every few seconds."""
        if self._clock.is_due("stats", WRITE_STATS_EVERY):
            self.stats.write()
