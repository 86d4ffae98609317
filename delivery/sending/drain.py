"""THE HOT PATH: lease lanes, claim what is due in them, send, judge, settle, as one stream.

``deliver_due`` drains until nothing is due, or for a bounded time. Its loop does one thing after the other for many
deliveries at once; the sending goes on meanwhile in the Sender's thread, so no step waits for an endpoint. What
fails on the other side is an Outcome and a row; an exception is our own trouble: a database that is away is waited
for, and whatever a drain leaves behind when it dies is found by its leases and claims running out.
"""

import random
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import UTC, datetime
from itertools import takewhile
from selectors import EVENT_READ, DefaultSelector
from uuid import UUID

from django.conf import settings
from django.db import Error, InterfaceError, OperationalError, connection, transaction

from delivery import notify, telemetry
from delivery.sending import health
from delivery.sending.attempt_stats import Hours
from delivery.sending.backoff import DEFAULT_PLAN
from delivery.sending.clock import Clock
from delivery.sending.lane import HeldLane, share
from delivery.sending.leased_lanes import LOOK_EVERY, Holding
from delivery.sending.shutdown import is_stopping
from delivery.sending.verdict import GONE, judge
from delivery.sql.claim import Claimed, ClaimRequest, attempt_number, claim_deliveries
from delivery.sql.due import LANE_AVAILABLE
from delivery.sql.settle import Settlement, find_unrecorded, settle_attempts
from delivery.transports.http.compose import NothingToSendWith, compose
from delivery.transports.http.exchange import Request
from delivery.transports.http.sender import Sender
from delivery.transports.in_flight import Sent
from delivery.transports.oauth_sender import Bearers
from delivery.transports.outcome import Outcome
from subscriptions.models import Endpoint
from subscriptions.routing.routes import targets
from webhooks.kit import sql
from webhooks.wire.ids import new_id

__all__ = ["deliver_due"]

CAPACITY = 512  # attempts in flight in one drain, not counting those that
LATE = 1.0  # seconds ago were started: an endpoint that hangs takes no room from the others,
MOST_IN_FLIGHT = 2_048  # up to as many as memory is meant for
LINGER = 3.0  # seconds a drain waits for a ring before it ends: longer than beat's second, so that one is always there
COUNT_EVERY = 5.0  # seconds between two writings of what has been counted
PACE = 0.006  # seconds between two turns of the loop: what happens meanwhile is claimed and settled together
PATIENCE = 0.003  # seconds more for each attempt that ended in the last turn, for as many will in the next,
SLOWEST = 0.015  # up to as many for a turn
LAST_ORDERS = 35.0  # seconds for what is in flight when the drain ends: more than the longest deadline
GRACE = 8.0  # the same, when the worker is being stopped
AWAY = 0.5  # seconds to wait before the database is tried again


def deliver_due(*, seconds: float = 300.0, linger: float = LINGER, stopping: Callable[[], bool] = is_stopping) -> int:
    """Deliver what is due until there has been nothing for ``linger`` seconds, for ``seconds`` at most, or until
    ``stopping`` says so. The number of attempts made. Any number of these may run side by side."""
    started = time.monotonic()
    sql.force_index_plans()
    clock = Clock()
    try:
        with (
            Sender(allow_http=settings.WAYPOST_ALLOW_HTTP, clock=clock.now) as sender,
            closing(notify.Bell()) as bell,
            closing(Bearers(sender)) as bearers,
        ):
            drain = Drain(sender, bell, bearers, clock)
            drain.run(started + seconds, linger, stopping)
    finally:
        with suppress(Error):
            sql.allow_all_plans()
    elapsed = time.monotonic() - started
    telemetry.drained(drain.attempts, elapsed)
    if elapsed >= seconds and not stopping():
        notify.call_drain(even_if_just_called=True)
    return drain.attempts


class Drain:
    """One stream: the lanes it holds, what is in flight, what has ended and is not settled yet."""

    def __init__(self, sender: Sender, bell: notify.Bell, bearers: Bearers, clock: Clock) -> None:
        self.attempts = 0
        self._attempts_before = 0  # the last turn
        self._sender = sender
        self._bell = bell
        self._bearers = bearers
        self._clock = clock
        self._lanes = Holding(clock)
        self._hours = Hours()
        self._ended: list[tuple[Sent, Outcome]] = []
        self._unsure = False  # whether the last settlement was committed
        self._under_way: dict[UUID, float] = {}  # attempts by their start, the oldest first
        self._crowding: frozenset[UUID] = frozenset()  # tenants that get nothing more for the moment
        self._rung = True
        self._turned_at = self._worked_at = time.monotonic()

    def run(self, until: float, linger: float, stopping: Callable[[], bool]) -> None:
        while not stopping() and time.monotonic() < until and not self._is_idle(linger):
            self._survive(
                self._lanes.renew, self._lanes.lease, self._claim, self._settle, self._lanes.tend, self._count
            )
            self._wait()
        self._finish(GRACE if stopping() else LAST_ORDERS)

    def _claim(self) -> None:
        """Take as much as there is room for. A lane that was empty is asked again when somebody rings."""
        everybody = self._rung or self._clock.is_time("claim", LOOK_EVERY)
        self._rung = False
        self._crowding = self._who_crowds()
        lanes = [lane for lane in self._lanes if (lane.hungry or everybody) and self._may_have_more(lane)]
        asking = share(lanes, self._room(), self._clock.now())
        if not asking:
            return
        token = new_id()
        claimed = claim_deliveries(token, asking)
        self._note(asking, claimed)
        self._send(claimed, token)

    def _may_have_more(self, lane: HeldLane) -> bool:
        return not self._lanes.has_had_its_turn(lane) and lane.target.tenant_id not in self._crowding

    def _room(self) -> int:
        long_ago = time.monotonic() - LATE
        late = sum(1 for _ in takewhile(lambda at: at < long_ago, self._under_way.values()))  # the oldest stand first
        return min(CAPACITY - len(self._under_way) + late, MOST_IN_FLIGHT - len(self._under_way))

    def _who_crowds(self) -> frozenset[UUID]:
        """Tenants with as much under way, by now that can only be what hangs, as is left for everybody."""
        if len(self._under_way) <= CAPACITY:
            return frozenset()
        in_flight: Counter[UUID] = Counter()
        for lane in self._lanes:
            in_flight[lane.target.tenant_id] += lane.in_flight
        left = MOST_IN_FLIGHT - len(self._under_way)
        return frozenset(tenant for tenant, count in in_flight.items() if count >= left)

    def _note(self, asking: list[ClaimRequest], claimed: list[Claimed]) -> None:
        counts: dict[UUID, int] = {}
        newest: dict[UUID, datetime] = {}
        for it in claimed:
            counts[it.endpoint_id] = counts.get(it.endpoint_id, 0) + 1
            newest[it.endpoint_id] = max(it.due_at, newest.get(it.endpoint_id, it.due_at))
        for lane in asking:
            key = lane.endpoint_id
            self._lanes.to_the_end(key).got(counts.get(key, 0), newest.get(key), self._clock.now())

    def _send(self, claimed: list[Claimed], token: UUID) -> None:
        requests: list[Request] = []
        timestamp, now = int(self._clock.now()), time.monotonic()
        for it in claimed:
            target = self._lanes.target_of(it.endpoint_id)
            plan = DEFAULT_PLAN if target.retry_plan is None else target.retry_plan
            sent = Sent(it, token, plan, new_id(), target.url)
            self._under_way[sent.attempt_id] = now
            if target.oauth is not None:
                self._bearers.send(sent, target, timestamp)
                continue
            try:
                requests.append(compose(it, target, timestamp, sent))
            except NothingToSendWith as refusal:
                telemetry.not_sent(it.id, refusal)
                self._ended.append((sent, Outcome(self._clock.now(), 0, failure=refusal.failure)))
        if requests:
            self._sender.submit(requests)

    def _settle(self) -> None:
        self._gather()
        if not self._ended:
            return
        rows = self._judged()
        with transaction.atomic():
            new = find_unrecorded(rows) if self._unsure else rows
            self._unsure = True
            settled = settle_attempts(new)
            gone = self._tell_dead([row for row in new if row.cause and row.attempt_id in settled])
        self._unsure = False
        self._lanes.bury(gone, "gone")
        self._tell_steps(self._account())
        if gone:
            self._lanes.follow()

    def _gather(self) -> None:
        """What has ended since the last settlement, to what has."""
        results = self._sender.take()
        if self._bearers.busy:
            results = self._bearers.again(results)
            self._ended += self._bearers.ended(int(self._clock.now()))
        self._ended += [(request.context, outcome) for request, outcome in results]

    def _judged(self) -> list[Settlement]:
        """What becomes of each. That an address is gone says nothing about one that has moved from it."""
        said_gone = {sent.claimed.endpoint_id: sent.url for sent, outcome in self._ended if outcome.status == GONE}
        moved = {key for key, target in targets(said_gone).items() if target.url != said_gone[key]} if said_gone else ()
        return [_settlement(sent, outcome, moved=sent.claimed.endpoint_id in moved) for sent, outcome in self._ended]

    def _tell_dead(self, dead: list[Settlement]) -> list[UUID]:
        """Switch off endpoints that are gone, and tell the tenants what was given up: in the transaction that settles,
        so that no crash comes between. The endpoints that are off now."""
        if not dead:
            return []
        urls = {sent.claimed.endpoint_id: sent.url for sent, _ in self._ended}
        off = {row.endpoint_id: urls[row.endpoint_id] for row in dead if row.cause == "gone"}
        gone = health.switch_off(off, Endpoint.DisabledReason.GONE)
        health.tell_dead([row.id for row in dead])
        return gone

    def _account(self) -> list[HeldLane]:
        """Take what has ended off the books. The lanes it was in, as far as they are still held."""
        self.attempts += len(self._ended)
        telemetry.attempted(outcome for _, outcome in self._ended)
        self._worked_at = time.monotonic()
        lanes: dict[UUID, HeldLane] = {}
        for sent, outcome in self._ended:
            endpoint_id = sent.claimed.endpoint_id
            self._hours.add(endpoint_id, outcome)
            del self._under_way[sent.attempt_id]
            if (lane := self._lanes.get(endpoint_id)) is not None:
                lane.ended(outcome, self._clock.now(), sent.url)
                lanes[endpoint_id] = lane
            else:
                self._lanes.stray_ended(endpoint_id)
        self._ended.clear()
        return list(lanes.values())

    def _tell_steps(self, lanes: list[HeldLane]) -> None:
        """Tell the tenants of endpoints that fail for long, and of those that have recovered."""
        for lane in lanes:
            steps = health.steps_due(lane.warned, lane.breaker.failing_since, self._clock.now())
            if steps != lane.warned:
                health.tell_step(lane.target.endpoint_id, lane.target.url, steps, lane.breaker)
                lane.warned = steps

    def _count(self) -> None:
        if self._clock.is_time("count", COUNT_EVERY):
            self._hours.write()

    def _wait(self) -> None:
        """Until an attempt ends, the bell rings, a rate limit gives way, or it is time to look."""
        time.sleep(max(0.0, self._turned_at + self._pace() - time.monotonic()))
        now = self._clock.now()
        hungry = self._room() > 0 and any(
            lane.hungry and lane.room(now) and self._may_have_more(lane) for lane in self._lanes
        )
        ready_at = min((lane.ready_at(now) for lane in self._lanes), default=now + LOOK_EVERY)
        at_once = hungry or self._lanes.is_burying
        timeout = 0.0 if at_once else max(0.0, min(LOOK_EVERY, ready_at - now, self._bearers.patience))
        with DefaultSelector() as selector:
            selector.register(self._sender, EVENT_READ)
            if self._bell.fileno() >= 0:
                selector.register(self._bell, EVENT_READ)
            heard = {key.fileobj for key, _ in selector.select(timeout)}
        self._turned_at = time.monotonic()
        if self._bell in heard or self._bell.fileno() < 0:  # deaf: it tries to hear again
            rings = self._bell.heard()
            self._rung = self._rung or bool(rings)
            self._lanes.is_free = self._lanes.is_free or LANE_AVAILABLE in rings

    def _pace(self) -> float:
        ended, self._attempts_before = self.attempts - self._attempts_before, self.attempts
        return min(PACE + PATIENCE * ended, SLOWEST)

    def _is_idle(self, linger: float) -> bool:
        lanes = self._lanes
        if self._under_way or lanes.others_wait or lanes.is_burying or any(lane.hungry for lane in lanes):
            self._worked_at = time.monotonic()
        return time.monotonic() - self._worked_at > linger

    def _finish(self, seconds: float) -> None:
        """Claim nothing more; settle what is in flight, as far as it ends in time; give the lanes back."""
        until = time.monotonic() + seconds
        while self._under_way and time.monotonic() < until:
            self._wait()
            self._survive(self._lanes.renew, self._settle, self._lanes.tend)
        self._survive(self._lanes.release_all, self._hours.write)

    def _survive(self, *steps: Callable[[], None]) -> None:
        """Take these steps; if the database is away, wait for it. What has ended stays to be settled."""
        try:
            for step in steps:
                step()
        except (InterfaceError, OperationalError) as error:
            telemetry.database_away(error)
            time.sleep(AWAY)
            self._reconnect()

    def _reconnect(self) -> None:
        try:
            connection.close()
            sql.force_index_plans()
        except Error:
            pass  # still away: the next step will say so


def _settlement(sent: Sent, outcome: Outcome, *, moved: bool) -> Settlement:
    it = sent.claimed
    verdict = judge(outcome, step=it.step, plan=sent.plan, jitter=random.random(), moved=moved)  # noqa: S311
    return Settlement(
        id=it.id,
        token=sent.token,
        endpoint_id=it.endpoint_id,
        state=verdict.state,
        wait=verdict.wait,
        cause=verdict.cause,
        attempt_id=sent.attempt_id,
        number=attempt_number(it),
        started_at=datetime.fromtimestamp(outcome.started_at, UTC),
        duration_ms=outcome.duration_ms,
        status=outcome.status,
        error=outcome.failure or "",
        answer=outcome.answer or None,
    )
