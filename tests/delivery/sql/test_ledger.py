"""Statement by statement: who may change what, and what each of them finds."""

import random
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from django.db import IntegrityError, connection, transaction

from delivery.lifecycle.cancel import cancel_deliveries
from delivery.models import Attempt, DeadLetter, Delivery, Lane
from delivery.sql.claim import Claimed, claim_deliveries
from delivery.sql.dead_letters import dead_letter_pending
from delivery.sql.due import mark_lanes_due, recheck_due
from delivery.sql.lanes import LEASE_SECONDS, lease_lanes, release_lanes, renew_lanes
from delivery.sql.recovery import recover_claims
from delivery.sql.settle import find_unrecorded, settle_attempts
from subscriptions.endpoints.endpoints import delete_endpoint
from subscriptions.endpoints.state import disable, pause
from subscriptions.models import Endpoint
from subscriptions.tenants.tenants import delete_tenant
from tests.delivery.factories import make_delivery, make_event
from tests.delivery.sql.factories_ledger import (
    EPOCH,
    HOUR,
    OTHER,
    OWNER,
    STALE,
    TOKEN,
    asking,
    make_lane,
    now,
    owe,
    pace,
    settle,
    settlement,
)
from tests.factories import make_endpoint, make_tenant
from tests.threads import in_threads
from webhooks.wire.ids import new_id


@pytest.mark.django_db
class TestLease:
    def test_a_due_lane_goes_to_the_first_who_asks(self) -> None:
        lane = make_lane(due_at=now())
        leased = lease_lanes(OWNER, 10)
        assert leased is not None
        assert [it.endpoint_id for it in leased.lanes] == [lane.endpoint_id]
        assert leased.now == now()
        assert lease_lanes(OTHER, 10) is None
        lane.refresh_from_db()
        assert (lane.owner, lane.due_at) == (OWNER, now() + timedelta(seconds=LEASE_SECONDS))

    @pytest.mark.parametrize("due_in", [None, HOUR])
    def test_a_lane_that_is_not_due_goes_to_nobody(self, due_in: timedelta | None) -> None:
        make_lane(due_at=due_in and now() + due_in)
        assert lease_lanes(OWNER, 10) is None

    def test_a_lane_whose_lease_has_run_out_goes_to_another(self) -> None:
        lane = make_lane(owner=OTHER, due_at=now() - timedelta(seconds=1))
        leased = lease_lanes(OWNER, 10)
        assert leased is not None
        lane.refresh_from_db()
        assert lane.owner == OWNER
        assert leased.lanes[0].inherited

    def test_the_longest_due_come_first(self) -> None:
        lanes = [make_lane(due_at=now() - n * HOUR) for n in (1, 3, 2)]
        leased = lease_lanes(OWNER, 2)
        assert leased is not None
        assert {it.endpoint_id for it in leased.lanes} == {lanes[1].endpoint_id, lanes[2].endpoint_id}

    def test_one_lane_of_each_tenant_comes_before_the_second_of_any(self) -> None:
        crowd, quiet = make_tenant(), make_tenant()
        for n in range(20):
            make_lane(make_endpoint(crowd), due_at=now() - (n + 2) * HOUR)
        late = make_lane(make_endpoint(quiet), due_at=now())
        leased = lease_lanes(OWNER, 2)
        assert leased is not None
        assert late.endpoint_id in {it.endpoint_id for it in leased.lanes}

    def test_nobody_has_more_than_the_share_of_a_tenant_with_what_is_held(self) -> None:
        crowd, some, full = make_tenant(), make_tenant(), make_tenant()
        for tenant in (crowd, some, full):
            for _ in range(5):
                make_lane(make_endpoint(tenant), due_at=now())
        leased = lease_lanes(OWNER, 10, share=3, held={some.id: 2, full.id: 3})
        assert leased is not None
        owners = Lane.objects.filter(owner=OWNER).values_list("tenant", flat=True)
        assert Counter(owners) == {crowd.id: 3, some.id: 1}

    def test_who_holds_less_comes_first(self) -> None:
        crowd, quiet = make_tenant(), make_tenant()
        for n in range(5):
            make_lane(make_endpoint(crowd), due_at=now() - (n + 2) * HOUR)
        late = make_lane(make_endpoint(quiet), due_at=now())
        leased = lease_lanes(OWNER, 1, share=9, held={crowd.id: 1})
        assert leased is not None
        assert [it.endpoint_id for it in leased.lanes] == [late.endpoint_id]

    def test_a_new_owner_goes_on_at_the_pace_of_the_last(self) -> None:
        pace = {"next_slot_at": now(), "concurrency": 40, "failures": 3, "failing_since": now() - HOUR, "open_count": 2}
        make_lane(due_at=now(), low_water_mark=now() - HOUR, circuit_open_until=now(), warnings_sent=1, **pace)
        leased = lease_lanes(OWNER, 10)
        assert leased is not None
        (row,) = leased.lanes
        assert row[1:] == (now() - HOUR, now(), 40, 3, now() - HOUR, 2, now(), 1, False)

    @pytest.mark.parametrize("stop", [pause, lambda it: disable(it, "operator"), lambda it: disable(it, "failing")])
    def test_a_lane_of_an_endpoint_that_is_not_active_is_parked(self, stop: Any) -> None:
        lane = make_lane(due_at=now())
        stop(lane.endpoint)
        leased = lease_lanes(OWNER, 10)
        assert leased is not None
        assert (leased.lanes, leased.undeliverable) == ([], {})
        lane.refresh_from_db()
        assert (lane.endpoint_inactive, lane.owner, lane.due_at) == (True, None, None)

    @pytest.mark.parametrize(
        ("stop", "cause"),
        [
            (delete_endpoint, "endpoint_deleted"),
            (lambda it: delete_tenant(it.tenant), "endpoint_deleted"),
            (lambda it: disable(it, "responded_410"), "responded_410"),
        ],
    )
    def test_a_lane_that_will_get_nothing_more_is_forlorn(self, stop: Any, cause: str) -> None:
        lane = make_lane(due_at=now())
        stop(lane.endpoint)
        leased = lease_lanes(OWNER, 10)
        assert leased is not None
        assert (leased.lanes, leased.undeliverable) == ([], {lane.endpoint_id: cause})
        lane.refresh_from_db()
        assert (lane.endpoint_inactive, lane.owner, lane.due_at) == (False, None, None)


@pytest.mark.django_db
class TestForlornLanes:
    def test_what_is_pending_is_buried_with_its_cause(self) -> None:
        endpoint = make_endpoint()
        owed = owe(endpoint, 3, attempts=2, last_status=500, last_error="status")
        sending, delivered = owe(endpoint, state="sending")[0], owe(endpoint, state="delivered")[0]
        assert dead_letter_pending(endpoint.id, "responded_410") == 3
        letters = DeadLetter.objects.filter(endpoint=endpoint, tenant=endpoint.tenant, cause="responded_410")
        assert {it.delivery_id for it in letters} == {it.id for it in owed}
        assert {(it.attempts, it.last_status, it.last_error) for it in letters} == {(2, 500, "status")}
        states = dict(Delivery.objects.values_list("id", "state"))
        assert {states[it.id] for it in owed} == {"dead"}
        assert (states[sending.id], states[delivered.id]) == ("sending", "delivered")

    def test_it_goes_in_portions(self) -> None:
        endpoint = make_endpoint()
        owe(endpoint, 5)
        assert [dead_letter_pending(endpoint.id, "responded_410", limit=2) for _ in range(4)] == [2, 2, 1, 0]

    def test_the_neighbours_live(self) -> None:
        neighbour = make_endpoint()
        owe(neighbour)
        assert dead_letter_pending(make_endpoint(neighbour.tenant).id, "responded_410") == 0


@pytest.mark.django_db
class TestClaim:
    def test_what_is_claimed_is_sending_under_the_token(self) -> None:
        endpoint = make_endpoint()
        (delivery,) = owe(endpoint, attempts=2, step=1)
        (claimed,) = claim_deliveries(TOKEN, [asking(endpoint)])
        assert (claimed.id, claimed.endpoint_id, claimed.event_id) == (delivery.id, endpoint.id, delivery.event_id)
        assert (claimed.attempts, claimed.step) == (2, 1)
        assert (claimed.body, claimed.rendered) == (bytes(delivery.event.body), False)
        delivery.refresh_from_db()
        assert (delivery.state, delivery.token, delivery.claims) == ("sending", TOKEN, 1)
        assert delivery.claimed_until == now() + timedelta(seconds=30)

    def test_nothing_is_claimed_twice(self) -> None:
        endpoint = make_endpoint()
        owe(endpoint, 3)
        assert len(claim_deliveries(TOKEN, [asking(endpoint)])) == 3
        assert claim_deliveries(STALE, [asking(endpoint)]) == []

    def test_the_oldest_first_and_no_more_than_asked_for(self) -> None:
        endpoint = make_endpoint()
        owed = owe(endpoint, 5)
        assert {it.id for it in claim_deliveries(TOKEN, [asking(endpoint, 2)])} == {it.id for it in owed[:2]}

    def test_each_lane_has_its_own_quota(self) -> None:
        one, other = make_endpoint(), make_endpoint()
        owe(one, 5)
        owe(other, 5)
        claimed = claim_deliveries(TOKEN, [asking(one, 1), asking(other, 3)])
        assert sorted(it.endpoint_id for it in claimed) == sorted([one.id, *[other.id] * 3])

    def test_what_is_not_due_yet_waits(self) -> None:
        endpoint = make_endpoint()
        owe(endpoint, next_attempt_at=now() + timedelta(seconds=1))
        assert claim_deliveries(TOKEN, [asking(endpoint)]) == []

    def test_what_lies_below_the_floor_is_not_looked_at(self) -> None:
        endpoint = make_endpoint()
        owed = owe(endpoint, 3)
        floor = owed[1].next_attempt_at
        assert floor is not None
        claimed = claim_deliveries(TOKEN, [asking(endpoint, floor=floor)])
        assert {it.id for it in claimed} == {it.id for it in owed[1:]}

    def test_bytes_of_its_own_go_before_those_of_the_event(self) -> None:
        endpoint = make_endpoint()
        owe(endpoint, body=b"rendered")
        (claimed,) = claim_deliveries(TOKEN, [asking(endpoint)])
        assert (claimed.body, claimed.rendered) == (b"rendered", True)

    @pytest.mark.parametrize("state", ["sending", "delivered", "dead", "cancelled"])
    def test_only_what_is_pending_is_claimed(self, state: str) -> None:
        endpoint = make_endpoint()
        owe(endpoint, state=state, next_attempt_at=now() - HOUR)
        assert claim_deliveries(TOKEN, [asking(endpoint)]) == []


@pytest.mark.django_db(transaction=True)
def test_many_who_claim_at_once_share_without_waiting_and_without_overlap() -> None:
    endpoint = make_endpoint()
    owed = owe(endpoint, 200)

    def claim_all(token: UUID) -> list[Claimed]:
        mine: list[Claimed] = []
        while claimed := claim_deliveries(token, [asking(endpoint, 7)]):
            mine += claimed
        return mine

    shares = in_threads(*(partial(claim_all, new_id()) for _ in range(4)))
    ids = [it.id for share in shares for it in share]
    assert len(ids) == len(set(ids))
    # What another had locked at that moment was passed over; it is still there for the next look.
    ids += [it.id for it in claim_deliveries(TOKEN, [asking(endpoint, 200)])]
    assert sorted(ids) == sorted(it.id for it in owed)


@pytest.mark.django_db
class TestClaimInOrder:
    def heads(self, endpoint: Endpoint, quota: int = 1_000) -> set[UUID]:
        return {it.id for it in claim_deliveries(TOKEN, [asking(endpoint, quota, ordered=True)])}

    def test_of_each_key_the_oldest(self) -> None:
        endpoint = make_endpoint()
        first = [owe(endpoint, 3, order_key=key)[0].id for key in ("", "a", "b", "\uffff")]
        assert self.heads(endpoint) == set(first)

    def test_a_key_whose_head_is_under_way_waits(self) -> None:
        endpoint = make_endpoint()
        owe(endpoint, 3, order_key="a")
        assert len(self.heads(endpoint)) == 1
        assert self.heads(endpoint) == set()

    def test_a_head_that_waits_for_its_next_attempt_holds_up_its_key_and_no_other(self) -> None:
        endpoint = make_endpoint()
        owe(endpoint, 1, order_key="a", next_attempt_at=now() + HOUR)
        owe(endpoint, 2, order_key="a")
        free = owe(endpoint, 2, order_key="b")[0]
        assert self.heads(endpoint) == {free.id}

    @pytest.mark.parametrize("state", ["delivered", "dead", "cancelled"])
    def test_what_is_over_holds_up_nobody(self, state: str) -> None:
        endpoint = make_endpoint()
        make_delivery(make_event(endpoint.tenant), endpoint, order_key="a", state=state)
        (next_one,) = owe(endpoint, 1, order_key="a")
        assert self.heads(endpoint) == {next_one.id}

    def test_what_was_published_before_the_endpoint_was_ordered_goes_in_any_order(self) -> None:
        endpoint = make_endpoint()
        old = owe(endpoint, 3)
        head = owe(endpoint, 2, order_key="a")[0]
        assert self.heads(endpoint) == {*(it.id for it in old), head.id}

    def test_in_an_endpoint_that_is_not_ordered_any_more_keys_mean_nothing(self) -> None:
        endpoint = make_endpoint()
        owe(endpoint, 3, order_key="a")
        assert len(claim_deliveries(TOKEN, [asking(endpoint)])) == 3

    def test_no_more_than_asked_for(self) -> None:
        endpoint = make_endpoint()
        for key in "abcdef":
            owe(endpoint, 1, order_key=key)
        assert len(self.heads(endpoint, quota=4)) == 4

    def test_no_more_than_asked_for_of_those_in_order_and_those_in_none_together(self) -> None:
        endpoint = make_endpoint()
        old = owe(endpoint, 3)
        for key in "abcdef":
            owe(endpoint, 1, order_key=key)
        heads = self.heads(endpoint, quota=4)
        assert len(heads) == 4
        assert heads > {it.id for it in old}


def impatient(work: Callable[[], Any]) -> Callable[[], Any]:
    """Whoever has to wait for a row fails."""

    def run() -> Any:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '1ms'")
        return work()

    return run


@pytest.mark.django_db(transaction=True)
def test_a_head_that_somebody_is_cancelling_is_neither_waited_for_nor_claimed() -> None:
    endpoint = make_endpoint()
    head, following = owe(endpoint, 2, order_key="a")
    with transaction.atomic():
        cancel_deliveries([head.id], "somebody")
        (claimed,) = in_threads(impatient(lambda: claim_deliveries(TOKEN, [asking(endpoint, ordered=True)])))
    assert claimed == []
    assert [it.id for it in claim_deliveries(TOKEN, [asking(endpoint, ordered=True)])] == [following.id]


@pytest.mark.django_db(transaction=True)
def test_those_who_settle_and_those_who_cancel_never_wait_for_each_other_in_a_circle() -> None:
    endpoint = make_endpoint()
    owed = owe(endpoint, 40)
    for _ in range(10):
        Delivery.objects.update(state="sending", token=TOKEN, claimed_until=now() + HOUR)
        mine, theirs = random.sample(owed, 40), [it.id for it in random.sample(owed, 40)]
        results = in_threads(
            lambda mine=mine: settle(*(settlement(it) for it in mine)),
            lambda theirs=theirs: cancel_deliveries(theirs, "somebody"),
        )
        assert not [it for it in results if isinstance(it, Exception)]


@pytest.mark.django_db
class TestSettle:
    def claimed(self, count: int = 1, **changes: Any) -> list[Claimed]:
        endpoint = make_endpoint()
        owe(endpoint, count, **changes)
        return claim_deliveries(TOKEN, [asking(endpoint)])

    def test_a_delivery_is_over_and_its_attempt_is_in_the_history(self) -> None:
        (it,) = self.claimed()
        mine = settlement(it)
        assert settle(mine) == {it.id}
        delivery = Delivery.objects.get()
        assert (delivery.state, delivery.attempts, delivery.claims) == ("delivered", 1, 0)
        assert (delivery.token, delivery.claimed_until, delivery.next_attempt_at) == (None, None, None)
        assert (delivery.last_status, delivery.last_error) == (200, "")
        attempt = Attempt.objects.get()
        assert (attempt.id, attempt.delivery_id, attempt.number) == (mine.attempt_id, it.id, 1)
        assert (attempt.status, attempt.error, attempt.duration_ms) == (200, "", 12)
        assert (attempt.started_at, bytes(attempt.response or b"")) == (mine.started_at, b"ok\0\xff")

    def test_a_failure_waits_for_its_next_turn(self) -> None:
        (it,) = self.claimed(step=2, attempts=5)
        settle(settlement(it, state="pending", wait=90.0, status=None, error="timeout", response=None))
        delivery = Delivery.objects.get()
        assert (delivery.state, delivery.step, delivery.attempts) == ("pending", 3, 6)
        assert delivery.next_attempt_at == now() + timedelta(seconds=90)
        assert (delivery.last_status, delivery.last_error) == (None, "timeout")

    def test_what_is_given_up_has_a_dead_letter(self) -> None:
        (it,) = self.claimed(attempts=9)
        settle(settlement(it, state="dead", cause="exhausted", status=500, error="status"))
        letter = DeadLetter.objects.get()
        assert (letter.delivery_id, letter.cause, letter.attempts) == (it.id, "exhausted", 10)
        assert (letter.last_status, letter.last_error, letter.replayed_at) == (500, "status", None)
        assert Delivery.objects.get().next_attempt_at is None

    def test_only_the_holder_of_the_token_settles_but_every_attempt_is_recorded(self) -> None:
        mine, others = self.claimed(2)
        Delivery.objects.filter(id=others.id).update(token=STALE)
        assert settle(settlement(mine), settlement(others, state="dead", cause="responded_410")) == {mine.id}
        untouched = Delivery.objects.get(id=others.id)
        assert (untouched.state, untouched.token, untouched.attempts) == ("sending", STALE, 0)
        assert set(Attempt.objects.values_list("delivery_id", flat=True)) == {mine.id, others.id}
        assert not DeadLetter.objects.exists()

    def test_what_was_rescued_in_between_is_not_settled(self) -> None:
        (it,) = self.claimed()
        Delivery.objects.update(claimed_until=now() - HOUR)
        recover_claims()
        assert settle(settlement(it)) == set()
        assert Delivery.objects.get().state == "pending"

    def test_a_verdict_is_carried_out_once(self) -> None:
        (it,) = self.claimed()
        assert settle(settlement(it)) == {it.id}
        assert settle(settlement(it, state="dead", cause="responded_410")) == set()
        assert Delivery.objects.get().state == "delivered"

    def test_of_two_attempts_of_a_delivery_the_one_whose_claim_holds_counts(self) -> None:
        (it,) = self.claimed()
        late = settlement(it, token=STALE, state="dead", cause="exhausted", status=500)
        mine = settlement(it)
        with transaction.atomic():
            assert settle_attempts([late, mine]) == {mine.attempt_id}
        assert Delivery.objects.get().state == "delivered"
        assert Attempt.objects.count() == 2
        assert not DeadLetter.objects.exists()

    def test_hundreds_at_once(self) -> None:
        claimed = self.claimed(300)
        assert settle(*map(settlement, claimed)) == {it.id for it in claimed}
        assert Attempt.objects.count() == 300

    def test_what_may_or_may_not_have_been_written_is_found_by_its_attempt(self) -> None:
        written, unwritten = map(settlement, self.claimed(2))
        settle(written)
        assert find_unrecorded([written, unwritten]) == [unwritten]

    def test_an_attempt_cannot_be_recorded_twice(self) -> None:
        (it,) = self.claimed()
        mine = settlement(it)
        settle(mine)
        with pytest.raises(IntegrityError), transaction.atomic():
            settle_attempts([mine])


@pytest.mark.django_db
class TestRenewAndRelease:
    def test_renewing_keeps_the_lane_and_stores_its_pace(self) -> None:
        lane = make_lane(owner=OWNER, due_at=now())
        row = pace(
            lane.endpoint,
            low_water_mark=now(),
            failures=4,
            failing_since=now(),
            open_count=1,
            circuit_open_until=now() + HOUR,
        )
        assert renew_lanes(OWNER, [row]).held == {lane.endpoint_id}
        lane.refresh_from_db()
        assert (lane.owner, lane.due_at) == (OWNER, now() + timedelta(seconds=LEASE_SECONDS))
        assert (lane.low_water_mark, lane.failures, lane.open_count) == (now(), 4, 1)
        assert (lane.failing_since, lane.circuit_open_until) == (now(), now() + HOUR)

    def test_a_lane_that_has_gone_to_another_is_neither_renewed_nor_released(self) -> None:
        lane = make_lane(owner=OTHER, due_at=now() + HOUR, failures=1)
        assert renew_lanes(OWNER, [pace(lane.endpoint)]) == (set(), None)
        release_lanes(OWNER, [pace(lane.endpoint)])
        lane.refresh_from_db()
        assert (lane.owner, lane.due_at, lane.failures) == (OTHER, now() + HOUR, 1)

    def test_a_released_lane_is_free_and_not_due(self) -> None:
        lane = make_lane(owner=OWNER, due_at=now())
        release_lanes(OWNER, [pace(lane.endpoint, failures=2)])
        lane.refresh_from_db()
        assert (lane.owner, lane.due_at, lane.failures) == (None, None, 2)


@pytest.mark.django_db
class TestLookAgain:
    def test_a_free_lane_that_owes_is_due_when_its_oldest_is(self) -> None:
        lane = make_lane()
        owed = owe(lane.endpoint, 2, next_attempt_at=now() + HOUR)
        assert recheck_due([lane.endpoint_id]) == 1
        lane.refresh_from_db()
        assert lane.due_at == owed[0].next_attempt_at

    @pytest.mark.parametrize("fields", [{"owner": OTHER}, {"endpoint_inactive": True}, {"due_at": EPOCH}])
    def test_other_lanes_are_left_alone(self, fields: dict[str, Any]) -> None:
        lane = make_lane(**fields)
        owe(lane.endpoint)
        assert recheck_due() == 0

    def test_nothing_owed_is_nothing_due(self) -> None:
        lane = make_lane()
        owe(lane.endpoint, state="delivered")
        assert recheck_due([lane.endpoint_id]) == 0

    def test_only_the_lanes_that_were_named(self) -> None:
        named, other = make_lane(), make_lane()
        owe(named.endpoint)
        owe(other.endpoint)
        assert recheck_due([named.endpoint_id]) == 1
        assert recheck_due() == 1

    def test_not_before_the_breaker_lets_it(self) -> None:
        lane = make_lane(circuit_open_until=now() + HOUR)
        owe(lane.endpoint)
        recheck_due()
        lane.refresh_from_db()
        assert lane.due_at == now() + HOUR

    @pytest.mark.parametrize(
        ("limit", "waits"),
        [
            ({}, 0),
            ({"rate_limit": 1}, 90),
            ({"rate_limit": 100}, 89.91),
            ({"rate_limit": 60, "rate_period": "minute", "rate_burst": 31}, 60),
            ({"rate_limit": 6, "rate_period": "minute"}, 90),
            ({"rate_limit": 1000, "allowed_rate": 60, "rate_burst": 11}, 80),
        ],
    )
    def test_not_before_the_rate_has_room_again(self, limit: dict[str, Any], waits: float) -> None:
        lane = make_lane(make_endpoint(**limit), next_slot_at=now() + timedelta(seconds=90))
        owe(lane.endpoint)
        recheck_due()
        lane.refresh_from_db()
        assert lane.due_at is not None
        assert abs((lane.due_at - now()).total_seconds() - waits) < 0.001

    def test_what_lies_below_the_floor_is_left_to_the_sweep(self) -> None:
        lane = make_lane(low_water_mark=now())
        owe(lane.endpoint, next_attempt_at=now() - HOUR)
        assert recheck_due() == 0


@pytest.mark.django_db
class TestMarkDue:
    def test_an_endpoint_gets_its_lane_when_it_is_first_owed_something(self) -> None:
        endpoint = make_endpoint()
        mark_lanes_due([endpoint.id])
        lane = Lane.objects.get(endpoint=endpoint)
        assert (lane.due_at, lane.owner, lane.endpoint_inactive) == (now(), None, False)

    @pytest.mark.parametrize("due_in", [None, HOUR])
    def test_a_free_lane_is_due_now(self, due_in: timedelta | None) -> None:
        lane = make_lane(due_at=due_in and now() + due_in)
        mark_lanes_due([lane.endpoint_id])
        lane.refresh_from_db()
        assert lane.due_at == now()

    def test_who_waits_longer_stays_ahead(self) -> None:
        lane = make_lane(due_at=now() - HOUR)
        mark_lanes_due([lane.endpoint_id])
        lane.refresh_from_db()
        assert lane.due_at == now() - HOUR

    @pytest.mark.parametrize("fields", [{"owner": OTHER, "due_at": EPOCH + HOUR}, {"endpoint_inactive": True}])
    def test_a_lane_with_an_owner_or_without_hope_is_left_alone(self, fields: dict[str, Any]) -> None:
        lane = make_lane(**fields)
        mark_lanes_due([lane.endpoint_id])
        due_at = lane.due_at
        lane.refresh_from_db()
        assert lane.due_at == due_at

    @pytest.mark.parametrize("due_in", [None, 2 * HOUR])
    def test_a_tripped_lane_is_due_when_its_breaker_lets_it(self, due_in: timedelta | None) -> None:
        lane = make_lane(circuit_open_until=now() + HOUR, due_at=due_in and now() + due_in)
        mark_lanes_due([lane.endpoint_id])
        lane.refresh_from_db()
        assert lane.due_at == now() + HOUR

    def test_what_is_no_endpoint_gets_no_lane(self) -> None:
        mark_lanes_due([new_id()])
        assert not Lane.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_those_who_mark_and_those_who_look_again_never_wait_for_each_other_in_a_circle() -> None:
    tenant = make_tenant()
    endpoints = [make_endpoint(tenant) for _ in range(60)]
    for endpoint in endpoints:
        owe(endpoint)
        make_lane(endpoint)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")  # a small table that is known to be small is not read in the order of its keys
    ids = [it.id for it in endpoints]
    stirs = in_threads(
        partial(repeatedly, lambda: Lane.objects.filter(endpoint=random.choice(ids)).update(due_at=None), 4000),
        *[partial(repeatedly, lambda: mark_lanes_due(random.sample(ids, 60)), 300)] * 3,
        *[partial(repeatedly, lambda: recheck_due(random.sample(ids, 60)), 300)] * 2,
    )
    assert stirs == [None] * 6


def repeatedly(work: Any, times: int) -> None:
    for _ in range(times):
        work()
