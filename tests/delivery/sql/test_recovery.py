"""Recovering expired claims, and raising deliveries to their lane's low-water mark."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from delivery.models import DeadLetter, Delivery, Lane
from delivery.sql.claim import CLAIM_GRACE, claim_deliveries
from delivery.sql.recovery.claims import MAX_UNSETTLED_CLAIMS, raise_to_low_water_mark, void_claims
from delivery.sql.recovery.clock_steps import bring_pauses_forward
from delivery.sql.recovery.outages import MAX_UNCOUNTED, Outage, find_newest_due, make_probes_due, retry_after_outage
from tests.delivery.factories import make_attempt
from tests.delivery.sql.factories import (
    EPOCH,
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
        assert void_claims() == [(delivery.id, delivery.endpoint_id, "pending")]
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
        assert void_claims() == []

    def test_claim_that_has_not_expired_is_left_unchanged(self) -> None:
        self.expired_claim(claimed_until=now() + timedelta(seconds=1))
        assert void_claims() == []

    def test_delivery_is_dead_after_its_last_allowed_claim(self) -> None:
        delivery = self.expired_claim(claims=MAX_UNSETTLED_CLAIMS, attempts=MAX_UNSETTLED_CLAIMS - 1)
        assert void_claims() == [(delivery.id, delivery.endpoint_id, "dead")]
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
            states += [it.state for it in void_claims()]
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
        cursor.execute("SELECT webhooks_uuid7(), clock_timestamp() FROM generate_series(1, 100)")
        rows = cursor.fetchall()
    assert len({key for key, _ in rows}) == 100
    for key, moment in rows:
        assert (key.version, key.variant) == (7, "specified in RFC 4122")
        assert abs((key.int >> 80) / 1000 - moment.timestamp()) < 1


@pytest.mark.django_db
class TestRetryAfterOutage:
    """The outage lasted from two hours ago until an hour ago."""

    def waiting(self, attempted_before: timedelta, **changes: Any) -> Delivery:
        """Create a delivery that waits for a retry in an hour, after an attempt so long ago."""
        endpoint = make_endpoint()
        fields = {"attempts": 1, "step": 1, "last_status": 503, "next_attempt_at": now() + HOUR}
        (delivery,) = make_deliveries(endpoint, **{**fields, **changes})
        make_attempt(delivery, started_at=now() - 24 * HOUR)
        make_attempt(delivery, started_at=now() - attempted_before)
        return delivery

    def is_due_after(self, delivery: Delivery, **changes: Any) -> bool:
        outage = Outage(now() - 2 * HOUR, now() - HOUR, EPOCH)._replace(**changes)
        while looked_at := retry_after_outage(delivery.endpoint_id, outage):
            outage = outage._replace(after=looked_at[0])
        delivery.refresh_from_db()
        is_due = delivery.next_attempt_at == now()
        assert delivery.step == (0 if is_due and delivery.attempts < MAX_UNCOUNTED else 1)  # its plan does not advance
        return is_due

    def test_delivery_whose_latest_attempt_failed_in_the_outage_is_due(self) -> None:
        assert self.is_due_after(self.waiting(1.5 * HOUR))

    @pytest.mark.parametrize("last_status", [None, 408, 500, 599])
    def test_delivery_that_got_no_response_408_or_5xx_is_due(self, last_status: int | None) -> None:
        assert self.is_due_after(self.waiting(1.5 * HOUR, last_status=last_status))

    @pytest.mark.parametrize("hours", [2.5, 0.5])
    def test_delivery_that_failed_before_or_after_the_outage_waits(self, hours: float) -> None:
        assert not self.is_due_after(self.waiting(hours * HOUR))

    @pytest.mark.parametrize(
        "changes", [{"last_status": 429}, {"last_status": 422}, {"last_status": 302}, {"attempts": 0}]
    )
    def test_delivery_that_waits_for_another_reason_is_left_unchanged(self, changes: dict[str, Any]) -> None:
        assert not self.is_due_after(self.waiting(1.5 * HOUR, **changes))

    def test_plan_advances_after_very_many_attempts(self) -> None:
        assert self.is_due_after(self.waiting(1.5 * HOUR, attempts=MAX_UNCOUNTED))

    def test_overload_is_over_when_the_endpoint_is_said_to_work(self) -> None:
        assert self.is_due_after(self.waiting(1.5 * HOUR, last_status=429), include_others=True)


@pytest.mark.django_db
class TestMakeProbesDue:
    RETRY: dict[str, Any] = {"attempts": 4, "step": 4, "last_status": 500}

    def test_next_retry_is_the_probe(self) -> None:
        endpoint = make_endpoint()
        first, second = make_deliveries(endpoint, 2, next_attempt_at=now() + HOUR, **self.RETRY)
        assert make_probes_due({endpoint.id: False}) == 1
        first.refresh_from_db()
        second.refresh_from_db()
        assert (first.next_attempt_at, first.step, second.step) == (now(), 3, 4)
        assert second.next_attempt_at is not None
        assert second.next_attempt_at > now()

    @pytest.mark.parametrize(("is_ordered", "count"), [(False, 0), (True, 1)])
    def test_delivery_that_is_due_is_the_probe_unless_it_may_wait_for_a_retry(
        self, is_ordered: bool, count: int
    ) -> None:
        endpoint = make_endpoint()
        make_deliveries(endpoint)
        make_deliveries(endpoint, next_attempt_at=now() + HOUR, **self.RETRY)
        assert make_probes_due({endpoint.id: is_ordered}) == count

    @pytest.mark.parametrize("changes", [{"last_status": 429}, {"attempts": 0}])
    def test_delivery_that_waits_for_another_reason_is_no_probe(self, changes: dict[str, Any]) -> None:
        endpoint = make_endpoint()
        make_deliveries(endpoint, next_attempt_at=now() + HOUR, **{**self.RETRY, **changes})
        assert make_probes_due({endpoint.id: False}) == 0

    def test_no_endpoints_need_no_probe(self) -> None:
        assert make_probes_due({}) == 0


@pytest.mark.django_db
class TestFindNewestDue:
    def test_newest_due_delivery_that_has_not_failed_is_preferred(self) -> None:
        endpoint, other = make_endpoint(), make_endpoint()
        fresh = make_deliveries(endpoint, 3)
        make_deliveries(endpoint, attempts=2, next_attempt_at=now())
        make_deliveries(endpoint, next_attempt_at=now() + HOUR)
        make_deliveries(other, state="delivered")
        assert find_newest_due([endpoint.id, other.id]) == {endpoint.id: fresh[-1].next_attempt_at}

    def test_newest_retry_is_found_if_all_have_failed(self) -> None:
        endpoint = make_endpoint()
        made = make_deliveries(endpoint, 2, attempts=1)
        assert find_newest_due([endpoint.id]) == {endpoint.id: made[-1].next_attempt_at}

    def test_no_endpoints_need_no_statement(self) -> None:
        assert find_newest_due([]) == {}


@pytest.mark.django_db
class TestBringPausesForward:
    PAUSE = timedelta(minutes=2)

    def pausing(self, began_in: timedelta, **changes: Any) -> Lane:
        """Create a lane whose endpoint asked for a pause, which began so long from now."""
        since = now() + began_in
        until = since + self.PAUSE
        return make_lane(make_endpoint(), **{"wait_since": since, "wait_until": until, "due_at": until, **changes})

    def test_lane_whose_pause_began_in_the_future_is_due_and_keeps_its_pause(self) -> None:
        lane, until = self.pausing(HOUR), now() + HOUR + self.PAUSE
        assert bring_pauses_forward(900.0) == 1
        lane.refresh_from_db()
        assert (lane.due_at, lane.wait_until) == (now(), until)

    def test_lane_whose_breaker_is_open_for_longer_than_possible_is_due(self) -> None:
        opened = {"failing_since": now() - HOUR, "open_count": 1, "circuit_open_until": now() + HOUR}
        self.pausing(-self.PAUSE, wait_since=None, wait_until=None, due_at=now() + HOUR, **opened)
        assert (bring_pauses_forward(3_600.0), bring_pauses_forward(900.0)) == (0, 1)

    def test_other_pauses_and_leased_lanes_are_left_alone(self) -> None:
        self.pausing(timedelta(0))
        self.pausing(HOUR, owner=new_id())
        assert bring_pauses_forward(900.0) == 0
