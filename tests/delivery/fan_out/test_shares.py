"""Events that a grant names reach the endpoints of the grantee, and nothing else of their owner does."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from delivery import notify
from delivery.fan_out import deferred, shares
from delivery.lifecycle.erase import erase
from delivery.models import DelayedEvent, Delivery, Event, PendingShare, UsageIncrement
from delivery.publishing import store
from delivery.publishing.publisher import publish
from delivery.reading.explain import explain
from delivery.replaying.replays import ReplayFilter, run_slices, start
from delivery.sql.sharing.shares import MAX_BYTES, ShareRow, insert_shares, take_shares
from subscriptions.models import Endpoint, Grant, Subscription, Tenant
from subscriptions.routing.grants import create_grant, end_grant
from subscriptions.tenants.tenants import delete_tenant
from tests.delivery.factories import make_event
from tests.factories import make_client, make_endpoint, make_subscription, make_tenant

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    for starter in (notify.drain_starter, notify.fan_out_starter, notify.share_starter, notify.replay_starter):
        monkeypatch.setattr(starter, "notify", lambda: None)
        monkeypatch.setattr(starter, "send", lambda: True)


@pytest.fixture
def owner() -> Tenant:
    return make_tenant(uid="owner")


@pytest.fixture
def grant(owner: Tenant) -> Grant:
    return create_grant(owner, make_tenant(uid="grantee"), event_types=["order.*"])


@pytest.fixture
def subscription(grant: Grant) -> Subscription:
    """Return a subscription of the grantee to all that the grant shares."""
    return make_subscription(make_endpoint(grant.grantee), grant=grant)


def event(number: int, **changes: Any) -> dict[str, Any]:
    return {"id": str(number), "source": "/orders", "type": "order.paid", "data": {"n": number}, **changes}


def run_all() -> None:
    shares.run()
    deferred.run()


def received(tenant: Tenant) -> list[str]:
    return list(Event.objects.filter(tenant=tenant).order_by("id").values_list("type", flat=True))


def test_event_of_a_granted_type_is_delivered_to_the_grantee(owner: Tenant, subscription: Subscription) -> None:
    publish(owner, [event(1)])
    run_all()
    delivery = Delivery.objects.get()
    own = Event.objects.get(tenant=owner)
    assert (delivery.tenant_id, delivery.endpoint_id) == (subscription.tenant_id, subscription.endpoint_id)
    assert (delivery.event.tenant_id, delivery.event.about) == (subscription.tenant_id, own.id)
    assert bytes(delivery.event.body) == bytes(own.body)
    assert not PendingShare.objects.exists()
    counted = UsageIncrement.objects.filter(tenant_id=subscription.tenant_id, events=1)
    assert [it.type for it in counted] == ["order.paid"]


def test_only_granted_types_that_match_the_pattern_are_shared(owner: Tenant, subscription: Subscription) -> None:
    Grant.objects.update(pattern={"data": {"n": [2]}})
    publish(owner, [event(1), event(2), event(3, type="invoice.paid"), event(4, type="order", data={"n": 2})])
    run_all()
    assert received(subscription.tenant) == ["order.paid"]
    assert Delivery.objects.get().event.event_id == "2"


def test_own_subscriptions_get_no_shared_event_and_those_to_a_grant_no_own_one(
    owner: Tenant, subscription: Subscription
) -> None:
    plain = make_subscription(make_endpoint(subscription.tenant), event_types=["*", "order.*", "order.paid"])
    publish(owner, [event(1)])
    publish(subscription.tenant, [event(1)])
    run_all()
    sent = {(it.endpoint_id, it.event.grant_id) for it in Delivery.objects.select_related("event")}
    assert sent == {(plain.endpoint_id, None), (subscription.endpoint_id, subscription.grant_id)}


def test_subscription_narrows_and_transforms_what_is_shared(owner: Tenant, subscription: Subscription) -> None:
    transformer = {"input_paths": {"n": "$.data.n"}, "template": '{"number": <n>}'}
    Subscription.objects.update(event_types=["order.paid"], pattern={"data": {"n": [2]}}, transformer=transformer)
    publish(owner, [event(1), event(2), event(3, type="order.sent", data={"n": 2})])
    run_all()
    assert [bytes(it.body or b"") for it in Delivery.objects.all()] == [b'{"number": 2}']


def test_large_events_are_copied_in_several_transactions_in_order(owner: Tenant, subscription: Subscription) -> None:
    half = b'{"specversion":"1.0","id":"1","source":"/s","type":"order.paid","data":"%s"}' % (b"x" * (MAX_BYTES // 2))
    events = [make_event(owner, type="order.paid", body=half) for _ in range(5)]
    insert_shares(owner.pk, [ShareRow(it.id, subscription.grant_id, None) for it in events])
    taken = []
    while some := take_shares():
        taken.append([event_id for event_id, _ in some])
    assert taken == [[it.id for it in events[:2]], [it.id for it in events[2:4]], [events[4].id]]


def test_end_of_a_grant_ends_sharing_also_of_what_is_not_copied_yet(
    owner: Tenant, grant: Grant, subscription: Subscription
) -> None:
    publish(owner, [event(1)])
    end_grant(grant)
    publish(owner, [event(2)])
    run_all()
    assert received(subscription.tenant) == []
    assert not PendingShare.objects.exists()


@pytest.mark.parametrize("is_owner", [True, False])
def test_deleted_tenant_ends_its_grants(
    is_owner: bool, owner: Tenant, grant: Grant, subscription: Subscription
) -> None:
    publish(owner, [event(1)])
    delete_tenant(owner if is_owner else grant.grantee)
    run_all()
    grant.refresh_from_db()
    assert grant.ended_at is not None
    assert received(subscription.tenant) == []


def test_nothing_is_copied_without_a_subscription(owner: Tenant, grant: Grant) -> None:
    publish(owner, [event(1)])
    run_all()
    assert received(grant.grantee) == []


def test_tenant_without_grants_pays_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "insert_shares", lambda *_: 1 / 0)
    tenant = make_subscription().tenant
    other = make_tenant()
    create_grant(other, tenant, event_types=["*"])
    publish(tenant, [event(1)])
    assert Delivery.objects.count() == 1


def test_repeated_event_is_shared_once(owner: Tenant, subscription: Subscription) -> None:
    for _ in range(2):
        publish(owner, [event(1)])
        run_all()
    assert Delivery.objects.count() == 1


def test_same_names_of_events_of_owner_and_grantee_do_not_collide(owner: Tenant, subscription: Subscription) -> None:
    other = create_grant(make_tenant(), subscription.tenant, event_types=["*"])
    make_subscription(subscription.endpoint, grant=other)
    publish(subscription.tenant, [event(1)])
    publish(owner, [event(1)])
    publish(other.tenant, [event(1)])
    run_all()
    assert Event.objects.filter(tenant=subscription.tenant).count() == 3
    assert Delivery.objects.count() == 2


def test_delayed_event_is_shared_at_its_time_unless_it_is_cancelled(owner: Tenant, subscription: Subscription) -> None:
    at = (timezone.now() + timedelta(hours=1)).isoformat()
    publish(owner, [event(1, deliver_at=at), event(2, deliver_at=at)])
    run_all()
    assert received(subscription.tenant) == []
    DelayedEvent.objects.filter(event__event_id="1").update(state="cancelled")
    PendingShare.objects.update(due_at=timezone.now() - timedelta(hours=1))
    run_all()
    assert list(Event.objects.filter(tenant=subscription.tenant).values_list("event_id", flat=True)) == ["2"]


def test_events_are_shared_in_the_order_of_their_publication(owner: Tenant, subscription: Subscription) -> None:
    Endpoint.objects.filter(pk=subscription.endpoint_id).update(ordering="endpoint")
    for start_at in (0, 20):
        publish(owner, [event(number) for number in range(start_at, start_at + 20)])
    run_all()
    rows = Delivery.objects.order_by("created_at", "id").values_list("event__event_id", flat=True)
    assert list(rows) == [str(number) for number in range(40)]


def test_erasing_an_event_erases_its_copies(owner: Tenant, subscription: Subscription) -> None:
    publish(owner, [event(1, data={"name": "Ada"})])
    run_all()
    erase(Event.objects.get(tenant=owner), "ops")
    assert b"Ada" not in bytes(Event.objects.get(tenant=subscription.tenant).body)
    assert Delivery.objects.get().state == "cancelled"


def test_explanation_says_that_an_event_is_shared_and_which_subscriptions_do_not_name_the_grant(
    owner: Tenant, grant: Grant, subscription: Subscription
) -> None:
    plain = make_subscription(make_endpoint(grant.grantee))
    publish(owner, [event(1)])
    publish(grant.grantee, [event(2)])
    run_all()
    copy, own = (Event.objects.get(tenant=grant.grantee, event_id=it) for it in ("1", "2"))
    shared, unnamed = explain(copy, [subscription.endpoint, plain.endpoint])  # type: ignore[list-item]
    assert [it.code for it in shared.reasons] == ["shared", "queued"]
    assert grant.public_id in shared.reasons[0].detail
    assert [it.code for it in unnamed.reasons] == ["grant"]
    (of_own,) = explain(own, [subscription.endpoint])  # type: ignore[list-item]
    assert [it.code for it in of_own.reasons] == ["grant"]


def test_replay_of_a_shared_event_matches_only_subscriptions_to_its_grant(
    owner: Tenant, subscription: Subscription
) -> None:
    plain = make_subscription(make_endpoint(subscription.tenant))
    publish(owner, [event(1)])
    run_all()
    Delivery.objects.all().delete()
    Event.objects.update(created_at=timezone.now() - timedelta(hours=1))
    Subscription.objects.update(created_at=timezone.now() - timedelta(hours=2))
    for endpoint_id in (plain.endpoint_id, subscription.endpoint_id):
        start(subscription.tenant, ReplayFilter(scope="missing", endpoint=endpoint_id), by="ops")
        run_slices()
    assert [it.endpoint_id for it in Delivery.objects.all()] == [subscription.endpoint_id]


def test_failure_while_copying_leaves_shares_pending(
    owner: Tenant, subscription: Subscription, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(owner, [event(1)])
    with monkeypatch.context() as broken:
        broken.setattr(shares, "insert_copies", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            shares.run()
    assert shares.run() == 1
    assert received(subscription.tenant) == ["order.paid"]


class TestIsolation:
    """The grantee sees its copies, and nothing else of the owner; the owner sees nothing of the grantee."""

    @pytest.fixture
    def client(self, owner: Tenant, subscription: Subscription) -> APIClient:
        make_subscription(make_endpoint(owner, uid="secret-endpoint"))
        publish(owner, [event(1), event(2, type="payslip.sent", data={"card": "4242"})])
        run_all()
        return make_client(subscription.tenant)

    def test_grantee_reads_copies_of_granted_types_only(self, client: APIClient, owner: Tenant) -> None:
        listed = client.get("/api/v1/events/").json()["data"]
        assert [it["type"] for it in listed] == ["order.paid"]
        for row in Event.objects.filter(tenant=owner):
            for path in ("", "explanation/", "timeline/"):
                assert client.get(f"/api/v1/events/{row.public_id}/{path}").status_code == 404

    @pytest.mark.parametrize(
        "path", ["endpoints", "subscriptions", "deliveries", "event-types", "sources", "keys", "usage"]
    )
    def test_no_list_of_the_grantee_names_the_owner(self, path: str, client: APIClient, owner: Tenant) -> None:
        response = client.get(f"/api/v1/{path}/")
        assert response.status_code == 200
        assert owner.public_id not in response.content.decode()
        assert "secret-endpoint" not in response.content.decode()
        assert "payslip" not in response.content.decode()

    def test_owner_sees_nothing_of_the_grantee(
        self, client: APIClient, owner: Tenant, subscription: Subscription
    ) -> None:
        key = Event.objects.get(tenant=owner, type="order.paid").public_id
        answers = make_client(owner)
        assert len(answers.get("/api/v1/events/").json()["data"]) == 2
        endpoint = str(Endpoint.objects.get(pk=subscription.endpoint_id).public_id)
        for path in ("deliveries/", f"events/{key}/explanation/", "subscriptions/", "usage/"):
            assert endpoint not in answers.get(f"/api/v1/{path}").content.decode()
