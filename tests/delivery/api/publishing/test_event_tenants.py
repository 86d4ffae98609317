"""Publishing for the tenant that a request or an event names."""

import json
from typing import Any

import pytest
from rest_framework.test import APIClient

from delivery.models import Event
from subscriptions.models import Tenant
from tests.factories import make_client, make_tenant

pytestmark = pytest.mark.django_db

EVENTS = "/api/v1/events/"
BATCH = "application/cloudevents-batch+json"


@pytest.fixture
def platform() -> APIClient:
    return make_client(None, "publish")


def post(client: APIClient, body: Any, content_type: str = "application/json", **headers: str) -> Any:
    return client.generic("POST", EVENTS, json.dumps(body), content_type, headers=headers)


def cloud_event(id: str, tenant: str | None = None, **more: Any) -> dict[str, Any]:
    named = {} if tenant is None else {"wayposttenant": tenant}
    return {"specversion": "1.0", "id": id, "source": "/shop", "type": "order.paid", **named, **more}


def published() -> dict[str, str]:
    """Return the uid of the tenant of each event, by the event's id."""
    return dict(Event.objects.values_list("event_id", "tenant__uid"))


class TestOneEvent:
    @pytest.mark.parametrize("named", ["header", "member", "both"])
    def test_it_is_published_for_the_tenant_that_is_named(self, platform: APIClient, named: str) -> None:
        make_tenant(uid="acme")
        make_tenant(uid="other")
        headers = {"Waypost-Tenant": "acme"} if named != "member" else {}
        member = {"tenant": "acme"} if named != "header" else {}
        response = post(platform, {"type": "order.paid", "id": "1", **member}, **headers)
        assert response.status_code == 202
        assert published() == {"1": "acme"}
        assert b"acme" not in bytes(Event.objects.get().body)

    def test_it_is_the_same_event_whichever_way_its_tenant_is_named(self, platform: APIClient) -> None:
        make_tenant(uid="acme")
        event = {"type": "order.paid", "id": "1", "data": 5}
        assert post(platform, {**event, "tenant": "acme"}).json()["duplicate"] is False
        assert post(platform, event, **{"Waypost-Tenant": "acme"}).json()["duplicate"] is True

    def test_unknown_tenant_is_a_404_that_says_how_to_create_it(self, platform: APIClient) -> None:
        for response in (
            post(platform, {"type": "t", "tenant": "acme"}),
            post(platform, {"type": "t"}, **{"Waypost-Tenant": "acme"}),
        ):
            assert (response.status_code, response.json()["code"]) == (404, "unknown_tenant")
            assert response.json()["detail"] == "There is no tenant 'acme'; create it with PUT /api/v1/tenants/acme/."

    def test_missing_tenant_is_a_400_that_names_the_header(self, platform: APIClient) -> None:
        (error,) = post(platform, {"type": "t"}).json()["errors"]
        assert (error["field"], error["detail"]) == (
            "tenant",
            "Name a tenant in the header Waypost-Tenant or as ?tenant=.",
        )

    def test_event_and_header_that_name_different_tenants_are_a_400(self, platform: APIClient) -> None:
        make_tenant(uid="acme")
        make_tenant(uid="other")
        response = post(platform, {"type": "t", "tenant": "other"}, **{"Waypost-Tenant": "acme"})
        assert [it["field"] for it in response.json()["errors"]] == ["tenant"]

    def test_tenant_that_is_no_string_is_a_400(self, platform: APIClient) -> None:
        assert [it["field"] for it in post(platform, {"type": "t", "tenant": 5}).json()["errors"]] == ["tenant"]

    def test_key_of_a_tenant_may_name_its_own_tenant_and_no_other(self) -> None:
        client = make_client(make_tenant(uid="acme"))
        make_tenant(uid="other")
        assert post(client, {"type": "t", "id": "1", "tenant": "acme"}).status_code == 202
        foreign, unknown = (post(client, {"type": "t", "tenant": name}) for name in ("other", "unknown"))
        assert foreign.status_code == unknown.status_code == 404
        assert foreign.content == unknown.content
        assert published() == {"1": "acme"}


class TestBatch:
    def test_each_event_reaches_its_tenant_and_has_its_result_in_order(self, platform: APIClient) -> None:
        for uid in ("one", "two"):
            make_tenant(uid=uid)
        batch = [cloud_event("1", "one"), cloud_event("2", "two"), cloud_event("3", "hooli"), cloud_event("4", "one")]
        response = post(platform, batch, BATCH)
        assert response.status_code == 202
        first, second, third, fourth = response.json()["data"]
        assert [it["event_id"] for it in (first, second, fourth)] == ["1", "2", "4"]
        assert third["error"]["code"] == "unknown_tenant"
        assert published() == {"1": "one", "2": "two", "4": "one"}
        assert "wayposttenant" not in json.loads(bytes(Event.objects.get(event_id="1").body))

    def test_event_without_a_tenant_has_an_error_of_its_own(self, platform: APIClient) -> None:
        make_tenant(uid="one")
        response = post(platform, [cloud_event("1", "one"), cloud_event("2")], BATCH)
        assert (response.json()["accepted"], response.json()["rejected"]) == (1, 1)
        assert response.json()["data"][1]["error"]["errors"][0]["field"] == "tenant"

    def test_header_names_the_tenant_of_the_events_that_name_none(self, platform: APIClient) -> None:
        make_tenant(uid="one")
        batch = [cloud_event("1"), cloud_event("2", "one"), cloud_event("3", "two")]
        response = post(platform, batch, BATCH, **{"Waypost-Tenant": "one"})
        assert published() == {"1": "one", "2": "one"}
        assert response.json()["data"][2]["error"]["errors"][0]["field"] == "tenant"

    def test_invalid_event_is_reported_beside_those_of_several_tenants(self, platform: APIClient) -> None:
        for uid in ("one", "two"):
            make_tenant(uid=uid)
        batch = [cloud_event("1", "one"), {"specversion": "1.0"}, cloud_event("2", "two")]
        response = post(platform, batch, BATCH)
        assert [it.get("event_id") for it in response.json()["data"]] == ["1", None, "2"]


class TestCreatedTenants:
    def test_uid_that_no_tenant_has_creates_one_where_the_setting_allows_it(
        self, platform: APIClient, settings: Any
    ) -> None:
        settings.WAYPOST_CREATE_TENANTS = True
        assert post(platform, {"type": "t", "id": "1", "tenant": "acme"}).status_code == 202
        assert post(platform, {"type": "t", "id": "2"}, **{"Waypost-Tenant": "new"}).status_code == 202
        assert published() == {"1": "acme", "2": "new"}
        assert Tenant.objects.get(uid="acme").name == "acme"

    @pytest.mark.parametrize("name", ["tnt_01m841pajgekhbvnh13ekqw39a", "a b", ""])
    def test_what_is_no_uid_creates_none(self, platform: APIClient, settings: Any, name: str) -> None:
        settings.WAYPOST_CREATE_TENANTS = True
        assert post(platform, {"type": "t", "tenant": name}).status_code == 404
        assert not Tenant.objects.exists()

    def test_key_of_a_tenant_creates_none(self, settings: Any) -> None:
        settings.WAYPOST_CREATE_TENANTS = True
        client = make_client(make_tenant(uid="acme"))
        assert post(client, {"type": "t", "tenant": "new"}).status_code == 404
        assert Tenant.objects.count() == 1


@pytest.mark.parametrize("event_type", ["waypost.delivery.dead", "waypost.endpoint.disabled", "waypost.mine"])
def test_operational_event_cannot_be_published_by_a_key(event_type: str) -> None:
    client = make_client(make_tenant())
    for response in (
        post(client, {"type": event_type, "data": {}}),
        post(client, cloud_event("1", type=event_type), "application/cloudevents+json"),
    ):
        (error,) = response.json()["errors"]
        assert (response.status_code, error["field"]) == (400, "type")
        assert (
            error["detail"] == "must not begin with waypost., which is reserved for the events of the platform itself"
        )
    assert not Event.objects.exists()
