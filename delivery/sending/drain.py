"""Deliver what is due, as one loop: lease lanes, claim their due deliveries, send, settle the outcomes, release.

The hot path. ``deliver_due`` runs one drain until nothing is due, or for a bounded time; any number of drains may run
side by side. Each step handles many deliveries at once. A drain is one thread: no step waits for an endpoint, and
while a statement runs, the drain goes on sending (``_progress``). A failure of an endpoint is an Outcome and becomes a
row; an exception is an error of ours. While the database is away the loop waits for it. What a drain leaves behind when
it dies is found when its leases and claims run out. See docs/why/how-a-drain-works.md.
"""

import random
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import closing, nullcontext, suppress
from datetime import datetime
from functools import partial
from uuid import UUID

from django.db import Error, InterfaceError, OperationalError, connection, transaction

from delivery import notify, telemetry
from delivery.load.drain_meter import DrainMeter
from delivery.sending import health
from delivery.sending.attempt_stats import AttemptStats
from delivery.sending.capacity import share_capacity
from delivery.sending.claimed_ahead import PublisherClaims
from delivery.sending.clock import ENOUGH, Clock, Pacing
from delivery.sending.dispatch import Dispatcher
from delivery.sending.lane import LeasedLane
from delivery.sending.leased_lanes import POLL_EVERY, LeasedLanes
from delivery.sending.settlement import Ended, report_dead, settlements
from delivery.sending.shutdown import is_stopping
from delivery.sending.verdict import RESPONDED_410
from delivery.sql.claim import HOLD_SECONDS, Claimed, ClaimRequest, claim_deliveries
from delivery.sql.due import become_resident, end_residence, read_notification
from delivery.sql.order_heads import MAX_KEYS
from delivery.sql.settle import find_claims, find_unrecorded, is_one_statement, release_claims, settle_attempts
from delivery.transports.http.sender import max_attempts
from delivery.transports.outcome import Failure
from delivery.transports.registry import Transports
from delivery.transports.waiting import Waiting
from webhooks.kit import sql
from webhooks.kit.notify import Listener
from webhooks.wire.ids import new_id

IDLE_TIMEOUT = 3.0  # seconds without work after which a drain ends, or stays as the resident one
WAITING_POLL_EVERY = 1.0  # seconds between two checks for due lanes, of a resident drain that gets no notification
ROOM_EVERY = 0.02  # seconds between two checks whether attempts have become slow, and left their places to others
KEYS_PER_TURN = 2_048  # order keys walked in one turn, in all ordered lanes together
MIN_KEYS = 16  # order keys walked in one turn in each ordered lane, however many lanes there are
WRITE_STATS_EVERY = 5.0  # seconds
SETTLED_AT_ONCE = 1_024  # attempts settled by one statement: with their responses at most 16 MiB
FINISH_WITHIN = 35.0  # seconds for attempts in flight when the drain ends: more than the longest timeout
FINISH_WITHIN_ON_STOP = 8.0  # the same when the worker is being stopped
LISTEN_ON = 0.3  # seconds a drain listens after publishers may not claim for it: longer than a statement of theirs
CONNECT_WITHIN = 3.0  # seconds to wait for a connection before the loop looks whether to go on
CONNECT_POLL = 0.01  # seconds between two checks whether a connection was made
DATABASE_RETRY_AFTER = 0.5  # seconds to wait while the database is away


def run_drain() -> int:
    """Deliver what is due, and then wait for notifications if no other idle drain does. Returns the attempts."""
    try:
        return deliver_due(stay=become_resident)
    finally:
        with suppress(Error):
            end_residence()


def deliver_due(
    *,
    seconds: float = 300.0,
    idle_timeout: float = IDLE_TIMEOUT,
    stopping: Callable[[], bool] = is_stopping,
    stay: Callable[[], bool] = lambda: False,
) -> int:
    """Deliver what is due and return the number of attempts.

    Ends when there was nothing to do for ``idle_timeout`` seconds, unless ``stay`` says to go on, after ``seconds``, or
    when ``stopping`` says so.
    """
    started = time.monotonic()
    clock = Clock()
    try:
        owner = new_id()
        with closing(Transports(clock.now)) as transports, closing(notify.listen(owner)) as listener:
            drain = Drain(transports, listener, clock, owner)
            try:
                drain.run(started + seconds, idle_timeout, stopping, stay)
            finally:
                sql.wait_with(None)
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

    def __init__(self, transports: Transports, listener: Listener, clock: Clock, owner: UUID) -> None:
        self.attempts = 0
        self._transports = transports
        self._listener = listener
        self._clock = clock
        self._lanes = LeasedLanes(clock, owner)
        self._dispatcher = Dispatcher(transports, self._lanes, clock, max_attempts())
        self._lanes.count_held = self._dispatcher.ahead.count
        self._publisher_claims = PublisherClaims(owner, self._dispatcher.hold_for_publishers)
        self._stats = AttemptStats()
        self._ended: list[Ended] = []
        self._unsettled: list[Ended] = []  # those of them that the current settlement writes
        self._is_commit_unknown = False  # whether the last settlement may have been committed or not
        self._ask_all = True  # whether every leased lane is asked for deliveries in the next turn
        self._pacing = Pacing()
        self._meter = DrainMeter()
        self._waiting = Waiting(transports, self._progress)
        self._is_database_away = False
        self._connecting: Future[None] | None = None  # a connection that is being tried
        self._has_stopped = False  # whether deliveries were stopped that may be held
        self._is_waiting = False  # whether it stays although there is nothing to do
        self._turned_at = self._worked_at = time.monotonic()

    def run(self, until: float, idle_timeout: float, stopping: Callable[[], bool], stay: Callable[[], bool]) -> None:
        """Turn until there is nothing to do, then settle what is in flight and release the lanes."""
        lanes = self._lanes
        claim = (lanes.renew, lanes.lease, self._claim)
        steps = (*claim, self._settle, self._release_held, lanes.maintain, self._let_publishers_claim)
        self._prepare_connection()
        while not stopping() and time.monotonic() < until and not self._is_over(idle_timeout, stay):
            self._run_steps(*steps, self._write_stats, self._report)
            self._wait()
        self._finish(FINISH_WITHIN_ON_STOP if stopping() else FINISH_WITHIN)

    def _run_steps(self, *steps: Callable[[], None]) -> None:
        """Run the steps; wait if the database is away. Ended attempts are kept until they are settled."""
        if self._is_database_away and not self._reconnect():
            return
        try:
            for step in steps:
                step()
        except (OperationalError, InterfaceError) as error:
            telemetry.database_unavailable(error)
            self._is_database_away = True
            with suppress(Error):
                connection.close()

    def _reconnect(self) -> bool:
        """Connect again, and send meanwhile; return whether the database was reached."""
        self._pause(DATABASE_RETRY_AFTER)
        tried = self._connecting = self._connecting or sql.try_connect()
        until = time.monotonic() + CONNECT_WITHIN
        while not tried.done() and time.monotonic() < until:
            self._pause(CONNECT_POLL)
        if not tried.done():
            return False
        self._connecting = None
        if tried.exception() is not None:
            return False
        with suppress(Error):
            self._prepare_connection()
            self._is_database_away = False
        return not self._is_database_away

    def _prepare_connection(self) -> None:
        sql.force_index_plans()
        sql.wait_with(self._waiting.for_statement)

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._waiting.for_events(left)
            self._progress()

    def _progress(self) -> None:
        """Send and receive what is possible without waiting, and refill places. Uses no database."""
        self._transports.advance()
        self._ended += self._dispatcher.take()
        if not self._has_stopped:  # what is held may have been cancelled
            self._dispatcher.refill()

    def _claim(self) -> None:
        """Share the free places among the lanes, fill them with what is held, and claim for the rest and ahead.

        Lanes that were empty are asked for deliveries after a notification or a while.
        """
        dispatcher = self._dispatcher
        self._meter.claimed += self._publisher_claims.read()
        self._drop_stopped()
        self._progress()
        ask_all = self._clock.is_due("claim", POLL_EVERY) or self._ask_all or dispatcher.memory_freed
        self._ask_all = dispatcher.memory_freed = False
        dispatcher.saturating = dispatcher.capacity.saturating_tenants()
        now = self._clock.now()
        asked = [lane for lane in self._lanes if (lane.may_have_more or ask_all) and dispatcher.may_send(lane)]
        self._continue_searches(asked, now, again=ask_all)
        places = self._fill_places(asked, now)
        requests = self._requests(asked, places, now)
        if not requests:
            return
        token, asked_at = new_id(), time.monotonic()
        claimed = claim_deliveries(token, requests, dispatcher.bodies.allowance())
        self._record_claimed([request.endpoint_id for request in requests], claimed)
        self._meter.claimed += len(claimed)
        dispatcher.hold(claimed, token, asked_at + HOLD_SECONDS)
        dispatcher.fill([(self._lanes.move_to_end(key), count) for key, count in places.items()])

    def _fill_places(self, asked: list[LeasedLane], now: float) -> dict[UUID, int]:
        """Share the free places among these lanes and those that hold deliveries, and fill them with what is held.

        Return how many are left by endpoint, in the order in which the lanes are asked.
        """
        dispatcher, ahead = self._dispatcher, self._dispatcher.ahead
        lanes = {lane.target.endpoint_id: lane for lane in asked}
        for endpoint_id in ahead:
            if (lane := self._lanes.get(endpoint_id)) is not None and dispatcher.may_send(lane):
                lanes[endpoint_id] = lane
        sharing = list(lanes.values())
        if dispatcher.bodies.is_used_up:
            random.shuffle(sharing)  # the first ones get what memory there is
        free = dispatcher.capacity.free()
        shares = share_capacity(sharing, free, now, dispatcher.capacity.room(free))
        left = {it.lane.target.endpoint_id: it.limit - ahead.count(it.lane.target.endpoint_id) for it in shares}
        dispatcher.fill(shares)
        return {key: count for key, count in left.items() if count > 0}

    def _requests(self, asked: list[LeasedLane], places: dict[UUID, int], now: float) -> list[ClaimRequest]:
        """Request deliveries for these places, and some to hold for lanes whose attempts end fast."""
        ahead = self._dispatcher.ahead
        room, free = ahead.room(), ahead.free
        order = {key: number for number, key in enumerate(places)}
        requests: list[ClaimRequest] = []
        for lane in sorted(asked, key=lambda it: order.get(it.target.endpoint_id, len(order))):
            endpoint_id = lane.target.endpoint_id
            wanted = min(lane.wanted_ahead(now) - ahead.count(endpoint_id), free)
            beyond = room.take(lane.target.tenant_id, wanted) if wanted > 0 else 0
            free -= beyond
            if (limit := places.get(endpoint_id, 0) + beyond) > 0:
                requests.append(lane.claim_request(limit, HOLD_SECONDS if lane.may_hold(now) else 0.0))
        return requests

    def _continue_searches(self, lanes: list[LeasedLane], now: float, *, again: bool) -> None:
        """Divide the order keys that may be walked in this turn among the lanes that search for heads."""
        if again:
            for lane in lanes:
                lane.search_again(now)
        searches = [lane.heads for lane in lanes if lane.heads is not None and not lane.heads.is_complete]
        for heads in searches:
            heads.max_keys = min(MAX_KEYS, max(KEYS_PER_TURN // len(searches), MIN_KEYS))

    def _record_claimed(self, asked: list[UUID], claimed: list[Claimed]) -> None:
        due_at: dict[UUID, list[datetime]] = {}
        for it in claimed:
            due_at.setdefault(it.endpoint_id, []).append(it.due_at)
        for key in asked:
            found = due_at.get(key, ())
            self._lanes.move_to_end(key).on_claimed(len(found), max(found, default=None), self._clock.now())

    def _settle(self) -> None:
        """Write the outcomes of ended attempts, and what follows from them for lanes, endpoints and tenants.

        What ends meanwhile is settled the next time.
        """
        room = max(SETTLED_AT_ONCE - len(self._unsettled), 0)
        self._unsettled += self._ended[:room]
        self._ended = self._ended[room:]
        if any(outcome.not_attempted for _, outcome in self._unsettled):
            self._release_not_attempted()
        if not self._unsettled:
            return
        rows = settlements(self._unsettled, self._lanes.is_overdue)
        with nullcontext() if is_one_statement(rows) else transaction.atomic():
            new = find_unrecorded(rows) if self._is_commit_unknown else rows
            self._is_commit_unknown = True
            settled = settle_attempts(new)
            disabled = report_dead(self._unsettled, [row for row in settled if row.cause])
        self._is_commit_unknown = False
        self._lanes.dead_letter(disabled, RESPONDED_410)
        lanes = self._record_settled()
        if disabled:
            self._refresh_disabled(disabled)
        self._publish_warnings(lanes)

    def _refresh_disabled(self, disabled: list[UUID]) -> None:
        """Apply the state of endpoints that were disabled; nothing is sent to them while it is read."""
        gone = [lane for key in disabled if (lane := self._lanes.get(key)) is not None]
        for lane in gone:
            lane.is_gone = True
        self._lanes.refresh()
        for lane in gone:
            lane.is_gone = False

    def _release_not_attempted(self) -> None:
        """Make deliveries pending again that this process could not attempt: that is no failure of their endpoints."""
        released = [(attempt, outcome) for attempt, outcome in self._unsettled if outcome.not_attempted]
        release_claims([(it.claimed.id, it.token) for it, _ in released])
        self._publisher_claims.end(it.claimed.id for it, _ in released)
        if any(outcome.failure is Failure.INTERNAL for _, outcome in released):
            self._dispatcher.capacity.reduce()
        telemetry.attempts_not_started(len(released))
        for attempt, _ in released:
            if (lane := self._lanes.get(attempt.claimed.endpoint_id)) is not None:
                lane.on_settled([attempt.claimed.order_key])
        self._unsettled = [(attempt, outcome) for attempt, outcome in self._unsettled if not outcome.not_attempted]

    def _record_settled(self) -> list[LeasedLane]:
        """Count the settled attempts. Return their lanes, as far as they are still leased."""
        self.attempts += len(self._unsettled)
        self._meter.settled += len(self._unsettled)
        self._publisher_claims.end(attempt.claimed.id for attempt, _ in self._unsettled)
        telemetry.attempted(outcome for _, outcome in self._unsettled)
        self._worked_at = time.monotonic()
        settled: dict[UUID, list[Ended]] = {}
        for it in self._unsettled:
            settled.setdefault(it[0].claimed.endpoint_id, []).append(it)
        self._unsettled = []
        lanes: list[LeasedLane] = []
        for endpoint_id, ended in settled.items():
            self._stats.add(endpoint_id, [outcome for _, outcome in ended])
            if (lane := self._lanes.get(endpoint_id)) is not None:
                lane.on_settled([attempt.claimed.order_key for attempt, _ in ended])
                lanes.append(lane)
        return lanes

    def _release_held(self) -> None:
        """Release the claims of held deliveries that are not sent, and make their lanes due that are not leased here.

        When such a lane was released, its deliveries were still claimed, so that it seemed to have none.
        """
        if held := self._dispatcher.unsendable():
            release_claims([(it.claimed.id, it.token) for it in held], wait=0.0)
            self._publisher_claims.end(it.claimed.id for it in held)
            self._lanes.recheck_unleased({it.claimed.endpoint_id for it in held})
            self._dispatcher.forget_unsendable(len(held))

    def _let_publishers_claim(self) -> None:
        self._lanes.let_publishers_claim(self._dispatcher.may_send)

    def _release_publisher_claims(self) -> None:
        """Release what publishers have claimed for this drain, which sends nothing more."""
        self._publisher_claims.read()
        self._dispatcher.stop_holding()

    def _drop_stopped(self) -> None:
        """After a notification that claims were ended, drop the held deliveries of those."""
        if self._has_stopped:
            ahead = self._dispatcher.ahead
            if claims := ahead.claims():
                stopped = ahead.pop_others(find_claims(claims))
                self._dispatcher.drop(stopped)
                self._publisher_claims.end(it.claimed.id for it in stopped)
            self._has_stopped = False

    def _publish_warnings(self, lanes: list[LeasedLane]) -> None:
        """Warn the tenants of endpoints that have failed for long, and notify those of recovered ones.

        What waits because of an outage that is over will be due.
        """
        for lane in lanes:
            self._lanes.note_recovery(lane)
            level = health.warning_level(lane.warning_level, lane.breaker.failing_since, self._clock.now())
            if level != lane.warning_level:
                health.publish_warning(lane.target.endpoint_id, lane.target.address, level, lane.breaker)
                lane.warning_level = level

    def _write_stats(self) -> None:
        if self._clock.is_due("stats", WRITE_STATS_EVERY):
            self._stats.write()

    def _report(self, *, at_end: bool = False) -> None:
        """Report how busy the drain is. If it is, and another one has time, leave some lanes to that one."""
        if self._meter.is_due(at_end=at_end):
            capacity = self._dispatcher.capacity
            held, lanes = len(self._dispatcher.ahead), len(self._lanes)
            self._meter.report(in_flight=len(capacity), max_in_flight=capacity.most, held=held, lanes=lanes)
            if not at_end and self._meter.is_another_drain_idler():
                self._lanes.leave_some()

    def _wait(self) -> None:
        """Go on sending until it is time for the next turn.

        That is when an attempt has ended, a notification comes, a rate limit allows the next attempt, or after
        POLL_EVERY; while the drain is busy, when enough has ended.
        """
        turned_at, blocked = time.monotonic(), self._waiting.blocked
        gather_until = turned_at + self._pacing.pause()
        until: float | None = None
        is_notified = False
        while True:
            self._progress()
            self._transports.maintain()
            now = time.monotonic()
            if now < gather_until and len(self._ended) < ENOUGH:
                self._waiting.for_events(gather_until - now)
                continue
            if until is None:
                until = now + self._seconds_to_wait()
            if now >= until or is_notified or self._ended:
                break
            is_notified = self._waiting.for_events(until - now, self._listener)
        if self._listener.fileno() < 0:
            is_notified = not self._is_database_away  # tries to connect
        if is_notified or self._waiting.for_events(0.0, self._listener):
            self._read_notifications()
        ended_at = time.monotonic()
        waited = self._waiting.blocked - blocked
        turn, work = ended_at - self._turned_at - waited, self._dispatcher.pop_work()
        self._turned_at = ended_at
        self._pacing.on_turn_ended(turn, waited, work)
        self._waiting.gathers = self._pacing.is_busy
        self._meter.on_turn_ended(turn, work)

    def _read_notifications(self) -> None:
        """Note which lanes have deliveries, whether there is a lane to lease, and whether deliveries were stopped."""
        for notification in map(read_notification, self._listener.received()):
            self._lanes.lane_available = self._lanes.lane_available or notification.lane_available
            self._has_stopped = self._has_stopped or notification.has_stopped
            self._ask_all = self._ask_all or not (notification.endpoints or notification.claimed)
            self._publisher_claims.on_notified(notification.claimed)
            self._lanes.is_notified = not notification.has_missed
            if notification.has_missed:
                self._publisher_claims.on_missed()
            for endpoint_id in notification.endpoints:
                if (lane := self._lanes.get(endpoint_id)) is not None:
                    lane.on_notified(self._clock.now())

    def _seconds_to_wait(self) -> float:
        now, dispatcher = self._clock.now(), self._dispatcher
        if self._lanes.is_ending:
            return ROOM_EVERY
        if self._ask_all or dispatcher.memory_freed or self._has_stopped or self._publisher_claims.are_waiting:
            return 0.0
        if self._lanes.has_batches or self._lanes.seconds_to_lease() <= 0:
            return 0.0
        wanting = [
            lane
            for lane in self._lanes
            if (lane.may_have_more or dispatcher.ahead.count(lane.target.endpoint_id))
            and lane.capacity(now)
            and dispatcher.may_send(lane)
        ]
        free = dispatcher.capacity.free() if wanting else 0
        room = dispatcher.capacity.room(free)
        if free > 0 and any(self._can_go_on(lane, now) and room.take(lane.target.tenant_id, 1) for lane in wanting):
            return 0.0
        poll_every = WAITING_POLL_EVERY if self._is_waiting else POLL_EVERY
        ready_at = min((lane.ready_at(now) for lane in self._lanes), default=now + poll_every)
        wait = min(ROOM_EVERY if wanting else poll_every, self._lanes.seconds_to_lease())
        return max(0.0, min(wait, ready_at - now))

    def _can_go_on(self, lane: LeasedLane, now: float) -> bool:
        """Return whether a lane with a free place has something to send there at once, or may claim something."""
        held = self._dispatcher.ahead.count(lane.target.endpoint_id)
        if lane.may_have_more and lane.capacity(now) > held:
            return True
        return held > 0 and self._dispatcher.useful(lane, now) > 0

    def _has_work(self) -> bool:
        """Return whether anything is in flight, held, or not settled."""
        has_sent = len(self._dispatcher.capacity) or self._ended or self._unsettled
        return bool(has_sent or len(self._dispatcher.ahead) or self._publisher_claims.are_waiting)

    def _is_over(self, idle_timeout: float, stay: Callable[[], bool]) -> bool:
        """Return whether there was nothing to do for ``idle_timeout`` seconds, and ``stay`` lets this drain end."""
        lanes = self._lanes
        if self._has_work() or lanes.is_contended or lanes.has_batches or any(lane.may_have_more for lane in lanes):
            self._worked_at, self._is_waiting = time.monotonic(), False
        if time.monotonic() - self._worked_at <= idle_timeout:
            return False
        try:
            self._is_waiting = stay()
        except Error:  # the database is away: the schedule starts another drain
            self._is_waiting = False
        self._worked_at = time.monotonic()
        return not self._is_waiting

    def _finish(self, seconds: float) -> None:
        """Claim and send nothing more, settle the attempts that end within ``seconds``.

        Each lane is released when its last attempt has ended, so that the lanes of fast endpoints do not wait for the
        slow ones. Publishers that see lanes as they were may still claim for this drain for a moment.
        """
        until = time.monotonic() + seconds
        listen_until = time.monotonic() + LISTEN_ON if self._lanes.do_publishers_claim else 0.0
        self._lanes.is_ending = True
        steps = (self._lanes.renew, self._let_publishers_claim, self._release_publisher_claims, self._settle)
        while True:
            self._run_steps(*steps, self._release_held, self._lanes.maintain)
            now = time.monotonic()
            if now >= until or not (self._has_work() or now < listen_until):
                break
            self._wait()
        self._run_steps(
            self._release_held, self._lanes.release_all, self._stats.write, partial(self._report, at_end=True)
        )
