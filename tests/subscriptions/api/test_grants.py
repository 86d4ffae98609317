"""The owner of events creates, changes and ends grants; the grantee reads them and names them in subscriptions."""

from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from subscriptions.models import Grant, Subscription, Tenant
from subscriptions.routing import grants
from subscriptions.routing.grants import create_grant, end_grant
from tests.factories import make_client, make_endpoint, make_tenant

pytestmark = pytest.mark.django_db
PATH = "/api/v1/grants/"


@pytest.fixture
def owner() -> Tenant:
    return make_tenant(uid="owner")


@pytest.fixture
def grantee() -> Tenant:
    return make_tenant(uid="grantee")


@pytest.fixture
def client(owner: Tenant) -> APIClient:
    return make_client(owner)


@pytest.fixture
def grant(owner: Tenant, grantee: Tenant) -> Grant:
    return create_grant(owner, grantee, event_types=["order.*"])


def fields(response: Any) -> list[str]:
    assert response.status_code in (400, 409), response.json()
    return [it["field"] for it in response.json()["errors"]]


def test_owner_creates_changes_and_ends_a_grant(client: APIClient, owner: Tenant, grantee: Tenant) -> None:
    created = client.post(PATH, {"grantee": grantee.public_id, "event_types": ["order.*"]}, "json")
    assert created.status_code == 201, created.json()
    shown = created.json()
    assert (shown["tenant"], shown["grantee"], shown["ended_at"]) == (owner.public_id, grantee.public_id, None)
    path = f"{PATH}{shown['id']}/"
    assert client.patch(path, {"event_types": ["order.paid"]}, "json").json()["event_types"] == ["order.paid"]
    assert client.delete(path).status_code == 204
    assert client.get(path).json()["ended_at"] is not None
    assert client.patch(path, {"event_types": ["*"]}, "json").status_code == 404


def test_grantee_reads_and_cannot_change(grantee: Tenant, grant: Grant) -> None:
    client, path = make_client(grantee), f"{PATH}{grant.public_id}/"
    assert [it["id"] for it in client.get(PATH).json()["data"]] == [grant.public_id]
    assert client.get(path).status_code == 200
    assert client.patch(path, {"event_types": ["*"]}, "json").status_code == 404
    assert client.delete(path).status_code == 404
    assert make_client(make_tenant()).get(path).status_code == 404


def test_tenants_name_others_by_id_only(client: APIClient, grantee: Tenant) -> None:
    unknown = client.post(PATH, {"grantee": "unknown-tenant", "event_types": ["*"]}, "json")
    taken = client.post(PATH, {"grantee": "grantee", "event_types": ["*"]}, "json")
    assert fields(unknown) == fields(taken) == ["grantee"]
    assert unknown.json()["errors"] == taken.json()["errors"]


def test_platform_key_names_tenants_by_uid(owner: Tenant, grantee: Tenant) -> None:
    body = {"grantee": "grantee", "event_types": ["*"]}
    platform = make_client()
    assert platform.post(f"{PATH}?tenant=owner", body, "json").json()["tenant"] == owner.public_id
    assert fields(platform.post(PATH, body, "json")) == ["tenant"]


@pytest.mark.parametrize("event_types", [["waypost.*"], ["order.*", "waypost.delivery.dead"], []], ids=str)
def test_types_that_cannot_be_shared_are_refused(client: APIClient, grantee: Tenant, event_types: list[str]) -> None:
    response = client.post(PATH, {"grantee": grantee.public_id, "event_types": event_types}, "json")
    assert fields(response) == ["event_types"]


def test_tenant_itself_and_another_grantee_are_refused(client: APIClient, owner: Tenant, grant: Grant) -> None:
    assert fields(client.post(PATH, {"grantee": owner.public_id, "event_types": ["*"]}, "json")) == ["grantee"]
    other = make_tenant().public_id
    assert fields(client.patch(f"{PATH}{grant.public_id}/", {"grantee": other}, "json")) == ["grantee"]


def test_number_of_grants_in_force_is_limited(
    client: APIClient, grantee: Tenant, grant: Grant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grants, "MAX_GRANTS", 1)
    body = {"grantee": grantee.public_id, "event_types": ["*"]}
    assert client.post(PATH, body, "json").status_code == 409
    end_grant(grant)
    assert client.post(PATH, body, "json").status_code == 201


class TestSubscriptions:
    """A subscription names a grant that its tenant was given."""

    def body(self, grantee: Tenant, grant: Grant) -> dict[str, Any]:
        return {"endpoint": make_endpoint(grantee).public_id, "event_types": ["*"], "grant": grant.public_id}

    def test_grantee_names_the_grant(self, grantee: Tenant, grant: Grant) -> None:
        response = make_client(grantee).post("/api/v1/subscriptions/", self.body(grantee, grant), "json")
        assert response.json()["grant"] == grant.public_id
        assert Subscription.objects.get().grant_id == grant.pk

    def test_grant_of_another_tenant_or_an_ended_one_is_refused(
        self, owner: Tenant, grantee: Tenant, grant: Grant
    ) -> None:
        for tenant in (owner, make_tenant()):
            assert fields(make_client(tenant).post("/api/v1/subscriptions/", self.body(tenant, grant), "json")) == [
                "grant"
            ]
        end_grant(grant)
        body = self.body(grantee, grant)
        assert fields(make_client(grantee).post("/api/v1/subscriptions/", body, "json")) == ["grant"]

    def test_subscriptions_of_an_endpoint_that_are_replaced_keep_those_to_grants(
        self, grantee: Tenant, grant: Grant
    ) -> None:
        client, body = make_client(grantee), self.body(grantee, grant)
        assert client.post("/api/v1/subscriptions/", body, "json").status_code == 201
        path = f"/api/v1/endpoints/{body['endpoint']}/"
        changed = client.patch(path, {}, "json")
        assert changed.status_code == 200
        put = client.put(path, {"url": changed.json()["url"], "subscriptions": [{"event_types": ["*"]}]}, "json")
        assert put.status_code == 200, put.json()
        assert Subscription.objects.filter(grant=grant).count() == Subscription.objects.filter(grant=None).count() == 1


def test_admin_lists_and_ends_grants(admin_client: Client, grant: Grant) -> None:
    page = "/admin/subscriptions/grant/"
    assert grant.public_id in admin_client.get(page).content.decode()
    admin_client.post(page, {"action": "end", "_selected_action": [str(grant.pk)], "confirmed": "yes"})
    grant.refresh_from_db()
    assert grant.ended_at is not None
    assert "ended" in admin_client.get(f"{page}{grant.pk}/change/").content.decode()
