"""Deliver what is due, as one loop: lease lanes, claim their due deliveries, send, settle the outcomes, release.

The hot path. ``deliver_due`` runs one drain until nothing is due, or for a bounded time; any number of drains may run
side by side. Each step handles many deliveries at once. Transports send in threads of their own, so no step waits for
an endpoint. A failure of an endpoint is an Outcome and becomes a row; an exception is an error of ours. While the
database is away the loop waits for it. What a drain leaves behind when it dies is found when its leases and claims run
out. See docs/why/how-a-drain-works.md.
"""

import random
import time
from collections.abc import Callable
from contextlib import closing, nullcontext, suppress
from datetime import datetime
from selectors import EVENT_READ, PollSelector
from uuid import UUID

from django.db import Error, InterfaceError, OperationalError, connection, transaction

from delivery import notify, telemetry
from delivery.sending import health
from delivery.sending.attempt_stats import AttemptStats
from delivery.sending.backoff import DEFAULT_PLAN
from delivery.sending.capacity import BodyBudget, Capacity, share_capacity
from delivery.sending.clock import Clock
from delivery.sending.lane import LeasedLane
from delivery.sending.leased_lanes import POLL_EVERY, LeasedLanes
from delivery.sending.pacing import Pacing
from delivery.sending.settlement import Ended, report_dead, settlements
from delivery.sending.shutdown import is_stopping
from delivery.sending.verdict import RESPONDED_410
from delivery.sql.claim import Claimed, claim_deliveries, without_body
from delivery.sql.due import read_notification
from delivery.sql.order_heads import MAX_KEYS
from delivery.sql.settle import find_unrecorded, is_one_statement, release_claims, settle_attempts
from delivery.transports.http.sender import max_attempts
from delivery.transports.in_flight import InFlight
from delivery.transports.outcome import Failure, Outcome
from delivery.transports.registry import Transports
from delivery.transports.transport import NotSent
from webhooks.kit import sql
from webhooks.kit.notify import Listener
from webhooks.wire.ids import new_id

IDLE_TIMEOUT = 3.0  # seconds without work after which a drain ends; beat starts one every second, so one always runs
KEYS_PER_TURN = 2_048  # order keys walked in one turn, in all ordered lanes together
MIN_KEYS = 16  # order keys walked in one turn in each ordered lane, however many lanes there are
WRITE_STATS_EVERY = 5.0  # seconds
FINISH_WITHIN = 35.0  # seconds for attempts in flight when the drain ends: more than the longest timeout
FINISH_WITHIN_ON_STOP = 8.0  # the same when the worker is being stopped
DATABASE_RETRY_AFTER = 0.5  # seconds to wait while the database is away


def deliver_due(
    *, seconds: float = 300.0, idle_timeout: float = IDLE_TIMEOUT, stopping: Callable[[], bool] = is_stopping
) -> int:
    """Deliver what is due and return the number of attempts.

    Ends when there was nothing to do for ``idle_timeout`` seconds, after ``seconds``, or when ``stopping`` says so.
    """
    started = time.monotonic()
    sql.force_index_plans()
    clock = Clock()
    try:
        with closing(Transports(clock.now)) as transports, closing(notify.listen()) as listener:
            drain = Drain(transports, listener, clock)
            drain.run(started + seconds, idle_timeout, stopping)
    finally:
        with suppress(Error):
            sql.allow_all_plans()
    elapsed = time.monotonic() - started
    telemetry.delivery_run_finished(drain.attempts, elapsed)
    if elapsed >= seconds and not stopping():
        notify.drain_starter.send()
    return drain.attempts


class Drain:
    """Run one loop over the leased lanes, the attempts in flight, and the ended attempts that are not settled yet."""

    def __init__(self, transports: Transports, listener: Listener, clock: Clock) -> None:
        self.attempts = 0
        self._transports = transports
        self._listener = listener
        self._clock = clock
        self._lanes = LeasedLanes(clock)
        self._capacity = Capacity(max_attempts())
        self._bodies = BodyBudget()
        self._saturating: frozenset[UUID] = frozenset()
        self._stats = AttemptStats()
        self._ended: list[Ended] = []
        self._is_commit_unknown = False  # whether the last settlement may have been committed or not
        self._ask_all = True  # whether every leased lane is asked for deliveries in the next turn
        self._pacing = Pacing()
        self._work = 0  # attempts started and ended in this turn
        self._turned_at = self._worked_at = time.monotonic()

    def run(self, until: float, idle_timeout: float, stopping: Callable[[], bool]) -> None:
        """Turn until there is nothing to do, then settle what is in flight and release the lanes."""
        lanes = self._lanes
        while not stopping() and time.monotonic() < until and not self._is_idle(idle_timeout):
            self._run_steps(lanes.renew, lanes.lease, self._claim, self._settle, lanes.maintain, self._write_stats)
            self._wait()
        self._finish(FINISH_WITHIN_ON_STOP if stopping() else FINISH_WITHIN)

    def _run_steps(self, *steps: Callable[[], None]) -> None:
        """Run the steps; wait if the database is away. Ended attempts are kept until they are settled."""
        try:
            for step in steps:
                step()
        except (OperationalError, InterfaceError) as error:
            telemetry.database_unavailable(error)
            time.sleep(DATABASE_RETRY_AFTER)
            with suppress(Error):  # if it is still away the next step raises
                connection.close()
                sql.force_index_plans()

    def _claim(self) -> None:
        """Claim as much as there is capacity for. Lanes that were empty are asked after a notification or a while."""
        ask_all = self._clock.is_due("claim", POLL_EVERY) or self._ask_all
        self._ask_all = False
        self._saturating = self._capacity.saturating_tenants()
        lanes = [lane for lane in self._lanes if (lane.may_have_more or ask_all) and self._is_eligible(lane)]
        now = self._clock.now()
        self._continue_searches(lanes, now, again=ask_all)
        if self._bodies.is_used_up:
            random.shuffle(lanes)  # the first ones get what memory there is
        free = self._capacity.free()
        requests = share_capacity(lanes, free, now, self._capacity.room(free))
        if not requests:
            return
        token = new_id()
        claimed = claim_deliveries(token, requests, self._bodies.allowance())
        self._record_claimed([request.endpoint_id for request in requests], claimed)
        self._send(claimed, token)

    def _continue_searches(self, lanes: list[LeasedLane], now: float, *, again: bool) -> None:
        """Divide the order keys that may be walked in this turn among the lanes that search for heads."""
        if again:
            for lane in lanes:
                lane.search_again(now)
        searches = [lane.heads for lane in lanes if lane.heads is not None and not lane.heads.is_complete]
        for heads in searches:
            heads.max_keys = min(MAX_KEYS, max(KEYS_PER_TURN // len(searches), MIN_KEYS))

    def _is_eligible(self, lane: LeasedLane) -> bool:
        return not self._lanes.must_yield(lane) and lane.target.tenant_id not in self._saturating

    def _record_claimed(self, asked: list[UUID], claimed: list[Claimed]) -> None:
        counts: dict[UUID, int] = {}
        newest: dict[UUID, datetime] = {}
        for it in claimed:
            counts[it.endpoint_id] = counts.get(it.endpoint_id, 0) + 1
            newest[it.endpoint_id] = max(it.due_at, newest.get(it.endpoint_id, it.due_at))
        for key in asked:
            self._lanes.move_to_end(key).on_claimed(counts.get(key, 0), newest.get(key), self._clock.now())

    def _send(self, claimed: list[Claimed], token: UUID) -> None:
        """Hand the claimed deliveries to the transports of their endpoints. Only these keep the bodies."""
        prepared: list[tuple[InFlight, object]] = []
        now = self._clock.now()
        for it in claimed:
            target = self._lanes.target_of(it.endpoint_id)
            plan = DEFAULT_PLAN if target.retry_plan is None else target.retry_plan
            attempt = InFlight(without_body(it), token, plan, new_id(), target.address, target.kind)
            self._capacity.start(attempt.attempt_id, target.tenant_id)
            self._bodies.start(attempt.attempt_id, target.tenant_id, len(it.body))
            request = self._transports.prepare(it, target, now)
            if isinstance(request, NotSent):
                telemetry.not_sent(it.id, request.error)
                self._ended.append((attempt, Outcome(now, 0, failure=request.failure)))
            else:
                prepared.append((attempt, request))
        self._work += len(claimed)
        self._transports.submit(prepared)

    def _settle(self) -> None:
        """Write the outcomes of ended attempts, and what follows from them for lanes, endpoints and tenants."""
        self._ended += self._transports.take()
        if any(outcome.not_attempted for _, outcome in self._ended):
            self._release_not_attempted()
        if not self._ended:
            return
        rows = settlements(self._ended)
        with nullcontext() if is_one_statement(rows) else transaction.atomic():
            new = find_unrecorded(rows) if self._is_commit_unknown else rows
            self._is_commit_unknown = True
            settled = settle_attempts(new)
            disabled = report_dead(self._ended, [row for row in new if row.cause and row.attempt_id in settled])
        self._is_commit_unknown = False
        self._lanes.dead_letter(disabled, RESPONDED_410)
        self._publish_warnings(self._record_ended())
        if disabled:
            self._lanes.refresh()

    def _release_not_attempted(self) -> None:
        """Make deliveries pending again that this process could not attempt: that is no failure of their endpoints."""
        released = [attempt for attempt, outcome in self._ended if outcome.not_attempted]
        release_claims([(it.claimed.id, it.token) for it in released])
        if any(outcome.not_attempted and outcome.failure is Failure.INTERNAL for _, outcome in self._ended):
            self._capacity.reduce()
        telemetry.attempts_not_started(len(released))
        for attempt, outcome in self._ended:
            if outcome.not_attempted:
                self._end(attempt, outcome)
        self._ended = [(attempt, outcome) for attempt, outcome in self._ended if not outcome.not_attempted]

    def _record_ended(self) -> list[LeasedLane]:
        """Count the ended attempts and update their lanes. Return the lanes that are still leased."""
        self.attempts += len(self._ended)
        self._work += len(self._ended)
        telemetry.attempted(outcome for _, outcome in self._ended)
        self._worked_at = time.monotonic()
        lanes: dict[UUID, LeasedLane] = {}
        for attempt, outcome in self._ended:
            endpoint_id = attempt.claimed.endpoint_id
            self._stats.add(endpoint_id, outcome)
            if (lane := self._end(attempt, outcome)) is not None:
                lanes[endpoint_id] = lane
        self._ended.clear()
        return list(lanes.values())

    def _end(self, attempt: InFlight, outcome: Outcome) -> LeasedLane | None:
        """Count an attempt as ended, and return its lane if that is still leased."""
        endpoint_id = attempt.claimed.endpoint_id
        self._capacity.end(attempt.attempt_id)
        if self._bodies.end(attempt.attempt_id):
            self._ask_all = True  # lanes may have waited for memory
        if (lane := self._lanes.get(endpoint_id)) is None:
            self._lanes.on_orphaned_attempt_ended(endpoint_id)
        else:
            lane.on_attempt_ended(outcome, self._clock.now(), attempt.address, attempt.claimed.order_key)
        return lane

    def _publish_warnings(self, lanes: list[LeasedLane]) -> None:
        """Warn the tenants of endpoints that have failed for long, and notify those of recovered ones."""
        for lane in lanes:
            level = health.warning_level(lane.warning_level, lane.breaker.failing_since, self._clock.now())
            if level != lane.warning_level:
                health.publish_warning(lane.target.endpoint_id, lane.target.address, level, lane.breaker)
                lane.warning_level = level

    def _write_stats(self) -> None:
        if self._clock.is_due("stats", WRITE_STATS_EVERY):
            self._stats.write()

    def _wait(self) -> None:
        """Wait until an attempt ends, a notification comes, a rate limit allows the next attempt, or POLL_EVERY."""
        ended_at = time.monotonic()
        if pause := self._pacing.pause():
            time.sleep(pause)
        with PollSelector() as selector:  # needs no file of its own
            for transport in self._transports:
                selector.register(transport, EVENT_READ)
            if self._listener.fileno() >= 0:
                selector.register(self._listener, EVENT_READ)
            ready = {key.fileobj for key, _ in selector.select(self._seconds_to_wait())}
        turned_at, self._turned_at = self._turned_at, time.monotonic()
        self._pacing.on_turn_ended(ended_at - turned_at, self._turned_at - ended_at, self._work)
        self._work = 0
        if self._listener in ready or self._listener.fileno() < 0:  # without a connection it tries to connect again
            self._read_notifications()

    def _read_notifications(self) -> None:
        """Note which lanes have deliveries, and whether there is a lane to lease."""
        for notification in map(read_notification, self._listener.received()):
            self._lanes.lane_available = self._lanes.lane_available or notification.lane_available
            self._ask_all = self._ask_all or not notification.endpoints
            for endpoint_id in notification.endpoints:
                if (lane := self._lanes.get(endpoint_id)) is not None:
                    lane.may_have_more = True

    def _seconds_to_wait(self) -> float:
        now = self._clock.now()
        can_claim = self._capacity.free() > 0 and any(
            lane.may_have_more and lane.capacity(now) and self._is_eligible(lane) for lane in self._lanes
        )
        if can_claim or self._ask_all or self._lanes.has_batches:
            return 0.0
        ready_at = min((lane.ready_at(now) for lane in self._lanes), default=now + POLL_EVERY)
        return max(0.0, min(POLL_EVERY, ready_at - now))

    def _is_idle(self, idle_timeout: float) -> bool:
        lanes = self._lanes
        has_work = len(self._capacity) or lanes.is_contended or lanes.has_batches
        if has_work or any(lane.may_have_more for lane in lanes):
            self._worked_at = time.monotonic()
        return time.monotonic() - self._worked_at > idle_timeout

    def _finish(self, seconds: float) -> None:
        """Claim nothing more, settle the attempts that end within ``seconds``, release the lanes."""
        until = time.monotonic() + seconds
        while len(self._capacity) and time.monotonic() < until:
            self._wait()
            self._run_steps(self._lanes.renew, self._settle, self._lanes.maintain)
        self._run_steps(self._lanes.release_all, self._stats.write)
