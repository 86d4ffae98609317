"""The states of a delivery, walked at random over the real tables: several owners, stale tokens, crashes at any step.

    pending -> sending -> delivered | pending again | dead (exhausted, poison)      dead -> pending (redriven)

One endpoint takes all it gets, one has a rate limit, one takes the deliveries of a key in order; the breaker trips
soon. The machine keeps a book of its own of what it was told, and after every step the tables must agree with it.
Time is moved by moving every instant in the tables back. At the end of each walk everybody crashes, the endpoints are
resumed, and one honest drain has to bring everything to its end.
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

from delivery.models import Attempt, DeadLetter, Delivery, Event, Lane
from delivery.sending import breaker
from delivery.sending.capacity import share_capacity
from delivery.sending.lane import LeasedLane
from delivery.sending.verdict import Verdict
from delivery.sql.claim import claim_deliveries
from delivery.sql.due import create_missing_lanes, mark_lanes_due, recheck_due, resume_lanes
from delivery.sql.lanes import lease_lanes, release_lanes, renew_lanes
from delivery.sql.publish import DeliveryRow, EventRow, insert_events
from delivery.sql.recovery import MAX_UNSETTLED_CLAIMS, raise_to_low_water_mark, recover_claims
from delivery.sql.replay import replay_dead_letters
from delivery.sql.settle import settle_attempts
from subscriptions.endpoints.state import pause, resume
from subscriptions.models import Tenant
from subscriptions.routing.targets import load_targets
from tests.factories import make_endpoint, make_tenant
from tests.faults.actors import VERDICTS, Known, Owner, let_time_pass, outcome, settlement
from webhooks.wire.ids import new_id

OWNERS = st.integers(0, 2)
ENDPOINTS = st.integers(0, 2)
KINDS: list[dict[str, Any]] = [{}, {"rate_limit": 20}, {"ordering": "subject"}]
KEYS = st.sampled_from(["", "a", "b"])
FINAL = ("delivered", "dead")


def empty_the_tables() -> None:
    for table in (Attempt, DeadLetter, Delivery, Event, Lane, Tenant):
        table.objects.all().delete()


class States(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        empty_the_tables()
        self.tenant = make_tenant()
        self.endpoints = [make_endpoint(self.tenant, max_in_flight=3, timeout_ms=1_000, **kind) for kind in KINDS]
        self.owners = [Owner() for _ in range(3)]
        self.known: dict[UUID, Known] = {}
        self.queues: dict[str, list[UUID]] = defaultdict(list)  # of the ordered endpoint: key -> its deliveries
        self.attempts: Counter[UUID] = Counter()
        self.holders: dict[UUID, UUID] = {}  # endpoint -> the owner that has leased its lane last

    # What a publisher does.

    @rule(endpoint=ENDPOINTS, count=st.integers(1, 4), late=st.sampled_from([0, 0, 30]), dies=st.booleans(), key=KEYS)
    def publish(self, endpoint: int, count: int, late: int, dies: bool, key: str = "") -> None:
        """``late``: seconds from writing to committing. ``dies``: after the commit, before the bell is rung."""
        target = self.endpoints[endpoint].id
        order_key = key if self.endpoints[endpoint].ordering else None
        rows = [EventRow(new_id(), "/", str(new_id()), "t", None, b"", b"{}") for _ in range(count)]
        owed = [DeliveryRow(new_id(), row.id, target, None, "pending", order_key) for row in rows]
        version = Tenant.objects.get(id=self.tenant.id).routes_version
        assert insert_events(self.tenant.id, version, rows, owed) == {row.id for row in rows}
        self.known |= {row.id: Known() for row in owed}
        if order_key is not None:
            self.queues[order_key] += [row.id for row in owed]
        if late:
            Delivery.objects.filter(id__in=[row.id for row in owed]).update(
                next_attempt_at=datetime.fromtimestamp(time.time() - late, UTC)
            )
        if not dies:
            mark_lanes_due([target])

    # What a drain does.

    @rule(who=OWNERS)
    def lease(self, who: int) -> None:
        owner = self.owners[who]
        leased = lease_lanes(owner.id, 10)
        if leased is None:
            return
        known = load_targets(row.endpoint_id for row in leased.lanes)
        owner.lanes |= {
            it.endpoint_id: LeasedLane.from_row(it, known[it.endpoint_id], time.time()) for it in leased.lanes
        }
        self.holders |= dict.fromkeys(owner.lanes.keys() & known.keys(), owner.id)
        for parked in Lane.objects.filter(endpoint_inactive=True):
            self.holders.pop(parked.endpoint_id, None)

    @rule(who=OWNERS)
    def claim(self, who: int) -> None:
        owner, token = self.owners[who], new_id()
        asking = share_capacity(list(owner.lanes.values()), 8, time.time())
        if not asking:
            return
        claimed = claim_deliveries(token, asking)
        for it in claimed:
            known = self.known[it.id]
            assert known.state == "pending"
            assert it.attempts == known.attempts
            self.assert_it_is_its_turn(it.id)
            known.state, known.token, known.claims = "sending", token, known.claims + 1
        owner.claims += [(it, token) for it in claimed]
        for lane in asking:
            due = [it.due_at for it in claimed if it.endpoint_id == lane.endpoint_id]
            owner.lanes[lane.endpoint_id].on_claimed(len(due), max(due, default=None), time.time())

    def assert_it_is_its_turn(self, delivery: UUID) -> None:
        """Whatever is before it in its queue has come to an end."""
        for queue in self.queues.values():
            if delivery in queue:
                before = queue[: queue.index(delivery)]
                assert all(self.known[key].state in FINAL for key in before)

    @rule(who=OWNERS, verdict=st.sampled_from(VERDICTS), most=st.integers(1, 5))
    def settle(self, who: int, verdict: Verdict, most: int) -> None:
        owner = self.owners[who]
        ended, owner.claims = owner.claims[:most], owner.claims[most:]
        if not ended:
            return
        with transaction.atomic():
            rows = [settlement(it, token, verdict) for it, token in ended]
            settled = settle_attempts(rows)
        for row, (it, token) in zip(rows, ended, strict=True):
            assert (row.attempt_id in settled) == (self.known[it.id].token == token)
            self.attempts[it.id] += 1
            if row.attempt_id in settled:
                self.known[it.id] = Known(verdict.state, None, it.attempts + 1)
            if (lane := owner.lanes.get(it.endpoint_id)) is not None:
                lane.on_attempt_ended(outcome(verdict), time.time())

    @rule(who=OWNERS)
    def renew(self, who: int) -> None:
        owner = self.owners[who]
        held = renew_lanes(owner.id, [lane.row() for lane in owner.lanes.values()]).held
        assert held == {key for key in owner.lanes if self.holders.get(key) == owner.id}
        owner.lanes = {key: lane for key, lane in owner.lanes.items() if key in held}

    @rule(who=OWNERS, dies=st.booleans())
    def release(self, who: int, dies: bool) -> None:
        """``dies``: after the lanes are free, before it has looked again."""
        owner = self.owners[who]
        release_lanes(owner.id, [lane.row() for lane in owner.lanes.values()])
        self.holders = {key: holder for key, holder in self.holders.items() if holder != owner.id}
        if dies:
            self.owners[who] = Owner()
        else:
            recheck_due(list(owner.lanes))
            owner.lanes = {}

    @rule(who=OWNERS)
    def crash(self, who: int) -> None:
        self.owners[who] = Owner()

    @rule(who=OWNERS)
    def crash_with_all_it_has_claimed(self, who: int) -> None:
        """And somebody notices."""
        self.lease(who)
        self.claim(who)
        self.crash(who)
        self.let_time_pass(30)
        self.rescue()

    @rule(who=OWNERS, other=OWNERS, endpoint=ENDPOINTS)
    def stall_with_all_it_has_claimed(self, who: int, other: int, endpoint: int) -> None:
        """Past its leases and claims, while another takes over; it does not know of that when it goes on."""
        self.publish(endpoint, 2, late=0, dies=False)
        self.lease(who)
        self.claim(who)
        self.let_time_pass(30)
        self.rescue()
        self.sweep()
        self.lease(other)
        self.claim(other)

    # What happens to them all.

    @rule(seconds=st.sampled_from([1, 4, 12, 30]))
    def let_time_pass(self, seconds: int) -> None:
        let_time_pass(seconds, self.owners)

    @rule()
    def rescue(self) -> None:
        claims = dict(Delivery.objects.filter(state="sending").values_list("id", "claimed_until"))
        now = datetime.now(UTC)
        freed = len(recover_claims())
        cut = claims.keys() - set(Delivery.objects.filter(state="sending").values_list("id", flat=True))
        assert len(cut) == freed
        assert cut >= {key for key, until in claims.items() if until < now}
        for key in cut:
            before = self.known[key]
            state = "dead" if before.claims >= MAX_UNSETTLED_CLAIMS else "pending"
            self.known[key] = Known(state, None, before.attempts + 1, before.claims)
            self.attempts[key] += 1

    @rule()
    def sweep(self) -> None:
        raise_to_low_water_mark()
        create_missing_lanes()
        recheck_due()
        resume_lanes()
        owing = set(Delivery.objects.filter(state="pending").values_list("endpoint", flat=True))
        seen = Lane.objects.filter(due_at__isnull=False) | Lane.objects.filter(endpoint_inactive=True)
        assert owing <= set(seen.values_list("endpoint", flat=True))

    @rule(endpoint=ENDPOINTS, active=st.booleans())
    def pause_or_resume(self, endpoint: int, active: bool) -> None:
        (resume if active else pause)(self.endpoints[endpoint])

    @rule()
    def redrive(self) -> None:
        letters = list(DeadLetter.objects.filter(replayed_at=None).values_list("id", "delivery")[:3])
        twice = [(key, None) for key, _ in letters]
        assert len(replay_dead_letters(new_id(), "test", twice)) == len(letters)
        assert replay_dead_letters(new_id(), "test", twice) == []
        for _, delivery in letters:
            self.known[delivery].state, self.known[delivery].claims = "pending", 0
        mark_lanes_due([endpoint.id for endpoint in self.endpoints])

    # What holds after every step, and at the end.

    @invariant()
    def the_tables_say_what_happened(self) -> None:
        if not hasattr(self, "known"):
            return
        rows = {row.id: row for row in Delivery.objects.all()}
        letters = Counter(DeadLetter.objects.filter(replayed_at=None).values_list("delivery", flat=True))
        assert Counter(Attempt.objects.values_list("delivery", flat=True)) == self.attempts
        assert rows.keys() == self.known.keys()
        for key, known in self.known.items():
            row = rows[key]
            assert Known(row.state, row.token, row.attempts, row.claims) == known
            assert (row.state == "sending") == (row.token is not None) == (row.claimed_until is not None)
            assert (row.state in ("pending", "sending")) == (row.next_attempt_at is not None)
            assert letters[key] == (row.state == "dead")
        leased = Lane.objects.filter(owner__isnull=False)
        assert dict(leased.values_list("endpoint", "owner")) == self.holders

    def teardown(self) -> None:
        if hasattr(self, "known"):
            self.owners = [Owner() for _ in self.owners]
            for endpoint in self.endpoints:
                resume(endpoint)
            self.bring_all_to_an_end()
            self.the_tables_say_what_happened()
        empty_the_tables()

    def bring_all_to_an_end(self) -> None:
        """A sweep, a rescue and one honest drain, for as long as a retry plan may take."""
        for _ in range(2 * len(self.known) + 5):
            self.let_time_pass(1_000)
            self.rescue()
            self.sweep()
            self.lease(0)
            self.claim(0)
            self.settle(0, VERDICTS[0], 100)
            self.release(0, dies=False)
        assert all(known.state in FINAL for known in self.known.values()), self.known
        assert not Lane.objects.filter(owner__isnull=False).exists()


@pytest.mark.django_db(transaction=True)
def test_whatever_happens_nothing_is_lost_and_every_delivery_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breaker, "OPEN_AFTER_FAILURES", 3)
    monkeypatch.setattr(breaker, "OPEN_AFTER_SECONDS", 0.0)
    run_state_machine_as_test(States, settings=settings(max_examples=40, stateful_step_count=40))
