"""Test the states of deliveries by a random walk over the real tables: several drains, stale tokens, crashes.

    pending -> sending -> delivered | pending again | dead (exhausted, crashed_worker)      dead -> pending (replayed)

One endpoint has no limit, one a rate limit, one delivers each order key in order; the breaker opens soon. The machine
records the expected states, and after every step the tables must agree. Time passes by moving every instant in the
tables back. At the end of each walk all drains crash, the endpoints are resumed, and one correct drain must finish
every delivery.
"""

import time
from collections import Counter, defaultdict
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from delivery.lanes import breaker
from delivery.lanes.lane_rows import instant, lane_from_row, row_of
from delivery.models import Attempt, DeadLetter, Delivery, Event, Lane
from delivery.sending.capacity import share_capacity
from delivery.sending.verdict import Verdict
from delivery.sql.claim import EPOCH, claim_deliveries
from delivery.sql.dead_letters import ReplayedLetter, replay_dead_letters
from delivery.sql.deliveries import DeliveryRow
from delivery.sql.due import create_missing_lanes, mark_lanes_due, recheck_due, resume_lanes
from delivery.sql.lanes import lease_lanes, release_lanes, renew_lanes
from delivery.sql.publish import EventRow, insert_events
from delivery.sql.recovery.claims import MAX_UNSETTLED_CLAIMS, raise_to_low_water_mark, void_claims
from delivery.sql.recovery.outages import Outage, retry_after_outage
from delivery.sql.settle import release_claims
from subscriptions.endpoints.state import pause, resume
from subscriptions.models import Tenant
from subscriptions.routing.targets import load_targets
from tests.delivery.sql.factories import settle_with_dead_letters
from tests.factories import make_endpoint, make_tenant
from tests.faults.delivery_model import VERDICTS, Drain, ExpectedState, let_time_pass, outcome, settlement
from webhooks.wire.ids import new_id

DRAINS = st.integers(0, 2)
ENDPOINTS = st.integers(0, 2)
ENDPOINT_SETTINGS: list[dict[str, Any]] = [{}, {"rate_limit": 20}, {"ordering": "subject"}]
KEYS = st.sampled_from(["", "a", "b"])
FINAL = ("delivered", "dead")


def empty_tables() -> None:
    for table in (Attempt, DeadLetter, Delivery, Event, Lane, Tenant):
        table.objects.all().delete()


class DeliveryStates(RuleBasedStateMachine):
    """Publish, lease, claim, settle, crash and recover in random order."""

    @initialize()
    def begin(self) -> None:
        empty_tables()
        self.tenant = make_tenant()
        self.endpoints = [
            make_endpoint(self.tenant, max_in_flight=3, timeout_ms=1_000, **kind) for kind in ENDPOINT_SETTINGS
        ]
        self.drains = [Drain() for _ in range(3)]
        self.known: dict[UUID, ExpectedState] = {}
        self.queues: dict[str, list[UUID]] = defaultdict(list)  # of the ordered endpoint: order key -> deliveries
        self.attempts: Counter[UUID] = Counter()
        self.holders: dict[UUID, UUID] = {}  # endpoint -> the drain that leased its lane last

    # Publishers.

    @rule(endpoint=ENDPOINTS, count=st.integers(1, 4), late=st.sampled_from([0, 0, 30]), dies=st.booleans(), key=KEYS)
    def publish(self, endpoint: int, count: int, late: int, dies: bool, key: str = "") -> None:
        """Publish. ``late``: seconds from insert to commit. ``dies``: after the commit, before marking lanes due."""
        target = self.endpoints[endpoint].id
        order_key = key if self.endpoints[endpoint].ordering else None
        rows = [EventRow(new_id(), "/", str(new_id()), "t", None, b"", b"{}") for _ in range(count)]
        deliveries = [DeliveryRow(new_id(), row.id, target, None, "pending", order_key) for row in rows]
        version = Tenant.objects.get(id=self.tenant.id).routes_version
        inserted = insert_events(self.tenant.id, version, rows, deliveries)
        assert inserted is not None
        assert inserted.events == {row.id for row in rows}
        self.known |= {row.id: ExpectedState() for row in deliveries}
        if order_key is not None:
            self.queues[order_key] += [row.id for row in deliveries]
        if late:
            Delivery.objects.filter(id__in=[row.id for row in deliveries]).update(
                next_attempt_at=datetime.fromtimestamp(time.time() - late, UTC)
            )
        if not dies:
            mark_lanes_due([target])

    # Drains.

    @rule(drain_number=DRAINS)
    def lease(self, drain_number: int) -> None:
        drain = self.drains[drain_number]
        leased = lease_lanes(drain.id, 10)
        if leased is None:
            return
        known = load_targets(row.endpoint_id for row in leased.lanes)
        drain.lanes |= {it.endpoint_id: lane_from_row(it, known[it.endpoint_id], time.time()) for it in leased.lanes}
        self.holders |= dict.fromkeys(drain.lanes.keys() & known.keys(), drain.id)
        for inactive in Lane.objects.filter(endpoint_inactive=True):
            self.holders.pop(inactive.endpoint_id, None)

    @rule(drain_number=DRAINS)
    def claim(self, drain_number: int) -> None:
        drain, token = self.drains[drain_number], new_id()
        for lane in drain.lanes.values():
            lane.search_again(time.time())
        shares = share_capacity(list(drain.lanes.values()), 8, time.time())
        if not shares:
            return
        claimed = claim_deliveries(token, [it.lane.claim_request(it.limit) for it in shares])
        for it in claimed:
            known = self.known[it.id]
            assert known.state == "pending"
            assert it.attempts == known.attempts
            self.assert_earlier_ones_ended(it.id)
            known.state, known.token, known.claims = "sending", token, known.claims + 1
        drain.claims += [(it, token) for it in claimed]
        for lane, _ in shares:
            due = [it.due_at for it in claimed if it.endpoint_id == lane.target.endpoint_id]
            lane.on_claimed(len(due), max(due, default=None), time.time())
            lane.on_started(len(due), time.time())

    def assert_earlier_ones_ended(self, delivery: UUID) -> None:
        """Check that all earlier deliveries of its order key have ended."""
        for queue in self.queues.values():
            if delivery in queue:
                before = queue[: queue.index(delivery)]
                assert all(self.known[key].state in FINAL for key in before)

    @rule(drain_number=DRAINS, verdict=st.sampled_from(VERDICTS), most=st.integers(1, 5))
    def settle(self, drain_number: int, verdict: Verdict, most: int) -> None:
        drain = self.drains[drain_number]
        ended, drain.claims = drain.claims[:most], drain.claims[most:]
        if not ended:
            return
        with transaction.atomic():
            rows = [settlement(it, token, verdict) for it, token in ended]
            settled = {it.attempt_id for it in settle_with_dead_letters(rows)}
        for row, (it, token) in zip(rows, ended, strict=True):
            assert (row.attempt_id in settled) == (self.known[it.id].token == token)
            self.attempts[it.id] += 1
            if row.attempt_id in settled:
                self.known[it.id] = ExpectedState(verdict.state, None, it.attempts + 1)
            if (lane := drain.lanes.get(it.endpoint_id)) is not None:
                lane.on_attempt_ended(outcome(verdict), time.time())
                lane.on_settled([it.order_key])

    @rule(drain_number=DRAINS, most=st.integers(1, 5))
    def release_held(self, drain_number: int, most: int) -> None:
        """Release claims of deliveries that were held, and not sent."""
        drain = self.drains[drain_number]
        held, drain.claims = drain.claims[:most], drain.claims[most:]
        release_claims([(it.id, token) for it, token in held], wait=0.0)
        for it, token in held:
            if (known := self.known[it.id]).token == token:
                self.known[it.id] = ExpectedState("pending", None, known.attempts, known.claims - 1)
            if (lane := drain.lanes.get(it.endpoint_id)) is not None:
                lane.in_flight -= 1
                lane.on_settled([it.order_key])

    @rule(drain_number=DRAINS, batches=st.integers(1, 3))
    def make_retries_due(self, drain_number: int, batches: int) -> None:
        """After an outage, make some of the retries due that wait because of it, or all."""
        for endpoint_id, lane in self.drains[drain_number].lanes.items():
            after = EPOCH
            for _ in range(batches):
                if lane.recovering_since is None:
                    break
                outage = Outage(instant(lane.recovering_since), instant(lane.recovered_until), after)
                if (looked_at := retry_after_outage(endpoint_id, outage)) is None:
                    lane.recovering_since = None
                else:
                    after = looked_at[0]

    @rule(drain_number=DRAINS)
    def renew(self, drain_number: int) -> None:
        drain = self.drains[drain_number]
        held = renew_lanes(drain.id, [row_of(lane) for lane in drain.lanes.values()]).held
        assert held == {key for key in drain.lanes if self.holders.get(key) == drain.id}
        drain.lanes = {key: lane for key, lane in drain.lanes.items() if key in held}

    @rule(drain_number=DRAINS, dies=st.booleans())
    def release(self, drain_number: int, dies: bool) -> None:
        """Release all lanes. ``dies``: after the release, before it rechecks them."""
        drain = self.drains[drain_number]
        release_lanes(drain.id, [row_of(lane) for lane in drain.lanes.values()])
        self.holders = {key: holder for key, holder in self.holders.items() if holder != drain.id}
        if dies:
            self.drains[drain_number] = Drain()
        else:
            recheck_due(list(drain.lanes))
            drain.lanes = {}

    @rule(drain_number=DRAINS)
    def crash(self, drain_number: int) -> None:
        self.drains[drain_number] = Drain()

    @rule(drain_number=DRAINS)
    def crash_with_claims(self, drain_number: int) -> None:
        """Crash with claims that are recovered afterwards."""
        self.lease(drain_number)
        self.claim(drain_number)
        self.crash(drain_number)
        self.let_time_pass(30)
        self.recover()

    @rule(drain_number=DRAINS, other=DRAINS, endpoint=ENDPOINTS)
    def stall_with_claims(self, drain_number: int, other: int, endpoint: int) -> None:
        """Stall past leases and claims while another drain takes over; the stalled one continues unaware."""
        self.publish(endpoint, 2, late=0, dies=False)
        self.lease(drain_number)
        self.claim(drain_number)
        self.let_time_pass(30)
        self.recover()
        self.sweep()
        self.lease(other)
        self.claim(other)

    # Everything.

    @rule(seconds=st.sampled_from([1, 4, 12, 30]))
    def let_time_pass(self, seconds: int) -> None:
        let_time_pass(seconds, self.drains)

    @rule()
    def recover(self) -> None:
        claims = dict(Delivery.objects.filter(state="sending").values_list("id", "claimed_until"))
        now = datetime.now(UTC)
        freed = len(void_claims())
        cut = claims.keys() - set(Delivery.objects.filter(state="sending").values_list("id", flat=True))
        assert len(cut) == freed
        assert cut >= {key for key, until in claims.items() if until < now}
        for key in cut:
            before = self.known[key]
            state = "dead" if before.claims >= MAX_UNSETTLED_CLAIMS else "pending"
            self.known[key] = ExpectedState(state, None, before.attempts + 1, before.claims)
            self.attempts[key] += 1

    @rule()
    def sweep(self) -> None:
        raise_to_low_water_mark()
        create_missing_lanes()
        recheck_due()
        resume_lanes()
        pending = set(Delivery.objects.filter(state="pending").values_list("endpoint", flat=True))
        seen = Lane.objects.filter(due_at__isnull=False) | Lane.objects.filter(endpoint_inactive=True)
        assert pending <= set(seen.values_list("endpoint", flat=True))

    @rule(endpoint=ENDPOINTS, active=st.booleans())
    def pause_or_resume(self, endpoint: int, active: bool) -> None:
        (resume if active else pause)(self.endpoints[endpoint])

    @rule()
    def replay(self) -> None:
        dead_letters = list(DeadLetter.objects.filter(closed_at=None).values_list("id", "delivery")[:3])
        twice = [ReplayedLetter(key) for key, _ in dead_letters]
        assert len(replay_dead_letters(new_id(), "test", twice)) == len(dead_letters)
        assert replay_dead_letters(new_id(), "test", twice) == []
        for _, delivery in dead_letters:
            self.known[delivery].state, self.known[delivery].claims = "pending", 0
        mark_lanes_due([endpoint.id for endpoint in self.endpoints])

    # Checks after every step, and at the end.

    @invariant()
    def tables_have_the_expected_states(self) -> None:
        if not hasattr(self, "known"):
            return
        rows = {row.id: row for row in Delivery.objects.all()}
        dead_letters = Counter(DeadLetter.objects.filter(closed_at=None).values_list("delivery", flat=True))
        assert Counter(Attempt.objects.values_list("delivery", flat=True)) == self.attempts
        assert rows.keys() == self.known.keys()
        for key, known in self.known.items():
            row = rows[key]
            assert ExpectedState(row.state, row.token, row.attempts, row.claims) == known
            assert (row.state == "sending") == (row.token is not None) == (row.claimed_until is not None)
            assert (row.state in ("pending", "sending")) == (row.next_attempt_at is not None)
            assert dead_letters[key] == (row.state == "dead")
        leased = Lane.objects.filter(owner__isnull=False)
        assert dict(leased.values_list("endpoint", "owner")) == self.holders

    def teardown(self) -> None:
        if hasattr(self, "known"):
            self.drains = [Drain() for _ in self.drains]
            for endpoint in self.endpoints:
                resume(endpoint)
            self.finish_all_deliveries()
            self.tables_have_the_expected_states()
        empty_tables()

    def finish_all_deliveries(self) -> None:
        """Sweep, recover claims and drain, for as long as a retry plan may take."""
        for _ in range(2 * len(self.known) + 5):
            self.let_time_pass(1_000)
            self.recover()
            self.sweep()
            self.lease(0)
            self.claim(0)
            self.settle(0, VERDICTS[0], 100)
            self.release(0, dies=False)
        assert all(known.state in FINAL for known in self.known.values()), self.known
        assert not Lane.objects.filter(owner__isnull=False).exists()


@pytest.mark.django_db(transaction=True)
def test_random_walk_loses_no_delivery_and_ends_every_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breaker, "OPEN_AFTER_FAILURES", 3)
    monkeypatch.setattr(breaker, "OPEN_AFTER_SECONDS", 0.0)
    run_state_machine_as_test(DeliveryStates, settings=settings(max_examples=40, stateful_step_count=40))
