from datetime import timedelta

import pytest
from django.utils import timezone
from standardwebhooks import Webhook

from subscriptions.models import ApiKey, Endpoint, Tenant
from subscriptions.tenants import keys
from tests.factories import URL, client_with, make_client, make_endpoint, make_key, make_subscription, make_tenant
from tests.routes import ApiRoute, RouteCases
from webhooks.wire.signing.standard_webhooks import new_secret, sign

pytestmark = pytest.mark.django_db

API = "/api/v1/"


class TestEndpointRoutes(RouteCases):
    routes = (
        ApiRoute("get", "endpoints/", "read", 200),
        ApiRoute("post", "endpoints/", "manage", 201, {"url": URL}),
        ApiRoute("get", "endpoints/{endpoint}/", "read", 200),
        ApiRoute("put", "endpoints/{endpoint}/", "manage", 200, {"url": URL}),
        ApiRoute("patch", "endpoints/{endpoint}/", "manage", 200, {"state": "paused"}),
        ApiRoute("delete", "endpoints/{endpoint}/", "manage", 204),
        ApiRoute("get", "endpoints/{endpoint}/secrets/", "read", 200),
        ApiRoute("post", "endpoints/{endpoint}/secrets/", "manage", 201, {}),
    )

    def make_ids(self, tenant):
        return {"endpoint": make_endpoint(tenant).public_id}


class TestSubscriptionRoutes(RouteCases):
    routes = (
        ApiRoute("get", "subscriptions/", "read", 200),
        ApiRoute("post", "subscriptions/", "manage", 201, {"endpoint": "{endpoint}"}),
        ApiRoute("get", "subscriptions/{subscription}/", "read", 200),
        ApiRoute("put", "subscriptions/{subscription}/", "manage", 200, {"endpoint": "{endpoint}"}),
        ApiRoute("patch", "subscriptions/{subscription}/", "manage", 200, {"active": False}),
        ApiRoute("delete", "subscriptions/{subscription}/", "manage", 204),
    )

    def make_ids(self, tenant):
        subscription = make_subscription(make_endpoint(tenant))
        return {"subscription": subscription.public_id, "endpoint": subscription.endpoint.public_id}


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


class TestTenantRoutes(RouteCases):
    routes = (
        ApiRoute("get", "tenants/", "read", 200),
        ApiRoute("get", "tenants/{tenant}/", "read", 200),
    )

    def make_ids(self, tenant):
        return {"tenant": tenant.public_id}


def problem_of(answer, status=400):
    """The fields a problem names."""
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    return [error["field"] for error in answer.json()["errors"]]


# --- tenants


def test_an_operator_keeps_tenants():
    operator = make_client()
    made = operator.post(f"{API}tenants/", {"name": "Acme", "uid": "acme", "metadata": {"plan": "gold"}})
    assert made.status_code == 201
    assert made.json()["id"].startswith("tnt_")
    assert operator.get(f"{API}tenants/acme/").json() == made.json()
    assert operator.patch(f"{API}tenants/acme/", {"name": "Acme Inc"}).json()["name"] == "Acme Inc"
    assert operator.delete(f"{API}tenants/acme/").status_code == 204
    assert operator.get(f"{API}tenants/acme/").status_code == 404
    assert operator.post(f"{API}tenants/", {"name": "Acme", "uid": "acme"}).status_code == 201


def test_a_tenant_sees_itself_and_changes_nothing():
    tenant = make_tenant()
    make_tenant()
    client = make_client(tenant)
    assert [row["id"] for row in client.get(f"{API}tenants/").json()["data"]] == [tenant.public_id]
    assert client.post(f"{API}tenants/", {"name": "Mine"}).status_code == 403
    for ref in (tenant.public_id, make_tenant().public_id):
        assert client.patch(f"{API}tenants/{ref}/", {"name": "Mine"}).status_code == 403
        assert client.delete(f"{API}tenants/{ref}/").status_code == 403


def test_deleting_a_tenant_ends_its_keys_and_endpoints():
    endpoint = make_subscription().endpoint
    tenant = endpoint.tenant
    _, text = make_key(tenant)
    make_client().delete(f"{API}tenants/{tenant.public_id}/")
    endpoint.refresh_from_db()
    assert endpoint.deleted_at is not None
    assert client_with(text).get(f"{API}endpoints/").status_code == 401


def test_the_uid_of_a_tenant_is_taken_once():
    make_tenant(uid="acme")
    other = make_tenant()
    assert problem_of(make_client().post(f"{API}tenants/", {"name": "B", "uid": "acme"}), 409) == ["uid"]
    assert problem_of(make_client().patch(f"{API}tenants/{other.public_id}/", {"uid": "acme"}), 409) == ["uid"]


# --- whose request it is


def test_an_operator_reads_all_tenants_or_the_one_it_names():
    one, other = make_endpoint(make_tenant(uid="one")), make_endpoint()
    operator = make_client()

    def listed(query="", **headers):
        return {row["id"] for row in operator.get(f"{API}endpoints/{query}", headers=headers).json()["data"]}

    assert listed() == {one.public_id, other.public_id}
    assert listed("?tenant=one") == {one.public_id}
    assert listed(**{"Waypost-Tenant": other.tenant.public_id}) == {other.public_id}


@pytest.mark.parametrize("path", ["endpoints", "subscriptions", "keys"])
def test_an_operator_has_to_name_the_tenant_of_what_it_creates(path):
    assert problem_of(make_client().post(f"{API}{path}/", {})) == ["tenant"]


def test_header_and_query_may_not_differ():
    one, other = make_tenant(), make_tenant()
    answer = make_client().get(f"{API}endpoints/?tenant={one.public_id}", headers={"Waypost-Tenant": other.public_id})
    assert problem_of(answer) == ["tenant"]


@pytest.mark.parametrize("name", ["", "nobody", "tnt_00000000000000000000000000", "%00", "%ED%A0%80", "'--"])
def test_a_tenant_that_is_not_there_is_not_found(name):
    assert make_client().get(f"{API}endpoints/?tenant={name}").status_code == 404
    assert make_client(make_tenant()).get(f"{API}endpoints/?tenant={name}").status_code == 404


def test_a_tenant_may_name_itself():
    tenant = make_tenant(uid="acme")
    client = make_client(tenant)
    for name in ("acme", tenant.public_id):
        assert client.get(f"{API}endpoints/?tenant={name}").status_code == 200


def test_a_uid_of_several_tenants_needs_the_tenant():
    one, _ = make_endpoint(uid="main"), make_endpoint(uid="main")
    operator = make_client()
    assert problem_of(operator.get(f"{API}endpoints/main/")) == ["tenant"]
    found = operator.get(f"{API}endpoints/main/?tenant={one.tenant.public_id}")
    assert found.json()["id"] == one.public_id


# --- keys


def test_a_key_is_shown_once():
    tenant = make_tenant()
    client = make_client(tenant)
    made = client.post(f"{API}keys/", {"name": "backend", "scopes": ["publish"]})
    assert made.status_code == 201
    assert made["Cache-Control"] == "no-store"
    text = made.json()["key"]
    assert keys.find_key(text).public_id == made.json()["id"]
    seen = client.get(f"{API}keys/{made.json()['id']}/")
    assert seen.json()["prefix"] == text[:11]
    assert text.encode() not in seen.content + client.get(f"{API}keys/").content


def test_a_deleted_key_is_revoked_and_stays_visible():
    tenant = make_tenant()
    key, text = make_key(tenant)
    client = make_client(tenant)
    assert client.delete(f"{API}keys/{key.public_id}/").status_code == 204
    assert client_with(text).get(f"{API}keys/").status_code == 401
    assert client.get(f"{API}keys/{key.public_id}/").json()["revoked_at"]
    assert client.delete(f"{API}keys/{key.public_id}/").status_code == 204


def test_nobody_hands_out_a_scope_that_he_does_not_hold():
    tenant = make_tenant()
    client = make_client(tenant, "manage", "read")
    strong, _ = make_key(tenant, "publish")
    assert client.post(f"{API}keys/", {"scopes": ["publish"]}).status_code == 403
    assert client.post(f"{API}keys/{strong.public_id}/rotations/", {}).status_code == 403
    assert client.post(f"{API}keys/", {"scopes": ["read"]}).status_code == 201


def test_a_rotated_key_overlaps():
    tenant = make_tenant()
    old, old_text = make_key(tenant)
    answer = make_client(tenant).post(f"{API}keys/{old.public_id}/rotations/", {"overlap_seconds": 60})
    assert answer.status_code == 201
    assert client_with(answer.json()["key"]).get(f"{API}keys/").status_code == 200
    assert client_with(old_text).get(f"{API}keys/").status_code == 200
    old.refresh_from_db()
    assert old.expires_at <= timezone.now() + timedelta(seconds=60)


def test_a_revoked_key_is_not_rotated():
    tenant = make_tenant()
    key, _ = make_key(tenant)
    keys.revoke_key(key)
    answer = make_client(tenant).post(f"{API}keys/{key.public_id}/rotations/", {})
    assert problem_of(answer, 409) == ["key"]


def test_no_key_over_rest_is_an_operators():
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
def test_a_key_that_cannot_be_names_the_field(body, field):
    assert problem_of(make_client(make_tenant()).post(f"{API}keys/", body)) == [field]


# --- endpoints


def test_an_endpoint_shows_its_secret_once_and_it_verifies():
    client = make_client(make_tenant())
    made = client.post(f"{API}endpoints/", {"url": URL, "uid": "main"})
    assert made.status_code == 201
    assert made["Cache-Control"] == "no-store"
    secret = made.json()["secret"]
    headers = {"webhook-id": "m", "webhook-timestamp": str(int(timezone.now().timestamp()))}
    headers["webhook-signature"] = sign(secret, "m", int(headers["webhook-timestamp"]), b"{}")
    assert Webhook(secret).verify(b"{}", headers) == {}
    for ref in ("main", made.json()["id"]):
        seen = client.get(f"{API}endpoints/{ref}/")
        assert seen.json() == {name: value for name, value in made.json().items() if name != "secret"}


def test_what_was_read_can_be_put_back():
    tenant = make_tenant()
    client = make_client(tenant)
    endpoint = make_endpoint(tenant, uid="main", headers={"x-a": "b"}, retry_plan=[1, 2], rate_limit=5)
    read = client.get(f"{API}endpoints/main/").json()
    put = client.put(f"{API}endpoints/{endpoint.public_id}/", read)
    assert put.status_code == 200, put.content
    assert {**put.json(), "updated_at": None} == {**read, "updated_at": None}


def test_put_replaces_and_leaves_the_state():
    tenant = make_tenant()
    endpoint = make_endpoint(tenant, uid="main", state="paused", description="old", headers={"x-a": "b"}, rate_limit=5)
    put = make_client(tenant).put(f"{API}endpoints/{endpoint.public_id}/", {"url": URL}).json()
    assert (put["uid"], put["description"], put["headers"], put["rate_limit"]) == (None, "", {}, None)
    assert put["state"] == "paused"


def test_patch_changes_what_it_names():
    tenant = make_tenant()
    endpoint = make_endpoint(tenant, description="old", rate_limit=5)
    patched = make_client(tenant).patch(f"{API}endpoints/{endpoint.public_id}/", {"rate_limit": None}).json()
    assert (patched["rate_limit"], patched["description"]) == (None, "old")


def test_a_tenant_pauses_and_resumes():
    tenant = make_tenant()
    path = f"{API}endpoints/{make_endpoint(tenant).public_id}/"
    client = make_client(tenant)
    assert client.patch(path, {"state": "paused"}).json()["state"] == "paused"
    assert client.patch(path, {"state": "active"}).json()["state"] == "active"
    assert problem_of(client.patch(path, {"state": "disabled"})) == ["state"]


def test_what_an_operator_disabled_only_an_operator_enables():
    tenant = make_tenant()
    path = f"{API}endpoints/{make_endpoint(tenant).public_id}/"
    operator, client = make_client(), make_client(tenant)
    assert operator.patch(path, {"state": "disabled"}).json()["disabled_reason"] == "operator"
    assert problem_of(client.patch(path, {"state": "active"}), 409) == ["state"]
    assert operator.patch(path, {"state": "active"}).json()["state"] == "active"


def test_a_deleted_endpoint_is_gone_with_its_subscriptions():
    subscription = make_subscription()
    endpoint = subscription.endpoint
    client = make_client(endpoint.tenant)
    path = f"{API}endpoints/{endpoint.public_id}/"
    assert client.delete(path).status_code == 204
    for gone in (path, f"{path}secrets/", f"{API}subscriptions/{subscription.public_id}/"):
        assert client.get(gone).status_code == 404
    assert client.get(f"{API}endpoints/").json()["data"] == []
    assert client.delete(path).status_code == 404


def test_endpoints_are_listed_newest_first_and_by_state():
    tenant = make_tenant()
    old, new = make_endpoint(tenant), make_endpoint(tenant, state="paused")
    client = make_client(tenant)
    assert [row["id"] for row in client.get(f"{API}endpoints/").json()["data"]] == [new.public_id, old.public_id]
    assert [row["id"] for row in client.get(f"{API}endpoints/?state=paused").json()["data"]] == [new.public_id]
    assert problem_of(client.get(f"{API}endpoints/?state=lost")) == ["state"]


NUL, HALF = "a\0b", "a\ud800b"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"url": None}, "url"),
        ({"url": ""}, "url"),
        ({"url": 5}, "url"),
        ({"url": ["https://example.com/"]}, "url"),
        ({"url": "https://inside.example.com/"}, "url"),
        ({"url": "http://169.254.169.254/"}, "url"),
        ({"url": "https://example.com/" + "a" * 2048}, "url"),
        ({"url": "https://example.com/\r\nx"}, "url"),
        ({"uid": ""}, "uid"),
        ({"uid": "a b"}, "uid"),
        ({"uid": "a\n"}, "uid"),
        ({"uid": NUL}, "uid"),
        ({"uid": "x" * 257}, "uid"),
        ({"uid": "ep_01m83t2ghzevcannga6my0tf3k"}, "uid"),
        ({"description": NUL}, "description"),
        ({"description": 5}, "description"),
        ({"description": "x" * 1025}, "description"),
        ({"state": "lost"}, "state"),
        ({"state": ["active"]}, "state"),
        ({"content_mode": "both"}, "content_mode"),
        ({"timeout_ms": "5000"}, "timeout_ms"),
        ({"timeout_ms": True}, "timeout_ms"),
        ({"timeout_ms": 999}, "timeout_ms"),
        ({"timeout_ms": 30_001}, "timeout_ms"),
        ({"timeout_ms": 5000.5}, "timeout_ms"),
        ({"max_in_flight": 0}, "max_in_flight"),
        ({"rate_limit": 0}, "rate_limit"),
        ({"rate_limit": 2**63}, "rate_limit"),
        ({"rate_period": "hour"}, "rate_period"),
        ({"rate_period": 5}, "rate_period"),
        ({"rate_burst": 0}, "rate_burst"),
        ({"rate_burst": "5"}, "rate_burst"),
        ({"rate_burst": 100_001}, "rate_burst"),
        ({"retry_plan": []}, "retry_plan"),
        ({"retry_plan": [0]}, "retry_plan.0"),
        ({"retry_plan": ["5"]}, "retry_plan.0"),
        ({"retry_plan": [5] * 51}, "retry_plan"),
        ({"retry_plan": 5}, "retry_plan"),
        ({"headers": None}, "headers"),
        ({"headers": []}, "headers"),
        ({"headers": {"x-a": 5}}, "headers"),
        ({"headers": {"x-a": "b\r\nhost: c"}}, "headers"),
        ({"headers": {"host": "example.com"}}, "headers"),
        ({"headers": {"webhook-signature": "v1,x"}}, "headers"),
        ({"headers": {NUL: "x"}}, "headers"),
        ({"metadata": None}, "metadata"),
        ({"metadata": []}, "metadata"),
        ({"metadata": {"a": {"b": {"c": {"d": {"e": 1}}}}}}, "metadata"),
        ({"metadata": {"a": "x" * 8192}}, "metadata"),
        ({"metadata": {"a": NUL}}, "metadata"),
        ({"metadata": {NUL: "a"}}, "metadata"),
        ({"secret": "whsec_short"}, "secret"),
        ({"secret": 5}, "secret"),
        ({"tennant": "x"}, "tennant"),
        ({"id": "ep_01m83t2ghzevcannga6my0tf3k"}, "id"),
        ({"version": 5}, "version"),
    ],
)
def test_an_endpoint_that_cannot_be_names_the_field_and_leaves_nothing(changes, field):
    answer = make_client(make_tenant()).post(f"{API}endpoints/", {"url": URL, **changes})
    assert problem_of(answer) == [field]
    assert not Endpoint.objects.exists()


@pytest.mark.parametrize("body", ["[]", '"text"', "5", "null", "true", "", "{", "[" * 100_000])
def test_a_body_that_is_no_object_is_refused(body):
    tenant = make_tenant()
    client = make_client(tenant)
    path = f"{API}endpoints/{make_endpoint(tenant).public_id}/"
    for method, address in (("POST", f"{API}endpoints/"), ("PUT", path)):
        assert client.generic(method, address, body, "application/json").status_code == 400


def test_half_a_character_is_refused_wherever_it_stands():
    client = make_client(make_tenant())
    answer = client.generic("POST", f"{API}endpoints/", '{"url": "https://example.com/\\ud800"}', "application/json")
    assert answer.status_code == 400


def test_every_wrong_field_is_named_at_once():
    answer = make_client(make_tenant()).post(f"{API}endpoints/", {"timeout_ms": 1, "rate_limit": 0, "headers": []})
    assert set(problem_of(answer)) == {"url", "timeout_ms", "rate_limit", "headers"}


def test_the_refusal_of_an_address_on_update_is_that_on_creation():
    tenant = make_tenant()
    client = make_client(tenant)
    path = f"{API}endpoints/{make_endpoint(tenant).public_id}/"
    body = {"url": "https://inside.example.com/"}
    created, put, patched = client.post(f"{API}endpoints/", body), client.put(path, body), client.patch(path, body)
    assert created.json() == put.json() == patched.json()
    assert problem_of(patched) == ["url"]


def test_a_uid_in_use_is_a_conflict():
    tenant = make_tenant()
    make_endpoint(tenant, uid="main")
    other = make_endpoint(tenant)
    client = make_client(tenant)
    assert problem_of(client.post(f"{API}endpoints/", {"url": URL, "uid": "main"}), 409) == ["uid"]
    assert problem_of(client.patch(f"{API}endpoints/{other.public_id}/", {"uid": "main"}), 409) == ["uid"]


@pytest.mark.parametrize(
    "ref", ["ep_0", "tnt_01m83t2ghzevcannga6my0tf3k", "%00", "a%0a", "é", "EP_01", "ep_zzzzzzzzzzzzzzzzzzzzzzzzzz"]
)
def test_a_ref_that_is_none_is_not_found(ref):
    assert make_client(make_tenant()).get(f"{API}endpoints/{ref}/").status_code == 404


# --- secrets


def test_a_rotation_shows_the_new_secret_once_and_lists_both():
    tenant = make_tenant()
    path = f"{API}endpoints/{make_endpoint(tenant, uid='main').uid}/secrets/"
    client = make_client(tenant)
    made = client.post(path, {"overlap_seconds": 3600})
    assert made.status_code == 201
    assert made["Cache-Control"] == "no-store"
    assert made.json()["secret"].startswith("whsec_")
    listed = client.get(path)
    assert b"whsec_" not in listed.content
    assert [row["expires_at"] is None for row in listed.json()["data"]] == [True, False]


def test_a_rotation_takes_a_secret_of_the_callers_own():
    tenant, own = make_tenant(), new_secret()
    path = f"{API}endpoints/{make_endpoint(tenant).public_id}/secrets/"
    assert make_client(tenant).post(path, {"secret": own, "overlap_seconds": 0}).json() == {"secret": own}
    assert len(make_client(tenant).get(path).json()["data"]) == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"overlap_seconds": -1}, "overlap_seconds"),
        ({"overlap_seconds": 604_801}, "overlap_seconds"),
        ({"overlap_seconds": "60"}, "overlap_seconds"),
        ({"overlap_seconds": None}, "overlap_seconds"),
        ({"secret": "whsec_"}, "secret"),
        ({"overlap": 60}, "overlap"),
    ],
)
def test_a_rotation_that_cannot_be_names_the_field(body, field):
    tenant = make_tenant()
    path = f"{API}endpoints/{make_endpoint(tenant).public_id}/secrets/"
    assert problem_of(make_client(tenant).post(path, body)) == [field]


def test_patching_a_secret_points_to_the_rotation():
    tenant = make_tenant()
    answer = make_client(tenant).patch(f"{API}endpoints/{make_endpoint(tenant).public_id}/", {"secret": new_secret()})
    assert problem_of(answer) == ["secret"]
    assert "secrets/" in answer.json()["detail"]


# --- subscriptions


def test_a_subscription_names_its_endpoint_by_id_or_uid():
    tenant = make_tenant()
    endpoint = make_endpoint(tenant, uid="main")
    client = make_client(tenant)
    for ref in ("main", endpoint.public_id):
        made = client.post(f"{API}subscriptions/", {"endpoint": ref})
        assert made.status_code == 201
        assert (made.json()["endpoint"], made.json()["event_types"]) == (endpoint.public_id, ["*"])


def test_a_subscription_with_everything_comes_back_as_it_went():
    tenant = make_tenant()
    body = {
        "endpoint": make_endpoint(tenant).public_id,
        "event_types": ["order.*", "invoice.paid", "waypost.endpoint.disabled"],
        "pattern": {"data": {"total": [{"numeric": [">", 100]}]}},
        "transformer": {"input_paths": {"n": "$.data.number"}, "template": '{\n"text": "Order <n>"}'},
        "description": "Large orders",
        "active": False,
    }
    client = make_client(tenant)
    made = client.post(f"{API}subscriptions/", body).json()
    assert {name: made[name] for name in body} == body
    assert client.get(f"{API}subscriptions/{made['id']}/").json() == made
    put = client.put(f"{API}subscriptions/{made['id']}/", {"endpoint": body["endpoint"]}).json()
    assert (put["event_types"], put["pattern"], put["transformer"], put["active"]) == (["*"], None, None, True)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"endpoint": None}, "endpoint"),
        ({"endpoint": 5}, "endpoint"),
        ({"endpoint": {"id": "x"}}, "endpoint"),
        ({"endpoint": "nobody"}, "endpoint"),
        ({"endpoint": NUL}, "endpoint"),
        ({"event_types": []}, "event_types"),
        ({"event_types": None}, "event_types"),
        ({"event_types": "order.paid"}, "event_types"),
        ({"event_types": [5]}, "event_types.0"),
        ({"event_types": [NUL]}, "event_types.0"),
        ({"event_types": [""]}, "event_types.0"),
        ({"event_types": ["order."]}, "event_types"),
        ({"event_types": ["order.*.paid"]}, "event_types"),
        ({"event_types": ["order*"]}, "event_types"),
        ({"event_types": ["*.paid"]}, "event_types"),
        ({"event_types": ["a b"]}, "event_types"),
        ({"event_types": ["x" * 257]}, "event_types"),
        ({"event_types": ["a"] * 101}, "event_types"),
        ({"pattern": []}, "pattern"),
        ({"pattern": {}}, "pattern"),
        ({"pattern": {"data": "x"}}, "pattern"),
        ({"pattern": {"data": [NUL]}}, "pattern"),
        ({"pattern": {"data": [{"unheard": 1}]}}, "pattern"),
        ({"transformer": {}}, "transformer"),
        ({"transformer": "x"}, "transformer"),
        ({"transformer": {"template": "<n>"}}, "transformer"),
        ({"transformer": {"template": 5}}, "transformer"),
        ({"transformer": {"template": "a", "input_paths": {"n": 5}}}, "transformer"),
        ({"transformer": {"template": "a", "input_paths": {"n": "no path"}}}, "transformer"),
        ({"transformer": {"template": "a", "script": "b"}}, "transformer"),
        ({"active": "yes"}, "active"),
        ({"active": 1}, "active"),
        ({"types": ["a"]}, "types"),
    ],
)
def test_a_subscription_that_cannot_be_names_the_field(changes, field):
    tenant = make_tenant()
    body = {"endpoint": make_endpoint(tenant).public_id, **changes}
    assert problem_of(make_client(tenant).post(f"{API}subscriptions/", body)) == [field]


def test_another_tenants_endpoint_cannot_be_subscribed():
    tenant, foreign = make_tenant(), make_endpoint(uid="main")
    mine = make_subscription(make_endpoint(tenant))
    client = make_client(tenant)
    for ref in ("main", foreign.public_id):
        assert problem_of(client.post(f"{API}subscriptions/", {"endpoint": ref})) == ["endpoint"]
        patched = client.patch(f"{API}subscriptions/{mine.public_id}/", {"endpoint": ref})
        assert problem_of(patched) == ["endpoint"]


def test_an_operator_cannot_move_a_subscription_to_another_tenants_endpoint():
    subscription, foreign = make_subscription(), make_endpoint()
    path = f"{API}subscriptions/{subscription.public_id}/"
    assert problem_of(make_client().patch(path, {"endpoint": foreign.public_id})) == ["endpoint"]


def test_subscriptions_are_listed_by_endpoint():
    tenant = make_tenant()
    one, other = make_subscription(make_endpoint(tenant, uid="one")), make_subscription(make_endpoint(tenant))
    client = make_client(tenant)
    assert [row["id"] for row in client.get(f"{API}subscriptions/?endpoint=one").json()["data"]] == [one.public_id]
    assert len(client.get(f"{API}subscriptions/").json()["data"]) == 2
    assert problem_of(client.get(f"{API}subscriptions/?endpoint={make_endpoint().public_id}")) == ["endpoint"]
    assert other.public_id


def test_a_subscription_is_deleted():
    subscription = make_subscription()
    path = f"{API}subscriptions/{subscription.public_id}/"
    client = make_client(subscription.tenant)
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == 404


def test_every_change_of_who_gets_what_moves_the_tenants_version():
    tenant = make_tenant()
    client = make_client(tenant)

    def version():
        return Tenant.objects.values_list("routes_version", flat=True).get(pk=tenant.pk)

    seen = [version()]
    made = client.post(f"{API}endpoints/", {"url": URL}).json()
    seen.append(version())
    path = f"{API}subscriptions/{client.post(f'{API}subscriptions/', {'endpoint': made['id']}).json()['id']}/"
    seen.append(version())
    client.patch(path, {"active": False})
    seen.append(version())
    client.delete(path)
    seen.append(version())
    assert seen == sorted(set(seen))
