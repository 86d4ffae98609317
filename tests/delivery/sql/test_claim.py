"""Claiming deliveries, in any order and in the order of their keys."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction

from delivery.lifecycle.cancel import cancel_deliveries
from delivery.lifecycle.set_aside import set_aside
from delivery.models import Delivery, Event
from delivery.sql.claim import (
    LARGE_BODY,
    MAX_ATTEMPTS_COUNTED,
    BodyAllowance,
    Claimed,
    ClaimRequest,
    attempt_number,
    claim_deliveries,
)
from delivery.sql.recovery.claims import void_claims
from subscriptions.models import Endpoint
from tests.delivery.factories import make_delivery, make_event
from tests.delivery.sql.factories import (
    HOUR,
    STALE,
    TOKEN,
    claim_request,
    make_deliveries,
    now,
    settle,
    settlement,
)
from tests.factories import make_endpoint
from tests.threads import in_threads
from webhooks.wire.ids import new_id


@pytest.mark.django_db
class TestClaim:
    def test_claimed_delivery_is_sending_under_the_token(self) -> None:
        endpoint = make_endpoint()
        (delivery,) = make_deliveries(endpoint, attempts=2, step=1)
        (claimed,) = claim_deliveries(TOKEN, [claim_request(endpoint)])
        assert (claimed.id, claimed.endpoint_id, claimed.event_id) == (delivery.id, endpoint.id, delivery.event_id)
        assert (claimed.attempts, claimed.step) == (2, 1)
        assert (claimed.body, claimed.rendered) == (bytes(delivery.event.body), False)
        delivery.refresh_from_db()
        assert (delivery.state, delivery.token, delivery.claims) == ("sending", TOKEN, 1)
        assert delivery.claimed_until == now() + timedelta(seconds=30)

    def test_claim_takes_no_delivery_twice(self) -> None:
        endpoint = make_endpoint()
        make_deliveries(endpoint, 3)
        assert len(claim_deliveries(TOKEN, [claim_request(endpoint)])) == 3
        assert claim_deliveries(STALE, [claim_request(endpoint)]) == []

    def test_claim_takes_the_oldest_up_to_the_limit(self) -> None:
        endpoint = make_endpoint()
        pending = make_deliveries(endpoint, 5)
        assert {it.id for it in claim_deliveries(TOKEN, [claim_request(endpoint, 2)])} == {it.id for it in pending[:2]}

    def test_claim_applies_the_limit_of_each_lane(self) -> None:
        one, other = make_endpoint(), make_endpoint()
        make_deliveries(one, 5)
        make_deliveries(other, 5)
        claimed = claim_deliveries(TOKEN, [claim_request(one, 1), claim_request(other, 3)])
        assert sorted(it.endpoint_id for it in claimed) == sorted([one.id, *[other.id] * 3])

    def test_claim_skips_deliveries_that_are_not_due(self) -> None:
        endpoint = make_endpoint()
        make_deliveries(endpoint, next_attempt_at=now() + timedelta(seconds=1))
        assert claim_deliveries(TOKEN, [claim_request(endpoint)]) == []

    def test_claim_skips_deliveries_below_the_low_water_mark(self) -> None:
        endpoint = make_endpoint()
        pending = make_deliveries(endpoint, 3)
        low_water_mark = pending[1].next_attempt_at
        assert low_water_mark is not None
        claimed = claim_deliveries(TOKEN, [claim_request(endpoint, low_water_mark=low_water_mark)])
        assert {it.id for it in claimed} == {it.id for it in pending[1:]}

    def test_claim_prefers_the_deliverys_own_body(self) -> None:
        endpoint = make_endpoint()
        make_deliveries(endpoint, body=b"rendered")
        (claimed,) = claim_deliveries(TOKEN, [claim_request(endpoint)])
        assert (claimed.body, claimed.rendered) == (b"rendered", True)

    @pytest.mark.parametrize("state", ["sending", "delivered", "dead", "cancelled"])
    def test_claim_skips_deliveries_that_are_not_pending(self, state: str) -> None:
        endpoint = make_endpoint()
        make_deliveries(endpoint, state=state, next_attempt_at=now() - HOUR)
        assert claim_deliveries(TOKEN, [claim_request(endpoint)]) == []


@pytest.mark.django_db(transaction=True)
def test_concurrent_claims_do_not_overlap() -> None:
    endpoint = make_endpoint()
    pending = make_deliveries(endpoint, 200)

    def claim_all(token: UUID) -> list[Claimed]:
        mine: list[Claimed] = []
        while claimed := claim_deliveries(token, [claim_request(endpoint, 7)]):
            mine += claimed
        return mine

    shares = in_threads(*(partial(claim_all, new_id()) for _ in range(4)))
    ids = [it.id for share in shares for it in share]
    assert len(ids) == len(set(ids))
    # Rows that another claim had locked were skipped; the next claim finds them.
    ids += [it.id for it in claim_deliveries(TOKEN, [claim_request(endpoint, 200)])]
    assert sorted(ids) == sorted(it.id for it in pending)


@pytest.mark.django_db
class TestClaimInOrder:
    def heads(self, endpoint: Endpoint, limit: int = 1_000) -> set[UUID]:
        return {it.id for it in claim_deliveries(TOKEN, [claim_request(endpoint, limit, ordered=True)])}

    def test_ordered_claim_takes_the_oldest_of_each_key(self) -> None:
        endpoint = make_endpoint()
        first = [make_deliveries(endpoint, 3, order_key=key)[0].id for key in ("", "a", "b", "\uffff")]
        assert self.heads(endpoint) == set(first)

    def test_ordered_claim_skips_a_key_whose_head_is_being_sent(self) -> None:
        endpoint = make_endpoint()
        make_deliveries(endpoint, 3, order_key="a")
        assert len(self.heads(endpoint)) == 1
        assert self.heads(endpoint) == set()

    def test_head_waiting_for_its_next_attempt_blocks_its_key_only(self) -> None:
        endpoint = make_endpoint()
        make_deliveries(endpoint, 1, order_key="a", next_attempt_at=now() + HOUR)
        make_deliveries(endpoint, 2, order_key="a")
        free = make_deliveries(endpoint, 2, order_key="b")[0]
        assert self.heads(endpoint) == {free.id}

    @pytest.mark.parametrize("state", ["delivered", "dead", "cancelled"])
    def test_finished_delivery_blocks_no_key(self, state: str) -> None:
        endpoint = make_endpoint()
        make_delivery(make_event(endpoint.tenant), endpoint, order_key="a", state=state)
        (next_one,) = make_deliveries(endpoint, 1, order_key="a")
        assert self.heads(endpoint) == {next_one.id}

    def test_ordered_claim_takes_deliveries_without_a_key_in_any_order(self) -> None:
        endpoint = make_endpoint()
        old = make_deliveries(endpoint, 3)
        head = make_deliveries(endpoint, 2, order_key="a")[0]
        assert self.heads(endpoint) == {*(it.id for it in old), head.id}

    def test_unordered_claim_ignores_keys(self) -> None:
        endpoint = make_endpoint()
        make_deliveries(endpoint, 3, order_key="a")
        assert len(claim_deliveries(TOKEN, [claim_request(endpoint)])) == 3

    def test_ordered_claim_obeys_the_limit(self) -> None:
        endpoint = make_endpoint()
        for key in "abcdef":
            make_deliveries(endpoint, 1, order_key=key)
        assert len(self.heads(endpoint, limit=4)) == 4

    def test_ordered_claim_obeys_the_limit_with_and_without_keys_together(self) -> None:
        endpoint = make_endpoint()
        old = make_deliveries(endpoint, 3)
        for key in "abcdef":
            make_deliveries(endpoint, 1, order_key=key)
        heads = self.heads(endpoint, limit=4)
        assert len(heads) == 4
        assert heads > {it.id for it in old}


@pytest.mark.django_db
class TestBodyAllowance:
    """A claim takes large bodies only as far as its allowance goes: the one that reaches it is the last."""

    def make_large(self, endpoint: Endpoint, count: int = 1, **changes: Any) -> list[Delivery]:
        rows = make_deliveries(endpoint, count, **changes)
        Event.objects.filter(deliveries__in=rows).update(body=b"x" * (LARGE_BODY + 1))
        return rows

    def claimed(self, allowance: BodyAllowance, *requests: ClaimRequest) -> set[UUID]:
        return {it.id for it in claim_deliveries(TOKEN, requests, allowance)}

    def test_claim_ends_with_the_body_that_reaches_the_total(self) -> None:
        endpoint = make_endpoint()
        rows = self.make_large(endpoint, 4)
        allowance = BodyAllowance(LARGE_BODY * 2, {endpoint.tenant_id: 2**30})
        assert self.claimed(allowance, claim_request(endpoint)) == {it.id for it in rows[:2]}
        assert Delivery.objects.filter(state="pending", token=None).count() == 2

    def test_total_is_shared_by_all_lanes_of_a_claim(self) -> None:
        endpoints = [make_endpoint() for _ in range(3)]
        for endpoint in endpoints:
            self.make_large(endpoint, 2)
        requests = [claim_request(it) for it in endpoints]
        assert len(self.claimed(BodyAllowance(1, {it.tenant_id: 2**30 for it in endpoints}), *requests)) == 1

    def test_tenant_without_allowance_leaves_large_bodies_to_others(self) -> None:
        endpoint, other = make_endpoint(), make_endpoint()
        self.make_large(endpoint)
        (expected,) = self.make_large(other)
        allowance = BodyAllowance(2**30, {endpoint.tenant_id: 0})
        assert self.claimed(allowance, claim_request(endpoint), claim_request(other)) == {expected.id}

    def test_tenant_gets_no_more_than_half_of_the_total(self) -> None:
        endpoint = make_endpoint()
        self.make_large(endpoint, 4)
        assert len(self.claimed(BodyAllowance(LARGE_BODY * 4), claim_request(endpoint))) == 2

    def test_small_bodies_need_no_allowance(self) -> None:
        endpoint = make_endpoint()
        rows = make_deliveries(endpoint, 3)
        assert self.claimed(BodyAllowance(0), claim_request(endpoint)) == {it.id for it in rows}

    def test_small_body_due_after_a_large_one_of_its_lane_waits_for_it(self) -> None:
        """The low-water mark may then never pass what stays pending."""
        endpoint = make_endpoint()
        before = make_deliveries(endpoint, 1, next_attempt_at=now() - 3 * HOUR)
        self.make_large(endpoint, 1, next_attempt_at=now() - 2 * HOUR)
        make_deliveries(endpoint, 1, next_attempt_at=now() - HOUR)
        assert self.claimed(BodyAllowance(0), claim_request(endpoint)) == {before[0].id}

    def test_rendered_body_counts_in_place_of_the_event(self) -> None:
        endpoint = make_endpoint()
        make_deliveries(endpoint, 1, body=b"x" * (LARGE_BODY + 1))
        assert self.claimed(BodyAllowance(0), claim_request(endpoint)) == set()

    def test_heads_of_an_ordered_lane_share_what_other_lanes_left(self) -> None:
        ordered, other = make_endpoint(), make_endpoint()
        self.make_large(ordered, order_key="a")
        small = make_deliveries(ordered, 1, order_key="b")[0]
        (large,) = self.make_large(other)
        allowance = BodyAllowance(LARGE_BODY, {ordered.tenant_id: 2**30})
        requests = [claim_request(ordered, ordered=True), claim_request(other)]
        assert self.claimed(allowance, *requests) == {small.id, large.id}


@pytest.mark.django_db(transaction=True)
def test_ordered_claim_skips_a_key_whose_head_is_locked() -> None:
    endpoint = make_endpoint()
    head, following = make_deliveries(endpoint, 2, order_key="a")
    with transaction.atomic():
        cancel_deliveries([head.id], "ops")
        (claimed,) = in_threads(
            without_waiting(lambda: claim_deliveries(TOKEN, [claim_request(endpoint, ordered=True)]))
        )
    assert claimed == []
    assert [it.id for it in claim_deliveries(TOKEN, [claim_request(endpoint, ordered=True)])] == [following.id]


def without_waiting(work: Callable[[], Any]) -> Callable[[], Any]:
    """Return the work as a function that fails if it has to wait for a row."""

    def run() -> Any:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '1ms'")
        return work()

    return run


@pytest.mark.django_db
@pytest.mark.parametrize("end", ["recovered", "set aside", "settled"])
def test_attempts_are_counted_up_to_a_maximum(end: str) -> None:
    endpoint = make_endpoint()
    (delivery,) = make_deliveries(endpoint, attempts=MAX_ATTEMPTS_COUNTED - 1)
    for _ in range(2):
        Delivery.objects.update(state="pending", next_attempt_at=delivery.next_attempt_at, token=None)
        (claimed,) = claim_deliveries(TOKEN, [claim_request(endpoint)])
        delivery.refresh_from_db()
        if end == "recovered":
            Delivery.objects.update(claimed_until=now() - HOUR)
            assert len(void_claims()) == 1
        elif end == "set aside":
            set_aside(delivery, "ops")
        else:
            settle(settlement(claimed, state="pending", number=attempt_number(claimed)))
    delivery.refresh_from_db()
    assert delivery.attempts == MAX_ATTEMPTS_COUNTED
