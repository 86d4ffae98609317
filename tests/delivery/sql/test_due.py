"""Marking lanes due: after publishing, after a release, and when their endpoint has changed."""

import random
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from delivery.models import Lane
from delivery.sql.due import (
    create_missing_lanes,
    end_waits,
    mark_lanes_due,
    recheck_due,
    resume_lanes,
    retry_changed_endpoints,
)
from delivery.sql.lanes import lease_lanes
from subscriptions.endpoints.endpoints import change_endpoint, delete_endpoint
from subscriptions.endpoints.state import disable, enable, pause, resume
from subscriptions.tenants.tenants import delete_tenant
from tests.delivery.sql.factories import (
    EPOCH,
    HOUR,
    OTHER,
    OWNER,
    make_deliveries,
    make_lane,
    now,
)
from tests.factories import make_endpoint, make_tenant
from tests.threads import in_threads
from webhooks.wire.ids import new_id


@pytest.mark.django_db
class TestMarkLanesDue:
    def test_endpoint_without_a_lane_gets_one(self) -> None:
        endpoint = make_endpoint()
        mark_lanes_due([endpoint.id])
        lane = Lane.objects.get(endpoint=endpoint)
        assert (lane.due_at, lane.owner, lane.endpoint_inactive) == (now(), None, False)

    @pytest.mark.parametrize("due_in", [None, HOUR])
    def test_free_lane_is_due_now(self, due_in: timedelta | None) -> None:
        lane = make_lane(due_at=due_in and now() + due_in)
        mark_lanes_due([lane.endpoint_id])
        lane.refresh_from_db()
        assert lane.due_at == now()

    def test_lane_that_is_due_keeps_its_time(self) -> None:
        lane = make_lane(due_at=now() - HOUR)
        mark_lanes_due([lane.endpoint_id])
        lane.refresh_from_db()
        assert lane.due_at == now() - HOUR

    @pytest.mark.parametrize("fields", [{"owner": OTHER, "due_at": EPOCH + HOUR}, {"endpoint_inactive": True}])
    def test_leased_or_inactive_lane_is_left_unchanged(self, fields: dict[str, Any]) -> None:
        lane = make_lane(**fields)
        mark_lanes_due([lane.endpoint_id])
        due_at = lane.due_at
        lane.refresh_from_db()
        assert lane.due_at == due_at

    @pytest.mark.parametrize("due_in", [None, 2 * HOUR])
    def test_lane_with_an_open_breaker_is_due_when_the_pause_ends(self, due_in: timedelta | None) -> None:
        lane = make_lane(circuit_open_until=now() + HOUR, due_at=due_in and now() + due_in)
        mark_lanes_due([lane.endpoint_id])
        lane.refresh_from_db()
        assert lane.due_at == now() + HOUR

    def test_lane_whose_endpoint_asked_for_a_pause_is_due_when_it_ends(self) -> None:
        lane = make_lane(circuit_open_until=now(), wait_until=now() + HOUR)
        mark_lanes_due([lane.endpoint_id])
        lane.refresh_from_db()
        assert lane.due_at == now() + HOUR

    def test_unknown_endpoint_gets_no_lane(self) -> None:
        mark_lanes_due([new_id()])
        assert not Lane.objects.exists()


@pytest.mark.django_db
class TestRecheckDue:
    def test_free_lane_is_due_with_its_oldest_delivery(self) -> None:
        lane = make_lane()
        pending = make_deliveries(lane.endpoint, 2, next_attempt_at=now() + HOUR)
        assert recheck_due([lane.endpoint_id]) == 1
        lane.refresh_from_db()
        assert lane.due_at == pending[0].next_attempt_at

    @pytest.mark.parametrize("fields", [{"owner": OTHER}, {"endpoint_inactive": True}, {"due_at": EPOCH}])
    def test_leased_inactive_or_due_lane_is_left_unchanged(self, fields: dict[str, Any]) -> None:
        lane = make_lane(**fields)
        make_deliveries(lane.endpoint)
        assert recheck_due() == 0

    def test_lane_without_pending_deliveries_is_not_due(self) -> None:
        lane = make_lane()
        make_deliveries(lane.endpoint, state="delivered")
        assert recheck_due([lane.endpoint_id]) == 0

    def test_only_named_lanes_are_checked(self) -> None:
        named, other = make_lane(), make_lane()
        make_deliveries(named.endpoint)
        make_deliveries(other.endpoint)
        assert recheck_due([named.endpoint_id]) == 1
        assert recheck_due() == 1

    def test_lane_with_an_open_breaker_is_not_due_before_the_pause_ends(self) -> None:
        lane = make_lane(circuit_open_until=now() + HOUR)
        make_deliveries(lane.endpoint)
        recheck_due()
        lane.refresh_from_db()
        assert lane.due_at == now() + HOUR

    def test_lane_whose_endpoint_asked_for_a_pause_is_not_due_before_it_ends(self) -> None:
        lane = make_lane(wait_until=now() + HOUR)
        make_deliveries(lane.endpoint)
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
    def test_rate_limited_lane_is_not_due_before_its_next_slot(self, limit: dict[str, Any], waits: float) -> None:
        lane = make_lane(make_endpoint(**limit), next_slot_at=now() + timedelta(seconds=90))
        make_deliveries(lane.endpoint)
        recheck_due()
        lane.refresh_from_db()
        assert lane.due_at is not None
        assert abs((lane.due_at - now()).total_seconds() - waits) < 0.001

    @pytest.mark.parametrize("end", [delete_endpoint, lambda it: disable(it, "responded_410")])
    def test_lane_of_an_ended_endpoint_is_due_at_once_whatever_its_deliveries_wait_for(self, end: Any) -> None:
        lane = make_lane(circuit_open_until=now() + HOUR, wait_until=now() + HOUR)
        make_deliveries(lane.endpoint, next_attempt_at=now() + HOUR)
        end(lane.endpoint)
        recheck_due([lane.endpoint_id])
        lane.refresh_from_db()
        assert lane.due_at == now()

    def test_deliveries_below_the_low_water_mark_are_ignored(self) -> None:
        lane = make_lane(low_water_mark=now())
        make_deliveries(lane.endpoint, next_attempt_at=now() - HOUR)
        assert recheck_due() == 0


@pytest.mark.django_db(transaction=True)
def test_mark_and_recheck_at_once_do_not_deadlock() -> None:
    tenant = make_tenant()
    endpoints = [make_endpoint(tenant) for _ in range(60)]
    for endpoint in endpoints:
        make_deliveries(endpoint)
        make_lane(endpoint)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")  # the planner does not read a table it knows to be small in key order
    ids = [it.id for it in endpoints]
    results = in_threads(
        partial(repeatedly, lambda: Lane.objects.filter(endpoint=random.choice(ids)).update(due_at=None), 4000),
        *[partial(repeatedly, lambda: mark_lanes_due(random.sample(ids, 60)), 300)] * 3,
        *[partial(repeatedly, lambda: recheck_due(random.sample(ids, 60)), 300)] * 2,
    )
    assert results == [None] * 6


def repeatedly(work: Any, times: int) -> None:
    for _ in range(times):
        work()


@pytest.mark.django_db
class TestResumeLanes:
    def inactive_lane(self, stop: Any) -> Lane:
        lane = make_lane(due_at=now())
        make_deliveries(lane.endpoint)
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
    def test_lane_of_a_resumed_or_deleted_endpoint_is_due(self, end: Any) -> None:
        lane = self.inactive_lane(pause)
        end(lane.endpoint)
        assert resume_lanes() == 1
        lane.refresh_from_db()
        assert (lane.endpoint_inactive, lane.due_at) == (False, now())

    @pytest.mark.parametrize("stop", [pause, lambda it: disable(it, "operator")])
    def test_lane_of_an_inactive_endpoint_stays_inactive(self, stop: Any) -> None:
        lane = self.inactive_lane(stop)
        assert resume_lanes() == 0
        lane.refresh_from_db()
        assert lane.endpoint_inactive


@pytest.mark.django_db
class TestRetryChangedEndpoints:
    def lane_with_open_breaker(self, **changes: Any) -> Lane:
        until, since = now() + HOUR, now() - HOUR
        fields = {"open_count": 1, "failing_since": since, "circuit_open_until": until, "due_at": until}
        endpoint = make_endpoint()
        type(endpoint).objects.update(state_changed_at=since - HOUR)
        return make_lane(endpoint, **{**fields, **changes})

    def test_lane_of_an_endpoint_with_a_new_url_is_due(self) -> None:
        lane = self.lane_with_open_breaker()
        assert retry_changed_endpoints() == 0
        change_endpoint(lane.endpoint, {"url": "https://example.com/elsewhere"})
        assert retry_changed_endpoints() == 1
        lane.refresh_from_db()
        assert lane.due_at == now()
        assert retry_changed_endpoints() == 0

    def test_lane_of_an_enabled_endpoint_is_due(self) -> None:
        lane = self.lane_with_open_breaker()
        disable(lane.endpoint, "failing")
        enable(lane.endpoint)
        assert retry_changed_endpoints() == 1

    def test_pause_ends_for_an_endpoint_with_a_new_url(self) -> None:
        pause_of = {"wait_since": now() - HOUR, "wait_until": now() + HOUR, "wait_status": 429}
        lane = self.lane_with_open_breaker(failing_since=None, circuit_open_until=None, open_count=0, **pause_of)
        assert retry_changed_endpoints() == 0
        change_endpoint(lane.endpoint, {"url": "https://example.com/elsewhere"})
        assert retry_changed_endpoints() == 1
        lane.refresh_from_db()
        assert (lane.due_at, lane.wait_until) == (now(), None)

    def test_failing_lane_with_a_closed_breaker_is_due(self) -> None:
        lane = self.lane_with_open_breaker(circuit_open_until=None, open_count=0)
        pause(lane.endpoint)
        resume(lane.endpoint)
        assert retry_changed_endpoints() == 1

    @pytest.mark.parametrize(
        "changes", [{"owner": OWNER}, {"endpoint_inactive": True, "due_at": None}, {"failing_since": None}]
    )
    def test_leased_inactive_or_healthy_lane_is_left_unchanged(self, changes: dict[str, Any]) -> None:
        lane = self.lane_with_open_breaker(**changes)
        pause(lane.endpoint)
        resume(lane.endpoint)
        assert retry_changed_endpoints() == 0


@pytest.mark.django_db
class TestCreateMissingLanes:
    def test_endpoint_with_pending_deliveries_gets_a_lane(self) -> None:
        endpoint = make_endpoint()
        make_deliveries(endpoint, 2)
        make_endpoint()
        make_deliveries(make_lane().endpoint)
        assert create_missing_lanes() == {endpoint.id}
        assert Lane.objects.get(endpoint=endpoint).due_at == now()
        assert create_missing_lanes() == set()


@pytest.mark.django_db
class TestEndWaits:
    @pytest.mark.parametrize("end", [delete_endpoint, lambda it: disable(it, "responded_410")])
    def test_lane_of_an_ended_endpoint_that_waits_is_due(self, end: Any) -> None:
        ended, other = make_lane(due_at=now() + HOUR), make_lane(due_at=now() + HOUR)
        end(ended.endpoint)
        assert end_waits() == 1
        ended.refresh_from_db()
        other.refresh_from_db()
        assert (ended.due_at, other.due_at) == (now(), now() + HOUR)

    @pytest.mark.parametrize("fields", [{"owner": OTHER, "due_at": HOUR}, {"due_at": -HOUR}, {}])
    def test_lane_that_is_leased_due_or_empty_is_left_unchanged(self, fields: dict[str, Any]) -> None:
        due_in = fields.get("due_at")
        lane = make_lane(owner=fields.get("owner"), due_at=due_in and now() + due_in)
        delete_endpoint(lane.endpoint)
        assert end_waits() == 0
