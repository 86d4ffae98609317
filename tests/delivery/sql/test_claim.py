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
from delivery.models import Delivery
from delivery.sql.claim import MAX_ATTEMPTS_COUNTED, Claimed, attempt_number, claim_deliveries
from delivery.sql.recovery import recover_claims
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
            assert len(recover_claims()) == 1
        elif end == "set aside":
            set_aside(delivery, "ops")
        else:
            settle(settlement(claimed, state="pending", number=attempt_number(claimed)))
    delivery.refresh_from_db()
    assert delivery.attempts == MAX_ATTEMPTS_COUNTED
