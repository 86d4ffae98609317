"""Inserting events notifies the drains that lease their lanes, with the commit and by name."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.utils.timezone import now

from delivery import notify
from delivery.models import Delivery, Lane
from delivery.sql.claim import CLAIM_GRACE, HOLD_SECONDS, LARGE_BODY, find_claims_under, read_claims
from delivery.sql.deliveries import DeliveryRow
from delivery.sql.due import MAX_NAMED, Notification, read_notification
from delivery.sql.lanes import IS_LISTENING, LaneRow, lease_lanes, release_lanes
from delivery.sql.publish import RENEWED_LATELY, EventRow, Inserted, insert_events
from subscriptions.models import Endpoint, Tenant
from tests.delivery.sql.factories import make_lane
from tests.factories import make_endpoint, make_tenant
from tests.waiting import wait_until
from webhooks.kit.notify import Listener
from webhooks.kit.sql import run
from webhooks.wire.ids import new_id

OWNER = new_id()

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def owner() -> Iterator[Listener]:
    with closing(notify.listen(OWNER)) as listener:
        yield listener


@pytest.fixture
def other() -> Iterator[Listener]:
    with closing(notify.listen(new_id())) as listener:
        yield listener


def leased(tenant: Tenant, seconds: float = 10, *, claimed: bool = False, **changes: Any) -> Endpoint:
    endpoint = make_endpoint(tenant, **changes)
    make_lane(endpoint, owner=OWNER, due_at=now() + timedelta(seconds=seconds), publishers_claim=claimed)
    return endpoint


def publish(
    tenant: Tenant,
    *endpoints: Endpoint,
    event_id: str = "1",
    body: bytes = b"{}",
    order_key: str | None = None,
    notifies: bool = True,
) -> Inserted | None:
    event = EventRow(new_id(), "/", event_id, "t", None, b"", body)
    rows = [DeliveryRow(new_id(), event.id, it.id, None, Delivery.State.PENDING, order_key) for it in endpoints]
    tenant.refresh_from_db()
    return insert_events(tenant.id, tenant.routes_version, [event], rows, notifies=notifies)


def test_commit_notifies_the_owner_of_the_lanes_and_no_other_drain(owner: Listener, other: Listener) -> None:
    tenant = make_tenant()
    first, second = leased(tenant), leased(tenant)
    inserted = publish(tenant, first, second)
    assert inserted is not None
    assert inserted.notified == {first.id, second.id}
    (payload,) = wait_until(owner.received, "the notification")
    assert read_notification(payload) == Notification(False, frozenset({first.id, second.id}), False)
    assert not other.received()


def test_lane_that_is_free_or_whose_lease_ends_soon_is_not_notified(owner: Listener) -> None:
    tenant = make_tenant()
    free, unknown, ending = make_endpoint(tenant), make_endpoint(tenant), leased(tenant, seconds=1)
    make_lane(free)
    inserted = publish(tenant, free, unknown, ending)
    assert inserted is not None
    assert len(inserted.events) == 1
    assert inserted.notified == frozenset()
    assert not owner.received()


def test_repeat_and_a_stale_route_table_notify_no_drain(owner: Listener) -> None:
    tenant = make_tenant()
    endpoint = leased(tenant)
    publish(tenant, endpoint, notifies=False)
    inserted = publish(tenant, endpoint)
    assert inserted == Inserted(set())
    assert insert_events(tenant.id, tenant.routes_version - 1, [], [], notifies=True) is None
    assert not owner.received()


def test_events_for_more_endpoints_than_a_notification_names_notify_no_drain(owner: Listener) -> None:
    tenant = make_tenant()
    endpoints = [leased(tenant) for _ in range(MAX_NAMED + 1)]
    inserted = publish(tenant, *endpoints)
    assert inserted is not None
    assert inserted.notified == frozenset()
    assert not owner.received()


class TestClaims:
    """Deliveries are created claimed for the owner of a lane, which is notified of them."""

    def test_delivery_of_a_lane_that_publishers_claim_for_is_claimed_until_it_is_sent_or_late(
        self, owner: Listener
    ) -> None:
        tenant = make_tenant()
        endpoint, other = leased(tenant, claimed=True, timeout_ms=4_000), leased(tenant)
        inserted = publish(tenant, endpoint, other)
        assert inserted is not None
        claimed, pending = Delivery.objects.get(endpoint=endpoint), Delivery.objects.get(endpoint=other)
        assert (inserted.notified, inserted.claimed) == ({other.id}, {claimed.id})
        assert (claimed.state, claimed.token, claimed.claims, pending.state, pending.token) == (
            "sending",
            OWNER,
            1,
            "pending",
            None,
        )
        ((read, seconds),) = read_claims(OWNER, [claimed.id, pending.id])
        assert (read.id, read.body, read.attempts) == (claimed.id, b"{}", 0)
        assert 10 < seconds <= 4 + CLAIM_GRACE + HOLD_SECONDS
        assert find_claims_under(OWNER) == {claimed.id}
        payloads = owner.received() or wait_until(owner.received, "the notifications")
        assert {read_notification(it) for it in payloads} == {
            Notification(lane_available=False, claimed=frozenset({claimed.id})),
            Notification(lane_available=False, endpoints=frozenset({other.id})),
        }

    @pytest.mark.parametrize(
        ("lane", "event"),
        [
            ({"seconds": RENEWED_LATELY - 1}, {}),
            ({"state": "paused"}, {}),
            ({}, {"body": b"x" * (LARGE_BODY + 1)}),
            ({}, {"order_key": ""}),
            ({}, {"notifies": False}),
        ],
        ids=["lease not renewed lately", "paused", "large body", "ordered", "beside other commits"],
    )
    def test_delivery_that_the_owner_may_not_be_able_to_send_is_pending(
        self, owner: Listener, lane: dict[str, Any], event: dict[str, Any]
    ) -> None:
        tenant = make_tenant()
        inserted = publish(tenant, leased(tenant, claimed=True, **lane), **event)
        assert inserted is not None
        assert (inserted.claimed, Delivery.objects.get().state) == (frozenset(), "pending")

    def test_delivery_for_an_owner_that_does_not_listen_any_more_is_pending(self, owner: Listener) -> None:
        tenant = make_tenant()
        endpoint = leased(tenant, claimed=True)
        publish(tenant, endpoint)
        assert Delivery.objects.get().state == "sending"
        owner.close()
        wait_until(lambda: not is_listening(OWNER), "the end of its session")
        publish(tenant, endpoint, event_id="2")
        assert sorted(Delivery.objects.values_list("state", flat=True)) == ["pending", "sending"]

    def test_deliveries_of_many_events_are_not_claimed(self, owner: Listener) -> None:
        tenant = make_tenant()
        endpoint = leased(tenant, claimed=True)
        events = [EventRow(new_id(), "/", str(n), "t", None, b"", b"{}") for n in range(MAX_NAMED + 1)]
        rows = [DeliveryRow(new_id(), it.id, endpoint.id, None, Delivery.State.PENDING, None) for it in events]
        tenant.refresh_from_db()
        inserted = insert_events(tenant.id, tenant.routes_version, events, rows, notifies=True)
        assert inserted is not None
        assert (inserted.notified, inserted.claimed) == ({endpoint.id}, frozenset())

    def test_lane_that_is_released_or_leased_anew_is_not_claimed_for(self) -> None:
        endpoint = leased(make_tenant(), claimed=True)
        release_lanes(OWNER, [LaneRow(endpoint.id, now(), None, None, 0, None, 0, None, 0)])
        assert not Lane.objects.get().publishers_claim
        Lane.objects.update(publishers_claim=True, due_at=now() - timedelta(seconds=1))
        lease_lanes(new_id(), 1)
        assert not Lane.objects.get().publishers_claim


def is_listening(owner: UUID) -> bool:
    return bool(run(f"SELECT {IS_LISTENING} FROM (SELECT %(owner)s::uuid AS owner) it", {"owner": owner})[0][0])
