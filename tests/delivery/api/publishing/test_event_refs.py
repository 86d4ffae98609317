"""Paths and filters that name an event accept its id and its own id."""

import pytest
from rest_framework.test import APIClient

from subscriptions.models import Tenant
from tests.delivery.factories import make_delivery, make_event
from tests.factories import make_client, make_endpoint, make_subscription, make_tenant

pytestmark = pytest.mark.django_db
API = "/api/v1/events/"


@pytest.mark.parametrize("below", ["", "deliveries/", "explain/"])
def test_own_id_of_an_event_is_accepted_in_paths(client: APIClient, tenant: Tenant, below: str) -> None:
    event = make_event(tenant, event_id="order-17")
    make_delivery(event, make_endpoint(tenant))
    make_event(make_tenant(), event_id="order-17")
    named, by_id = (client.get(f"{API}{ref}/{below}") for ref in ("order-17", event.public_id))
    assert by_id.status_code == 200
    assert named.json() == by_id.json()


def test_own_id_of_an_event_is_accepted_where_its_data_is_erased(client: APIClient, tenant: Tenant) -> None:
    make_event(tenant, event_id="order-17")
    assert client.delete(f"{API}order-17/payload/").json()["payload_deleted_at"]


def test_own_id_of_an_event_is_accepted_in_filters_and_dry_runs(client: APIClient, tenant: Tenant) -> None:
    event = make_event(tenant, event_id="order-17")
    delivery = make_delivery(event, make_endpoint(tenant))
    found = client.get("/api/v1/deliveries/", {"event": "order-17"}).json()["data"]
    assert [it["id"] for it in found] == [delivery.public_id]
    tried = client.post("/api/v1/subscriptions/test/", {"event": "order-17"})
    assert tried.json()["data"][0]["matches"]


def test_own_id_that_events_of_several_sources_have_is_ambiguous(client: APIClient, tenant: Tenant) -> None:
    for source in ("/a", "/b"):
        make_event(tenant, event_id="order-17", source=source)
    (error,) = client.get(f"{API}order-17/").json()["errors"]
    assert (error["field"], error["code"]) == ("event", "ambiguous")


def test_own_id_without_a_tenant_asks_for_one(tenant: Tenant) -> None:
    make_event(tenant, event_id="order-17")
    response = make_client().get(f"{API}order-17/")
    assert (response.status_code, response.json()["errors"][0]["field"]) == (400, "tenant")
    assert make_client().get(f"{API}order-17/", {"tenant": tenant.public_id}).status_code == 200


def test_unknown_own_id_is_not_found(client: APIClient) -> None:
    make_event(make_tenant(), event_id="order-17")
    assert client.get(f"{API}order-17/").status_code == 404


def test_explanation_says_in_words_that_there_are_no_endpoints_or_subscriptions(
    client: APIClient, tenant: Tenant
) -> None:
    address = f"{API}{make_event(tenant).public_id}/explain/"
    assert "has no endpoints" in client.get(address).json()["message"]
    endpoint = make_endpoint(tenant)
    assert "has no active subscriptions" in client.get(address).json()["message"]
    make_subscription(endpoint)
    assert client.get(address).json()["message"] is None


def test_duplicate_is_answered_with_the_deliveries_that_exist(client: APIClient, tenant: Tenant) -> None:
    for _ in range(2):
        make_subscription(make_endpoint(tenant))
    event = {"type": "order.paid", "id": "order-17", "data": {}}
    first, again = (client.post(API, event).json() for _ in range(2))
    assert (first["duplicate"], first["deliveries"]) == (False, 2)
    assert (again["duplicate"], again["deliveries"]) == (True, 2)
    batch = client.post(f"{API}batch/", [event, {**event, "id": "order-18"}, {**event, "id": "order-18"}]).json()
    assert [(it["duplicate"], it["deliveries"]) for it in batch["data"]] == [(True, 2), (False, 2), (True, 2)]
