"""API keys over REST."""

from datetime import timedelta

import pytest
from django.utils import timezone

from subscriptions.models import ApiKey
from subscriptions.tenants import keys
from tests.factories import client_with, make_client, make_key, make_tenant
from tests.routes import ApiRoute, RouteCases
from tests.subscriptions.api.problems import invalid_fields

pytestmark = pytest.mark.django_db

API = "/api/v1/"


class TestKeyRoutes(RouteCases):
    routes = (
        ApiRoute("get", "keys/", "read", 200),
        ApiRoute("post", "keys/", "manage", 201, {"scopes": ["manage"]}),
        ApiRoute("get", "keys/{key}/", "read", 200),
        ApiRoute("delete", "keys/{key}/", "manage", 204),
        ApiRoute("post", "keys/{key}/rotations/", "manage", 201, {}),
    )

    def make_ids(self, tenant):
        return {"key": make_key(tenant, "manage")[0].public_id}


def test_key_is_shown_only_when_created():
    tenant = make_tenant()
    client = make_client(tenant)
    created = client.post(f"{API}keys/", {"name": "backend", "scopes": ["publish"]})
    assert created.status_code == 201
    assert created["Cache-Control"] == "no-store"
    text = created.json()["key"]
    assert keys.find_key(text).public_id == created.json()["id"]
    seen = client.get(f"{API}keys/{created.json()['id']}/")
    assert seen.json()["prefix"] == text[:11]
    assert text.encode() not in seen.content + client.get(f"{API}keys/").content


def test_deleted_key_is_revoked_and_still_listed():
    tenant = make_tenant()
    key, text = make_key(tenant)
    client = make_client(tenant)
    assert client.delete(f"{API}keys/{key.public_id}/").status_code == 204
    assert client_with(text).get(f"{API}keys/").status_code == 401
    assert client.get(f"{API}keys/{key.public_id}/").json()["revoked_at"]
    assert client.delete(f"{API}keys/{key.public_id}/").status_code == 204


def test_key_cannot_grant_a_scope_it_does_not_have():
    tenant = make_tenant()
    client = make_client(tenant, "manage", "read")
    strong, _ = make_key(tenant, "publish")
    assert client.post(f"{API}keys/", {"scopes": ["publish"]}).status_code == 403
    assert client.post(f"{API}keys/{strong.public_id}/rotations/", {}).status_code == 403
    assert client.post(f"{API}keys/", {"scopes": ["read"]}).status_code == 201


def test_rotated_key_stays_valid_for_the_overlap():
    tenant = make_tenant()
    old, old_text = make_key(tenant)
    response = make_client(tenant).post(f"{API}keys/{old.public_id}/rotations/", {"overlap_seconds": 60})
    assert response.status_code == 201
    assert client_with(response.json()["key"]).get(f"{API}keys/").status_code == 200
    assert client_with(old_text).get(f"{API}keys/").status_code == 200
    old.refresh_from_db()
    assert old.expires_at <= timezone.now() + timedelta(seconds=60)


def test_rotation_of_a_revoked_key_is_a_409():
    tenant = make_tenant()
    key, _ = make_key(tenant)
    keys.revoke_key(key)
    response = make_client(tenant).post(f"{API}keys/{key.public_id}/rotations/", {})
    assert invalid_fields(response, 409) == ["key"]


def test_key_created_by_an_operator_belongs_to_the_tenant():
    tenant = make_tenant()
    make_client().post(f"{API}keys/?tenant={tenant.public_id}", {"scopes": ["read"]})
    assert ApiKey.objects.latest("id").tenant == tenant


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "scopes"),
        ({"scopes": []}, "scopes"),
        ({"scopes": "read"}, "scopes"),
        ({"scopes": ["root"]}, "scopes.0"),
        ({"scopes": [["read"]]}, "scopes.0"),
        ({"scopes": ["read"], "name": 5}, "name"),
        ({"scopes": ["read"], "name": "a\u0007"}, "name"),
        ({"scopes": ["read"], "name": "x" * 257}, "name"),
        ({"scopes": ["read"], "expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"scopes": ["read"], "expires_at": 1900000000}, "expires_at"),
        ({"scopes": ["read"], "expires_at": "0001-01-01T00:00:00+14:00"}, "expires_at"),
        ({"scopes": ["read"], "tenant": None}, "tenant"),
        ({"scopes": ["read"], "digest": "x"}, "digest"),
    ],
)
def test_invalid_key_is_a_400_that_names_the_field(body, field):
    assert invalid_fields(make_client(make_tenant()).post(f"{API}keys/", body)) == [field]
