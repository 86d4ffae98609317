"""Inserting events notifies the drains that lease their lanes, with the commit and by name."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta

import pytest
from django.utils.timezone import now

from delivery import notify
from delivery.models import Delivery
from delivery.sql.due import MAX_NAMED, read_notification
from delivery.sql.publish import DeliveryRow, EventRow, Inserted, insert_events
from subscriptions.models import Endpoint, Tenant
from tests.delivery.sql.factories import make_lane
from tests.factories import make_endpoint, make_tenant
from tests.waiting import wait_until
from webhooks.kit.notify import Listener
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


def leased(tenant: Tenant, seconds: float = 10) -> Endpoint:
    endpoint = make_endpoint(tenant)
    make_lane(endpoint, owner=OWNER, due_at=now() + timedelta(seconds=seconds))
    return endpoint


def publish(tenant: Tenant, *endpoints: Endpoint, event_id: str = "1", notifies: bool = True) -> Inserted | None:
    event = EventRow(new_id(), "/", event_id, "t", None, b"", b"{}")
    rows = [DeliveryRow(new_id(), event.id, it.id, None, Delivery.State.PENDING, None) for it in endpoints]
    tenant.refresh_from_db()
    return insert_events(tenant.id, tenant.routes_version, [event], rows, notifies=notifies)


def test_commit_notifies_the_owner_of_the_lanes_and_no_other_drain(owner: Listener, other: Listener) -> None:
    tenant = make_tenant()
    first, second = leased(tenant), leased(tenant)
    inserted = publish(tenant, first, second)
    assert inserted is not None
    assert inserted.notified == {first.id, second.id}
    (payload,) = wait_until(owner.received, "the notification")
    assert read_notification(payload) == (False, frozenset({first.id, second.id}), False)
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
