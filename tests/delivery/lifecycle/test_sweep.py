"""Every debt is found without any message: what a crash, a lost ring or a late commit left; and it is rung for."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest
from django.utils import timezone

from delivery import notify
from delivery.lifecycle import sweep
from delivery.models import DeadLetter, Delivery, Event, Lane
from delivery.sql.recovery import MAX_UNSETTLED_CLAIMS
from subscriptions.endpoints.endpoints import delete_endpoint
from subscriptions.endpoints.state import pause, resume
from subscriptions.models import Endpoint
from tests.delivery.factories import make_delivery, make_event
from tests.factories import make_endpoint, make_subscription
from webhooks.wire.ids import new_id

pytestmark = pytest.mark.django_db
AGO = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def rings(monkeypatch: pytest.MonkeyPatch) -> list[set[UUID]]:
    """For whom the bell was rung."""
    heard: list[set[UUID]] = []
    monkeypatch.setattr(notify, "notify_drains", lambda endpoint_ids: heard.append(set(endpoint_ids)))
    return heard


def owe(endpoint: Endpoint, **changes: Any) -> Delivery:
    """A delivery that fell due a minute ago."""
    fields: dict[str, Any] = {"next_attempt_at": timezone.now() - AGO, **changes}
    return make_delivery(make_event(endpoint.tenant), endpoint, **fields)


def lane_of(endpoint: Endpoint, **changes: Any) -> Lane:
    return Lane.objects.create(endpoint=endpoint, tenant=endpoint.tenant, **changes)


def claimed(endpoint: Endpoint, *, claims: int = 1, until: timedelta = -AGO) -> Delivery:
    """A delivery somebody is sending, whose claim ends that far from now."""
    return owe(endpoint, state="sending", token=new_id(), claims=claims, claimed_until=timezone.now() + until)


def news() -> list[tuple[str, str]]:
    """Cause and delivery of what the tenants have been told."""
    told = [orjson.loads(bytes(it.body))["data"] for it in Event.objects.filter(type="waypost.delivery.dead")]
    return [(it["cause"], it["delivery"]) for it in told]


class TestRescue:
    def test_a_claim_that_nobody_came_back_from_is_void_and_its_attempt_is_told(self, rings: list[set[UUID]]) -> None:
        delivery = claimed(make_endpoint())
        assert sweep.recover() == 1
        delivery.refresh_from_db()
        assert (delivery.state, delivery.token, delivery.attempts) == ("pending", None, 1)
        assert delivery.history.get().error == "unknown"
        assert rings == [{delivery.endpoint_id}]

    def test_of_what_is_poison_its_tenant_is_told(self) -> None:
        endpoint = make_endpoint()
        make_subscription(make_endpoint(endpoint.tenant), event_types=["waypost.*"])
        delivery = claimed(endpoint, claims=MAX_UNSETTLED_CLAIMS)
        sweep.recover()
        assert news() == [("crashed_worker", delivery.public_id)]

    def test_a_claim_that_still_holds_is_left_alone(self, rings: list[set[UUID]]) -> None:
        delivery = claimed(make_endpoint(), until=AGO)
        assert sweep.recover() == 0
        delivery.refresh_from_db()
        assert delivery.state == "sending"
        assert rings == []

    def test_what_takes_its_sender_down_again_and_again_is_poison(self) -> None:
        delivery = claimed(make_endpoint(), claims=1_000)
        assert sweep.recover() == 1
        delivery.refresh_from_db()
        assert delivery.state == "dead"
        assert DeadLetter.objects.get().cause == "crashed_worker"

    def test_a_lane_that_was_parked_goes_on_when_its_endpoint_does(self, rings: list[set[UUID]]) -> None:
        endpoint = make_endpoint()
        lane = lane_of(endpoint, endpoint_inactive=True)
        pause(endpoint)
        assert sweep.recover() == 0
        lane.refresh_from_db()
        assert lane.endpoint_inactive
        Endpoint.objects.filter(pk=endpoint.pk).update(state="active")  # and whoever did it died before the bell
        assert sweep.recover() == 0
        lane.refresh_from_db()
        assert (lane.endpoint_inactive, lane.due_at is not None) == (False, True)
        assert rings == [set()]

    def test_a_lane_whose_endpoint_will_never_be_active_is_taken_up_so_that_it_can_be_buried(self) -> None:
        endpoint = make_endpoint()
        lane = lane_of(endpoint, endpoint_inactive=True)
        delete_endpoint(endpoint)
        sweep.recover()
        lane.refresh_from_db()
        assert not lane.endpoint_inactive


class TestSweep:
    def test_where_nothing_is_owed_nobody_is_woken(self, rings: list[set[UUID]]) -> None:
        lane_of(make_endpoint())
        sweep.sweep()
        assert rings == []

    def test_who_was_owed_something_before_there_was_a_lane_gets_one(self, rings: list[set[UUID]]) -> None:
        endpoint = make_endpoint()
        owe(endpoint)
        sweep.sweep()
        assert Lane.objects.get(endpoint=endpoint).due_at is not None
        assert rings == [{endpoint.id}]

    def test_a_free_lane_that_owes_and_is_not_due_is_marked(self, rings: list[set[UUID]]) -> None:
        endpoint = make_endpoint()
        lane = lane_of(endpoint)
        owe(endpoint)
        sweep.sweep()
        lane.refresh_from_db()
        assert lane.due_at is not None
        assert len(rings) == 1

    def test_a_lane_that_somebody_holds_is_his_to_look_after(self, rings: list[set[UUID]]) -> None:
        endpoint = make_endpoint()
        lane = lane_of(endpoint, owner=new_id(), due_at=timezone.now() + AGO)
        owe(endpoint)
        sweep.sweep()
        before, _ = lane.due_at, lane.refresh_from_db()
        assert lane.due_at == before
        assert rings == []

    def test_what_was_committed_below_the_mark_comes_above_it(self, rings: list[set[UUID]]) -> None:
        endpoint = make_endpoint()
        lane = lane_of(endpoint, low_water_mark=timezone.now() - AGO / 2)
        late = owe(endpoint)
        sweep.sweep()
        late.refresh_from_db()
        assert late.next_attempt_at is not None
        assert late.next_attempt_at >= lane.low_water_mark
        assert rings == [{endpoint.id}]

    def test_what_waited_a_week_for_a_paused_endpoint_is_given_up_with_that_reason(self) -> None:
        endpoint = make_endpoint()
        pause(endpoint)
        lane_of(endpoint, endpoint_inactive=True)
        week = timedelta(seconds=sweep.EXPIRES_AFTER)
        old = owe(endpoint, next_attempt_at=timezone.now() - week - AGO)
        young = owe(endpoint, next_attempt_at=timezone.now() - week + AGO)
        sweep.sweep()
        assert DeadLetter.objects.get().delivery_id == old.pk
        assert DeadLetter.objects.get().cause == "expired"
        young.refresh_from_db()
        assert young.state == "pending"
        resume(endpoint)
        sweep.recover()
        assert not Lane.objects.get().endpoint_inactive
