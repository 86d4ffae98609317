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

from delivery import health, ledger, statements, telemetry, wake
from delivery.backoff import DEFAULT_PLAN
from delivery.bearers import Bearers
from delivery.compose import NothingToSendWith, compose
from delivery.exchange import Request
from delivery.hours import Hours
from delivery.lanes import HeldLane, share
from delivery.ledger import Claimed, Settlement
from delivery.outcome import Outcome
from delivery.send import Sender
from delivery.sent import Sent
from delivery.shutdown import is_stopping
from delivery.verdict import judge
from subscriptions.models import Endpoint
from subscriptions.routes import targets
from webhooks.protocol.ids import new_id

__all__ = ["deliver_due"]

CAPACITY = 512  # attempts in flight in one drain, not counting those that
LATE = 1.0  # seconds ago were started: an endpoint that hangs takes no room from the others,
MOST_IN_FLIGHT = 2_048  # up to as many as memory is meant for
MAX_LANES = 512  # held by one drain
TENANT_LANES = 384  # of one tenant, at most: somebody else always finds a place
LINGER = 3.0  # seconds a drain waits for a ring before it ends: longer than beat's second, so that one is always there
LANE_LINGER = 1.0  # seconds an empty lane is kept, so that a busy one is not written again and again
GIVE_BACK_EVERY = 0.02  # seconds between two looks for lanes to give back
TURN = 2.0  # seconds a lane may be held while others wait
RENEW_EVERY = ledger.LEASE / 3
COUNT_EVERY = 5.0  # seconds between two writings of what has been counted
REFRESH_EVERY = 1.0  # seconds between two looks at the endpoints of the lanes held
LOOK_EVERY = 0.25  # seconds between two looks for due lanes without a ring
PACE = 0.006  # seconds between two turns of the loop: what happens meanwhile is claimed and settled together
LAST_ORDERS = 35.0  # seconds for what is in flight when the drain ends: more than the longest deadline
GRACE = 8.0  # the same, when the worker is being stopped
AWAY = 0.5  # seconds to wait before the database is tried again


def deliver_due(*, seconds: float = 300.0, linger: float = LINGER, stopping: Callable[[], bool] = is_stopping) -> int:
    """Deliver what is due until there has been nothing for ``linger`` seconds, for ``seconds`` at most, or until
    ``stopping`` says so. The number of attempts made. Any number of these may run side by side."""
    started = time.monotonic()
    statements.plan_by_index()
    try:
        with (
            Sender(allow_http=settings.WAYPOST_ALLOW_HTTP) as sender,
            closing(wake.Bell()) as bell,
            closing(Bearers(sender)) as bearers,
        ):
            drain = Drain(sender, bell, bearers)
            drain.run(started + seconds, linger, stopping)
    finally:
        with suppress(Error):
            statements.plan_freely()
    elapsed = time.monotonic() - started
    telemetry.drained(drain.attempts, elapsed)
    if elapsed >= seconds and not stopping():
        wake.call_drain(even_if_just_called=True)
    return drain.attempts


class Drain:
    """One stream: the lanes it holds, what is in flight, what has ended and is not settled yet."""

    def __init__(self, sender: Sender, bell: wake.Bell, bearers: Bearers) -> None:
        self.owner = new_id()
        self.attempts = 0
        self._sender = sender
        self._bell = bell
        self._bearers = bearers
        self._hours = Hours()
        self._lanes: dict[UUID, HeldLane] = {}
        self._ended: list[tuple[Sent, Outcome]] = []
        self._unsure = False  # whether the last settlement was committed
        self._under_way: dict[UUID, float] = {}  # attempts by their start, the oldest first
        self._epoch = time.time() - time.monotonic()  # of the database's clock, from the first lease on
        self._rung = self._lane_is_free = True
        self._others_wait = False
        self._due: dict[Callable[[], None], float] = {}
        self._turned_at = self._worked_at = time.monotonic()

    def run(self, until: float, linger: float, stopping: Callable[[], bool]) -> None:
        while not stopping() and time.monotonic() < until and not self._is_idle(linger):
            self._survive(self._lease, self._claim, self._settle, self._tend)
            self._wait()
        self._finish(GRACE if stopping() else LAST_ORDERS)

    # Lanes

    def _lease(self) -> None:
        if not (self._lane_is_free or self._is_time(self._lease, LOOK_EVERY)):
            return
        self._lane_is_free = False
        room = MAX_LANES - len(self._lanes)
        full = [tenant for tenant, count in self._lanes_by_tenant().items() if count >= TENANT_LANES]
        leased = ledger.lease(self.owner, room, share=TENANT_LANES, full=full) if room > 0 else None
        self._others_wait = bool(full) or room <= 0 or (leased is not None and len(leased.lanes) == room)
        if leased is None:
            return
        self._epoch = leased.now.timestamp() - time.monotonic()
        known = targets(row.endpoint_id for row in leased.lanes)
        for row in leased.lanes:
            if (target := known.get(row.endpoint_id)) is not None:
                self._lanes[row.endpoint_id] = HeldLane.of(row, target, self._now())
        for endpoint_id, cause in leased.forlorn.items():
            self._bury(endpoint_id, cause)

    def _lanes_by_tenant(self) -> Counter[UUID]:
        return Counter(lane.target.tenant_id for lane in self._lanes.values())

    def _tend(self) -> None:
        """Follow changes of the endpoints, keep the leases of lanes in use, give the others back."""
        if self._is_time(self._follow, REFRESH_EVERY):
            self._follow()
        if self._is_time(self._renew, RENEW_EVERY):
            self._renew()
        if self._is_time(self._hours.write, COUNT_EVERY):
            self._hours.write()
        if self._is_time(self._give_back, GIVE_BACK_EVERY):
            self._give_back()

    def _give_back(self) -> None:
        self._release([lane for lane in self._lanes.values() if self._is_over(lane)])

    def _follow(self) -> None:
        known = targets(self._lanes)
        for endpoint_id, lane in self._lanes.items():
            lane.follow(known.get(endpoint_id))

    def _renew(self) -> None:
        held = ledger.renew(self.owner, [lane.row() for lane in self._lanes.values()])
        self._lanes = {key: lane for key, lane in self._lanes.items() if key in held}

    def _is_over(self, lane: HeldLane) -> bool:
        if lane.in_flight:
            return False
        now = self._now()
        if lane.is_shut(now) or self._has_had_its_turn(lane):
            return True
        return not lane.hungry and (self._others_wait or now - lane.busy_at > LANE_LINGER)

    def _has_had_its_turn(self, lane: HeldLane) -> bool:
        """Others wait: it gets nothing more, and is given back when what is in flight has ended."""
        return self._others_wait and self._now() - lane.leased_at > TURN

    def _release(self, lanes: list[HeldLane]) -> None:
        if not lanes:
            return
        for lane in lanes:
            del self._lanes[lane.target.endpoint_id]
        ledger.release(self.owner, [lane.row() for lane in lanes])
        ledger.look_again([lane.target.endpoint_id for lane in lanes])
        if self._others_wait:
            self._lane_is_free = True  # one of theirs

    # Deliveries

    def _claim(self) -> None:
        """Take as much as there is room for. A lane that was empty is asked again when somebody rings."""
        everybody = self._rung or self._is_time(self._claim, LOOK_EVERY)
        self._rung = False
        lanes = [
            lane for lane in self._lanes.values() if (lane.hungry or everybody) and not self._has_had_its_turn(lane)
        ]
        asking = share(lanes, self._room(), self._now())
        if not asking:
            return
        token = new_id()
        claimed = ledger.claim(token, asking)
        self._note(asking, claimed)
        self._send(claimed, token)

    def _room(self) -> int:
        long_ago = time.monotonic() - LATE
        late = sum(1 for _ in takewhile(lambda at: at < long_ago, self._under_way.values()))  # the oldest stand first
        return min(CAPACITY - len(self._under_way) + late, MOST_IN_FLIGHT - len(self._under_way))

    def _note(self, asking: list[ledger.Asking], claimed: list[Claimed]) -> None:
        counts: dict[UUID, int] = {}
        newest: dict[UUID, datetime] = {}
        for it in claimed:
            counts[it.endpoint_id] = counts.get(it.endpoint_id, 0) + 1
            newest[it.endpoint_id] = max(it.due_at, newest.get(it.endpoint_id, it.due_at))
        for lane in asking:
            key = lane.endpoint_id
            self._lanes[key] = held = self._lanes.pop(key)  # to the end of the line
            held.got(counts.get(key, 0), newest.get(key), self._now())

    def _send(self, claimed: list[Claimed], token: UUID) -> None:
        requests: list[Request] = []
        timestamp, now = int(self._now()), time.monotonic()
        for it in claimed:
            target = self._lanes[it.endpoint_id].target
            plan = DEFAULT_PLAN if target.retry_plan is None else target.retry_plan
            sent = Sent(it, token, plan, new_id(), target.url)
            self._under_way[sent.attempt_id] = now
            if target.oauth is not None:
                self._bearers.send(sent, target, timestamp)
                continue
            try:
                requests.append(compose(it, target, timestamp, sent))
            except NothingToSendWith as refusal:
                self._ended.append((sent, Outcome(time.time(), 0, failure=refusal.failure)))
        if requests:
            self._sender.submit(requests)

    def _settle(self) -> None:
        results = self._sender.take()
        if self._bearers.busy:
            results = self._bearers.again(results)
            self._ended += self._bearers.ended(int(self._now()))
        self._ended += [(request.context, outcome) for request, outcome in results]
        if not self._ended:
            return
        rows = [_settlement(sent, outcome) for sent, outcome in self._ended]
        with transaction.atomic():
            new = ledger.unrecorded(rows) if self._unsure else rows
            self._unsure = True
            settled = ledger.settle(new)
        self._unsure = False
        dead = [
            (row, it.url)
            for row, (it, _) in zip(rows, self._ended, strict=True)
            if row.cause and row.attempt_id in settled
        ]
        self._report(self._account(), dead)

    def _account(self) -> list[HeldLane]:
        """Take what has ended off the books. The lanes it was in, as far as they are still held."""
        self.attempts += len(self._ended)
        telemetry.attempted(outcome for _, outcome in self._ended)
        self._worked_at = time.monotonic()
        lanes: dict[UUID, HeldLane] = {}
        for sent, outcome in self._ended:
            self._hours.add(sent.claimed.endpoint_id, outcome)
            del self._under_way[sent.attempt_id]
            if (lane := self._lanes.get(sent.claimed.endpoint_id)) is not None:
                lane.ended(outcome, self._now())
                lanes[sent.claimed.endpoint_id] = lane
        self._ended.clear()
        return list(lanes.values())

    def _report(self, lanes: list[HeldLane], dead: list[tuple[Settlement, str]]) -> None:
        """Tell the tenants what has changed for them: endpoints gone, deliveries given up (each with the URL it was
        sent to), endpoints failing, recovered."""
        urls = {row.endpoint_id: url for row, url in dead if row.cause == "gone"}
        gone = health.switch_off(urls, Endpoint.DisabledReason.GONE)
        for endpoint_id in gone:
            self._bury(endpoint_id, "gone")
        health.tell_dead([row.id for row, _ in dead])
        for lane in lanes:
            steps = health.steps_due(lane.warned, lane.breaker.failing_since, self._now())
            if steps != lane.warned:
                health.tell_step(lane.target.endpoint_id, lane.target.url, steps, lane.breaker)
                lane.warned = steps
        if gone:
            self._follow()

    def _bury(self, endpoint_id: UUID, cause: str) -> None:
        while ledger.bury_lane(endpoint_id, cause):
            pass

    # Time

    def _wait(self) -> None:
        """Until an attempt ends, the bell rings, a rate limit gives way, or it is time to look."""
        time.sleep(max(0.0, self._turned_at + PACE - time.monotonic()))
        now = self._now()
        hungry = self._room() > 0 and any(
            lane.hungry and lane.room(now) and not self._has_had_its_turn(lane) for lane in self._lanes.values()
        )
        ready_at = min((lane.ready_at(now) for lane in self._lanes.values()), default=now + LOOK_EVERY)
        timeout = 0.0 if hungry else max(0.0, min(LOOK_EVERY, ready_at - now, self._bearers.patience))
        with DefaultSelector() as selector:
            selector.register(self._sender, EVENT_READ)
            if self._bell.fileno() >= 0:
                selector.register(self._bell, EVENT_READ)
            heard = {key.fileobj for key, _ in selector.select(timeout)}
        self._turned_at = time.monotonic()
        if self._bell in heard or self._bell.fileno() < 0:  # deaf: it tries to hear again
            rings = self._bell.heard()
            self._rung = self._rung or bool(rings)
            self._lane_is_free = self._lane_is_free or ledger.FREE in rings

    def _is_idle(self, linger: float) -> bool:
        if self._under_way or self._others_wait or any(lane.hungry for lane in self._lanes.values()):
            self._worked_at = time.monotonic()
        return time.monotonic() - self._worked_at > linger

    def _finish(self, seconds: float) -> None:
        """Claim nothing more; settle what is in flight, as far as it ends in time; give the lanes back."""
        until = time.monotonic() + seconds
        while self._under_way and time.monotonic() < until:
            self._wait()
            self._survive(self._settle, self._tend)
        self._survive(lambda: self._release(list(self._lanes.values())), self._hours.write)

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
            statements.plan_by_index()
        except Error:
            pass  # still away: the next step will say so

    def _is_time(self, what: Callable[[], None], every: float) -> bool:
        now = time.monotonic()
        if now < self._due.get(what, 0.0):
            return False
        self._due[what] = now + every
        return True

    def _now(self) -> float:
        """Unix seconds by the database's clock: setting this machine's stops no lane and spoils no signature."""
        return self._epoch + time.monotonic()


def _settlement(sent: Sent, outcome: Outcome) -> Settlement:
    it = sent.claimed
    verdict = judge(outcome, step=it.step, plan=sent.plan, jitter=random.random())  # noqa: S311
    return Settlement(
        id=it.id,
        token=sent.token,
        endpoint_id=it.endpoint_id,
        state=verdict.state,
        wait=verdict.wait,
        cause=verdict.cause,
        attempt_id=sent.attempt_id,
        number=ledger.number_of(it),
        started_at=datetime.fromtimestamp(outcome.started_at, UTC),
        duration_ms=outcome.duration_ms,
        status=outcome.status,
        error=outcome.failure or "",
        answer=outcome.answer or None,
    )
