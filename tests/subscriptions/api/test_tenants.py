"""Tenants over REST."""

import pytest

from tests.factories import client_with, make_client, make_key, make_subscription, make_tenant
from tests.routes import ApiRoute, RouteCases
from tests.subscriptions.api.problems import invalid_fields

pytestmark = pytest.mark.django_db

API = "/api/v1/"


class TestTenantRoutes(RouteCases):
    routes = (
        ApiRoute("get", "tenants/", "read", 200),
        ApiRoute("get", "tenants/{tenant}/", "read", 200),
    )

    def make_ids(self, tenant):
        return {"tenant": tenant.public_id}


def test_operator_creates_changes_and_deletes_tenants():
    operator = make_client()
    created = operator.post(f"{API}tenants/", {"name": "Acme", "uid": "acme", "metadata": {"plan": "gold"}})
    assert created.status_code == 201
    assert created.json()["id"].startswith("tnt_")
    assert operator.get(f"{API}tenants/acme/").json() == created.json()
    assert operator.patch(f"{API}tenants/acme/", {"name": "Acme Inc"}).json()["name"] == "Acme Inc"
    assert operator.delete(f"{API}tenants/acme/").status_code == 204
    assert operator.get(f"{API}tenants/acme/").status_code == 404
    assert operator.post(f"{API}tenants/", {"name": "Acme", "uid": "acme"}).status_code == 201


def test_tenant_reads_only_itself():
    tenant = make_tenant()
    make_tenant()
    client = make_client(tenant)
    assert [row["id"] for row in client.get(f"{API}tenants/").json()["data"]] == [tenant.public_id]
    assert client.post(f"{API}tenants/", {"name": "Mine"}).status_code == 403
    for ref in (tenant.public_id, make_tenant().public_id):
        assert client.patch(f"{API}tenants/{ref}/", {"name": "Mine"}).status_code == 403
        assert client.delete(f"{API}tenants/{ref}/").status_code == 403


def test_deletion_of_a_tenant_ends_its_keys_and_endpoints():
    endpoint = make_subscription().endpoint
    tenant = endpoint.tenant
    _, text = make_key(tenant)
    make_client().delete(f"{API}tenants/{tenant.public_id}/")
    endpoint.refresh_from_db()
    assert endpoint.deleted_at is not None
    assert client_with(text).get(f"{API}endpoints/").status_code == 401


def test_uid_in_use_is_a_409():
    make_tenant(uid="acme")
    other = make_tenant()
    assert invalid_fields(make_client().post(f"{API}tenants/", {"name": "B", "uid": "acme"}), 409) == ["uid"]
    assert invalid_fields(make_client().patch(f"{API}tenants/{other.public_id}/", {"uid": "acme"}), 409) == ["uid"]
