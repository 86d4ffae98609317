"""Explanations of an event's deliveries over REST and in the admin."""

import pytest
from django.urls import reverse

from tests.delivery.admin.rows import HOSTILE, operator
from tests.delivery.factories import make_delivery, make_event
from tests.factories import make_client, make_endpoint, make_subscription, make_tenant
from tests.routes import ApiRoute, RouteCases

pytestmark = pytest.mark.django_db


class TestExplanationRoutes(RouteCases):
    routes = (ApiRoute("get", "events/{event}/explain/", "read", 200),)

    def make_ids(self, tenant):
        return {"event": make_event(tenant).public_id}


def test_each_endpoint_of_the_tenant_is_explained():
    tenant = make_tenant()
    event = make_event(tenant, data={"total": 5})
    sent, unwanted = make_endpoint(tenant), make_endpoint(tenant)
    delivery = make_delivery(event, sent, state="delivered")
    made = make_subscription(unwanted, pattern={"data": {"total": [6]}})
    make_subscription()
    response = make_client(tenant, "read").get(f"/api/v1/events/{event.public_id}/explain/").json()
    second, first = response["data"]
    assert (first["endpoint"], first["outcome"], first["delivery"]) == (sent.public_id, "delivered", delivery.public_id)
    assert (second["endpoint"], second["outcome"], second["delivery"]) == (unwanted.public_id, "not_sent", None)
    reason = next(it for it in second["reasons"] if it["code"] == "pattern")
    assert reason["subscription"] == made.public_id
    assert reason["mismatches"] == [
        {"path": "data.total", "expected": [6], "found": [5], "reason": "the event has another value here"}
    ]


def test_endpoint_filter_and_page_size_are_applied():
    tenant = make_tenant()
    event = make_event(tenant)
    endpoints = [make_endpoint(tenant, uid=f"e{n}") for n in range(3)]
    client, address = make_client(tenant), f"/api/v1/events/{event.public_id}/explain/"
    assert [it["endpoint"] for it in client.get(address, {"endpoint": "e1"}).json()["data"]] == [endpoints[1].public_id]
    first = client.get(address, {"limit": 2}).json()
    assert len(first["data"]) == 2
    assert [it["endpoint"] for it in client.get(first["next"]).json()["data"]] == [endpoints[0].public_id]
    response = client.get(address, {"endpoint": make_endpoint().public_id})
    assert (response.status_code, [it["field"] for it in response.json()["errors"]]) == (400, ["endpoint"])


def test_admin_page_shows_explanations_escaped():
    tenant = make_tenant()
    event = make_event(tenant, data={"name": HOSTILE})
    make_subscription(make_endpoint(tenant), pattern={"data": {"name": ["other"]}})
    shown = operator().get(reverse("admin:delivery_event_change", args=[event.pk])).content.decode()
    assert "Not delivered to" in shown
    assert "data.name" in shown
    assert HOSTILE not in shown
