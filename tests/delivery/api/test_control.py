"""Cancelling, sending now, parking, expunging, and the lane of an endpoint, over REST."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient

from delivery.models import Delivery
from subscriptions.models import Endpoint, Tenant
from tests.delivery.factories import make_delivery, make_event
from tests.factories import make_client, make_endpoint, make_tenant
from tests.routes import ApiRoute, RouteCases

pytestmark = pytest.mark.django_db


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant()


@pytest.fixture
def client(tenant: Tenant) -> APIClient:
    return make_client(tenant)


@pytest.fixture
def endpoint(tenant: Tenant) -> Endpoint:
    return make_endpoint(tenant, uid="billing")


class TestControlRoutes(RouteCases):
    routes = [
        ApiRoute("post", "deliveries/{delivery}/cancel/", "manage", 200),
        ApiRoute("post", "deliveries/{delivery}/retry/", "manage", 200),
        ApiRoute("post", "deliveries/{delivery}/set-aside/", "manage", 200),
        ApiRoute("post", "cancellations/", "manage", 200, {"filter": {}}),
        ApiRoute("post", "cancellations/preview/", "read", 200, {"filter": {}}),
        ApiRoute("delete", "events/{event}/payload/", "manage", 200),
        ApiRoute("get", "endpoints/{endpoint}/status/", "read", 200),
    ]

    def make_ids(self, tenant: Tenant) -> dict[str, str]:
        event, endpoint = make_event(tenant), make_endpoint(tenant)
        delivery = make_delivery(event, endpoint)
        return {"event": event.public_id, "endpoint": endpoint.public_id, "delivery": delivery.public_id}


@pytest.mark.parametrize(("thing", "state"), [("cancel", "cancelled"), ("set-aside", "dead"), ("retry", "pending")])
def test_a_delivery_is_steered_once_and_again_changes_nothing(
    client: APIClient, tenant: Tenant, endpoint: Endpoint, thing: str, state: str
) -> None:
    later = timezone.now() + timedelta(hours=1)
    delivery = make_delivery(make_event(tenant), endpoint, next_attempt_at=later)
    for _ in range(2):
        answer = client.post(f"/api/v1/deliveries/{delivery.public_id}/{thing}/")
        assert (answer.status_code, answer.json()["state"]) == (200, state)
    delivery.refresh_from_db()
    assert delivery.next_attempt_at is None or delivery.next_attempt_at < later


@pytest.mark.parametrize("thing", ["cancel", "set-aside", "retry"])
def test_a_delivery_that_has_ended_is_a_conflict_and_stays_as_it_is(
    client: APIClient, tenant: Tenant, endpoint: Endpoint, thing: str
) -> None:
    delivery = make_delivery(make_event(tenant), endpoint, state="delivered")
    answer = client.post(f"/api/v1/deliveries/{delivery.public_id}/{thing}/")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (409, "state")
    delivery.refresh_from_db()
    assert delivery.state == "delivered"


def test_many_are_counted_and_then_cancelled(client: APIClient, tenant: Tenant, endpoint: Endpoint) -> None:
    for _ in range(3):
        make_delivery(make_event(tenant), endpoint)
    make_delivery(make_event(tenant), make_endpoint(tenant))
    body = {"filter": {"endpoint": "billing"}}
    assert client.post("/api/v1/cancellations/preview/", body).json() == {"total": 3, "has_more": False}
    assert not Delivery.objects.filter(state="cancelled").exists()
    assert client.post("/api/v1/cancellations/", body).json() == {"total": 3, "has_more": False}
    cancelled = Delivery.objects.filter(state="cancelled")
    assert cancelled.count() == 3
    assert str(cancelled[0].cancelled_by).startswith("wp_")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "filter"),
        ({"filter": []}, "filter"),
        ({"filter": {"state": "dead"}}, "filter.state"),
        ({"filter": {"ids": []}}, "filter.ids"),
        ({"filter": {"endpoint": "nobody"}}, "filter.endpoint"),
        ({"filter": {"since": "now"}}, "filter.since"),
        ({"filter": {"type": 5}}, "filter.type"),
    ],
)
@pytest.mark.parametrize("path", ["cancellations/", "cancellations/preview/"])
def test_a_filter_that_makes_no_sense_is_refused_by_name_and_cancels_nothing(
    client: APIClient, tenant: Tenant, endpoint: Endpoint, path: str, body: Any, field: str
) -> None:
    make_delivery(make_event(tenant), endpoint)
    answer = client.post(f"/api/v1/{path}", body)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, field)
    assert Delivery.objects.get().state == "pending"


def test_an_expunged_payload_is_gone_and_the_event_says_when(client: APIClient, tenant: Tenant) -> None:
    event = make_event(tenant, data={"number": "4111"})
    path = f"/api/v1/events/{event.public_id}/"
    first = client.delete(f"{path}payload/").json()
    again = client.delete(f"{path}payload/").json()
    assert first["payload_deleted_at"] == again["payload_deleted_at"] is not None
    shown = client.get(path)
    assert b"4111" not in shown.content
    assert shown.json()["event"]["id"] == event.event_id


def test_a_lane_tells_its_pace_its_backlog_and_what_blocks(client: APIClient, tenant: Tenant) -> None:
    endpoint = make_endpoint(tenant, uid="sorted", ordering="subject", rate_limit=5)
    later = timezone.now() + timedelta(hours=1)
    delivery = make_delivery(make_event(tenant), endpoint, order_key="a", attempts=1, next_attempt_at=later)
    lane = client.get("/api/v1/endpoints/sorted/status/").json()
    assert (lane["state"], lane["backlog"], lane["ordering"], lane["effective_rate"]) == ("idle", 1, "subject", 5.0)
    assert lane["circuit_breaker"]["state"] == "closed"
    assert [(it["key"], it["delivery"]) for it in lane["blockers"]] == [("a", delivery.public_id)]


@pytest.mark.parametrize("path", ["cancellations/", "cancellations/preview/", "replays/", "replays/preview/"])
def test_a_filter_that_was_written_beside_its_place_is_refused_and_not_everything_meant(
    client: APIClient, tenant: Tenant, endpoint: Endpoint, path: str
) -> None:
    delivery = make_delivery(make_event(tenant), endpoint)
    answer = client.post(f"/api/v1/{path}", {"filter": {}, "endpoint": "other"})
    assert (answer.status_code, [it["field"] for it in answer.json()["errors"]]) == (400, ["endpoint"])
    delivery.refresh_from_db()
    assert delivery.state == "pending"


@pytest.mark.parametrize("thing", ["cancel", "set-aside", "retry"])
@pytest.mark.django_db(transaction=True)
def test_whoever_steers_within_a_transaction_is_heard_when_it_has_ended(
    client: APIClient, tenant: Tenant, endpoint: Endpoint, thing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rung_within: list[bool] = []
    monkeypatch.setattr("delivery.notify.notify_drains", lambda _: rung_within.append(connection.in_atomic_block))
    delivery = make_delivery(make_event(tenant), endpoint)
    path = f"/api/v1/deliveries/{delivery.public_id}/{thing}/"
    assert client.post(path, headers={"Idempotency-Key": "k-1"}).status_code == 200
    assert rung_within == [False]
