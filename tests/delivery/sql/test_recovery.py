"""What a crash left behind is found, once, and what is well is left alone."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from delivery.models import DeadLetter, Delivery, Lane
from delivery.sql.claim import CLAIM_GRACE, claim_deliveries
from delivery.sql.dead_letters import dead_letter_expired
from delivery.sql.due import create_missing_lanes, resume_lanes, retry_changed_endpoints
from delivery.sql.lanes import lease_lanes
from delivery.sql.recovery import MAX_UNSETTLED_CLAIMS, raise_to_low_water_mark, recover_claims
from delivery.sql.replay import replay_dead_letters
from subscriptions.endpoints.endpoints import change_endpoint, delete_endpoint
from subscriptions.endpoints.state import disable, enable, pause, resume
from subscriptions.tenants.tenants import delete_tenant
from tests.delivery.factories import make_attempt, make_dead_letter, make_replay
from tests.delivery.sql.factories_ledger import HOUR, OWNER, TOKEN, asking, make_lane, now, owe, settle, settlement
from tests.factories import make_endpoint
from webhooks.wire.ids import new_id


@pytest.mark.django_db
class TestRescue:
    def cut(self, **changes: Any) -> Delivery:
        """A delivery whose sender has not come back."""
        endpoint = make_endpoint(timeout_ms=2_000)
        fields = {"state": "sending", "token": TOKEN, "claims": 1, "claimed_until": now() - timedelta(seconds=1)}
        return owe(endpoint, **{**fields, **changes})[0]

    def test_it_may_be_claimed_again_at_once_and_the_cut_attempt_is_recorded_as_unknown(self) -> None:
        delivery = self.cut(attempts=1, step=1)
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
    def test_nothing_else_is_touched(self, changes: dict[str, Any]) -> None:
        self.cut(**changes)
        assert recover_claims() == []

    def test_a_claim_that_still_holds_is_left_alone(self) -> None:
        self.cut(claimed_until=now() + timedelta(seconds=1))
        assert recover_claims() == []

    def test_what_nobody_ever_came_back_from_is_poison(self) -> None:
        delivery = self.cut(claims=MAX_UNSETTLED_CLAIMS, attempts=MAX_UNSETTLED_CLAIMS - 1)
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

    def test_it_takes_that_many_claims_in_a_row(self) -> None:
        endpoint = make_endpoint()
        (delivery,) = owe(endpoint)
        states = []
        for _ in range(MAX_UNSETTLED_CLAIMS):
            claim_deliveries(new_id(), [asking(endpoint)])
            Delivery.objects.update(claimed_until=now() - HOUR)
            states += [it.state for it in recover_claims()]
        assert states == ["pending"] * (MAX_UNSETTLED_CLAIMS - 1) + ["dead"]
        assert delivery.history.filter(error="unknown").count() == MAX_UNSETTLED_CLAIMS

    def test_one_result_starts_the_count_anew(self) -> None:
        endpoint = make_endpoint()
        owe(endpoint, claims=MAX_UNSETTLED_CLAIMS - 1)
        (claimed,) = claim_deliveries(TOKEN, [asking(endpoint)])
        settle(settlement(claimed, state="pending"))
        assert Delivery.objects.get().claims == 0


@pytest.mark.django_db
class TestBeginningAnew:
    def tripped(self, **changes: Any) -> Lane:
        until, since = now() + HOUR, now() - HOUR
        fields = {"open_count": 1, "failing_since": since, "circuit_open_until": until, "due_at": until}
        endpoint = make_endpoint()
        type(endpoint).objects.update(state_changed_at=since - HOUR)
        return make_lane(endpoint, **{**fields, **changes})

    def test_a_lane_whose_endpoint_was_moved_since_is_due(self) -> None:
        lane = self.tripped()
        assert retry_changed_endpoints() == 0
        change_endpoint(lane.endpoint, {"url": "https://example.com/elsewhere"})
        assert retry_changed_endpoints() == 1
        lane.refresh_from_db()
        assert lane.due_at == now()
        assert retry_changed_endpoints() == 0

    def test_so_is_one_whose_endpoint_was_switched_on_again(self) -> None:
        lane = self.tripped()
        disable(lane.endpoint, "failing")
        enable(lane.endpoint)
        assert retry_changed_endpoints() == 1

    @pytest.mark.parametrize(
        "changes", [{"owner": OWNER}, {"endpoint_inactive": True, "due_at": None}, {"circuit_open_until": None}]
    )
    def test_others_are_left_alone(self, changes: dict[str, Any]) -> None:
        lane = self.tripped(**changes)
        pause(lane.endpoint)
        resume(lane.endpoint)
        assert retry_changed_endpoints() == 0


@pytest.mark.django_db
class TestUnpark:
    def parked(self, stop: Any) -> Lane:
        lane = make_lane(due_at=now())
        owe(lane.endpoint)
        stop(lane.endpoint)
        lease_lanes(OWNER, 10)
        return lane

    @pytest.mark.parametrize(
        "end",
        [
            resume,
            delete_endpoint,
            lambda it: disable(it, "responded_410"),
            lambda it: delete_tenant(it.tenant),
            lambda it: type(it.tenant).objects.filter(id=it.tenant_id).update(deleted_at=timezone.now()),
        ],
        ids=["resumed", "deleted", "gone", "tenant deleted", "tenant row marked"],
    )
    def test_a_lane_that_may_go_on_or_never_will_is_due(self, end: Any) -> None:
        lane = self.parked(pause)
        end(lane.endpoint)
        assert resume_lanes() == 1
        lane.refresh_from_db()
        assert (lane.endpoint_inactive, lane.due_at) == (False, now())

    @pytest.mark.parametrize("stop", [pause, lambda it: disable(it, "operator")])
    def test_a_lane_whose_endpoint_still_rests_stays_parked(self, stop: Any) -> None:
        lane = self.parked(stop)
        assert resume_lanes() == 0
        lane.refresh_from_db()
        assert lane.endpoint_inactive


@pytest.mark.django_db
class TestRaiseToFloor:
    def test_what_appeared_below_the_mark_gets_a_due_time_above_it(self) -> None:
        lane = make_lane(low_water_mark=now() - timedelta(seconds=5))
        late, punctual = owe(lane.endpoint, 2, next_attempt_at=now() - timedelta(seconds=5.5))
        assert raise_to_low_water_mark() == {lane.endpoint_id}
        late.refresh_from_db()
        assert late.next_attempt_at == now()
        due_at = punctual.next_attempt_at
        punctual.refresh_from_db()
        assert punctual.next_attempt_at == due_at

    @pytest.mark.parametrize("state", ["sending", "delivered", "dead"])
    def test_only_what_is_pending(self, state: str) -> None:
        lane = make_lane(low_water_mark=now())
        owe(lane.endpoint, state=state, next_attempt_at=now() - HOUR)
        assert raise_to_low_water_mark() == set()

    def test_without_a_mark_nothing_is_below_it(self) -> None:
        owe(make_lane().endpoint)
        assert raise_to_low_water_mark() == set()


@pytest.mark.django_db
class TestLanesMissing:
    def test_who_is_owed_something_without_a_lane_gets_one(self) -> None:
        endpoint = make_endpoint()
        owe(endpoint, 2)
        make_endpoint()
        owe(make_lane().endpoint)
        assert create_missing_lanes() == {endpoint.id}
        assert Lane.objects.get(endpoint=endpoint).due_at == now()
        assert create_missing_lanes() == set()


@pytest.mark.django_db
class TestExpire:
    def test_what_waited_too_long_in_a_parked_lane_dies_of_it(self) -> None:
        lane = make_lane(endpoint_inactive=True)
        (old,) = owe(lane.endpoint, next_attempt_at=now() - 2 * HOUR)
        (young,) = owe(lane.endpoint, next_attempt_at=now() - HOUR)
        assert dead_letter_expired(1.5 * 3600) == [old.id]
        letter = DeadLetter.objects.get()
        assert (letter.delivery_id, letter.cause) == (old.id, "expired")
        states = dict(Delivery.objects.values_list("id", "state"))
        assert (states[old.id], states[young.id]) == ("dead", "pending")

    def test_in_a_lane_that_is_served_nothing_expires(self) -> None:
        owe(make_lane(due_at=now()).endpoint, next_attempt_at=now() - 2 * HOUR)
        assert dead_letter_expired(3600) == []


@pytest.mark.django_db
class TestRedrive:
    def test_the_delivery_starts_anew_and_its_letter_is_closed(self) -> None:
        endpoint = make_endpoint()
        (delivery,) = owe(endpoint, attempts=10, step=9, claims=3, body=b"old")
        letter = make_dead_letter(delivery)
        replay = make_replay(endpoint.tenant)
        assert replay_dead_letters(replay.id, "somebody", [(letter.id, None)]) == [endpoint.id]
        delivery.refresh_from_db()
        assert delivery.state == "pending"
        assert delivery.next_attempt_at is not None
        assert delivery.next_attempt_at == delivery.started_at > now()  # later than the transaction began
        assert (delivery.attempts, delivery.step, delivery.claims) == (10, 0, 0)
        assert (delivery.replay_id, bytes(delivery.body or b"")) == (replay.id, b"old")
        letter.refresh_from_db()
        assert (letter.replayed_at, letter.replayed_by, letter.replay_id) == (now(), "somebody", replay.id)

    def test_new_bytes_take_the_place_of_the_old(self) -> None:
        (delivery,) = owe(make_endpoint(), body=b"old")
        letter = make_dead_letter(delivery)
        replay_dead_letters(make_replay(None).id, "somebody", [(letter.id, b"new")])
        delivery.refresh_from_db()
        assert bytes(delivery.body or b"") == b"new"

    def test_a_letter_that_is_closed_stays_closed(self) -> None:
        (delivery,) = owe(make_endpoint())
        letter = make_dead_letter(delivery)
        first, second = make_replay(None), make_replay(None)
        replay_dead_letters(first.id, "one", [(letter.id, None)])
        assert replay_dead_letters(second.id, "other", [(letter.id, None)]) == []
        letter.refresh_from_db()
        assert (letter.replayed_by, letter.replay_id) == ("one", first.id)


@pytest.mark.django_db
def test_a_key_made_by_the_database_is_a_version_7_of_now() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT delivery_uuid7(), clock_timestamp() FROM generate_series(1, 100)")
        rows = cursor.fetchall()
    assert len({key for key, _ in rows}) == 100
    for key, moment in rows:
        assert (key.version, key.variant) == (7, "specified in RFC 4122")
        assert abs((key.int >> 80) / 1000 - moment.timestamp()) < 1
