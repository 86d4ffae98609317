"""Deliver what is due, as one loop: lease lanes, claim their due deliveries, send, settle the outcomes, release.

The hot path. ``deliver_due`` runs one drain until nothing is due, or for a bounded time; any number of drains may run
side by side. Each step handles many deliveries at once. A drain is one thread: no step waits for an endpoint, and
while a statement runs, the drain goes on sending (``_progress``). A failure of an endpoint is an Outcome and becomes a
row; an exception is an error of ours. While the database is away the loop waits for it. What a drain leaves behind when
it dies is found when its leases and claims run out. See docs/why/how-a-drain-works.md.
"""

import time
from collections.abc import Callable
from contextlib import closing, suppress
from functools import partial
from uuid import UUID

import psycopg
from django.db import Error

from delivery import notify, telemetry
from delivery.lanes.clock import ENOUGH, Clock, Pacing
from delivery.lanes.leased_lanes import LeasedLanes
from delivery.load.drain_meter import DrainMeter
from delivery.sending.claimed_ahead import PublisherClaims
from delivery.sending.claiming import ROOM_EVERY, Claiming
from delivery.sending.database_steps import DatabaseSteps
from delivery.sending.dispatch import Dispatcher
from delivery.sending.settling import Settling
from delivery.sending.shutdown import is_stopping, stop_descriptor
from delivery.sql.due import become_resident, end_residence, read_notification
from delivery.sql.settle import find_claims, release_claims
from delivery.transports.http.sender import max_attempts
from delivery.transports.registry import Transports
from delivery.transports.waiting import Waiting
from webhooks.kit import sql
from webhooks.kit.metrics.gathered import flush_metrics
from webhooks.kit.notify import Listener
from webhooks.kit.process.pulse import pulse
from webhooks.wire.ids import new_id

IDLE_TIMEOUT = 3.0  # seconds without work after which a drain ends, or stays as the resident one
FINISH_WITHIN = 35.0  # seconds for attempts in flight when the drain ends: more than the longest timeout
FINISH_WITHIN_ON_STOP = 8.0  # seconds for attempts in flight when the worker is being stopped
LOOK_FOR_CLAIMS_EVERY = 5.0  # seconds between two looks for claims of publishers whose notification did not arrive
RECEIVED_AT_ONCE = 4  # readings of publishers' claims before the drain sends and receives again
LISTEN_ON = 1.0  # seconds a drain listens after publishers may not claim for it: longer than a statement of theirs


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

    The drain ends after ``seconds``, when ``stopping`` returns true, or when there was nothing to do for
    ``idle_timeout`` seconds and ``stay`` returns false.
    """
    started = time.monotonic()
    clock = Clock()
    try:
        owner = new_id()
        with closing(Transports(clock.now)) as transports, closing(notify.listen(owner)) as listener:
            drain = Drain(transports, listener, clock, owner)
            try:
                attempts = drain.run(started + seconds, idle_timeout, stopping, stay)
            finally:
                sql.wait_with(None)
    finally:
        with suppress(Error):
            sql.allow_all_plans()
    flush_metrics()
    elapsed = time.monotonic() - started
    telemetry.delivery_run_finished(attempts, elapsed)
    if elapsed >= seconds and not stopping():
        notify.drain_starter.send()
    return attempts


class Drain:
    """Run one loop over the leased lanes, the attempts in flight, and the ended attempts that are not settled yet."""

    def __init__(self, transports: Transports, listener: Listener, clock: Clock, owner: UUID) -> None:
        self._transports = transports
        self._listener = listener
        self._clock = clock
        self._lanes = LeasedLanes(clock, owner)
        self._dispatcher = Dispatcher(transports, self._lanes, clock, max_attempts())
        self._lanes.count_held = self._dispatcher.ahead.count
        self._claiming = Claiming(self._lanes, self._dispatcher, clock)
        self._publisher_claims = PublisherClaims(owner, self._dispatcher.hold_for_publishers)
        self._pacing = Pacing()
        self._meter = DrainMeter()
        self._settling = Settling(self._lanes, self._dispatcher, self._publisher_claims, self._meter, clock)
        self._waiting = Waiting(transports, self._progress, listener, self._receive)
        self._steps = DatabaseSteps(self._waiting, self._progress)
        self._has_stopped = False  # whether deliveries were stopped that may be held
        self._is_waiting = False  # whether the drain stays although there is nothing to do
        self._turned_at = self._worked_at = time.monotonic()
        self._has_looked = False  # for something to do

    def run(self, until: float, idle_timeout: float, stopping: Callable[[], bool], stay: Callable[[], bool]) -> int:
        """Turn until there is nothing to do, settle and release; return how many attempts were settled."""
        lanes = self._lanes
        claim = (lanes.renew, lanes.lease, self._claim)
        steps = (*claim, self._settle, self._release_held, lanes.maintain, self._let_publishers_claim)
        self._steps.prepare_connection()
        while not stopping() and time.monotonic() < until and not self._is_over(idle_timeout, stay):
            self._steps.run(*steps, self._settling.write_stats, self._report)
            self._has_looked = True
            self._waiting.stop_descriptor = stop_descriptor()
            self._wait()
        self._waiting.stop_descriptor = -1
        self._finish(FINISH_WITHIN_ON_STOP if stopping() else FINISH_WITHIN)
        return self._settling.attempts

    def _progress(self) -> None:
        """Send and receive what is possible without waiting, and refill places. Uses no database."""
        pulse.beat()
        self._transports.advance()
        self._settling.add(self._dispatcher.take())
        if not self._has_stopped:  # what is held may have been cancelled
            self._dispatcher.refill()

    def _receive(self) -> None:
        """Read and hold what publishers claim while a statement runs. Uses the listener's connection, which is free."""
        self._read_notifications()
        if not self._has_stopped:
            with suppress(psycopg.Error):  # the next turn tries again
                for _ in range(RECEIVED_AT_ONCE):
                    if not self._publisher_claims.are_waiting:
                        break
                    self._meter.claimed += self._publisher_claims.read(self._listener.run)
                    self._read_notifications()

    def _claim(self) -> None:
        self._waiting.receives = False  # what is held must not change while places are shared
        try:
            self._meter.claimed += self._publisher_claims.read()
            self._drop_stopped()
            self._progress()
            self._meter.claimed += self._claiming.claim()
        finally:
            self._waiting.receives = True

    def _settle(self) -> None:
        if self._settling.settle():
            self._worked_at = time.monotonic()

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
        """Say for which lanes publishers may claim, and look for claims whose notification did not arrive."""
        permissions = self._lanes.claim_permissions
        permissions.update(self._dispatcher.may_send, self._dispatcher.ahead.count, is_ending=self._lanes.is_ending)
        if permissions.are_given and self._clock.is_due("publisher claims", LOOK_FOR_CLAIMS_EVERY):
            self._publisher_claims.on_missed()

    def _release_publisher_claims(self) -> None:
        """Release what publishers have claimed for this drain, which sends nothing more."""
        self._publisher_claims.read()
        self._dispatcher.stop_holding()

    def _drop_stopped(self) -> None:
        """Drop the held deliveries whose claims were ended by others, after a notification that some were."""
        if self._has_stopped:
            ahead = self._dispatcher.ahead
            if claims := ahead.claims():
                stopped = ahead.pop_others(find_claims(claims))
                self._dispatcher.drop(stopped)
                self._publisher_claims.end(it.claimed.id for it in stopped)
            self._has_stopped = False

    def _report(self, *, at_end: bool = False) -> None:
        """Report how busy the drain is. If it is busy, and another drain is idler, leave some lanes to that one."""
        if self._meter.is_due(at_end=at_end):
            capacity = self._dispatcher.capacity
            held, lanes = len(self._dispatcher.ahead), len(self._lanes)
            self._meter.report(in_flight=len(capacity), max_in_flight=capacity.most, held=held, lanes=lanes)
            if not at_end and self._meter.is_another_drain_idler():
                self._lanes.leave_some()

    def _wait(self) -> None:
        """Go on sending until it is time for the next turn.

        That is when ended attempts are to be settled, a notification comes, or there may be something to lease, claim
        or send (``Claiming.seconds_to_wait``); while the drain is busy, when enough attempts have ended.
        """
        turned_at, blocked = time.monotonic(), self._waiting.blocked
        gather_until = turned_at + self._pacing.pause()
        until: float | None = None
        is_notified, count = False, 0
        while True:
            self._progress()
            self._transports.maintain()
            now = time.monotonic()
            if len(self._settling.ended) != count:  # places have become free
                until, count = None, len(self._settling.ended)
            if now < gather_until and len(self._settling.ended) < ENOUGH:
                self._waiting.for_events(gather_until - now)
                continue
            if until is None:
                until = now + self._seconds_to_wait()
            if now >= until or is_notified or self._settling.is_due(now):
                break
            is_notified = self._waiting.for_events(min(until, self._settling.due_at) - now, notified=True)
        if self._listener.fileno() < 0:
            is_notified = not self._steps.is_database_away  # tries to connect
        if is_notified or self._waiting.for_events(0.0, notified=True):
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
            if not (notification.endpoints or notification.claimed):
                self._claiming.ask_all = True
            self._publisher_claims.on_notified(notification.claimed)
            self._lanes.claim_permissions.is_notified = not notification.has_missed
            if notification.has_missed:
                self._publisher_claims.on_missed()
            for endpoint_id in notification.endpoints:
                if (lane := self._lanes.get(endpoint_id)) is not None:
                    lane.on_notified(self._clock.now())

    def _seconds_to_wait(self) -> float:
        if self._lanes.is_ending:
            return ROOM_EVERY
        if self._has_stopped or self._publisher_claims.are_waiting:
            return 0.0
        return self._claiming.seconds_to_wait(is_idle=self._is_waiting)

    def _has_work(self) -> bool:
        """Return whether anything is in flight, held, or not settled."""
        has_sent = len(self._dispatcher.capacity) or self._settling.has_work
        return bool(has_sent or len(self._dispatcher.ahead) or self._publisher_claims.are_waiting)

    def _is_over(self, idle_timeout: float, stay: Callable[[], bool]) -> bool:
        """Return whether there was nothing to do for ``idle_timeout`` seconds, and ``stay`` lets this drain end."""
        if not self._has_looked or self._has_work() or self._lanes.may_have_work:
            self._worked_at, self._is_waiting = time.monotonic(), False
            return False
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
        listen_until = time.monotonic() + LISTEN_ON if self._lanes.claim_permissions.are_given else 0.0
        self._lanes.is_ending = True
        self._waiting.receives = False  # what publishers claim from now on is released, and not sent
        steps = (self._lanes.renew, self._let_publishers_claim, self._release_publisher_claims, self._settle)
        while True:
            self._steps.run(*steps, self._release_held, self._lanes.maintain)
            self._read_notifications()  # those that came meanwhile
            now = time.monotonic()
            if now >= until or not (self._has_work() or now < listen_until):
                break
            self._wait()
        self._steps.run(
            self._release_held, self._lanes.release_all, self._settling.stats.write, partial(self._report, at_end=True)
        )
