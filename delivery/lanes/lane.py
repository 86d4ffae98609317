"""Decide how much a leased lane may send now, and update the lane when an attempt ends.

Only the drain that leases a lane sends to its endpoint, so rate limit, concurrency and circuit breaker are exact over
all workers (docs/why/lanes.md).

PURE: the clock is passed in, as unix seconds of the database. What has to outlive the lease is written as a LaneRow
(``lane_rows``); everything else is kept here while the lane is leased.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from delivery.lanes.breaker import Breaker
from delivery.lanes.concurrency import ConcurrencyWindow
from delivery.sql.claim import CLAIM_GRACE, LOW_WATER_MARGIN, ClaimRequest
from delivery.sql.keyed.order_heads import HeadSearch
from delivery.sql.keyed.supersede import SupersedeRequest, SupersedeSearch
from delivery.sql.recovery.outages import TOO_MANY_REQUESTS
from delivery.sql.settle import RELEASED_WAIT
from delivery.transports.outcome import Failure, Outcome
from subscriptions.routing.targets import DeliveryTarget
from webhooks.kit.rate_limit import RateLimit

SEARCH_PAUSE = 2.0  # pause after a search for heads, in multiples of its duration: very many keys take long
# Attempts in flight, or ended and not settled, are at most this multiple of max_in_flight. A crash repeats those.
UNSETTLED_FACTOR = 2
STEADY_CLAIMS = 2  # claims that found deliveries, from which on a lane is in steady use
MAX_HELD_FOR_LANE = 256  # held deliveries; a drain that holds more is behind, and publishers do not claim for the lane
FAST_MS = 250  # milliseconds: the place of a faster attempt is likely to be free again before the next claim


@dataclass(slots=True)
class LeasedLane:
    """Hold the state of one leased lane. Instants are unix seconds of the database, unless they are datetimes."""

    target: DeliveryTarget
    low_water_mark: datetime  # no pending delivery is due before
    rate: RateLimit
    window: ConcurrencyWindow
    breaker: Breaker
    warnings_sent: int = 0  # warnings about its failures that were published (see health)
    warned_at: float | None = None  # when the latest of these was
    in_flight: int = 0
    unsettled: int = 0  # attempts that have ended and are not settled
    fast_since_claim: int = 0  # responses within FAST_MS since the last claim that show that the endpoint works
    is_gone: bool = False  # an attempt that is not settled yet found the endpoint gone: nothing is sent meanwhile
    recovering_since: float | None = None  # an outage is over: retries of attempts since then are being made due
    recovered_until: float = 0.0  # and up to then
    stale_in_flight: int = 0  # attempts in flight since before the breaker opened
    may_have_more: bool = True  # the last claim returned all that was requested, or a notification came since
    claims: int = 0  # claims that found deliveries
    publishers_claim: bool = False  # whether publishers may claim for the lane
    leased_at: float = 0.0
    last_active_at: float = 0.0  # when an attempt last started or ended
    requested: int = 0  # limit of the last claim
    heads: HeadSearch | None = None  # in an ordered lane: the search for deliveries that can be claimed
    superseding: SupersedeSearch | None = None  # where only the latest of each key is sent: the search for older ones
    held_until: float = 0.0  # nothing is sent before, because an attempt could not be started
    hindered_until: float = 0.0  # what was created before was delayed by the endpoint: outage, pause, or rate limit
    throttled_since: float | None = None  # since when nothing but the rate limit has held deliveries back
    wait_until: float | None = None  # nothing is sent before, because the endpoint asked for a pause
    wait_since: float | None = None  # when it asked for that
    wait_status: int | None = None  # HTTP status of the response in which it asked
    probe_from: datetime | None = None  # the next claim is that of a probe, the newest delivery, which became due then
    is_probing_newest: bool = False  # the last claim was that of such a probe
    search_began_at: float = 0.0
    next_search_at: float = 0.0  # the next search for heads begins then at the earliest

    def refresh(self, target: DeliveryTarget | None, now: float) -> None:
        """Apply the endpoint's current settings; None if it was deleted, and then nothing more is sent.

        An endpoint whose address or state was changed after its failures began starts with a new breaker and window.
        """
        if target is None:
            self.target = replace(self.target, state="deleted")
            return
        self.target = target
        self.hindered_until = max(self.hindered_until, target.reset_at, target.repaired_at)
        if target.is_ordered != (self.heads is not None):
            self.heads = HeadSearch() if target.is_ordered else None
            self.search_began_at = now
        if bool(target.latest_only) != (self.superseding is not None):
            self.superseding = SupersedeSearch() if target.latest_only else None
        self.rate.change(target.rate_limit, target.rate_burst, now)
        self.window.limit = target.max_in_flight
        since = self.breaker.failing_since
        if since is not None and since < target.reset_at:
            self.recover(since, now)
            self.breaker, self.window = Breaker(), ConcurrencyWindow(target.max_in_flight)
            self.warnings_sent, self.warned_at = 0, None
        if self.wait_since is not None and self.wait_since < max(target.reset_at, target.repaired_at):
            self.end_wait()
        if target.repaired_at > self.recovered_until:
            self.recover(0.0, max(now, target.repaired_at))
            self.breaker.probe_now(now)

    def wait(self, until: float, now: float, status: int | None) -> None:
        """Send nothing until then, as the endpoint asked; it then begins with one attempt at a time."""
        if until > (self.wait_until or 0.0):
            self.wait_until, self.wait_since, self.wait_status = until, now, status
        self.window.reset_to_one()

    def end_wait(self) -> None:
        """End the pause that the endpoint asked for: it is over, or the endpoint has changed."""
        self.wait_until = self.wait_since = self.wait_status = None

    def is_waiting(self, now: float) -> bool:
        """Return whether the endpoint has asked to be sent nothing now."""
        return self.wait_until is not None and now < self.wait_until

    def recover(self, since: float, until: float) -> None:
        """Request that retries whose latest attempt began in this time become due; ``since`` 0: from the beginning."""
        began = max(since - self.target.timeout_ms / 1000, 0.0)  # an attempt that failed then may have begun before
        self.recovering_since = min(began, began if self.recovering_since is None else self.recovering_since)
        self.recovered_until = max(until, self.recovered_until)
        self.hindered_until = max(until, self.hindered_until)

    def is_overdue(self, outcome: Outcome) -> bool:
        """Return whether a failed attempt is to be repeated at once: it began in an outage that has ended since."""
        if outcome.rejected or outcome.status == TOO_MANY_REQUESTS:
            return False
        return outcome.started_at <= self.recovered_until

    def is_blocked(self, now: float) -> bool:
        """Return whether nothing may be sent for a while: endpoint not active, gone or waiting, or breaker open."""
        return not self.target.is_active or self.is_gone or self.is_waiting(now) or self.breaker.is_open(now)

    def capacity(self, now: float) -> int:
        """Return how many attempts may start now, regardless of the drain's own capacity."""
        if self.is_blocked(now) or now < self.held_until:
            return 0
        return int(max(0, min(self._free_places(now), self.rate.tokens(now))))

    def _free_places(self, now: float) -> int:
        """Return how many attempts the window leaves room for, or a half-open breaker, which allows one probe."""
        limit = self.window.limit
        allowed = self.window.allowed
        if self.breaker.is_half_open(now):
            allowed = min(1 + min(self.stale_in_flight, self.in_flight), limit)
        return min(allowed, limit * UNSETTLED_FACTOR - self.unsettled) - self.in_flight

    def pop_throttled(self, now: float, *, has_more: bool) -> float:
        """Return for how many seconds the rate limit has held deliveries back since the last call.

        ``has_more``: whether there are deliveries to send. The time counts from one call to the next, if at both of
        them deliveries wait and only the rate limit forbids an attempt.
        """
        since = self.throttled_since
        is_throttled = (
            has_more and self.rate.tokens(now) < 1 and not self.is_blocked(now) and self._free_places(now) > 0
        )
        self.throttled_since = now if is_throttled else None
        if is_throttled:
            self.hindered_until = max(now, self.hindered_until)
        return max(now - since, 0.0) if since is not None and has_more else 0.0

    def ready_at(self, now: float) -> float:
        """Return when the rate limit or ``held_until`` next allows an attempt; infinity if anything else forbids it."""
        if not self.may_have_more or self.is_blocked(now) or self._free_places(now) <= 0:
            return math.inf
        ready_at = max(self.rate.ready_at(now), self.held_until)
        return ready_at if ready_at > now else math.inf

    def may_hold(self, now: float) -> bool:
        """Return whether deliveries may be claimed ahead: nothing limits the lane but its window."""
        return (
            self.heads is None
            and self.target.rate_limit is None
            and not self.is_blocked(now)
            and not self.breaker.is_half_open(now)
        )

    def ends_soon(self) -> bool:
        """Return whether the attempts in flight will probably end soon, if there are any."""
        return not self.in_flight or self.window.best_latency * 1000 < FAST_MS

    def wanted_ahead(self, now: float) -> int:
        """Return how many deliveries to hold beyond the free places: one per fast response since the last claim."""
        return self.fast_since_claim if self.may_have_more and self.may_hold(now) else 0

    def wants_claims(self, held: int, now: float) -> bool:
        """Return whether publishers are to claim for this lane; ``held``: how many of its deliveries the drain holds.

        Only a lane in steady use, and only while what is published can be sent at once: nothing waits in the database,
        and a place is free, or so few deliveries are held that attempts which end soon make places for them.
        """
        if not self.may_hold(now) or self.claims < STEADY_CLAIMS:
            return False
        if self.publishers_claim:
            return held < MAX_HELD_FOR_LANE and (held == 0 or self.capacity(now) > 0 or self.ends_soon())
        return held == 0 and not self.may_have_more and self.capacity(now) > 0

    def claim_request(self, limit: int, held_for: float = 0.0) -> ClaimRequest:
        """Request up to ``limit`` deliveries, of which some may be held for so many seconds before they are sent."""
        self.requested = limit
        self.fast_since_claim = 0
        target = self.target
        seconds = target.timeout_ms / 1000 + CLAIM_GRACE + held_for
        probe_from, self.probe_from = self.probe_from if self.breaker.open_count else None, None
        self.is_probing_newest = probe_from is not None
        mark = probe_from or self.low_water_mark
        return ClaimRequest(
            target.endpoint_id, limit, mark, seconds, self.heads, target.tenant_id, self.supersede_request()
        )

    def supersede_request(self) -> SupersedeRequest | None:
        """Request that older waiting deliveries are superseded; None if all of the lane are sent."""
        if self.superseding is None or self.heads is None:
            return None
        keys = tuple(self.heads.freed_keys)
        return SupersedeRequest(self.target.endpoint_id, self.low_water_mark, self.superseding, keys)

    def search_again(self, now: float) -> None:
        """Search an ordered lane from the beginning: deliveries may have become due, or may have been cancelled."""
        if self.heads is not None and self.heads.is_complete and now >= self.next_search_at:
            self.heads.restart()
            self.search_began_at = now

    def on_notified(self, now: float) -> None:
        """Record that the lane may have deliveries that are due."""
        self.may_have_more = True
        self.search_again(now)

    def on_claimed(self, count: int, newest: datetime | None, now: float) -> None:
        """Record a claim of ``count`` deliveries, the newest of them due at ``newest``.

        An ordered lane keeps its low-water mark: when a delivery ends, the next one of its key may be an older row.
        """
        self.may_have_more = self.is_probing_newest or (count > 0 and count >= self.requested)
        if self.heads is not None:
            self.may_have_more = self.may_have_more or not self.heads.is_complete or bool(self.heads.freed_keys)
            if self.superseding is not None and not self.superseding.is_complete:
                self.may_have_more = True
            if self.heads.is_complete and self.next_search_at <= self.search_began_at:
                self.next_search_at = now + (now - self.search_began_at) * SEARCH_PAUSE
        if not count or newest is None:
            return
        self.claims += 1
        if self.heads is None and not self.is_probing_newest:
            self.low_water_mark = max(self.low_water_mark, newest - timedelta(seconds=LOW_WATER_MARGIN))

    def on_started(self, count: int, now: float) -> None:
        """Record the start of ``count`` attempts."""
        self.in_flight += count
        self.window.on_started(self.in_flight)
        self.last_active_at = now
        if self.wait_until is not None:
            self.end_wait()
            self.hindered_until = max(now, self.hindered_until)
        self.rate.spend(count, now)

    def on_settled(self, order_keys: Sequence[str | None]) -> None:
        """Record that attempts are settled: in an ordered lane, the next delivery of each order key may be claimed."""
        self.unsettled = max(self.unsettled - len(order_keys), 0)
        self.is_gone = False
        if self.heads is not None:
            self.may_have_more = True
            self.heads.freed_keys |= dict.fromkeys(key for key in order_keys if key is not None)

    def on_attempt_ended(self, outcome: Outcome, now: float, address: str | None = None) -> None:
        """Record the end of an attempt, and update window and breaker by its outcome.

        The outcome does not count if the attempt went to another ``address`` than the endpoint has now (None: the same
        one), or failed by an error of ours.
        """
        self.in_flight -= 1
        self.unsettled += 1
        if self.breaker.open_until is not None and outcome.started_at < self.breaker.open_until:
            self.stale_in_flight = max(self.stale_in_flight - 1, 0)
        if outcome.is_alive and outcome.duration_ms < FAST_MS:
            self.fast_since_claim += 1
        self.last_active_at = now
        if outcome.not_attempted:
            self.held_until = now + RELEASED_WAIT
            return
        if address not in (None, self.target.address) or outcome.failure is Failure.INTERNAL:
            return
        self.is_gone = self.is_gone or outcome.gone
        if outcome.asked_pause is not None:
            self.wait(now + outcome.asked_pause, now, outcome.status)
        elif not self.is_waiting(now):
            self.window.on_attempt_ended(outcome, now)
        if outcome.is_alive:
            if (since := self.breaker.outage_since(now)) is not None:
                self.recover(since, now)
            self.breaker.on_sign_of_life()
        elif self.breaker.on_failure(
            now, outcome.started_at, too_many=outcome.overloaded and outcome.failure is Failure.STATUS
        ):
            self.window.reset_to_one()
            self.stale_in_flight = self.in_flight
