"""Changing deliveries over REST: cancel, retry and set aside one, cancel many by a filter."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient

from delivery.models import Delivery
from subscriptions.models import Endpoint, Tenant
from tests.delivery.factories import make_dead_letter, make_delivery, make_event
from tests.factories import make_endpoint
from tests.routes import ApiRoute, RouteCases

pytestmark = pytest.mark.django_db


@pytest.fixture
def endpoint(tenant: Tenant) -> Endpoint:
    return make_endpoint(tenant, uid="billing")


class TestChangeRoutes(RouteCases):
    routes = [
        ApiRoute("post", "deliveries/{delivery}/cancel/", "manage", 200),
        ApiRoute("post", "deliveries/{delivery}/retry/", "manage", 200),
        ApiRoute("post", "deliveries/{delivery}/resend/", "manage", 200),
        ApiRoute("post", "deliveries/{delivery}/set-aside/", "manage", 200),
        ApiRoute("post", "deliveries/cancel/", "manage", 200, {"all": True}),
        ApiRoute("post", "deliveries/cancel/preview/", "read", 200, {"all": True}),
    ]

    def make_ids(self, tenant: Tenant) -> dict[str, str]:
        return {"delivery": make_delivery(make_event(tenant), make_endpoint(tenant)).public_id}


@pytest.mark.parametrize(("action", "state"), [("cancel", "cancelled"), ("set-aside", "dead"), ("retry", "pending")])
def test_change_of_an_unfinished_delivery_is_idempotent(
    client: APIClient, tenant: Tenant, endpoint: Endpoint, action: str, state: str
) -> None:
    later = timezone.now() + timedelta(hours=1)
    delivery = make_delivery(make_event(tenant), endpoint, next_attempt_at=later)
    for _ in range(2):
        response = client.post(f"/api/v1/deliveries/{delivery.public_id}/{action}/")
        assert (response.status_code, response.json()["state"]) == (200, state)
    delivery.refresh_from_db()
    assert delivery.next_attempt_at is None or delivery.next_attempt_at < later


@pytest.mark.parametrize("action", ["cancel", "set-aside", "retry"])
def test_change_of_a_finished_delivery_is_a_409(
    client: APIClient, tenant: Tenant, endpoint: Endpoint, action: str
) -> None:
    delivery = make_delivery(make_event(tenant), endpoint, state="delivered")
    response = client.post(f"/api/v1/deliveries/{delivery.public_id}/{action}/")
    assert (response.status_code, response.json()["errors"][0]["field"]) == (409, "state")
    delivery.refresh_from_db()
    assert delivery.state == "delivered"


@pytest.mark.parametrize("state", ["pending", "delivered", "dead", "cancelled"])
def test_resend_makes_a_delivery_of_any_state_due(
    client: APIClient, tenant: Tenant, endpoint: Endpoint, state: str
) -> None:
    later = timezone.now() + timedelta(hours=1) if state == "pending" else None
    delivery = make_delivery(make_event(tenant), endpoint, state=state, next_attempt_at=later)
    if state == "dead":
        make_dead_letter(delivery)
    response = client.post(f"/api/v1/deliveries/{delivery.public_id}/resend/")
    assert (response.status_code, response.json()["state"]) == (200, "pending")
    delivery.refresh_from_db()
    assert delivery.next_attempt_at is not None
    assert delivery.next_attempt_at <= timezone.now()


def test_resend_while_an_attempt_is_in_progress_is_a_409(client: APIClient, tenant: Tenant, endpoint: Endpoint) -> None:
    delivery = make_delivery(make_event(tenant), endpoint, state="sending")
    response = client.post(f"/api/v1/deliveries/{delivery.public_id}/resend/")
    assert (response.status_code, response.json()["errors"][0]["field"]) == (409, "state")


def test_cancellation_cancels_what_its_preview_counted(client: APIClient, tenant: Tenant, endpoint: Endpoint) -> None:
    for _ in range(3):
        make_delivery(make_event(tenant), endpoint)
    make_delivery(make_event(tenant), make_endpoint(tenant))
    body = {"filter": {"endpoint": "billing"}}
    assert client.post("/api/v1/deliveries/cancel/preview/", body).json() == {"total": 3, "is_lower_bound": False}
    assert not Delivery.objects.filter(state="cancelled").exists()
    assert client.post("/api/v1/deliveries/cancel/", body).json() == {"total": 3, "has_more": False}
    cancelled = Delivery.objects.filter(state="cancelled")
    assert cancelled.count() == 3
    assert str(cancelled[0].cancelled_by).startswith("wp_")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "filter"),
        ({"filter": {}}, "filter"),
        ({"filter": {"type": "", "endpoint": None}}, "filter"),
        ({"filter": {"type": "t"}, "all": True}, "all"),
        ({"all": "yes"}, "all"),
        ({"filter": {"tpye": "t"}}, "filter.tpye"),
        ({"filter": []}, "filter"),
        ({"filter": {"state": "dead"}}, "filter.state"),
        ({"filter": {"ids": []}}, "filter.ids"),
        ({"filter": {"endpoint": "unknown"}}, "filter.endpoint"),
        ({"filter": {"since": "now"}}, "filter.since"),
        ({"filter": {"type": 5}}, "filter.type"),
    ],
)
@pytest.mark.parametrize("path", ["deliveries/cancel/", "deliveries/cancel/preview/"])
def test_invalid_filter_names_the_field_and_cancels_nothing(
    client: APIClient, tenant: Tenant, endpoint: Endpoint, path: str, body: Any, field: str
) -> None:
    make_delivery(make_event(tenant), endpoint)
    response = client.post(f"/api/v1/{path}", body)
    assert (response.status_code, response.json()["errors"][0]["field"]) == (400, field)
    assert Delivery.objects.get().state == "pending"


@pytest.mark.parametrize("path", ["deliveries/cancel/", "deliveries/cancel/preview/", "replays/", "replays/preview/"])
def test_filter_field_outside_the_filter_is_rejected(
    client: APIClient, tenant: Tenant, endpoint: Endpoint, path: str
) -> None:
    delivery = make_delivery(make_event(tenant), endpoint)
    response = client.post(f"/api/v1/{path}", {"all": True, "endpoint": "other"})
    assert (response.status_code, [it["field"] for it in response.json()["errors"]]) == (400, ["endpoint"])
    delivery.refresh_from_db()
    assert delivery.state == "pending"


@pytest.mark.parametrize("action", ["cancel", "set-aside", "retry"])
@pytest.mark.django_db(transaction=True)
def test_change_in_a_transaction_notifies_after_the_commit(
    client: APIClient, tenant: Tenant, endpoint: Endpoint, action: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_transaction: list[bool] = []
    monkeypatch.setattr("delivery.notify.notify_drains", lambda _: in_transaction.append(connection.in_atomic_block))
    delivery = make_delivery(make_event(tenant), endpoint)
    path = f"/api/v1/deliveries/{delivery.public_id}/{action}/"
    assert client.post(path, headers={"Idempotency-Key": "k-1"}).status_code == 200
    assert in_transaction == [False]
