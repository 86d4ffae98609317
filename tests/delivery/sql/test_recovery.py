"""Recovering expired claims, and raising deliveries to their lane's low-water mark."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from delivery.models import DeadLetter, Delivery
from delivery.sql.claim import CLAIM_GRACE, claim_deliveries
from delivery.sql.recovery import MAX_UNSETTLED_CLAIMS, raise_to_low_water_mark, recover_claims
from tests.delivery.factories import make_attempt
from tests.delivery.sql.factories import (
    HOUR,
    TOKEN,
    claim_request,
    make_deliveries,
    make_lane,
    now,
    settle,
    settlement,
)
from tests.factories import make_endpoint
from webhooks.wire.ids import new_id


@pytest.mark.django_db
class TestRecoverClaims:
    def expired_claim(self, **changes: Any) -> Delivery:
        """Create a delivery being sent, whose claim expired a second ago."""
        endpoint = make_endpoint(timeout_ms=2_000)
        fields = {"state": "sending", "token": TOKEN, "claims": 1, "claimed_until": now() - timedelta(seconds=1)}
        return make_deliveries(endpoint, **{**fields, **changes})[0]

    def test_expired_claim_is_pending_and_its_attempt_recorded_as_unknown(self) -> None:
        delivery = self.expired_claim(attempts=1, step=1)
        make_attempt(delivery)
        assert recover_claims() == [(delivery.id, delivery.endpoint_id, "pending")]
        delivery.refresh_from_db()
        assert (delivery.state, delivery.token, delivery.claimed_until) == ("pending", None, None)
        assert (delivery.next_attempt_at, delivery.attempts, delivery.step) == (now(), 2, 1)
        assert (delivery.last_status, delivery.last_error) == (None, "unknown")
        attempt = delivery.history.order_by("-number")[0]
        assert (attempt.number, attempt.status, attempt.error) == (2, None, "unknown")
        assert attempt.started_at == now() - timedelta(seconds=1 + 2 + CLAIM_GRACE)

    @pytest.mark.parametrize("changes", [{"claimed_until": None}, {"state": "pending"}, {"state": "delivered"}])
    def test_other_deliveries_are_left_unchanged(self, changes: dict[str, Any]) -> None:
        self.expired_claim(**changes)
        assert recover_claims() == []

    def test_claim_that_has_not_expired_is_left_unchanged(self) -> None:
        self.expired_claim(claimed_until=now() + timedelta(seconds=1))
        assert recover_claims() == []

    def test_delivery_is_dead_after_its_last_allowed_claim(self) -> None:
        delivery = self.expired_claim(claims=MAX_UNSETTLED_CLAIMS, attempts=MAX_UNSETTLED_CLAIMS - 1)
        assert recover_claims() == [(delivery.id, delivery.endpoint_id, "dead")]
        delivery.refresh_from_db()
        assert (delivery.state, delivery.next_attempt_at) == ("dead", None)
        letter = DeadLetter.objects.get()
        assert (letter.cause, letter.delivery_id, letter.attempts) == (
            "crashed_worker",
            delivery.id,
            MAX_UNSETTLED_CLAIMS,
        )
        assert (letter.last_error, letter.tenant_id) == ("unknown", delivery.tenant_id)

    def test_delivery_is_dead_after_max_unsettled_claims_in_a_row(self) -> None:
        endpoint = make_endpoint()
        (delivery,) = make_deliveries(endpoint)
        states = []
        for _ in range(MAX_UNSETTLED_CLAIMS):
            claim_deliveries(new_id(), [claim_request(endpoint)])
            Delivery.objects.update(claimed_until=now() - HOUR)
            states += [it.state for it in recover_claims()]
        assert states == ["pending"] * (MAX_UNSETTLED_CLAIMS - 1) + ["dead"]
        assert delivery.history.filter(error="unknown").count() == MAX_UNSETTLED_CLAIMS

    def test_settled_attempt_resets_the_claims(self) -> None:
        endpoint = make_endpoint()
        make_deliveries(endpoint, claims=MAX_UNSETTLED_CLAIMS - 1)
        (claimed,) = claim_deliveries(TOKEN, [claim_request(endpoint)])
        settle(settlement(claimed, state="pending"))
        assert Delivery.objects.get().claims == 0


@pytest.mark.django_db
class TestRaiseToLowWaterMark:
    def test_delivery_below_the_low_water_mark_is_raised_to_now(self) -> None:
        lane = make_lane(low_water_mark=now() - timedelta(seconds=5))
        late, punctual = make_deliveries(lane.endpoint, 2, next_attempt_at=now() - timedelta(seconds=5.5))
        assert raise_to_low_water_mark() == {lane.endpoint_id}
        late.refresh_from_db()
        assert late.next_attempt_at == now()
        due_at = punctual.next_attempt_at
        punctual.refresh_from_db()
        assert punctual.next_attempt_at == due_at

    @pytest.mark.parametrize("state", ["sending", "delivered", "dead"])
    def test_deliveries_that_are_not_pending_are_not_raised(self, state: str) -> None:
        lane = make_lane(low_water_mark=now())
        make_deliveries(lane.endpoint, state=state, next_attempt_at=now() - HOUR)
        assert raise_to_low_water_mark() == set()

    def test_lane_without_a_low_water_mark_raises_nothing(self) -> None:
        make_deliveries(make_lane().endpoint)
        assert raise_to_low_water_mark() == set()


@pytest.mark.django_db
def test_key_made_by_the_database_is_a_uuid_version_7_of_now() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT delivery_uuid7(), clock_timestamp() FROM generate_series(1, 100)")
        rows = cursor.fetchall()
    assert len({key for key, _ in rows}) == 100
    for key, moment in rows:
        assert (key.version, key.variant) == (7, "specified in RFC 4122")
        assert abs((key.int >> 80) / 1000 - moment.timestamp()) < 1
