"""Settling attempts."""

import random
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from delivery.lifecycle.cancel import cancel_deliveries
from delivery.models import Attempt, DeadLetter, Delivery
from delivery.sql.claim import Claimed, claim_deliveries
from delivery.sql.recovery.claims import void_claims
from delivery.sql.settle import find_unrecorded, release_claims, settle_attempts
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


@pytest.mark.django_db
class TestSettle:
    def claimed(self, count: int = 1, **changes: Any) -> list[Claimed]:
        endpoint = make_endpoint()
        make_deliveries(endpoint, count, **changes)
        return claim_deliveries(TOKEN, [claim_request(endpoint)])

    def test_delivered_settlement_finishes_the_delivery_and_records_the_attempt(self) -> None:
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

    def test_settlement_records_why_requests_were_sent_again(self) -> None:
        claimed = self.claimed(2)
        again = "connection_closed,stream_refused"
        settle(*(settlement(it, repeats=again if it is claimed[0] else None) for it in claimed))
        recorded = {it.delivery_id: it.repeats for it in Attempt.objects.all()}
        assert recorded.pop(claimed[0].id) == again
        assert set(recorded.values()) <= {None}

    def test_pending_settlement_schedules_the_next_attempt(self) -> None:
        (it,) = self.claimed(step=2, attempts=5)
        settle(settlement(it, state="pending", wait=90.0, status=None, error="timeout", response=None))
        delivery = Delivery.objects.get()
        assert (delivery.state, delivery.step, delivery.attempts) == ("pending", 3, 6)
        assert delivery.next_attempt_at == now() + timedelta(seconds=90)
        assert (delivery.last_status, delivery.last_error) == (None, "timeout")

    def test_dead_settlement_creates_a_dead_letter(self) -> None:
        (it,) = self.claimed(attempts=9)
        settle(settlement(it, state="dead", cause="exhausted", status=500, error="status"))
        letter = DeadLetter.objects.get()
        assert (letter.delivery_id, letter.cause, letter.attempts) == (it.id, "exhausted", 10)
        assert (letter.last_status, letter.last_error, letter.closed_at) == (500, "status", None)
        assert Delivery.objects.get().next_attempt_at is None

    def test_settlement_with_a_stale_token_records_the_attempt_only(self) -> None:
        mine, others = self.claimed(2)
        Delivery.objects.filter(id=others.id).update(token=STALE)
        assert settle(settlement(mine), settlement(others, state="dead", cause="responded_410")) == {mine.id}
        untouched = Delivery.objects.get(id=others.id)
        assert (untouched.state, untouched.token, untouched.attempts) == ("sending", STALE, 0)
        assert set(Attempt.objects.values_list("delivery_id", flat=True)) == {mine.id, others.id}
        assert not DeadLetter.objects.exists()

    def test_settlement_of_a_recovered_claim_changes_nothing(self) -> None:
        (it,) = self.claimed()
        Delivery.objects.update(claimed_until=now() - HOUR)
        void_claims()
        assert settle(settlement(it)) == set()
        assert Delivery.objects.get().state == "pending"

    def test_second_settlement_of_a_claim_changes_nothing(self) -> None:
        (it,) = self.claimed()
        assert settle(settlement(it)) == {it.id}
        assert settle(settlement(it, state="dead", cause="responded_410")) == set()
        assert Delivery.objects.get().state == "delivered"

    def test_settle_of_two_attempts_in_one_batch_counts_the_current_claim(self) -> None:
        (it,) = self.claimed()
        late = settlement(it, token=STALE, state="dead", cause="exhausted", status=500)
        mine = settlement(it)
        with transaction.atomic():
            assert settle_attempts([late, mine]) == [mine]
        assert Delivery.objects.get().state == "delivered"
        assert Attempt.objects.count() == 2
        assert not DeadLetter.objects.exists()

    def test_hundreds_are_settled_at_once(self) -> None:
        claimed = self.claimed(300)
        assert settle(*map(settlement, claimed)) == {it.id for it in claimed}
        assert Attempt.objects.count() == 300

    def test_find_unrecorded_returns_settlements_without_a_stored_attempt(self) -> None:
        written, unwritten = map(settlement, self.claimed(2))
        settle(written)
        assert find_unrecorded([written, unwritten]) == [unwritten]

    def test_attempt_recorded_twice_violates_the_key(self) -> None:
        (it,) = self.claimed()
        mine = settlement(it)
        settle(mine)
        with pytest.raises(IntegrityError), transaction.atomic():
            settle_attempts([mine])


@pytest.mark.django_db(transaction=True)
def test_settle_and_cancel_at_once_do_not_deadlock() -> None:
    endpoint = make_endpoint()
    pending = make_deliveries(endpoint, 40)
    for _ in range(10):
        Delivery.objects.update(state="sending", token=TOKEN, claimed_until=now() + HOUR)
        mine, theirs = random.sample(pending, 40), [it.id for it in random.sample(pending, 40)]
        results = in_threads(
            lambda mine=mine: settle(*(settlement(it) for it in mine)),
            lambda theirs=theirs: cancel_deliveries(theirs, "ops"),
        )
        assert not [it for it in results if isinstance(it, Exception)]


@pytest.mark.django_db
class TestRelease:
    def test_released_claim_costs_no_attempt_and_is_due_again_soon(self) -> None:
        endpoint = make_endpoint()
        (delivery,) = make_deliveries(endpoint)
        claim_deliveries(TOKEN, [claim_request(endpoint)])
        release_claims([(delivery.id, TOKEN)])
        delivery.refresh_from_db()
        assert (delivery.state, delivery.attempts, delivery.claims, delivery.token) == ("pending", 0, 0, None)
        assert delivery.next_attempt_at is not None
        assert delivery.next_attempt_at > now()

    def test_claim_of_another_token_is_not_released(self) -> None:
        endpoint = make_endpoint()
        (delivery,) = make_deliveries(endpoint)
        claim_deliveries(TOKEN, [claim_request(endpoint)])
        release_claims([(delivery.id, STALE)])
        delivery.refresh_from_db()
        assert (delivery.state, delivery.token) == ("sending", TOKEN)
