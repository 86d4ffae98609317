"""API keys over REST."""

from datetime import timedelta

import pytest
from django.utils import timezone

from subscriptions.models import ApiKey
from subscriptions.tenants import keys
from tests.delivery.factories import make_dead_letter, make_delivery, make_event
from tests.factories import (
    client_with,
    make_client,
    make_endpoint,
    make_event_type,
    make_key,
    make_subscription,
    make_tenant,
)
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
        ApiRoute("post", "keys/{key}/rotate/", "manage", 201, {}),
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
    assert client.post(f"{API}keys/{strong.public_id}/rotate/", {}).status_code == 403
    assert client.post(f"{API}keys/", {"scopes": ["read"]}).status_code == 201


def test_rotated_key_stays_valid_for_the_overlap():
    tenant = make_tenant()
    old, old_text = make_key(tenant)
    response = make_client(tenant).post(f"{API}keys/{old.public_id}/rotate/", {"overlap_seconds": 60})
    assert response.status_code == 201
    assert client_with(response.json()["key"]).get(f"{API}keys/").status_code == 200
    assert client_with(old_text).get(f"{API}keys/").status_code == 200
    old.refresh_from_db()
    assert old.expires_at <= timezone.now() + timedelta(seconds=60)


def test_rotation_of_a_revoked_key_is_a_409():
    tenant = make_tenant()
    key, _ = make_key(tenant)
    keys.revoke_key(key)
    response = make_client(tenant).post(f"{API}keys/{key.public_id}/rotate/", {})
    assert invalid_fields(response, 409) == ["key"]


def test_key_created_with_a_platform_key_belongs_to_the_tenant():
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


def test_publish_only_platform_key_publishes_to_any_tenant_and_deletes_nothing():
    endpoint = make_endpoint(make_tenant(uid="acme"))
    backend = make_client(None, "publish")
    named = {"Waypost-Tenant": "acme"}
    assert backend.post(f"{API}events/", {"type": "order.paid"}, format="json", headers=named).status_code == 202
    refused = backend.delete(f"{API}endpoints/{endpoint.public_id}/", headers=named)
    assert (refused.status_code, refused.json()["scope"]) == (403, "manage")
    assert backend.get(f"{API}events/", headers=named).json()["scope"] == "read"
    assert backend.delete(f"{API}tenants/acme/").json()["scope"] == "manage"


def test_platform_key_creates_platform_keys_of_its_own_scopes():
    platform = make_client(None, "publish", "manage")
    created = platform.post(f"{API}keys/", {"platform": True, "scopes": ["publish"]}, format="json")
    assert created.status_code == 201
    assert created.json()["tenant"] is None
    assert keys.find_key(created.json()["key"]).tenant_id is None
    wider = platform.post(f"{API}keys/", {"platform": True, "scopes": ["read"]}, format="json")
    assert wider.status_code == 403


@pytest.mark.parametrize(
    ("body", "scopes"),
    [
        ({"role": "viewer"}, ["read"]),
        ({"role": "operator"}, ["publish", "manage", "read", "consume"]),
        ({"role": "operator", "scopes": ["read"]}, ["read"]),
    ],
)
def test_key_with_a_role_has_the_scopes_of_the_role(body, scopes):
    created = make_client().post(f"{API}keys/", {"platform": True, **body}, format="json").json()
    assert (created["role"], created["scopes"]) == (body["role"], scopes)
    rotated = make_client().post(f"{API}keys/{created['id']}/rotate/", {}, format="json").json()
    assert (rotated["role"], rotated["scopes"]) == (body["role"], scopes)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"role": "viewer", "scopes": ["manage"]}, "scopes"),
        ({"role": "root"}, "role"),
        ({"role": None}, "scopes"),
        ({"role": "viewer", "scopes": []}, "scopes"),
    ],
)
def test_role_that_cannot_be_is_a_400_that_names_the_field(body, field):
    assert invalid_fields(make_client(make_tenant()).post(f"{API}keys/", body, format="json")) == [field]


def test_key_of_an_operator_creates_no_keys_and_publishes_nothing():
    operator = client_with(make_key(make_tenant(), role="operator")[1])
    for path, body in (
        ("keys/", {"role": "administrator"}),
        ("events/", {"type": "a.b"}),
        ("events/batch/", []),
    ):
        refused = operator.post(f"{API}{path}", body, format="json")
        assert (refused.status_code, refused.json()["code"]) == (
            403,
            "insufficient_role",
        )


def test_stored_response_is_not_repeated_for_a_key_of_another_role():
    """The response to an administrator may hold what an operator may not see."""
    tenant = make_tenant()
    header = {"HTTP_IDEMPOTENCY_KEY": "once"}
    administrator, operator = (client_with(make_key(tenant, role=it)[1]) for it in ("administrator", "operator"))
    assert administrator.post(f"{API}keys/", {"scopes": ["read"]}, format="json", **header).status_code == 201
    assert operator.post(f"{API}keys/", {"scopes": ["read"]}, format="json", **header).status_code == 403


def test_key_of_a_tenant_cannot_create_a_platform_key():
    response = make_client(make_tenant()).post(f"{API}keys/", {"platform": True, "scopes": ["read"]}, format="json")
    assert (response.status_code, response.json()["code"]) == (403, "platform_key_required")


def test_platform_key_of_a_tenant_or_an_endpoint_is_a_400():
    endpoint = make_endpoint(make_tenant(uid="acme"))
    body = {"platform": True, "scopes": ["read"]}
    platform = make_client()
    assert invalid_fields(platform.post(f"{API}keys/?tenant=acme", body, format="json")) == ["platform"]
    body["endpoint"] = endpoint.public_id
    assert invalid_fields(platform.post(f"{API}keys/", body, format="json")) == ["endpoint"]


def test_short_lived_key_expires_after_its_seconds():
    client = make_client(make_tenant())
    created = client.post(f"{API}keys/", {"scopes": ["read"], "expires_in": 900}, format="json").json()
    left = keys.find_key(created["key"]).expires_at - timezone.now()
    assert timedelta(seconds=800) < left <= timedelta(seconds=900)
    both = {"scopes": ["read"], "expires_in": 900, "expires_at": "2099-01-01T00:00:00Z"}
    assert invalid_fields(client.post(f"{API}keys/", both, format="json")) == ["expires_in"]


class TestEndpointKey:
    """A key that is limited to one endpoint."""

    @pytest.fixture
    def own(self):
        return make_endpoint(uid="own")

    @pytest.fixture
    def client(self, own):
        body = {"scopes": ["read", "manage"], "endpoint": "own"}
        created = make_client(own.tenant).post(f"{API}keys/", body, format="json")
        assert created.json()["endpoint"] == own.public_id
        return client_with(created.json()["key"])

    def test_it_sees_and_changes_its_endpoint_only(self, own, client):
        other = make_endpoint(own.tenant, uid="other")
        assert [it["uid"] for it in client.get(f"{API}endpoints/").json()["data"]] == ["own"]
        changed = client.patch(f"{API}endpoints/own/", {"description": "mine"}, format="json")
        assert changed.json()["description"] == "mine"
        for path in ("", "secrets/", "keys/", "stats/", "status/"):
            assert client.get(f"{API}endpoints/own/{path}").status_code == 200
            assert client.get(f"{API}endpoints/{other.public_id}/{path}").status_code == 404
        assert client.delete(f"{API}endpoints/other/").status_code == 404
        assert client.post(f"{API}endpoints/other/secrets/", {}, format="json").status_code == 404

    def test_it_reads_the_event_types_that_its_subscriptions_name(self, own, client):
        named = make_event_type(own.tenant, name="order.paid")
        make_event_type(make_tenant(), name="order.refunded")
        listed = {row["name"] for row in client.get(f"{API}event-types/").json()["data"]}
        assert {"order.paid", "order.refunded"} & listed == {"order.paid"}
        assert client.get(f"{API}event-types/order.paid/versions/").status_code == 200
        assert client.delete(f"{API}event-types/{named.public_id}/").status_code == 403
        assert client.post(f"{API}event-types/", {"name": "a"}, format="json").status_code == 403

    def test_it_replays_and_cancels_deliveries_of_its_endpoint_only(self, own, client):
        other = make_endpoint(own.tenant, uid="other")
        for endpoint in (own, other):
            make_dead_letter(make_delivery(make_event(own.tenant), endpoint, state="dead"))
            make_delivery(make_event(own.tenant), endpoint)
        theirs = make_client(own.tenant).post(f"{API}replays/", {"filter": {"endpoint": "other"}}, format="json").json()
        for body in ({"all": True}, {"filter": {"endpoint": "own"}}):
            assert client.post(f"{API}replays/preview/", body, format="json").json()["total"] == 1
            assert client.post(f"{API}deliveries/cancel/preview/", body, format="json").json()["total"] == 1
        made = client.post(f"{API}replays/", {"all": True}, format="json").json()
        assert (made["total"], made["filter"]) == (1, {"endpoint": own.public_id})
        assert [row["id"] for row in client.get(f"{API}replays/").json()["data"]] == [made["id"]]
        assert client.get(f"{API}replays/{theirs['id']}/").status_code == 404
        assert client.post(f"{API}replays/{theirs['id']}/cancel/").status_code == 404
        assert client.post(f"{API}replays/{made['id']}/cancel/").json()["state"] == "cancelled"
        for path in ("replays/", "replays/preview/", "deliveries/cancel/", "deliveries/cancel/preview/"):
            refused = client.post(f"{API}{path}", {"filter": {"endpoint": "other"}}, format="json")
            assert [it["field"] for it in refused.json()["errors"]] == ["filter.endpoint"]
        assert client.post(f"{API}deliveries/cancel/", {"all": True}, format="json").json()["total"] == 1

    def test_it_subscribes_its_endpoint_only(self, own, client):
        other = make_endpoint(own.tenant, uid="other")
        theirs = make_subscription(other)
        body = {"event_types": ["order.*"]}
        made = client.post(f"{API}subscriptions/", {**body, "endpoint": "own"}, format="json")
        assert made.status_code == 201
        assert [it["id"] for it in client.get(f"{API}subscriptions/").json()["data"]] == [made.json()["id"]]
        foreign = client.post(f"{API}subscriptions/", {**body, "endpoint": "other"}, format="json")
        assert invalid_fields(foreign) == ["endpoint"]
        assert client.delete(f"{API}subscriptions/{theirs.public_id}/").status_code == 404
        moved = client.patch(f"{API}subscriptions/{made.json()['id']}/", {"endpoint": "other"}, format="json")
        assert invalid_fields(moved) == ["endpoint"]

    def test_it_sees_the_deliveries_of_its_endpoint_only(self, own, client):
        event = make_event(own.tenant)
        mine, theirs = make_delivery(event, own), make_delivery(event, make_endpoint(own.tenant))
        assert [it["id"] for it in client.get(f"{API}deliveries/").json()["data"]] == [mine.public_id]
        assert client.get(f"{API}deliveries/{mine.public_id}/attempts/").status_code == 200
        for path in ("", "attempts/"):
            assert client.get(f"{API}deliveries/{theirs.public_id}/{path}").status_code == 404
        assert client.post(f"{API}deliveries/{theirs.public_id}/cancel/").status_code == 404

    @pytest.mark.parametrize("path", ["events/", "keys/", "usage/", "tenants/", "plans/", "sources/"])
    def test_what_belongs_to_no_endpoint_is_a_403(self, client, path):
        assert client.get(f"{API}{path}").json()["code"] == "endpoint_key_refused"

    def test_it_creates_no_endpoint_and_no_key(self, client):
        for path, body in (("endpoints/", {"url": "https://example.com/"}), ("keys/", {"scopes": ["read"]})):
            assert client.post(f"{API}{path}", body, format="json").status_code == 403

    def test_it_cannot_have_the_scope_publish(self, own):
        body = {"scopes": ["publish"], "endpoint": "own"}
        assert invalid_fields(make_client(own.tenant).post(f"{API}keys/", body, format="json")) == ["scopes"]

    def test_it_ends_with_its_endpoint(self, own, client):
        assert client.delete(f"{API}endpoints/own/").status_code == 204
        keys.cached_keys.clear()
        assert client.get(f"{API}endpoints/").status_code == 401
